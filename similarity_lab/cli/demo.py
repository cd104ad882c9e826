"""``similarity-lab demo``: collect sample shops on this machine and decide on them."""

import argparse
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from similarity_lab.cli.options import add_quiet_option
from similarity_lab.errors import MissingExtraError

_SITES = ("greenfield-foods",)  # of the sample: sells the target and little else
_MARKET = ("Harbour Grocers", "Nut House", "Closed Corner")  # one product in twenty, none, closed
_PORT = 8734  # preferred: with the same URLs, a second run resumes


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="run rank on four sample shops served on this machine",
        description="Serve four sample shops on this machine, collect their images, decide which "
        "of them sell almonds, and write a report.",
        epilog="example: similarity-lab demo --out demo",
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
    if find_spec("scrapy") is None:
        raise MissingExtraError("The demo", "Scrapy", "web")
    from similarity_lab.cli.tables import format_sites, print_line
    from similarity_lab.ranking import rank
    from similarity_lab.samples import make_samples
    from similarity_lab.samples.market import make_market
    from similarity_lab.samples.serving import serve
    from similarity_lab.samples.storefront import sample_shop

    print(f"Unpacking the sample to {options.out / 'samples'} and serving four shops ...")
    samples = make_samples(options.out / "samples", progress=not options.quiet)
    target, market = samples.target, make_market()
    shops = {name: sample_shop(name) for name in _SITES} | {name: market[name] for name in _MARKET}
    with ExitStack() as stack:
        servers = {}
        for index, (name, shop) in enumerate(shops.items()):
            servers[name] = stack.enter_context(serve(shop, port=_PORT + index))
            subjects = list(shop.products.values())
            print(
                f"  {name} at {servers[name].url}: {subjects.count(target)} of {len(subjects)} "
                f"product images show {target}"
            )
        ranking = rank(
            {name: server.url for name, server in servers.items()},
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
    for result in ranking.results:
        print_line(result.summary())
    decided = ranking.sites[ranking.sites["decision"].isin(["relevant", "irrelevant"])]
    n_correct = sum(
        (decision == "relevant") == (target in shops[site].products.values())
        for site, decision in zip(decided["site"], decided["decision"], strict=True)
    )
    print(
        f"\n{n_correct} of {len(decided)} decisions are correct; {len(shops) - len(decided)} of "
        f"{len(shops)} shops could not be decided on.\n"
        f"The report with the evidence: {ranking.page}\n"
        f"The same with your own images and real urls:\n"
        f"  similarity-lab rank --library {samples.library} --target {target} --out results "
        "https://www.shop.example\n"
        f"Or with images that you already have:\n"
        f"  similarity-lab decide --library {samples.library} --target {target} "
        f"{samples.sites[0]}"
    )
