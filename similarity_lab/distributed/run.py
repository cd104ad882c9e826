"""`rank` on a Ray cluster: the same arguments and tables as on one machine, and it resumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from similarity_lab._progress import tqdm
from similarity_lab._version import versions
from similarity_lab.datasets import load_dataset
from similarity_lab.distributed.cluster import (
    AUTO,
    Workers,
    connect,
    default_workers,
    run_partitions,
)
from similarity_lab.distributed.collecting import collect_partition
from similarity_lab.distributed.deciding import Decider, without_library
from similarity_lab.distributed.folder import FORMAT, LIST, MANIFEST, RunFolder, utc_now
from similarity_lab.distributed.partitions import Partition, split_sites
from similarity_lab.distributed.tables import ClusterRanking
from similarity_lab.errors import ClusterError, InputError
from similarity_lab.files.output import check_not_in_library
from similarity_lab.ranking import check_words, fit_scorer, target_names
from similarity_lab.relevance.library import library_digest
from similarity_lab.relevance.scorer import (
    DEFAULT_CERTAINTY,
    DEFAULT_PRIOR,
    DEFAULT_RELEVANCE_THRESHOLD,
    Words,
)
from similarity_lab.report import write_csv
from similarity_lab.web.site_list import NamedUrl, read_sites

if TYPE_CHECKING:
    from similarity_lab.datasets.loading import DatasetSource
    from similarity_lab.distances.comparators import ComparatorSource
    from similarity_lab.relevance.rules import Rule
    from similarity_lab.relevance.scorer import RelevanceScorer, RuleName
    from similarity_lab.relevance.settings import Criterion
    from similarity_lab.relevance.site import Clutter
    from similarity_lab.store import StoreSource
    from similarity_lab.web.collection import UrlSource

_MOST_FAILURES = 10  # partitions in a row; then something else than their sites is wrong
_NO_EFFECT = ("progress", "parallel", "refresh")  # options of collect that change no result


def rank(
    sites: UrlSource,
    library: DatasetSource | None,
    targets: str | Sequence[str],
    out_dir: str | PathLike[str],
    *,
    cluster: str = AUTO,
    workers: int | None = None,
    cpus_per_worker: float = 1.0,
    gpus_per_worker: float = 0.0,
    partition_size: int = 16,
    ahead: int = 4,
    rule: RuleName | Rule = "learned",
    criterion: Criterion | None = None,
    quality: Literal["fast", "standard", "best"] | None = None,
    embedder: ComparatorSource | None = None,
    words: Words | None = None,
    certainty: float = DEFAULT_CERTAINTY,
    relevance_threshold: float = DEFAULT_RELEVANCE_THRESHOLD,
    prior: float = DEFAULT_PRIOR,
    leave_out: Sequence[Clutter] = (),
    store: StoreSource | None = None,
    seed: int = 0,
    collecting: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> ClusterRanking:
    """Collect websites and decide on each, on the machines of a Ray cluster.

    Decisions and tables are those of `similarity_lab.rank`. Memory does not grow with the number
    of images: a partition of the list is collected, decided on and written, and only its counts
    are kept. A second call with the same `out_dir` resumes: partitions that are complete and
    undamaged are not done again. Images are not kept; their thumbnails and vectors are.

    Parameters
    ----------
    sites, library, targets
        As in `similarity_lab.rank`.
    out_dir : str or path
        A folder, which all machines share if there are several, or a URL that fsspec knows, such
        as ``s3://bucket/run``; see `similarity_lab.distributed.folder` for what is in it.
    cluster : str
        ``"auto"``: the cluster of the variable ``RAY_ADDRESS`` or one that runs on this machine,
        else one that is started for this call; ``"local"``: the latter; or the address of one.
    workers : int, optional
        Processes that embed and decide; default: as many as the cluster has room for now.
    cpus_per_worker, gpus_per_worker : float
        That each of them reserves; it has a thread per CPU for decoding and for networks.
    partition_size : int
        Websites (registered domains) per partition: what a killed worker does again.
    ahead : int
        Partitions per worker that are collected, or wait, at the same time.
    rule, criterion, quality, embedder, words, certainty, relevance_threshold, prior, leave_out
        As in `similarity_lab.rank`.
    store : VectorStore or folder, optional
        Cache of vectors; a folder is one of each machine.
    seed, collecting, progress
        As in `similarity_lab.rank`; ``parallel`` of `collecting` is per partition.

    Returns
    -------
    ClusterRanking

    Raises
    ------
    InputError
        An invalid parameter, or `out_dir` holds a run with other settings. A site that fails does
        not raise: its row has the reason. Nor does a partition: the manifest and the rows of its
        sites have the reason, and the next call tries it again.
    MissingExtraError
        The extra ``distributed`` is not installed.
    ClusterError
        The cluster cannot be reached or started, or ten partitions in a row have failed.
    """
    if (
        min(1 if workers is None else workers, ahead) < 1
        or cpus_per_worker < 0
        or gpus_per_worker < 0
    ):
        raise InputError(
            "workers and ahead must be at least 1, cpus_per_worker and gpus_per_worker at least 0"
        )
    names = target_names(targets)
    check_words(words, names)
    urls = read_sites(sites)
    if not urls:
        raise InputError("no URLs to collect; pass at least one")
    if "://" not in str(out_dir):
        check_not_in_library(out_dir, library)
    params: dict[str, Any] = {
        "rule": rule,
        "criterion": criterion,
        "relevance_threshold": relevance_threshold,
        "certainty": certainty,
        "prior": prior,
        "words": words,
        "leave_out": leave_out,
        "embedder": embedder,
        "quality": quality,
        "seed": seed,
    }
    dataset = None if library is None else load_dataset(library, progress=progress)
    options = dict(collecting or {})
    settings = {
        "targets": names,
        "partition_size": partition_size,
        "library": None if dataset is None else library_digest(dataset),
        "collecting": {n: repr(v) for n, v in sorted(options.items()) if n not in _NO_EFFECT},
        **{name: _described(value) for name, value in params.items()},
    }

    def fit() -> list[RelevanceScorer]:
        first = fit_scorer(names, dataset, **params, store=store, progress=progress)
        others = [first.for_target(name) for name in names[1:]]
        return [without_library(scorer) for scorer in (first, *others)]

    run = _Run(RunFolder(out_dir), urls, partition_size, settings)
    remaining = run.remaining()
    if remaining:
        with connect(cluster) as resources:
            scorers = fit()  # after an address that is wrong has been refused
            run.manifest["skipped"] = scorers[0].skipped_.to_dict("records")
            n_workers = workers or default_workers(resources, cpus_per_worker, gpus_per_worker)
            n_workers = min(n_workers, len(remaining))
            outcomes = run_partitions(
                remaining,
                partial(collect_partition, options=options),
                partial(Decider, folder=run.folder),
                scorers,
                Workers(n_workers, cpus_per_worker, gpus_per_worker, ahead),
            )
            with closing(outcomes):  # workers end before the connection does
                run.follow(outcomes, resources, progress=progress)
    run.finish()
    return ClusterRanking(run.folder)


class _Run:
    """One call of `rank`: its partitions and its manifest."""

    def __init__(
        self,
        folder: RunFolder,
        sites: Sequence[NamedUrl],
        partition_size: int,
        settings: dict[str, Any],
    ) -> None:
        self.folder = folder
        self.partitions = split_sites(sites, partition_size)
        self.n_sites = len(sites)
        self.n_done = 0
        known = folder.read_json(MANIFEST)
        if known is not None:
            _check_same(folder, known, settings, len(self.partitions))
        elif not folder.is_empty():
            raise InputError(
                f"{folder}: holds other files, or a run whose {MANIFEST} is missing or damaged; "
                "choose another out_dir"
            )
        self.manifest: dict[str, Any] = {
            "format": FORMAT,
            "versions": versions(),
            "settings": settings,
            "n_sites": len(sites),
            "partitions": [partition.name for partition in self.partitions],
            "start": utc_now(),
            "end": "",
            "skipped": [] if known is None else known["skipped"],
            "cluster": {},
            "failures": {},
        }
        self.is_new = known is None
        self.has_ended = known is not None and bool(known["end"]) and not known["failures"]

    def remaining(self) -> list[Partition]:
        """Return the partitions that are not finished; write the manifest and the list."""
        finished = {} if self.is_new else self.folder.finished(self.partitions)
        remaining = [part for part in self.partitions if part.name not in finished]
        self.n_done = self.n_sites - sum(len(partition.sites) for partition in remaining)
        if remaining:
            self.has_ended = False
            self.folder.write_json(MANIFEST, self.manifest)
            self.folder.write_table(LIST, _list_table(self.partitions))
        return remaining

    def follow(
        self,
        outcomes: Iterator[tuple[Partition, dict[str, Any] | str]],
        resources: Mapping[str, float],
        *,
        progress: bool,
    ) -> None:
        """Show the progress and record failures until the last partition has ended."""
        self.manifest["cluster"] = {name: resources.get(name, 0) for name in ("CPU", "GPU")}
        n_images = 0
        bar = tqdm(
            total=self.n_sites, initial=self.n_done, desc="sites", unit="site", disable=not progress
        )
        failures: dict[str, str] = self.manifest["failures"]
        n_in_row = 0
        with bar:
            for partition, outcome in outcomes:
                if isinstance(outcome, str):
                    failures[partition.name] = outcome
                    self.folder.write_json(MANIFEST, self.manifest)
                    n_in_row += 1
                else:
                    n_images += outcome["n_images"]
                    n_in_row = 0
                if n_in_row == _MOST_FAILURES:  # do not visit all other websites for nothing
                    raise ClusterError(
                        f"{n_in_row} partitions in a row have failed, the last with: {outcome}; "
                        "mend the cause and call again to resume"
                    )
                bar.update(len(partition.sites))
                bar.set_postfix(images=n_images, failed_partitions=len(failures))

    def finish(self) -> None:
        """Write the table of all sites and the end of the run, unless an earlier call did."""
        if self.has_ended:
            return
        self.folder.write_json(MANIFEST, self.manifest)
        with TemporaryDirectory() as scratch:
            file = Path(scratch, "sites.csv")
            write_csv(ClusterRanking(self.folder).sites, file)
            self.folder.write(file.name, file.read_bytes())
        self.manifest["end"] = utc_now()
        self.folder.write_json(MANIFEST, self.manifest)


def _check_same(
    folder: RunFolder, known: Mapping[str, Any], settings: dict[str, Any], n_partitions: int
) -> None:
    """Raise `InputError` if a folder holds a run with other settings."""
    if known.get("format") != FORMAT:
        raise InputError(
            f"{folder}: holds a run of another version of similarity_lab; choose another out_dir"
        )
    before = known.get("settings", {})
    different = [name for name in settings if before.get(name) != settings[name]]
    if different:
        raise InputError(
            f"{folder}: holds a run with other settings ({', '.join(different)}); choose another "
            "out_dir, or pass the same settings to resume it"
        )
    if len(known.get("partitions", ())) > n_partitions:
        raise InputError(
            f"{folder}: holds a run over more websites; choose another out_dir, or pass the whole "
            "list to resume it"
        )


def _list_table(partitions: Sequence[Partition]) -> pa.Table:
    rows = [
        (position, site.name, site.url, partition.name)
        for partition in partitions
        for position, site in zip(partition.positions, partition.sites, strict=True)
    ]
    columns = zip(*rows, strict=True)
    names = ("position", "name", "url", "partition")
    return pa.table({name: list(column) for name, column in zip(names, columns, strict=True)})


def _described(value: object) -> object:
    """Return a parameter as JSON can hold it; equal ones have equal descriptions."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    name = getattr(value, "name", None)
    if isinstance(name, str) and hasattr(value, "embed"):
        return name
    return repr(value)
