"""The first page of a distributed run: its partitions, its best sites, and how to see each."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import pandas as pd

from similarity_lab._progress import tqdm
from similarity_lab._threads import in_order
from similarity_lab.distributed.folder import READERS, RunFolder, table_name
from similarity_lab.distributed.tables import read_manifest, read_status
from similarity_lab.files import atomic_write
from similarity_lab.report.page import Frame, sellers_title, write_assets
from similarity_lab.report.views import environment

_PER_PAGE = 1000  # partitions
_MOST_BEST = 50  # sites per target
_MOST_FAILURES = 100  # reasons that are shown
_COLUMNS = [
    "position", "site", "url", "target", "decision", "probability", "share", "evidence",
    "n_matches", "n_scored",
]  # fmt: skip


@dataclass(frozen=True)
class PartitionRow:
    """A row of the table of partitions.

    Attributes
    ----------
    name : str
    state : {"finished", "failed", "not finished"}
    n_sites, n_images : int
        Of a finished partition.
    decisions : dict of target to dict of decision to int
    crawl_status : dict of str to int
    reason : str
        Why it failed.
    command : str
        Makes its pages; "" if it is not finished.
    page : str
        Where they are, if they were made; "" otherwise.
    """

    name: str
    state: str
    n_sites: int = 0
    n_images: int = 0
    decisions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    crawl_status: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    command: str = ""
    page: str = ""


@dataclass(frozen=True)
class BestSite:
    """A row of the table of the best sites of a target; see `PartitionRow`."""

    site: str
    url: str
    decision: str
    probability: float | None
    share: float | None
    n_matches: int
    n_scored: int
    partition: str
    command: str
    page: str


def write_index(run: RunFolder, folder: Path, *, progress: bool = True) -> Path:
    """Write the page that lists the partitions of a run and its best sites.

    It shows a command for each, since a page that opens from disk cannot call the package, and
    links what such a command has made before. Partitions are read one after the other: memory does
    not grow with the number of sites.

    Parameters
    ----------
    run : RunFolder
    folder : Path
        Gets ``index.html``, and ``partitions-2.html`` and so on if there are more than a thousand.
    progress : bool

    Returns
    -------
    Path
        Of ``index.html``.
    """
    manifest, status = read_manifest(run), read_status(run.url)
    targets, names = list(manifest["settings"]["targets"]), sorted(manifest["partitions"])
    folder.mkdir(parents=True, exist_ok=True)
    frame = Frame.of(folder, sellers_title(targets))
    write_assets(folder)
    finished = run.marker_names() & set(names)
    bar = tqdm(sorted(finished), desc="sites", unit="partition", disable=not progress, leave=False)
    best = _best_sites(run, folder, bar, targets)
    template = environment().get_template("run.html")
    starts = range(0, max(1, len(names)), _PER_PAGE)
    files = [_page_name(number) for number in range(1, len(starts) + 1)]
    for file, start in zip(files, starts, strict=True):
        some = names[start : start + _PER_PAGE]
        chunks = template.generate(
            frame=frame,
            targets=targets,
            run=run.url,
            status=status,
            decisions=_by_target(status.decisions, targets),
            best=best if file == files[0] else {},
            failures=sorted(status.failures.items())[:_MOST_FAILURES],
            rows=_rows(run, folder, some, finished, targets, status.failures),
            first=some[0] if some else "",
            last=some[-1] if some else "",
            files=files,
            file_of={name: files[i // _PER_PAGE] for i, name in enumerate(names)},
            file=file,
            written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        )
        with atomic_write(folder / file) as part, part.open("w", encoding="utf-8") as stream:
            stream.writelines(chunks)
    for old in set(folder.glob("partitions-*.html")) - {folder / file for file in files}:
        old.unlink()
    return folder / files[0]


def _page_name(number: int) -> str:
    return "index.html" if number == 1 else f"partitions-{number}.html"


def _rows(
    run: RunFolder,
    folder: Path,
    names: list[str],
    finished: set[str],
    targets: list[str],
    failures: Mapping[str, str],
) -> Iterator[PartitionRow]:
    """Yield the rows of some partitions."""
    markers = in_order(
        lambda name: run.marker(name) if name in finished else None, names, workers=READERS
    )
    for name, marker in zip(names, markers, strict=True):
        if marker is None:
            state = "failed" if name in failures else "not finished"
            yield PartitionRow(name, state, reason=failures.get(name, ""))
            continue
        yield PartitionRow(
            name,
            "finished",
            marker.get("n_sites", 0),
            marker.get("n_images", 0),
            _by_target(marker.get("decisions", {}), targets),
            marker.get("crawl_status", {}),
            "",
            *_pages_of(run, folder, name, f"--partition={name}"),
        )


def _by_target(counts: Mapping[str, int], targets: list[str]) -> dict[str, dict[str, int]]:
    """Return counts of "target: decision" by target."""
    found: dict[str, dict[str, int]] = {target: {} for target in targets}
    for key, count in counts.items():
        target, _, decision = key.rpartition(": ")
        found.setdefault(target, {})[decision] = count
    return found


def _pages_of(run: RunFolder, folder: Path, name: str, choice: str) -> tuple[str, str]:
    """Return the command that makes pages in a folder of this name, and where they are."""
    command = shlex.join(["similarity-lab", "status", run.url, "--pages", str(folder / name)])
    is_there = (folder / name / "index.html").is_file()
    return f"{command} {choice}", f"{name}/index.html" if is_there else ""


def _best_sites(
    run: RunFolder, folder: Path, names: Iterable[str], targets: list[str]
) -> dict[str, list[BestSite]]:
    """Return the sites with the highest probability (or share) of each target."""
    heaps: dict[str, list[Any]] = {name: [] for name in targets}
    tables = in_order(lambda name: (name, _decided(run, name)), names, workers=READERS)
    for name, table in tables:
        for row in table.to_dict("records"):
            # the first of the list among equals; no two rows of a target have one position
            heap = heaps[row["target"]]
            heappush(heap, (row["value"], -row["position"], name, row))
            if len(heap) > _MOST_BEST:
                heappop(heap)
    return {
        target: [_best_site(run, folder, *entry[2:]) for entry in sorted(heap, reverse=True)]
        for target, heap in heaps.items()
        if heap
    }


def _decided(run: RunFolder, name: str) -> pd.DataFrame:
    """Return the sites of a partition that show something."""
    table = run.read_table(table_name("sites", name), _COLUMNS).to_pandas()
    table = table[table["decision"].notna() & table["evidence"].astype(bool)]
    return table.assign(value=table["probability"].fillna(table["share"])).dropna(subset="value")


def _best_site(run: RunFolder, folder: Path, partition: str, row: Mapping[str, Any]) -> BestSite:
    name = row["site"]
    if name.isprintable():
        made = _pages_of(run, folder, f"site-{row['position']}", f"--site={shlex.quote(name)}")
    else:  # could not be copied into a terminal
        made = _pages_of(run, folder, partition, f"--partition={partition}")
    command, page = made
    return BestSite(
        site=name,
        url=row["url"],
        decision=row["decision"],
        probability=None if pd.isna(row["probability"]) else row["probability"],
        share=None if pd.isna(row["share"]) else row["share"],
        n_matches=int(row["n_matches"]),
        n_scored=int(row["n_scored"]),
        partition=partition,
        command=command,
        page=page,
    )
