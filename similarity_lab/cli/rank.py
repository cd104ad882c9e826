"""``similarity-lab rank``: from urls to decisions and a report."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from similarity_lab._version import versions
from similarity_lab.cli import collect
from similarity_lab.cli import options as shared
from similarity_lab.cli.tables import format_sites, print_line
from similarity_lab.errors import InputError

if TYPE_CHECKING:
    from similarity_lab.ranking import Ranking


_CLUSTER_FLAGS = {
    "--workers": "workers",
    "--cpus-per-worker": "cpus_per_worker",
    "--gpus-per-worker": "gpus_per_worker",
    "--ahead": "ahead",
    "--partition-size": "partition_size",
    "--resume": "resume",
}


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "rank",
        help="collect websites, decide on each, and write a report",
        description="Collect the images of websites, decide which sites sell a product, and write "
        "a report with the evidence.",
        epilog="example: similarity-lab rank --library library --target almonds --out results "
        "suppliers.csv",
    )
    parser.add_argument(
        "--library",
        metavar="DIR|ZIP",
        help="labelled images, one subfolder per product; --text needs none",
    )
    shared.add_target_option(parser, required=True)
    collect.add_collecting_options(parser)
    shared.add_scoring_options(parser)
    _add_cluster_options(parser)
    shared.add_output_options(parser)
    parser.set_defaults(run=_run)


def _add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `similarity_lab.distributed.rank`; None: not given."""
    group = parser.add_argument_group("cluster")
    group.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="rank on a Ray cluster (extra distributed): its address; auto: one that runs here or "
        "is named by RAY_ADDRESS, else one that is started on this machine; local: the latter. "
        "--out may then be a URL, such as s3://bucket/run; the same command resumes "
        "(default: no cluster)",
    )
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that embed and decide (default: as many as the cluster has CPUs, or GPUs "
        "with --gpus-per-worker)",
    )
    group.add_argument(
        "--cpus-per-worker",
        type=float,
        metavar="N",
        help="CPUs that each reserves, and threads that it has for decoding and networks (default "
        "1)",
    )
    group.add_argument(
        "--gpus-per-worker", type=float, metavar="N", help="GPUs that each reserves (default 0)"
    )
    group.add_argument(
        "--partition-size",
        type=int,
        metavar="N",
        help="websites in a partition, which are collected and written together (default 16)",
    )
    group.add_argument(
        "--ahead",
        type=int,
        metavar="N",
        help="partitions per worker that are collected at the same time, or wait (default 4); "
        "fewer are gentler to hosts that many shops share",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        default=None,
        help="continue the run in --out; refuse to start a new one",
    )


def _run(options: argparse.Namespace) -> None:
    from similarity_lab.files.output import check_output_folder
    from similarity_lab.ranking import rank

    shared.check_outputs(options)
    shared.check_sites(options)
    if options.cluster is None:  # otherwise it may be a URL
        check_output_folder(options.out, "a folder for the results")
    if not options.library and not options.text:
        raise InputError("pass --library with labelled images, or --text to go by names alone")
    if options.cluster is not None:
        _run_on_cluster(options)
        return
    for flag, name in _CLUSTER_FLAGS.items():
        if getattr(options, name) is not None:
            raise InputError(f"{flag} applies to --cluster; pass both")
    ranking = rank(
        collect.url_source(options),
        options.library,
        options.target,
        options.out,
        collecting=collect.collecting_params(options),
        **shared.scorer_params(options),
    )
    shared.write_outputs(
        options,
        ranking.sites,
        ranking.images,
        ranking.results,
        options.target,
        crawl=ranking.crawl,
    )
    shared.print_skipped(ranking.skipped, "the library")
    if options.json:
        print(json.dumps({"versions": versions(), "sites": _json_sites(ranking)}, indent=1))
    else:
        print(format_sites(ranking.sites))
    print_line(f"report: {ranking.page}", sys.stderr)
    if ranking.sites["decision"].isna().all():
        raise collect.no_site_error("no decision on any site", ranking.sites["reason_code"])


def _run_on_cluster(options: argparse.Namespace) -> None:
    from similarity_lab.distributed import rank, read_status
    from similarity_lab.report.spreadsheets import write_table

    if options.report:
        raise InputError(
            "--report does not apply to --cluster; write the pages of some sites with "
            f"similarity-lab status {options.out} --pages DIR --site NAME"
        )
    if options.resume:
        read_status(options.out)  # raises if there is no run
    params = shared.scorer_params(options)
    if not options.store:
        params["store"] = None  # vectors are in the run
    names = ("workers", "cpus_per_worker", "gpus_per_worker", "partition_size", "ahead")
    given = {name: getattr(options, name) for name in names}
    ranking = rank(
        collect.url_source(options),
        options.library,
        options.target,
        options.out,
        cluster=options.cluster,
        collecting=collect.collecting_params(options),
        **{name: value for name, value in given.items() if value is not None},
        **params,
    )
    if options.csv:
        write_table(ranking.sites, options.csv)
    if options.images_csv:
        write_table(ranking.images, options.images_csv)
    if options.json:
        rows = json.loads(ranking.sites.to_json(orient="records"))
        print(json.dumps({"versions": versions(), "sites": rows}, indent=1))
    else:
        print(format_sites(ranking.sites))
    shared.print_skipped(ranking.skipped, "the library")
    for partition, reason in ranking.manifest["failures"].items():
        print_line(f"partition {partition} failed: {reason}", sys.stderr)
    if ranking.sites["decision"].isna().all():
        raise InputError("no decision on any site; the reasons are in the table")


def _json_sites(ranking: "Ranking") -> list[dict[str, Any]]:
    """Return each decision with what the crawl adds to it."""
    columns = ["rank", "url", "crawl_status", "reason", "reason_code"]
    columns += ["n_pages", "n_images", "n_found"]
    table = ranking.sites[columns].astype(object)
    rows: list[dict[Any, Any]] = table.where(table.notna(), None).to_dict("records")
    return [{**result.to_dict(), **row} for result, row in zip(ranking.results, rows, strict=True)]
