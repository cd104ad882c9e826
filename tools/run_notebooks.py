"""Run notebooks and store their outputs.

    python tools/run_notebooks.py [--fast] [NOTEBOOK ...]

Each runs in full (SIMILARITY_LAB_FAST=0), or in the fast mode that readers get by default, in a
fresh kernel and in a temporary folder. Progress bars and TensorFlow's warnings are dropped; an
image over 200 kB is an error, since outputs are committed.
"""

import argparse
import base64
import os
import re
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
MAX_IMAGE = 200_000  # bytes
BAR = re.compile(r"\d(/\d+)?\S* \[\d\d:\d\d")  # 3/9 [00:01<00:02, …
PHOTOS = (ROOT / "data", ROOT.parent / "shared" / "datasets")


def run(source: Path, *, fast: bool, folder: Path, timeout: int = 3600) -> nbformat.NotebookNode:
    """Execute a notebook in `folder` and return it; an error in a cell is raised."""
    notebook = nbformat.read(source, as_version=4)
    os.environ["SIMILARITY_LAB_FAST"] = "1" if fast else "0"
    os.environ.setdefault("SIMILARITY_LAB_RESULTS", str(ROOT / "benchmarks" / "results"))
    if "SIMILARITY_LAB_DATA" not in os.environ:
        folders = [path for path in PHOTOS if (path / "grocery-store").is_dir()]
        if folders:
            os.environ["SIMILARITY_LAB_DATA"] = str(folders[0])
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=resources).execute()
    return notebook


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Drop progress bars and times, so that an equal run gives an equal file."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_noise(output)]
            for output in cell.outputs:
                _check_image(output, cell.source)


def _is_noise(output: nbformat.NotebookNode) -> bool:
    """Return whether an output is a progress bar, a warning or a log, of no use in a stored run."""
    data = output.get("data", {})
    if output.output_type == "display_data" and set(data) == {"text/plain"}:
        return not data["text/plain"].strip() or BAR.search(data["text/plain"]) is not None
    widget = "application/vnd.jupyter.widget-view+json" in data
    warning = str(output.get("text", "")).startswith("WARNING:tensorflow")
    return widget or warning or output.get("name") == "stderr"


def _check_image(output: nbformat.NotebookNode, source: str) -> None:
    for kind, content in output.get("data", {}).items():
        size = len(base64.b64decode(content)) if kind.startswith("image/") else 0
        if size > MAX_IMAGE:
            raise SystemExit(f"an image of {size:,} bytes, the limit is {MAX_IMAGE:,}:\n{source}")


def main() -> None:
    """Run the notebooks given as arguments, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of notebooks/")
    parser.add_argument("--fast", action="store_true", help="the default mode of the notebooks")
    options = parser.parse_args()
    for source in options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        print(f"running {source.name} ...", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            notebook = run(source, fast=options.fast, folder=Path(folder))
        tidy(notebook)
        nbformat.write(notebook, source)


if __name__ == "__main__":
    main()
