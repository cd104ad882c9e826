"""Progress bars and completion in a notebook's kernel, and progress bars in a terminal."""

import subprocess
import sys

import pytest
from jupyter_client.manager import start_new_kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
BAR = "from similarity_lab._progress import tqdm\n"


@pytest.fixture(scope="module")
def kernel():
    """Return the client of a fresh kernel."""
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def outputs(kernel):
    """Return a function that runs a cell and returns the outputs that a notebook would save."""

    def run(code):
        saved, displays = [], {}

        def on_message(message):
            kind, content = message["msg_type"], message["content"]
            if kind == "update_display_data":
                displays[content["transient"]["display_id"]]["data"] = content["data"]
            elif kind in ("display_data", "execute_result", "stream", "error"):
                saved.append(content | {"type": kind})
                if name := content.get("transient", {}).get("display_id"):
                    displays[name] = saved[-1]

        kernel.execute_interactive(code, timeout=120, output_hook=on_message)
        return saved

    return run


def test_notebook_keeps_the_bar_as_text(outputs):
    (bar,) = outputs(BAR + "for _ in tqdm(range(7), desc='images'): pass")
    assert bar["type"] == "display_data" and set(bar["data"]) == {"text/plain"}
    assert bar["data"]["text/plain"].startswith("images: 100%")
    assert "7/7" in bar["data"]["text/plain"]


def test_notebook_shows_where_an_error_stopped_the_bar(outputs):
    bar, error = outputs(BAR + "for i in tqdm(range(7)):\n    if i == 3: 1 / 0")
    assert error["ename"] == "ZeroDivisionError" and "100%" not in bar["data"]["text/plain"]


def test_bar_that_does_not_stay_leaves_nothing(outputs):
    (bar,) = outputs(BAR + "for _ in tqdm(range(7), leave=False): pass")
    assert bar["data"]["text/plain"] == ""


def test_bars_that_do_not_stay_share_an_output(outputs):
    code = "for _ in tqdm(range(3), desc='sites'):\n"
    sites, *spare = outputs(BAR + code + "    for _ in tqdm(range(2), leave=False): pass")
    assert sites["data"]["text/plain"].startswith("sites: 100%")
    assert [output["data"]["text/plain"] for output in spare] == [""]
    (next_cell,) = outputs(BAR + "for _ in tqdm(range(2), leave=False): pass")
    assert next_cell["type"] == "display_data"  # not an update of the cell above
    nested = "with tqdm(total=2, leave=False) as a, tqdm(total=2, leave=False) as b: a.update(2)"
    assert len(outputs(BAR + nested)) == 2


@pytest.mark.parametrize("progress", [False, True])
def test_package_shows_bars_only_if_asked(progress, library, outputs):
    found = outputs(
        "import numpy as np\nfrom similarity_lab import load_embedder\n"
        "from similarity_lab.relevance import library_report\n"
        "def embed(images): return np.array([image.mean((0, 1)) for image in images])\n"
        "embedder = load_embedder(embed, name='mean')\n"
        f"library_report({str(library)!r}, embedder=embedder, progress={progress}) and None"
    )
    assert {output["type"] for output in found} <= {"display_data"}
    assert not any(WIDGET in output["data"] for output in found)
    assert bool(found) is progress


def test_terminal_gets_the_bar_on_stderr():
    code = BAR + "for _ in tqdm(range(7), desc='images'): pass"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "images: 100%" in run.stderr and not run.stdout


def test_tab_offers_names_and_sub_packages(kernel, outputs):
    outputs("import similarity_lab as sl")
    reply = kernel.complete("sl.", reply=True, timeout=60)
    offered = {match.removeprefix("sl.") for match in reply["content"]["matches"]}
    assert {"plots", "siamese", "evaluation", "relevance", "rank", "RelevanceScorer"} <= offered
    assert not {name for name in offered if "lazy" in name}
