"""The files of a run, on file systems that are not local, without Ray."""

import errno
import os
from io import BytesIO
from pathlib import Path
from typing import ClassVar
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fsspec", reason='needs the extra: pip install "similarity_lab[distributed]"')
pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

import fsspec
from fsspec import AbstractFileSystem

from similarity_lab.distributed.folder import RunFolder, as_arrow
from similarity_lab.distributed.partitions import split_sites
from similarity_lab.distributed.tables import rank_rows
from similarity_lab.errors import InputError
from similarity_lab.relevance.tables import SiteFailure, decisions_table, rank_results
from similarity_lab.web.site_list import NamedUrl

SITES = [NamedUrl(f"shop {n}", url) for n, url in enumerate(["a.com", "b.com/x", "c.com"])]


class ObjectStore(AbstractFileSystem):
    """Objects in buckets, as of S3: no folders, nothing is renamed, and no bucket is made."""

    protocol = "objects"
    cachable = False
    contents: ClassVar[dict[str, dict[str, bytes]]] = {}

    def ls(self, path, detail=True, **options):
        start = self._strip_protocol(path) + "/"
        objects = {f"{b}/{key}" for b, kept in self.contents.items() for key in kept}
        parts = {start + path[len(start) :].partition("/")[0] for path in objects if start in path}
        if not parts:
            raise FileNotFoundError(path)
        return [{"name": part} for part in parts] if detail else sorted(parts)

    def cat_file(self, path, **options):
        bucket, _, key = self._strip_protocol(path).partition("/")
        if key not in self.contents.get(bucket, {}):
            raise FileNotFoundError(path)
        return self.contents[bucket][key]

    def pipe_file(self, path, value, **options):
        bucket, _, key = self._strip_protocol(path).partition("/")
        if bucket == "down":
            raise RuntimeError("Could not connect to the endpoint")  # as botocore's errors are
        if bucket not in self.contents:
            raise FileNotFoundError("The specified bucket does not exist")
        self.contents[bucket][key] = bytes(value)

    def _open(self, path, mode="rb", **options):
        assert mode == "rb"
        return BytesIO(self.cat_file(path))

    def makedirs(self, *arguments, **options):
        raise NotImplementedError


fsspec.register_implementation("objects", ObjectStore, clobber=True)


@pytest.fixture(params=["memory://{}", "file://{}", "objects://bucket/{}"])
def folder(request, tmp_path, monkeypatch):
    monkeypatch.setattr(ObjectStore, "contents", {"bucket": {}})
    path = tmp_path if request.param.startswith("file") else tmp_path.name
    return RunFolder(request.param.format(path))


def write(folder, partition):
    table = as_arrow(pd.DataFrame({"site": ["shop"], "decision": [None], "share": [None]}))
    folder.write_partition(partition, {"sites": table}, [{"name": "shop"}], {"n_sites": 1})


def test_partition_is_finished_when_its_marker_is_written(folder):
    partitions = split_sites(SITES, 1)
    assert folder.finished(partitions) == {}
    for partition in partitions[:2]:
        write(folder, partition)
    finished = folder.finished(partitions)
    assert list(finished) == ["000000", "000001"]
    assert finished["000000"]["files"]["sites/000000.parquet"]["rows"] == 1
    assert folder.read_table("sites/000001.parquet").column("site").to_pylist() == ["shop"]


def change(folder, name, alter):
    data = bytearray(folder.read(name))
    alter(data)
    folder.write(name, bytes(data))


def cut(data):
    del data[len(data) // 2 :]


def flip(data):
    data[len(data) // 2] ^= 4


@pytest.mark.parametrize("alter", [cut, flip, bytearray.clear])
@pytest.mark.parametrize("name", ["sites/000000.parquet", "done/000000.json"])
def test_damaged_partition_is_not_finished(folder, name, alter):
    partitions = split_sites(SITES, 2)
    for partition in partitions:
        write(folder, partition)
    change(folder, name, alter)
    finished = list(folder.finished(partitions))
    is_text = name.endswith("json") and alter is flip  # a changed name of a count is still JSON
    assert finished == ["000001"] or is_text


def test_partition_with_other_sites_is_not_finished(folder):
    write(folder, split_sites(SITES, 2)[0])
    assert list(folder.finished(split_sites([*SITES, NamedUrl("new", "d.com")], 2))) == ["000000"]
    assert list(folder.finished(split_sites(SITES[1:], 2))) == []


def test_partitions_have_every_site_once_and_keep_domains_together():
    rng = np.random.default_rng(0)
    hosts = [f"shop{n}.example" for n in rng.integers(0, 20, 100)]
    sites = [NamedUrl(f"{n}", f"http://www.{host}/{n}") for n, host in enumerate(hosts)]
    partitions = split_sites(sites, 3)
    positions = [position for part in partitions for position in part.positions]
    assert sorted(positions) == list(range(100))
    homes = {}
    for part in partitions:
        for position in part.positions:
            assert homes.setdefault(hosts[position], part.number) == part.number
    more = split_sites([*sites, NamedUrl("new", "new.example")], 3)
    assert [part.digest for part in more[: len(partitions) - 1]] == [
        part.digest for part in partitions[:-1]
    ]


def test_partition_size_must_be_positive():
    with pytest.raises(InputError, match="at least 1"):
        split_sites(SITES, 0)


@pytest.mark.parametrize("url", ["nowhere://bucket/run", "objects://", "memory://"])
def test_url_that_names_no_folder_is_an_input_error(url):
    with pytest.raises(InputError, match=url):
        RunFolder(url)


def test_json_that_is_missing_or_damaged_is_none(folder):
    assert folder.is_empty() and folder.read_json("run.json") is None
    folder.write_json("run.json", {"n": 1})
    assert folder.read_json("run.json") == {"n": 1} and not folder.is_empty()
    for data in (b'{"n"', b"[]", b"\xff\xfe"):
        folder.write("run.json", data)
        assert folder.read_json("run.json") is None


@pytest.mark.parametrize(
    ("bucket", "reason"),
    [("missing", "does not exist; create the bucket first"), ("down", "written: Could not conn")],
)
def test_object_store_that_fails_is_an_input_error(bucket, reason):
    with pytest.raises(InputError, match=f"objects://{bucket}/run: cannot be .*{reason}"):
        RunFolder(f"objects://{bucket}/run").write("run.json", b"{}")


@pytest.mark.parametrize("name", ["file/run", "full"])
def test_folder_that_cannot_be_written_is_an_input_error(tmp_path, name, monkeypatch):
    (tmp_path / "file").touch()
    if name == "full":
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "run.json")
        monkeypatch.setattr(Path, "write_bytes", Mock(side_effect=error))
    with pytest.raises(InputError, match=r"cannot be written: (Not a directory|No space left)"):
        RunFolder(tmp_path / name).write("run.json", b"{}")
    assert not (tmp_path / name / "run.json").exists()


def test_failures_are_ranked_as_on_one_machine():
    """Decisions are compared in test_run; here sites without any keep the order of the list."""
    results = [SiteFailure(f"shop {n}", target, "gone") for n in range(4) for target in "ba"]
    expected = decisions_table(rank_results(results, "ab"))
    table = decisions_table(results)
    table["position"] = np.repeat(np.arange(4), 2)
    table["crawl_status"] = "failed"
    mine = rank_rows(table.sample(frac=1, random_state=0), list("ab"))
    assert mine[["site", "target"]].equals(expected[["site", "target"]])
    assert mine["rank"].tolist() == [1, 2, 3, 4] * 2
