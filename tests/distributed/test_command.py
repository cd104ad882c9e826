"""The command line of runs on a cluster."""

import json
from datetime import datetime, timedelta

import pytest

pytest.importorskip("ray", reason='needs the extra: pip install "similarity_lab[distributed]"')

from similarity_lab.cli import main
from similarity_lab.distributed.folder import RunFolder
from similarity_lab.distributed.partitions import split_sites
from similarity_lab.distributed.run import _Run
from similarity_lab.web.site_list import NamedUrl

SITES = [NamedUrl(f"shop {n}", f"shop{n}.example") for n in range(3)]
RANK = ["rank", "shop.example", "--library", "library", "--target", "almonds"]


@pytest.fixture
def started(tmp_path):
    """A run of three partitions, one of which is finished, and one has failed."""
    folder = RunFolder(tmp_path / "run")
    state = _Run(folder, SITES, 1, {"targets": ["almonds"]})
    assert len(state.remaining()) == 3
    counts = {"n_sites": 1, "n_images": 7, "crawl_status": {"collected": 1}}
    later = datetime.fromisoformat(state.manifest["start"]) + timedelta(minutes=30)
    counts |= {"decisions": {"almonds: relevant": 1}, "reasons": {}, "time": later.isoformat()}
    folder.write_partition(split_sites(SITES, 1)[0], {}, [], counts)
    outcomes = [(split_sites(SITES, 1)[1], "WorkerCrashedError: gone")]
    state.follow(iter(outcomes), {"CPU": 2}, progress=False)
    return tmp_path / "run"


def test_status_is_printed_while_a_run_goes_on(started, capsys):
    assert main(["status", str(started)]) == 0
    text = capsys.readouterr().out
    assert "1 of 3 finished" in text and "running, or interrupted" in text
    assert "1  almonds: relevant" in text
    assert "2 sites per hour until" in text and ", 1 h 00 min left" in text
    assert f"{started}/logs/" in text
    assert "partition 000001 failed: WorkerCrashedError: gone" in text


def test_status_is_json(started, capsys):
    assert main(["status", str(started), "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["n_sites"], status["n_sites_finished"], status["n_images"]) == (3, 1, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status", "{out}/nothing"], "no run there"),
        (["status", "{out}", "--site", "shop 1"], "--site and --partition apply to --pages"),
        ([*RANK, "--out", "{out}", "--ahead", "2"], "--ahead applies to --cluster"),
        ([*RANK, "--out", "{out}", "--workers", "2"], "--workers applies to --cluster"),
        ([*RANK, "--out", "{out}", "--resume"], "--resume applies to --cluster"),
        ([*RANK, "--out", "{out}/new", "--cluster", "local", "--resume"], "no run there"),
        ([*RANK, "--out", "{out}", "--cluster", "local", "--report", "r"], "status"),
    ],
)
def test_mistakes_are_one_line(started, arguments, message, capsys):
    assert main([argument.format(out=started) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
