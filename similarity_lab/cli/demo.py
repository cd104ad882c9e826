"""``similarity-lab demo``: two invented shops on this machine, collected and decided on."""

import argparse
from contextlib import ExitStack
from pathlib import Path

# What the shops show; almonds are a third of the first one's products, above the threshold
_SHOPS = {
    "Greenfield Foods": ("almonds", "dates", "almonds", "logo", "almonds", "oats"),
    "Marble Mill": ("oats", "cocoa", "maple syrup", "logo", "dates", "scene"),
}
_TARGET, _PRODUCTS = "almonds", 24
_PORT = 8734  # if it is free; a second run then resumes


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="collect two invented shops, decide, write a report",
        description="Serve two invented shops on this machine, collect them, decide and report.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo"),
        metavar="DIR",
        help="folder for the sample and the results (default %(default)s)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from similarity_lab.cli.rank import readable
    from similarity_lab.ranking import rank
    from similarity_lab.samples import make_samples
    from similarity_lab.samples.serving import serve
    from similarity_lab.samples.shops import make_shop

    print(f"Unpacking the sample to {options.out / 'samples'} and serving two of its shops ...")
    samples = make_samples(options.out / "samples")
    with ExitStack() as stack:
        servers = {}
        for index, (name, products) in enumerate(_SHOPS.items()):
            subjects = [products[number % len(products)] for number in range(_PRODUCTS)]
            shop = make_shop(name, subjects)
            servers[name] = stack.enter_context(serve(shop, port=_PORT + index))
            print(f"  {name}: {servers[name].url}")
        ranking = rank(
            {name: server.url for name, server in servers.items()},
            samples.library,
            _TARGET,
            options.out / "results",
            collecting={
                "allow": [server.endpoint for server in servers.values()],
                "throttle": False,
            },
        )
    print(readable(ranking.sites).to_string(index=False))
    truth = {name: _TARGET in products for name, products in _SHOPS.items()}
    n_correct = sum(
        getattr(result, "relevant", None) == truth[result.site] for result in ranking.results
    )
    print(
        f"\n{n_correct} of {len(truth)} shops decided correctly.\n"
        f"The report with the evidence: {ranking.page}\n"
        f"The same with your own images and real websites:\n"
        f"  similarity-lab rank --library {samples.library} --target {_TARGET} --out results "
        "https://www.shop.example\n"
        f"With images that are on this machine:\n"
        f"  similarity-lab decide --library {samples.library} --target {_TARGET} "
        f"{samples.sites[0]}"
    )
