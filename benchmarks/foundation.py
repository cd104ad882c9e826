"""Foundation models on the tables of docs/benchmarks.md, as far as they can be loaded here.

    python -m benchmarks.foundation --check
    python -m benchmarks.foundation [--models NAME …] [--runtime NAME] [--device NAME] [--no-shops]

Needs the extra `foundation`, and a network or models in the cache of the Hugging Face
libraries. Every model is loaded by its name; one that cannot be loaded is listed with the reason,
and its row stays empty. Measured are, beside the packaged networks: separation of products (Grocery
Store, official split, nearest training photo by cosine), zero-shot classification by words (prompts
for a class, no photo), decisions on composite grocery sites (learned rule), and decisions on real
shops (images alone; left out without SIMILARITY_LAB_SHOPS). Vectors are cached, so that a run that
is interrupted goes on. Writes benchmarks/results/foundation.json after every model.

`--check` takes a minute or two: it runs every step on a few photos, with EfficientNet-Lite0 and
with a tiny random model that embeds texts too, and says of each model whether it is in the cache or
on the hub. It downloads and writes nothing.
"""

import os
import tempfile
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.common import (
    StoredEmbedder,
    make_parser,
    origin,
    photos_folder,
    require_clean_tree,
    write_results,
)
from benchmarks.foundation_speed import library_versions, save_tiny_model
from benchmarks.grocery_changes import Task
from benchmarks.grocery_sites import Photos, all_paths, load_tasks, summary
from benchmarks.real_shops import TARGET_SETS, catalogue_sites, figures_of, score_pairs
from benchmarks.representation import datasets, measure
from benchmarks.shops import read_library, read_shops, read_truth, shops_folders
from similarity_lab import ImageDataset, load_embedder
from similarity_lab.distances import Cosine
from similarity_lab.distances.comparators import EmbeddingComparator
from similarity_lab.embedders import Embedder
from similarity_lab.embedders.foundation import MODELS
from similarity_lab.embedders.loading import NAMES
from similarity_lab.errors import LicenceWarning, SimilarityLabError, one_line
from similarity_lab.evaluation.intervals import wilson_interval

BASELINES = NAMES  # the packaged networks
PROMPTS = ("a photo of {}", "a photo of {} in a grocery store", "{}")


def load(name: str, runtime: str, device: str | None) -> Embedder:
    """Load a model, or the packaged network."""
    if name in BASELINES:
        return load_embedder(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LicenceWarning)
        return load_embedder(name, runtime=runtime, device=device)


def reason(error: Exception) -> str:
    """Return why a model was not measured, without the folders of this machine."""
    from huggingface_hub import constants

    text = str(error) if isinstance(error, SimilarityLabError) else f"failed ({error!r:.200})"
    return text.replace(constants.HF_HUB_CACHE, "of the Hugging Face libraries")


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


@dataclass(frozen=True)
class Shops:
    """The rebuilt real shops: folder, repositories, photos of the library, truth by image."""

    folder: Path
    repos: list[str]
    photos: pd.DataFrame
    truth: pd.DataFrame

    @classmethod
    def read(cls) -> "Shops":
        """Read all of them."""
        folder, lists = shops_folders()
        repos, truth = list(read_shops(lists)["repo"]), read_truth(lists)
        truth = truth[truth["repo"].isin(repos)]
        return cls(folder, repos, read_library(folder, lists), truth)

    def figures(self, embedder: Embedder) -> dict[str, object]:
        """Return the figures of images alone, each library without the judged shop."""
        sites = catalogue_sites(self.folder, self.repos, self.truth)
        groups = [[repo] for repo in self.repos]
        pairs, images = score_pairs(sites, groups, self.photos, self.truth, {"embedder": embedder})
        figures = {}
        for label, targets in TARGET_SETS.items():
            row = figures_of(
                pairs[pairs["target"].isin(targets)], images[images["target"].isin(targets)]
            )
            row["evidence"] = {"images alone": row["evidence"]["images alone"]}
            figures[label] = row
        return figures


