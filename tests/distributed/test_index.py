"""The page that lists partitions, of runs that are made up."""

import tracemalloc

import pandas as pd
import pytest

pytest.importorskip("fsspec", reason='needs the extra: pip install "similarity_lab[distributed]"')
pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.distributed import index
from similarity_lab.distributed.folder import RunFolder, as_arrow, table_name, utc_now

N_SITES = 16


def make_run(path, n_partitions, names="shop {}", failures=None):
    """Write a run; its last partition is not finished. Site n has the probability 1 / (n + 1)."""
    folder, names_of = RunFolder(path), [f"{number:06d}" for number in range(n_partitions)]
    manifest = {"settings": {"targets": ["oats"]}, "partitions": names_of, "versions": {}}
    manifest |= {"n_sites": N_SITES * n_partitions, "failures": failures or {}, "end": ""}
    folder.write_json("run.json", manifest | {"start": utc_now()})
    for number, name in enumerate(names_of[:-1]):
        positions = range(number * N_SITES, (number + 1) * N_SITES)
        rows = pd.DataFrame({"position": positions})
        rows = rows.assign(
            site=[names.format(position) for position in positions],
            url=[f"http://shop{position}.example/" for position in positions],
            target="oats",
            decision="relevant",
            probability=[1 / (1 + position) for position in positions],
            share=None,
            evidence=[position % 2 == 0 for position in positions],
            n_matches=3,
            n_scored=5,
        )
        folder.write_table(table_name("sites", name), as_arrow(rows))
        counts = {"n_sites": N_SITES, "n_images": 80, "decisions": {"oats: relevant": N_SITES}}
        folder.write_json(f"done/{name}.json", counts | {"crawl_status": {"collected": N_SITES}})
    return folder


def write(run, folder):
    return index.write_index(run, folder, progress=False).read_text("utf-8")


def test_index_has_all_partitions_and_the_best_sites(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "_PER_PAGE", 2)
    monkeypatch.setattr(index, "_MOST_BEST", 10)
    failures = {"000004": "OSError: <disk> full"}
    run = make_run(tmp_path / "run", 5, names="shop '{}' & <b>", failures=failures)
    text = write(run, tmp_path / "pages")
    assert "4 of 5 partitions finished: 64 of 80 sites, 320 images" in text
    assert "000004: OSError: &lt;disk&gt; full" in text and "<b>&" not in text
    best = [text.index(f"shop &#39;{n}&#39; &amp; &lt;b&gt;</bdi>") for n in range(0, 20, 2)]
    assert best == sorted(best)  # sites with evidence, most probable first
    assert "shop &#39;20&#39;" not in text and "shop &#39;1&#39;" not in text
    pages = [text, *((tmp_path / f"pages/partitions-{n}.html").read_text() for n in (2, 3))]
    for number in range(5):
        (place,) = [n for n, page in enumerate(pages) if f'id="p{number:06d}"' in page]
        assert place == number // 2
    assert "failed" in pages[2] and "--partition=000004" not in pages[2]
    monkeypatch.setattr(index, "_PER_PAGE", 100)
    write(run, tmp_path / "pages")
    assert list((tmp_path / "pages").glob("partitions-*")) == []


def test_site_whose_name_cannot_be_typed_has_the_command_of_its_partition(tmp_path):
    text = write(make_run(tmp_path / "run", 2, names="a\nb {}"), tmp_path / "pages")
    assert "--site" not in text and "--partition=000000" in text


def test_index_of_a_run_that_has_just_begun(tmp_path):
    text = write(make_run(tmp_path / "run", 1), tmp_path / "pages")
    assert "0 of 1 partition finished" in text and "Best sites" not in text


def test_memory_does_not_grow_with_the_number_of_sites(tmp_path):
    peaks = []
    for n_partitions in (50, 200):
        run = make_run(tmp_path / f"{n_partitions}", n_partitions)
        write(run, tmp_path / "pages")  # what is loaded once
        tracemalloc.start()
        write(run, tmp_path / "pages")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 400 * 150 * N_SITES  # bytes; a row of a site is more than 1,000
