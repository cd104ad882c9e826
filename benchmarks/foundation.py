"""Foundation models on the tables of docs/benchmarks.md, as far as they can be loaded here.

    python -m benchmarks.foundation [--models NAME …] [--runtime NAME] [--device NAME] [--no-shops]

Needs the extras `all` and `foundation`, and a network or models in the cache of the Hugging Face
libraries. Every model is loaded by its name; one that cannot be loaded is listed with the reason,
and its row stays empty. Measured are, beside EfficientNet-Lite0: separation of products (Grocery
Store, official split, nearest training photo by cosine), zero-shot classification by words (prompts
for a class, no photo), decisions on composite grocery sites (learned rule), and decisions on real
shops (images alone; left out without SIMILARITY_LAB_SHOPS). Vectors are cached, so that a run that
is interrupted goes on. Writes benchmarks/results/foundation.json.
"""

import os
import warnings

import numpy as np
from tqdm import tqdm

from benchmarks.common import (
    StoredEmbedder,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    write_results,
)
from benchmarks.foundation_speed import library_versions
from benchmarks.grocery_sites import Photos, all_paths, load_tasks, summary
from benchmarks.real_shops import TARGET_SETS, catalogue_sites, figures_of, score_pairs
from benchmarks.representation import datasets, measure
from benchmarks.shops import read_library, read_shops, read_truth, shops_folders
from similarity_lab import ImageDataset, load_embedder
from similarity_lab.distances import Cosine
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.embedders import Embedder
from similarity_lab.embedders.foundation import MODELS
from similarity_lab.errors import LicenceWarning, SimilarityLabError
from similarity_lab.evaluation.intervals import wilson_interval

BASELINE = "efficientnet-lite0"
PROMPTS = ("a photo of {}", "a photo of {} in a grocery store", "{}")


def load(name: str, runtime: str, device: str | None) -> Embedder:
    """Load a model, or the packaged network."""
    if name == BASELINE:
        return load_embedder(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LicenceWarning)
        return load_embedder(name, runtime=runtime, device=device)


def reason(error: Exception) -> str:
    """Return why a model was not loaded, without the folders of this machine."""
    from huggingface_hub import constants

    return str(error).replace(constants.HF_HUB_CACHE, "of the Hugging Face libraries")


def zero_shot(data: dict[str, ImageDataset], embedder: Embedder, texts: object) -> dict:
    """Return top-1 on test photos by words alone, for coarse and fine classes."""
    figures: dict[str, object] = {}
    for level in ("coarse", "fine"):
        test = data[f"test {level}"]
        names = [name.replace("-", " ").replace("_", " ").lower() for name in test.classes]
        prompts = [template.format(name) for name in names for template in PROMPTS]
        of_prompts = texts.embed_text(prompts).reshape(len(names), len(PROMPTS), -1)
        guesses = (embedder.embed(test.paths).vectors @ of_prompts.mean(1).T).argmax(1)
        is_correct = np.array(test.classes)[guesses] == test.labels
        figures[f"zero_shot_{level}"] = float(is_correct.mean())
        figures[f"zero_shot_{level}_interval"] = wilson_interval(
            int(is_correct.sum()), len(is_correct)
        )
    return figures


def shop_figures(embedder: Embedder) -> dict[str, object]:
    """Return the figures of real shops, images alone, library without the judged shop."""
    shops, lists = shops_folders()
    listed, photos, truth = read_shops(lists), read_library(shops, lists), read_truth(lists)
    truth = truth[truth["repo"].isin(listed["repo"])]
    repos = list(listed["repo"])
    sites = catalogue_sites(shops, repos, truth)
    groups = [[repo] for repo in repos]
    pairs, images = score_pairs(sites, groups, photos, truth, {"embedder": embedder})
    return {
        label: figures_of(
            pairs[pairs["target"].isin(targets)], images[images["target"].isin(targets)]
        )
        for label, targets in TARGET_SETS.items()
    }


def main() -> None:
    """Measure every model that can be loaded, print and write the figures."""
    parser = make_parser(__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), metavar="NAME")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--device")
    parser.add_argument("--no-shops", action="store_true", help="leave the real shops out")
    parser.add_argument("--no-baseline", action="store_true", help="leave EfficientNet-Lite0 out")
    options = parser.parse_args()
    require_clean_tree()
    data, tasks = datasets(), load_tasks(photos_folder())
    paths = sorted({path for dataset in data.values() for path in dataset.paths})
    paths = sorted({*paths, *all_paths(tasks)})
    has_shops = "SIMILARITY_LAB_SHOPS" in os.environ and not options.no_shops
    rows: dict[str, dict[str, object]] = {}
    missing: dict[str, str] = {}
    names = [*([] if options.no_baseline else [BASELINE]), *options.models]
    for name in tqdm(names, unit="model"):
        try:
            model = load(name, options.runtime, options.device)
        except SimilarityLabError as error:
            missing[name] = reason(error)
            print(f"{name}: not loaded: {error}", flush=True)
            continue
        embedder = StoredEmbedder(model, paths)
        row = {"name": model.name, **measure(data, embedder, Cosine().pairwise).figures}
        if hasattr(model, "embed_text"):
            row |= zero_shot(data, embedder, model)
        row["sites"] = summary(Photos(tasks, EmbeddingComparator(embedder)).decide())
        if has_shops:
            row["shops"] = shop_figures(model)
        rows[name] = row
        print(f"{name}: {row['top1_fine']:.3f} {row['sites']['accuracy']:.3f}", flush=True)
    settings = {"runtime": options.runtime, "device": options.device, "prompts": PROMPTS}
    details = origin("python -m benchmarks.foundation", **settings)
    results = {"origin": details | {"libraries": library_versions()}}
    print(f"written to {write_results('foundation', results | {'rows': rows, 'missing': missing})}")


if __name__ == "__main__":
    main()
