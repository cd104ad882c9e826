"""Runs on a cluster of this machine: equal to one process, also after something was lost."""

import html
import json
import os
import re
import shlex
import shutil
import signal
import sys
import time
from contextlib import ExitStack, nullcontext
from functools import partial
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

pytest.importorskip("ray", reason='needs the extra: pip install "similarity_lab[distributed]"')

import ray

from similarity_lab import rank
from similarity_lab._threads import usable_cores
from similarity_lab.cli import main
from similarity_lab.distributed import (
    cluster,
    merge_vectors,
    read_status,
    run,
    write_pages,
)
from similarity_lab.distributed import rank as rank_on_cluster
from similarity_lab.distributed.partitions import split_sites
from similarity_lab.errors import ClusterError, InputError
from similarity_lab.relevance import MeanDistanceRule
from similarity_lab.samples.serving import serve
from similarity_lab.samples.shops import make_shop
from similarity_lab.store import VectorStore
from similarity_lab.web import Limits
from similarity_lab.web.site_list import NamedUrl

from ..conftest import MeanColor, write_library

# Workers cannot import tests
for module in (__name__, MeanColor.__module__):
    ray.cloudpickle.register_pickle_by_value(sys.modules[module])

TARGETS = ["almonds", "clothing"]
N_WORKERS = 2
PRODUCTS = [["almonds"] * 3 + ["dates"], ["clothing"] * 3, ["dates"], ["scene"] * 2]


class Fragile(MeanColor):
    """Kills its process at a site of five images, once; fails on sites with two images."""

    def __init__(self, killed=None, failing=""):
        self.killed, self.failing = killed, failing

    def embed(self, images, **options):
        if self.killed and len(images) == 5 and not Path(self.killed).exists():
            Path(self.killed).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.failing and len(images) == 2:
            raise RuntimeError(self.failing)
        return super().embed(images, **options)


