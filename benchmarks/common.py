"""Shared by the benchmarks: photos, cached vectors, and results with their origin."""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from similarity_lab._version import versions
from similarity_lab.embedders import (
    CachedEmbedder,
    Embedded,
    Embedder,
    embed_all,
    join_embedders,
    load_embedder,
)
from similarity_lab.images.sources import describe
from similarity_lab.relevance.rules import learned
from similarity_lab.relevance.rules.learned import QUALITIES

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results"
CACHE = HERE / ".cache"

# For child processes that measure their memory: the peak of getrusage may be the parent's
PEAK = """
def peak():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024
"""


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser whose ``--help`` shows a script's docstring as it is."""
    formatter = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(description=description, formatter_class=formatter)


def photos_folder() -> Path:
    """Return the folder with the real photos: SIMILARITY_LAB_DATA or ../shared/datasets."""
    folder = Path(os.environ.get("SIMILARITY_LAB_DATA", HERE.parent.parent / "shared" / "datasets"))
    if not (folder / "grocery-store").is_dir():
        raise SystemExit(
            f"{folder}: no grocery-store/ there; set SIMILARITY_LAB_DATA to a folder that has it "
            "(similarity-lab fetch grocery-store)"
        )
    return folder


class KnownVectors:
    """An embedder that looks vectors up by path."""

    def __init__(self, embedder: Embedder, paths: list[Path], vectors: np.ndarray) -> None:
        self.name = embedder.name
        self.dimension, self.input_size = embedder.dimension, embedder.input_size
        self._row = {path: index for index, path in enumerate(paths)}
        self._vectors = vectors

    def embed(
        self, images: Sequence[Path], *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Return the known vectors of these paths."""
        return Embedded(self._vectors[[self._row[Path(describe(image))] for image in images]])


class StoredEmbedder(KnownVectors):
    """Looks vectors up by path; those of new paths are embedded once and cached on disk.

    Generated images, which have no path, are embedded.
    """

    def __init__(self, embedder: Embedder, paths: list[Path]) -> None:
        unique = sorted(set(paths))
        super().__init__(embedder, unique, embed_all(CachedEmbedder(embedder, CACHE), unique))
        self._embedder = embedder

    def embed(
        self,
        images: Sequence[Path | np.ndarray],
        *,
        batch_size: int | None = None,
        progress: bool = True,
    ) -> Embedded:
        """Return the known vectors of paths, or the vectors of generated images."""
        if any(isinstance(image, np.ndarray) for image in images):
            return self._embedder.embed(images, batch_size=batch_size, progress=progress)
        return super().embed(images, batch_size=batch_size, progress=progress)


def stored(name: str, color: str, paths: list[Path]) -> StoredEmbedder:
    """Return a packaged embedder whose vectors of `paths` are cached between runs."""
    return StoredEmbedder(load_embedder(name, color=color, runtime="keras"), paths)


def quality_embedder(quality: str, runtime: str) -> Embedder:
    """Return the embedder of a quality of the learned rule."""
    networks = (load_embedder(**settings, runtime=runtime) for settings in QUALITIES[quality])
    return join_embedders(*networks)


def stored_quality(quality: str, paths: list[Path]) -> StoredEmbedder:
    """Return the embedder that the package has for a quality; vectors of `paths` are cached."""
    return StoredEmbedder(learned.quality_embedder(quality), paths)


def origin(command: str, **configuration: object) -> dict[str, object]:
    """Return the origin of results: command, commit, machine, versions, configuration."""
    return {
        "command": command,
        "commit": git("rev-parse", "--short", "HEAD").strip(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {"cores": os.cpu_count(), "processor": processor()},
        "versions": versions(),
        "configuration": configuration,
    }


def processor() -> str:
    """Return the processor's model name and its widest vector instructions."""
    info = Path("/proc/cpuinfo")
    fields = {}
    for line in info.read_text().splitlines() if info.exists() else []:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    known = {
        "avx512_vnni": "AVX-512 VNNI",
        "avx512f": "AVX-512",
        "avx_vnni": "AVX VNNI",
        "avx2": "AVX2",
    }
    widest = next((known[flag] for flag in known if flag in fields.get("flags", "").split()), "")
    return " with ".join(filter(None, (fields.get("model name") or platform.processor(), widest)))


def run_worker(
    code: str, checkout: Path, task: object, environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Return the figures that a script prints as JSON when it runs with the package of a checkout.

    Parameters
    ----------
    code : str
        Reads `task` as JSON from standard input. Runs in a process of its own, which cannot import
        from the current folder.
    checkout : Path
    task : object
        Anything that JSON can hold.
    environment : mapping, optional
        Variables beside those of this process.
    """
    run = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", code],
        input=json.dumps(task),
        env={**os.environ, **(environment or {}), "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SystemExit(f"{checkout}: {run.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return figures


def git(*arguments: str) -> str:
    """Return what a git command prints; SystemExit outside of a checkout."""
    command = ["git", "-C", str(ROOT), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"results name their commit, but git failed: {run.stderr.strip()}")
    return run.stdout


def require_clean_tree() -> None:
    """Exit if code has changed since the commit that the results will name.

    Files in benchmarks/results/ may differ: one benchmark writes them before the next one starts.
    """
    status = git("status", "--porcelain", "--untracked-files=all")
    changed = [line[3:] for line in status.splitlines()]
    code = [path for path in changed if not path.startswith("benchmarks/results/")]
    if code:
        raise SystemExit(
            f"uncommitted changes: {', '.join(code[:5])}{' …' if len(code) > 5 else ''}; commit "
            "them, so that results can name the commit they were measured at"
        )


def write_results(name: str, results: dict[str, object]) -> Path:
    """Write a benchmark's numbers to results/NAME.json; SystemExit if the tree is not clean."""
    require_clean_tree()
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    file.write_text(json.dumps(results, indent=1) + "\n")
    return file
