"""``similarity-lab demo``: collect two sample shops on this machine and decide on them."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from similarity_lab.cli.options import add_quiet_option

_SITES = ("greenfield-foods", "marble-mill")  # of the sample; one sells the target
_PORT = 8734  # preferred: with the same URLs, a second run resumes


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="run rank on two sample shops served on this machine",
        description="Serve two sample shops on this machine, collect their images, decide which of "
        "them sells almonds, and write a report.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo"),
        metavar="DIR",
        help="folder for the sample and the results (default %(default)s)",
    )
    add_quiet_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from similarity_lab.cli.tables import format_sites
    from similarity_lab.ranking import rank
    from similarity_lab.samples import make_samples
    from similarity_lab.samples.serving import serve
    from similarity_lab.samples.storefront import sample_shop

    print(f"Unpacking the sample to {options.out / 'samples'} and serving two of its shops ...")
    samples = make_samples(options.out / "samples", progress=not options.quiet)
    target = samples.target
    with ExitStack() as stack:
        servers = {}
        for index, site in enumerate(_SITES):
            servers[site] = stack.enter_context(serve(sample_shop(site), port=_PORT + index))
            print(f"  {site} is served at {servers[site].url}")
        ranking = rank(
            {site: server.url for site, server in servers.items()},
            samples.library,
            target,
            options.out / "results",
            collecting={
                "allow": [server.endpoint for server in servers.values()],
                "throttle": False,
            },
            progress=not options.quiet,
        )
    print(format_sites(ranking.sites), "", sep="\n")
    print(*(result.summary() for result in ranking.results), sep="\n")
    offered = samples.truth.set_index("site")["offered"]
    expected = offered.map({True: "relevant", False: "irrelevant"})
    n_correct = (ranking.sites["decision"] == ranking.sites["site"].map(expected)).sum()
    print(
        f"\n{n_correct} of {len(_SITES)} shops decided correctly.\n"
        f"The report with the evidence: {ranking.page}\n"
        f"The same with your own images and real urls:\n"
        f"  similarity-lab rank --library {samples.library} --target {target} --out results "
        "https://www.shop.example\n"
        f"Or with images that you already have:\n"
        f"  similarity-lab decide --library {samples.library} --target {target} "
        f"{samples.sites[0]}"
    )
