"""Measure what int8 and scaled decoding change in decisions on the composite grocery sites.

    python -m benchmarks.precision [--rules RULE ...]

Every rule decides on vectors by Keras in float32, decoded in full, and by OpenVINO in int8, decoded
by `read_scaled`; nothing else differs. int8 is the default because the areas under the curves fall
by less than 0.001. Writes benchmarks/results/precision.json.
"""

from functools import cache

import numpy as np

from benchmarks.common import (
    StoredEmbedder,
    make_parser,
    origin,
    photos_folder,
    quality_embedder,
    require_clean_tree,
    write_results,
)
from benchmarks.grocery_sites import Photos, all_paths, load_tasks, references_only, summary
from similarity_lab import load_embedder
from similarity_lab.distances.comparators import EmbeddingComparator

RUNTIMES = {"float32": "keras", "int8": "openvino-int8"}
FIGURES = ("image_auc", "site_auc", "accuracy", "image_ece", "coverage", "accuracy_when_sure")


def decisions(runs: list[dict[str, object]]) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each site is relevant and each image a match."""
    results = [result for run in runs for result in run["results"]]
    images = [result.images["is_match"].to_numpy(bool) for result in results]
    return np.array([result.relevant for result in results]), np.concatenate(images)


def main() -> None:
    """Decide with both precisions, print and write the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--rules", nargs="*", default=["learned", "references", "original", "best"])
    selected = parser.parse_args().rules
    require_clean_tree()
    tasks = load_tasks(photos_folder())
    paths = all_paths(tasks)
    no_others, original = references_only(tasks), {"rule": "mean-distance"}
    rules = {
        "learned": ("learned", "standard", None, {}),
        "references": ("learned, references only", "standard", no_others, {}),
        "original": ("original", None, None, original),
        "best": ("learned, best", "best", None, {}),
    }
    rows: dict[str, dict[str, float]] = {}

    @cache
    def photos_of(quality: str | None, runtime: str) -> Photos:
        if quality is None:  # the study's
            embedder = load_embedder(color="gray", runtime=runtime)
        else:
            embedder = quality_embedder(quality, runtime)
        return Photos(tasks, EmbeddingComparator(StoredEmbedder(embedder, paths)))

    for rule, quality, change, parameters in (rules[key] for key in selected):
        decisions_by_precision = {}
        for precision, runtime in RUNTIMES.items():
            runs = photos_of(quality, runtime).decide(change, **parameters)
            decisions_by_precision[precision] = decisions(runs)
            figures = summary(runs)
            rows[f"{rule}, {precision}"] = {key: figures[key] for key in FIGURES if key in figures}
        pairs = zip(decisions_by_precision["float32"], decisions_by_precision["int8"], strict=True)
        sites, images = (float((float32 == int8).mean()) for float32, int8 in pairs)
        rows[f"{rule}, int8"] |= {"equal site decisions": sites, "equal image decisions": images}
        print(rule, rows[f"{rule}, float32"], rows[f"{rule}, int8"], flush=True)
    command = "python -m benchmarks.precision --rules " + " ".join(selected)
    results = {"origin": origin(command, targets=len(tasks)), "rows": rows}
    print(f"written to {write_results('precision', results)}")


if __name__ == "__main__":
    main()
