"""``similarity-lab status``: how far a run on a cluster is, and its pages."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from similarity_lab.cli.tables import print_line
from similarity_lab.errors import InputError

if TYPE_CHECKING:
    from similarity_lab.distributed import RunStatus


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "status",
        help="show how far a run on a cluster is, or write its pages",
        description="Show how far a run of `similarity-lab rank --cluster` is, also while it "
        "runs, and write its pages.",
        epilog="example: similarity-lab status results --pages pages",
    )
    parser.add_argument("out", metavar="OUT", help="--out of the run, a folder or URL")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--pages",
        type=Path,
        metavar="DIR",
        help="write a page there that lists partitions and the best sites, or with --site or "
        "--partition the report of these",
    )
    parser.add_argument(
        "--partition", metavar="NUMBER", help="--pages of all sites of a partition, such as 000012"
    )
    parser.add_argument(
        "--site",
        action="append",
        metavar="NAME",
        help="--pages of this site; repeatable",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    page = Path(options.out) / "report" / "index.html"
    if page.is_file() and not (Path(options.out) / "run.json").exists():
        raise InputError(
            f"{options.out}: written by rank on one machine, which has finished; open {page}. "
            "status shows runs with --cluster"
        )
    from similarity_lab.distributed import read_status, write_pages

    if not options.pages and (options.site or options.partition):
        raise InputError("--site and --partition apply to --pages; pass both")
    status = read_status(options.out)
    if options.pages:
        chosen = {"sites": options.site or (), "partition": options.partition}
        print(write_pages(options.out, options.pages, **chosen, progress=False))
    elif options.json:
        print(json.dumps(asdict(status), indent=1))
    else:
        for line in _lines(status, options.out):
            print_line(line)


def _lines(status: "RunStatus", out: str) -> list[str]:
    end = status.end or "running, or interrupted"
    lines = [
        f"partitions  {status.n_finished} of {status.n_partitions} finished",
        f"sites       {status.n_sites_finished} of {status.n_sites}",
        f"images      {status.n_images}",
        f"last call   {status.start} to {end}",
    ]
    if status.sites_per_hour is not None:
        left = "" if status.hours_left is None else f", {_duration(status.hours_left)} left"
        lines.append(
            f"rate        {status.sites_per_hour:g} sites per hour until {status.last}{left}"
        )
    lines.append(f"logs        {out.rstrip('/')}/logs/, a line per site")
    tables = {
        "crawl status": status.crawl_status,
        "decisions": status.decisions,
        "no decision because": status.reasons,
    }
    for title, counts in tables.items():
        rows = [f"  {count:8}  {name}" for name, count in counts.items()]
        lines += [title, *rows] if rows else []
    lines += [f"partition {name} failed: {why}" for name, why in status.failures.items()]
    return lines


def _duration(hours: float) -> str:
    """Return a time as text: "2 h 05 min"."""
    minutes = max(1, round(60 * hours))
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
