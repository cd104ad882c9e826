import hashlib

import numpy as np
import pytest

from similarity_lab import cli
from similarity_lab.store import VectorStore, nearest, search


@pytest.fixture
def store(tmp_path):
    return VectorStore(tmp_path / "store")


def clustered(count, seed):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(20, 12))
    return (centres[rng.integers(0, 20, count)] + 0.3 * rng.normal(size=(count, 12))).astype("f4")


def fill(store, vectors, name="given"):
    contents = [hashlib.sha256(vector.tobytes()).hexdigest() for vector in vectors]
    store.put(
        name,
        dict(zip(contents, vectors, strict=True)),
        {content: f"photo {at}" for at, content in enumerate(contents)},
    )


def brute_force(vectors, queries, k):
    """Return the paths of the k nearest by cosine, one pair at a time."""
    nearest_paths = []
    for query in queries:
        distances = [1 - v @ query / np.linalg.norm(v) / np.linalg.norm(query) for v in vectors]
        order = sorted(range(len(vectors)), key=lambda index: distances[index])
        nearest_paths.append([f"photo {index}" for index in order[:k]])
    return nearest_paths


def assert_same_neighbours(table, expected):
    """Compare two tables; distances to rounding, which differs between processors."""
    assert table["query"].equals(expected["query"]) and table["rank"].equals(expected["rank"])
    np.testing.assert_allclose(table["distance"], expected["distance"], atol=1e-6)
    # neighbours at equal distances may change places
    is_tie = np.isclose(table["distance"].diff(), 0, atol=1e-6) | np.isclose(
        table["distance"].diff(-1), 0, atol=1e-6
    )
    assert table["path"][~is_tie].equals(expected["path"][~is_tie])


@pytest.fixture
def queries():
    return clustered(30, seed=2)


@pytest.mark.parametrize("exact", [True, False])
def test_nearest_equals_brute_force(store, queries, exact, monkeypatch):
    if not exact:
        pytest.importorskip("usearch", reason="usearch is not installed")
    monkeypatch.setattr(search, "_BLOCK", 100)
    vectors = clustered(700, seed=1)
    fill(store, vectors[:650])
    fill(store, clustered(50, seed=9), name="another embedder")
    nearest(store, "given", queries, exact=exact)  # makes the index, which must then grow
    store.put("given", {"ab" * 32: vectors[650]}, {"ab" * 32: "photo 650"})
    table = nearest(store, "given", queries, k=4, exact=exact)
    assert table["rank"].tolist() == [1, 2, 3, 4] * 30
    found = table["path"].to_numpy().reshape(30, 4).tolist()
    expected = brute_force(vectors[:651], queries, 4)
    hits = [path in row for got, row in zip(found, expected, strict=True) for path in got]
    assert all(hits) if exact else np.mean(hits) >= 0.99
    assert (table["distance"] >= -1e-6).all()
    assert (table.groupby(table.index // 4)["distance"].diff().dropna() >= 0).all()


def test_nearest_resumes_an_interrupted_index(store, queries, monkeypatch):
    pytest.importorskip("usearch", reason="usearch is not installed")
    monkeypatch.setattr(search, "_BLOCK", 50)
    monkeypatch.setattr(search, "_SAVED_EVERY", 100)
    fill(store, clustered(400, seed=1))
    blocks, starts = store.blocks, []

    def interrupted(embedder, size, *, after=0):
        starts.append(after)
        for number, block in enumerate(blocks(embedder, size, after=after)):
            if len(starts) == 1 and number == 5:
                raise KeyboardInterrupt
            yield block

    monkeypatch.setattr(store, "blocks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nearest(store, "given", queries, exact=False, progress=False)
    found = nearest(store, "given", queries, exact=False, progress=False)
    assert starts == [0, 200]  # of 250 that were added, 200 were kept
    assert_same_neighbours(found, nearest(store, "given", queries, exact=True))


def test_nearest_rebuilds_a_damaged_index(store, queries):
    pytest.importorskip("usearch", reason="usearch is not installed")
    fill(store, clustered(200, seed=1))
    before = nearest(store, "given", queries, exact=False)
    (file,) = store.folder.glob("*.usearch")
    file.write_bytes(b"no index at all" * 40)
    assert_same_neighbours(nearest(store, "given", queries, exact=False), before)


def test_nearest_ignores_the_index_of_another_store(store, queries):
    pytest.importorskip("usearch", reason="usearch is not installed")
    fill(store, clustered(200, seed=1))
    nearest(store, "given", queries, exact=False)
    store.close()
    for file in store.folder.glob("vectors.sqlite3*"):
        file.unlink()
    fill(store, clustered(100, seed=5))
    found = nearest(store, "given", queries, exact=False)
    expected = nearest(store, "given", queries, exact=True)
    assert_same_neighbours(found, expected)


def test_nearest_without_usearch_is_exact(store, queries, monkeypatch):
    fill(store, clustered(60, seed=1))
    monkeypatch.setattr(search, "EXACT_UP_TO", 50)
    monkeypatch.setattr(search.importlib.util, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match=r"similarity_lab\[search\]"):
        assert len(nearest(store, "given", queries, k=2)) == 60


def test_nearest_invalid_parameters(store, queries):
    with pytest.raises(ValueError, match="No vectors of 'given' in .*; it holds nothing"):
        nearest(store, "given", queries)
    fill(store, clustered(3, seed=1), name="other")
    with pytest.raises(ValueError, match="it holds 'other'"):
        nearest(store, "given", queries)
    with pytest.raises(ValueError, match="k must be at least 1"):
        nearest(store, "given", queries, k=0)


def test_search_command(library, tmp_path, capsys, monkeypatch):
    def run(*words):
        return cli.main([str(word) for word in words])

    kept = tmp_path / "kept"
    photo, bad = library / "dates" / "2.png", tmp_path / "bad.jpg"
    bad.write_text("no")
    assert run("search", photo, "--store", kept) == 2
    assert "No vectors of" in capsys.readouterr().err
    score = ["decide", "--library", library, "--target", "almonds", "--quiet", library / "dates"]
    assert run(*score, "--no-store") == 0 and not kept.exists()
    assert run(*score, "--store", kept) == 0
    assert run("search", photo, bad, "--store", kept, "-k", 2, "--csv", tmp_path / "t.csv") == 0
    output = capsys.readouterr()
    first = (tmp_path / "t.csv").read_text().splitlines()[1].split(",")
    assert first[2] == str(photo) and abs(float(first[3])) < 1e-5
    assert "bad.jpg: unsupported image format" in output.err and "dates" in output.out
    assert run("search", photo, "--no-store") == 2