@pytest.fixture(scope="module")
def local_cluster(tmp_path_factory):
    """One cluster for all tests; it leaves neither processes nor files."""
    home = tmp_path_factory.mktemp("home")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("HOME", str(home))
        before = dict(os.environ)
        try:
            resources = stack.enter_context(cluster.connect(cluster.LOCAL))
        except ClusterError as error:  # Ray gives its parts 15 seconds
            pytest.skip(f"this machine is too busy: {error}")
        folder = Path(ray._private.worker._global_node.get_temp_dir_path())
        assert os.environ == before | {"RAY_USAGE_STATS_ENABLED": "0"}
        yield resources
    assert not folder.exists()
    assert list(home.iterdir()) == []  # Ray's token went with the cluster
    deadline = time.monotonic() + 20
    while any("raylet" in process.name() for process in children()):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def children():
    return psutil.Process().children(recursive=True)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A library with a file that cannot be read."""
    folder = write_library(tmp_path_factory.mktemp("library"), TARGETS)
    (folder / TARGETS[0] / "damaged.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def shops():
    """Shops of different sizes, and one without images."""
    size = {"start": 4, "size": (80, 80)}
    made = [make_shop(f"Shop {n}", names, **size) for n, names in enumerate(PRODUCTS)]
    made.append({"/": ("text/html", b"<title>Empty</title><p>Opening soon.")})
    with ExitStack() as stack:
        yield [stack.enter_context(serve(shop)) for shop in made]


@pytest.fixture(scope="module")
def urls(shops):
    sites = {f"shop {number}": server.url for number, server in enumerate(shops)}
    return sites | {"again": f"{shops[0].url}/#top", "private": "http://10.0.0.1/"}


@pytest.fixture(scope="module")
def options(shops):
    allow = [server.endpoint for server in shops]
    return {
        "rule": MeanDistanceRule("from-library", n_references=4),
        "collecting": {"limits": Limits(seconds=60), "allow": allow, "throttle": False},
        "progress": False,
    }


CLUSTER = {"workers": N_WORKERS, "partition_size": 2}


@pytest.fixture(scope="module")
def on_one_machine(urls, library, options, tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    return rank(urls, library, TARGETS, out, embedder=MeanColor(), **options)


def run_here(partitions, collect, decider, scorers, workers):
    """Stand in for the cluster: work on partitions in this process."""
    decider = decider(scorers)
    for partition in partitions:
        yield partition, decider.decide(partition, *collect(partition))


@pytest.fixture
def no_cluster(monkeypatch):
    """Work without Ray, for what does not depend on it."""
    monkeypatch.setattr(run, "connect", lambda cluster: nullcontext({}))
    monkeypatch.setattr(run, "run_partitions", run_here)


@pytest.fixture(scope="module")
def on_no_cluster(urls, library, options, tmp_path_factory):
    out = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "connect", lambda cluster: nullcontext({}))
        patch.setattr(run, "run_partitions", run_here)
        return rank_on_cluster(
            urls, library, TARGETS, out, embedder=MeanColor(), **CLUSTER, **options
        )


@pytest.fixture(scope="module")
def on_cluster(local_cluster, urls, library, options, tmp_path_factory):
    """A run in which a worker was killed."""
    out = tmp_path_factory.mktemp("many")
    embedder = Fragile(killed=str(out / "killed"))
    ranking = rank_on_cluster(urls, library, TARGETS, out, embedder=embedder, **CLUSTER, **options)
    assert (out / "killed").exists()
    return ranking


def assert_equal(ranking, expected):
    """Compare tables up to the order of images."""
    assert len(expected.skipped) == 1
    pd.testing.assert_frame_equal(ranking.skipped, expected.skipped)
    pd.testing.assert_frame_equal(ranking.sites, expected.sites, check_dtype=False)
    key = ["site", "target", "url", "path"]
    mine, other = (
        table.sort_values(key).reset_index(drop=True).drop(columns="time")
        for table in (ranking.images, expected.images)
    )
    assert not mine.duplicated(key).any()
    pd.testing.assert_frame_equal(mine, other, check_dtype=False, rtol=1e-5)


def test_tables_without_ray_are_those_of_one_machine(on_no_cluster, on_one_machine):
    assert_equal(on_no_cluster, on_one_machine)


def test_tables_are_those_of_one_machine_although_a_worker_was_killed(on_cluster, on_one_machine):
    assert_equal(on_cluster, on_one_machine)
    assert on_cluster.manifest["failures"] == {}


def test_status_counts_every_site_once(on_cluster, on_one_machine, urls):
    status = read_status(on_cluster.folder.url)
    assert (status.n_finished, status.n_partitions) == (3, 3) and status.end
    assert status.n_sites_finished == status.n_sites == len(urls)
    expected = on_one_machine.sites.drop_duplicates("site")["crawl_status"].value_counts()
    assert status.crawl_status == expected.to_dict()
    assert sum(status.decisions.values()) == len(on_one_machine.sites)
    assert any("not on the public internet" in reason for reason in status.reasons)


def test_log_has_a_line_per_site(on_no_cluster, urls):
    files = sorted(Path(on_no_cluster.folder.url, "logs").iterdir())
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert sorted(line["name"] for line in lines) == sorted(urls)
    assert all({"time", "node", "crawl_status", "seconds"} <= line.keys() for line in lines)


@pytest.fixture
def damaged(on_no_cluster, tmp_path):
    """A copy of a run with a changed table, a truncated marker, and an intact partition."""
    out = tmp_path / "run"
    shutil.copytree(on_no_cluster.folder.url, out)
    data = bytearray((out / "images/000000.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (out / "images/000000.parquet").write_bytes(data)
    marker = out / "done/000001.json"
    marker.write_text(marker.read_text()[:-20])
    return out


def test_damaged_partitions_are_done_again_and_no_others(
    damaged, no_cluster, urls, library, options, shops, on_one_machine
):
    before = [len(server.requests) for server in shops]
    intact = (damaged / "done/000002.json").stat().st_mtime_ns
    ranking = rank_on_cluster(
        urls, library, TARGETS, damaged, embedder=MeanColor(), **CLUSTER, **options
    )
    assert_equal(ranking, on_one_machine)
    requested = [len(server.requests) > n for server, n in zip(shops, before, strict=True)]
    assert requested == [True, True, True, True, False]
    assert (damaged / "done/000002.json").stat().st_mtime_ns == intact


def test_finished_run_is_not_worked_on(on_no_cluster, urls, library, options, monkeypatch):
    monkeypatch.setattr(run, "connect", lambda cluster: pytest.fail("nothing is left to do"))
    monkeypatch.setattr(run, "fit_scorer", lambda *_, **__: pytest.fail("nothing is left to do"))
    out = on_no_cluster.folder.url
    again = rank_on_cluster(urls, library, TARGETS, out, embedder=MeanColor(), **CLUSTER, **options)
    pd.testing.assert_frame_equal(again.sites, on_no_cluster.sites)


def test_run_with_other_settings_is_refused(on_no_cluster, urls, library, options):
    arguments = {"embedder": MeanColor(), **CLUSTER, **options}
    out = on_no_cluster.folder.url
    with pytest.raises(InputError, match=r"other settings \(relevance_threshold\)"):
        rank_on_cluster(urls, library, TARGETS, out, relevance_threshold=0.5, **arguments)
    with pytest.raises(InputError, match="over more websites"):
        rank_on_cluster(list(urls.values())[:1], library, TARGETS, out, **arguments)


@pytest.mark.parametrize("content", [{"run.json": "{"}, {"notes.txt": ""}])
def test_folder_of_something_else_is_refused(urls, library, options, tmp_path, content):
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=r"holds other files, or a run whose run\.json is"):
        rank_on_cluster(urls, library, TARGETS, tmp_path, embedder=MeanColor(), **options)
    assert [path.name for path in tmp_path.iterdir()] == list(content)


def test_run_stops_when_nothing_but_failures_comes(no_cluster, library, tmp_path, monkeypatch):
    begun = []

    def fail(partitions, *arguments):
        for partition in partitions:
            begun.append(partition)
            yield partition, "OSError: no space left on device"

    monkeypatch.setattr(run, "run_partitions", fail)
    sites = [f"shop{n}.example" for n in range(30)]
    options = {"embedder": MeanColor(), "partition_size": 1, "rule": MeanDistanceRule(0.5)}
    with pytest.raises(ClusterError, match="10 partitions in a row have failed.*no space left"):
        rank_on_cluster(sites, library, TARGETS[0], tmp_path, progress=False, **options)
    assert len(begun) == len(read_status(tmp_path).failures) == 10


def test_site_that_fails_does_not_fail_the_run(no_cluster, urls, library, options, tmp_path):
    embedder = Fragile(failing="out of luck")
    some = {name: urls[name] for name in ("shop 1", "shop 2")}  # three images and one
    ranking = rank_on_cluster(
        some, library, TARGETS, tmp_path, embedder=embedder, **CLUSTER, **options
    )
    reasons = ranking.sites.set_index("site")["reason"]
    failed = reasons[reasons.str.contains("RuntimeError: out of luck")]
    assert failed.index.tolist() == ["shop 2"] * len(TARGETS)
    assert len(ranking.sites) == len(TARGETS) * len(some)


def test_partition_that_fails_is_listed_and_tried_again(
    on_no_cluster, no_cluster, urls, library, options, tmp_path, monkeypatch, on_one_machine
):
    out = tmp_path / "run"
    shutil.copytree(on_no_cluster.folder.url, out)
    (out / "done/000000.json").unlink()

    def lose(partitions, *arguments):
        for partition in partitions:
            yield partition, "WorkerCrashedError: gone"

    arguments = (urls, library, TARGETS, out)
    options = {"embedder": MeanColor(), **CLUSTER, **options}
    monkeypatch.setattr(run, "run_partitions", lose)
    ranking = rank_on_cluster(*arguments, **options)
    assert len(ranking.sites) == len(on_one_machine.sites)
    lost = ranking.sites[ranking.sites["reason"] == "WorkerCrashedError: gone"]
    assert set(lost["site"]) == {"shop 0", "again", "shop 1"}
    assert read_status(out).failures == {"000000": "WorkerCrashedError: gone"}
    monkeypatch.setattr(run, "run_partitions", run_here)
    assert_equal(rank_on_cluster(*arguments, **options), on_one_machine)
    assert read_status(out).failures == {}


def test_merged_vectors_are_those_of_the_images(on_no_cluster, on_one_machine, tmp_path):
    store = VectorStore(tmp_path / "store")
    out = on_no_cluster.folder.url
    kept = on_one_machine.images.query("crawl_status == 'kept'").drop_duplicates("sha256")
    assert merge_vectors(out, store) == len(kept)
    assert merge_vectors(out, store) == 0
    vectors = store.get("mean colour", kept["sha256"].tolist())
    for path, content in zip(kept["path"], kept["sha256"], strict=True):
        expected = MeanColor().vector(on_one_machine.folder / path)
        np.testing.assert_allclose(vectors[content], expected, atol=1e-4)


def test_pages_show_the_decisions_of_the_run(on_no_cluster, on_one_machine, tmp_path):
    out = on_no_cluster.folder.url
    page = write_pages(out, tmp_path / "pages", sites=["shop 0", "private"], progress=False)
    text = page.read_text("utf-8")
    assert "shop 0" in text and "10.0.0.1 is not on the public internet" in text
    assert len(list((tmp_path / "pages/sites").iterdir())) == 1
    assert "shop 1" not in text
    page = write_pages(out, tmp_path / "pages", partition="000001", progress=False)
    text = page.read_text("utf-8")
    assert "shop 2" in text and "shop 3" in text and "shop 0" not in text
    with pytest.raises(InputError, match="Did you mean 'shop 1'"):
        write_pages(out, tmp_path / "pages", sites="shop1")
    with pytest.raises(InputError, match="the last is 000002"):
        write_pages(out, tmp_path / "pages", partition="7")
    with pytest.raises(InputError, match="or a partition; got both"):
        write_pages(out, tmp_path / "pages", sites="shop 1", partition="000001")


def test_index_links_the_pages_that_its_commands_made(on_no_cluster, on_one_machine, tmp_path):
    out, folder = on_no_cluster.folder.url, tmp_path / "pages"
    text = write_pages(out, folder, progress=False).read_text("utf-8")
    commands = [
        html.unescape(c) for c in re.findall(r'<code class="command" dir="ltr">(.*?)</code>', text)
    ]
    assert "3 of 3 partitions finished: 7 of 7 sites" in text and 'href="000001' not in text
    chosen = [command for command in commands if "--partition=000001" in command]
    assert len(chosen) == 1
    decided = on_one_machine.sites[on_one_machine.sites["evidence"]]
    assert len(commands) == 3 + len(decided)
    for command in (chosen[0], commands[0]):
        assert main(shlex.split(command)[1:]) == 0
    text = write_pages(out, folder, progress=False).read_text("utf-8")
    links = re.findall(r'href="([^"]*/index.html)">pages', text)
    assert len(set(links)) == 2 and "000001/index.html" in links
    for link in links:
        assert (folder / link).is_file()
    # the best site comes first, as in the table of all sites
    first = on_one_machine.sites.query("target == 'almonds'")["site"].iloc[0]
    assert re.search(r'<bdi class="name">(.*?)</bdi>', text)[1] == first


def test_options_are_those_of_rank():
    own = {"cluster", "workers", "cpus_per_worker", "gpus_per_worker", "partition_size", "ahead"}
    there, here = (dict(signature(each).parameters) for each in (rank_on_cluster, rank))
    assert there.keys() - here.keys() == own
    assert {name: there[name].default for name in here} == {
        name: parameter.default for name, parameter in here.items()
    }


def test_status_of_a_folder_without_run_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no run there"):
        read_status(tmp_path)


def test_local_cluster_listens_on_loopback_only(local_cluster):
    addresses = {
        connection.laddr.ip
        for process in [psutil.Process(), *children()]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses and addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def die_once(mark):
    """End this process as the kernel does, if it is the first one to come here."""
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Tally:
    """Stands in for `Decider`; fails, or dies once, at some partitions."""

    def __init__(self, scorers, folder):
        self.folder = folder

    def decide(self, partition, *sites):
        with (self.folder / "begun").open("a") as file:
            file.write(f"{partition.number} ")
        if partition.number == 3:
            die_once(self.folder / "decider")
        if partition.number == 5:
            raise ValueError("not this one")
        return {"sites": list(sites), "cores": usable_cores()}


def collect_positions(partition, folder):
    """Stand in for the crawler; die or fail after a site of some partitions."""
    for position in partition.positions:
        yield position
        if partition.number == 1:
            die_once(folder / "collector")
        if partition.number == 2:
            raise OSError("no space left")


def test_every_partition_ends_once_although_processes_died(local_cluster, tmp_path):
    """Killed in the middle: a process that collects, and one that decides."""
    sites = [NamedUrl(f"{n}", f"{n // 2}.example") for n in range(16)]
    partitions = split_sites(sites, 1)
    outcomes = list(
        cluster.run_partitions(
            partitions,
            partial(collect_positions, folder=tmp_path),
            partial(Tally, folder=tmp_path),
            [],
            cluster.Workers(N_WORKERS, cpus=0.5),
        )
    )
    assert (tmp_path / "decider").exists() and (tmp_path / "collector").exists()
    assert sorted(partition.number for partition, _ in outcomes) == list(range(8))
    failures = {2: "OSError: no space left", 5: "ValueError: not this one"}
    for partition, outcome in outcomes:
        # a worker that reserves half a CPU has one thread
        expected = {"sites": list(partition.positions), "cores": 1}
        assert outcome == failures.get(partition.number, expected)
    begun = sorted((tmp_path / "begun").read_text().split())
    assert begun == ["0", "1", "3", "3", "4", "5", "6", "7"]  # one partition done again


def test_scorers_that_cannot_be_loaded_are_an_error(local_cluster):
    def fail(scorers):
        raise OSError("no weights")

    partitions = split_sites([NamedUrl("a", "a.example")], 1)
    with pytest.raises(ClusterError, match="no weights"):
        list(cluster.run_partitions(partitions, lambda _: iter([0]), fail, [], cluster.Workers(1)))


@pytest.mark.filterwarnings("error::UserWarning")
def test_workers_without_room_are_said(local_cluster, monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", 1.0)
    partitions = split_sites([NamedUrl("a", "a.example")], 1)
    workers = cluster.Workers(1, cpus=1000)
    with pytest.raises(UserWarning, match="each reserves 1000 CPUs and 0 GPUs, the cluster has"):
        # the task that collects ends sooner or later, too
        list(cluster.run_partitions(partitions, lambda _: iter([0]), Tally, [], workers))