@dataclass(frozen=True)
class Tables:
    """What every model is measured on."""

    data: dict[str, ImageDataset]
    tasks: list[Task]
    shops: Shops | None

    @classmethod
    def read(cls, *, with_shops: bool) -> "Tables":
        """Read all of them."""
        return cls(datasets(), load_tasks(photos_folder()), Shops.read() if with_shops else None)

    def few(self) -> "Tables":
        """Return a small part of each, enough to run every step."""
        data = {}
        for name, whole in self.data.items():
            labels = pd.Series(whole.labels)
            data[name] = whole.subset(labels.groupby(labels).head(2).index[:60])
        tasks = [
            replace(
                task,
                library={label: paths[:6] for label, paths in task.library.items()},
                sites=task.sites[:4],
                is_target=task.is_target[:4],
                relevant=task.relevant[:4],
            )
            for task in self.tasks[:2]
        ]
        shops = self.shops
        if shops is not None:
            repos = shops.repos[:3]
            photos = shops.photos.groupby("label").head(6)
            truth = shops.truth[shops.truth["repo"].isin(repos)].groupby("repo").head(30)
            shops = replace(shops, repos=repos, photos=photos, truth=truth)
        return Tables(data, tasks, shops)

    def measure(self, model: Embedder) -> dict[str, object]:
        """Return a model's row; its vectors are cached."""
        paths = {path for dataset in self.data.values() for path in dataset.paths}
        embedder = StoredEmbedder(model, sorted({*paths, *all_paths(self.tasks)}))
        row = {"name": model.name, **measure(self.data, embedder, Cosine().pairwise).figures}
        if hasattr(model, "embed_text"):
            row |= zero_shot(self.data, embedder, model)
        row["sites"] = summary(Photos(self.tasks, EmbeddingComparator(embedder)).decide())
        if self.shops is not None:
            row["shops"] = self.shops.figures(model)
        return row


def where(name: str) -> str:
    """Return where a model would come from: the cache, or the hub with what it would download."""
    import huggingface_hub as hub

    model = MODELS.get(name)
    repository, revision = (model.id, model.revision) if model else (name, None)
    if Path(name).is_dir():
        return "a folder here"
    if isinstance(hub.try_to_load_from_cache(repository, "config.json", revision=revision), str):
        return "in the cache"
    try:
        info = hub.HfApi().model_info(
            repository, revision=revision, files_metadata=True, timeout=10
        )
    except Exception as error:  # of the hub's client or its HTTP library
        return f"cannot be downloaded: {type(error).__name__}: {one_line(error)}"
    sizes = [
        file.size or 0 for file in info.siblings or () if file.rfilename.endswith(".safetensors")
    ]
    gate = "; accept its terms on its page first" if info.gated else ""
    return f"on the hub, at most {sum(sizes) / 1e9:.1f} GB to download{gate}"


def check(tables: Tables, names: list[str], runtime: str, device: str | None) -> None:
    """Run every step on a few photos with a tiny model, and say where each model would come from.

    Nothing is downloaded or written.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a random model learns nothing
        tiny = save_tiny_model(Path(folder) / "tiny-clip")
        for name in (BASELINES[0], str(tiny)):
            row = tables.few().measure(load(name, runtime, device))
            steps = [key for key in ("top1_fine", "zero_shot_fine", "sites", "shops") if key in row]
            print(f"{Path(name).name}: ran {', '.join(steps)}", flush=True)
    if tables.shops is None:
        print("real shops are left out: set SIMILARITY_LAB_SHOPS")
    for name in names:
        print(f"{name}: {where(name)}", flush=True)


def main() -> None:
    """Measure every model that can be loaded; write the figures after each."""
    parser = make_parser(__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), metavar="NAME")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--device")
    parser.add_argument("--no-shops", action="store_true", help="leave the real shops out")
    parser.add_argument("--no-baseline", action="store_true", help="leave EfficientNet-Lite out")
    parser.add_argument("--check", action="store_true", help="run every step on a few photos")
    options = parser.parse_args()
    has_shops = "SIMILARITY_LAB_SHOPS" in os.environ and not options.no_shops
    if not options.check:
        require_clean_tree()
    tables = Tables.read(with_shops=has_shops)
    if options.check:
        check(tables, options.models, options.runtime, options.device)
        return
    rows: dict[str, dict[str, object]] = {}
    missing: dict[str, str] = {}
    settings = {"runtime": options.runtime, "device": options.device, "prompts": PROMPTS}
    details = origin("python -m benchmarks.foundation", **settings)
    details |= {"libraries": library_versions()}
    for name in tqdm([*([] if options.no_baseline else BASELINES), *options.models], unit="model"):
        try:
            rows[name] = row = tables.measure(load(name, options.runtime, options.device))
            print(f"{name}: {row['top1_fine']:.3f} {row['sites']['accuracy']:.3f}", flush=True)
        except Exception as error:  # one model must not cost the others their figures
            missing[name] = reason(error)
            print(f"{name}: not measured: {missing[name]}", flush=True)
        file = write_results("foundation", {"origin": details, "rows": rows, "missing": missing})
    print(f"written to {file}")


if __name__ == "__main__":
    main()
