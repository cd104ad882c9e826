"""``similarity-lab demo``: two invented shops on this machine, collected and decided on."""

import argparse
from contextlib import ExitStack
from pathlib import Path

# What the shops show, their relevance threshold being a quarter: one sells almonds in earnest
_SHOPS = {
    "Greenfield Foods": ("almonds", "dates", "almonds", "logo", "almonds", "oats"),
    "Marble Mill": ("oats", "cocoa", "maple syrup", "logo", "dates", "scene"),
}
_TARGET, _PRODUCTS = "almonds", 24
_PORT = 8734  # if it is free; a second run then finds the same shops


def add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    demo = commands.add_parser("demo", help="collect two invented shops, decide, write a page")
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR")
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> None:
    from similarity_lab.cli.rank import show
    from similarity_lab.ranking import rank
    from similarity_lab.samples import make_samples
    from similarity_lab.samples.serving import serve
    from similarity_lab.samples.shops import make_shop

    print(f"Unpacking the sample to {options.out / 'samples'} and serving two of its shops ...")
    samples = make_samples(options.out / "samples")
    with ExitStack() as stack:
        servers = {}
        for at, (name, wares) in enumerate(_SHOPS.items()):
            subjects = [wares[number % len(wares)] for number in range(_PRODUCTS)]
            shop = make_shop(name, subjects)
            servers[name] = stack.enter_context(serve(shop, port=_PORT + at))
            print(f"  {name} is served at {servers[name].url}")
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
    show(ranking)
    truth = {name: _TARGET in wares for name, wares in _SHOPS.items()}
    right = sum(
        getattr(result, "relevant", None) == truth[result.site] for result in ranking.results
    )
    print(
        f"\n{right} of {len(truth)} shops decided rightly.\n"
        f"The page with the evidence: {ranking.page}\n"
        f"The same with your own photos and real addresses:\n"
        f"  similarity-lab rank --library {samples.library} --targets {_TARGET} --out results "
        "https://www.shop.example\n"
        f"Or with images you have already:\n"
        f"  similarity-lab score --library {samples.library} --target {_TARGET} {samples.sites[0]}"
    )
