from similarity_lab._threads import in_order, usable_cores


def test_results_are_in_order_and_only_so_many_are_computed_ahead():
    started = []
    stream = in_order(lambda item: started.append(item) or -item, range(50), workers=3, ahead=4)
    assert next(stream) == 0
    assert list(stream) == [-item for item in range(1, 50)]
    assert sorted(started) == list(range(50))

    started.clear()
    endless = in_order(lambda item: started.append(item) or item, iter(int, 1), workers=2)
    assert next(endless) == 0
    endless.close()  # the calls that have not started are cancelled
    assert len(started) <= 3


def test_usable_cores_can_be_limited(monkeypatch):
    monkeypatch.delenv("PYTHON_CPU_COUNT", raising=False)
    everything = usable_cores()
    assert everything >= 1
    for limit, n_cores in [("1", 1), ("0", 1), ("9999", everything), ("default", everything)]:
        monkeypatch.setenv("PYTHON_CPU_COUNT", limit)
        assert usable_cores() == n_cores
