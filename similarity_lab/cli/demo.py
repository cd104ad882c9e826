"""``similarity-lab demo``: collect two invented shops on this machine and decide on them."""

import argparse
from contextlib import ExitStack
from pathlib import Path

_SITES = ("greenfield-foods", "marble-mill")  # of the sample; one sells the target
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
    from similarity_lab.samples.storefront import sample_shop

    print(f"Unpacking the sample to {options.out / 'samples'} and serving two of its shops ...")
    samples = make_samples(options.out / "samples")
    target = samples.target
    with ExitStack() as stack:
        servers = {}
        for number, site in enumerate(_SITES):
            server = stack.enter_context(serve(sample_shop(site), port=_PORT + number))
            servers[site] = server
            print(f"  {site} is served at {server.url}")
        ranking = rank(
            {site: server.url for site, server in servers.items()},
            samples.library,
            target,
            options.out / "results",
            collecting={
                "allow": [server.endpoint for server in servers.values()],
                "throttle": False,
            },
        )
    show(ranking)
    truth = samples.truth.set_index("site")["relevant"]
    right = sum(
        getattr(result, "relevant", None) == truth[result.site] for result in ranking.results
    )
    print(
        f"\n{right} of {len(_SITES)} shops decided correctly.\n"
        f"The report with the evidence: {ranking.page}\n"
        f"The same with your own images and real urls:\n"
        f"  similarity-lab rank --library {samples.library} --targets {target} --out results "
        "https://www.shop.example\n"
        f"Or with images that you already have:\n"
        f"  similarity-lab score --library {samples.library} --target {target} {samples.sites[0]}"
    )
