"""The preprocessing of a model: a decoded image → what its image tower takes.

It is the model's own processor, from the library that builds the model, with Pillow's resampling
where the library offers it: the resampling with which the authors of CLIP, SigLIP, DINOv2 and PE
evaluated their models. DINOv3's exists for torchvision only.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from similarity_lab.embedders.foundation.hub import Snapshot
from similarity_lab.embedders.foundation.libraries import open_clip, quiet, transformers
from similarity_lab.errors import EmbedderError, HubError, one_line
from similarity_lab.images import Pixels

__all__ = ["Prepared", "Processor", "load_processor"]

Prepared = npt.NDArray[np.float32]
"""One image as an image tower takes it, ``(3, height, width)``."""

_MAX_ASPECT = 32  # of the sides; longer images are cut to it, for a shorter side is scaled up
_PROBES = ((48, 64), (64, 48), (40, 40))  # height and width


@dataclass(frozen=True)
class Processor:
    """Prepares images one by one; thread-safe.

    Attributes
    ----------
    process : callable
        PIL image in RGB → float32 ``(3, height, width)``.
    identity : str
        Kind of the processor and a digest of its settings.
    keeps_aspect : bool
        It scales the shorter side and cuts out the centre.
    input_size : (height, width)
    """

    process: Callable[[Image.Image], Any]
    identity: str
    keeps_aspect: bool
    input_size: tuple[int, int] = (0, 0)

    def __call__(self, pixels: Pixels) -> Prepared:
        """Return a decoded image, uint8 ``(h, w, 3)`` or ``(h, w, 1)``, as the tower takes it."""
        if pixels.shape[2] == 1:
            pixels = np.repeat(pixels, 3, axis=2)
        if self.keeps_aspect:
            pixels = _limit_aspect(pixels)
        return np.ascontiguousarray(self.process(Image.fromarray(pixels)), np.float32)


def load_processor(snapshot: Snapshot) -> Processor:
    """Return the processor of a model.

    Raises
    ------
    HubError
        The model has no image processor, or one whose output is not one image of a fixed size.
    MissingExtraError
        A library is missing.
    """
    load = _transformers if snapshot.library == "transformers" else _open_clip
    try:
        with quiet():
            processor = load(snapshot)
    except (ValueError, OSError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, (HubError, EmbedderError)):
            raise
        raise HubError(
            f"{snapshot.name} has no image processor that {snapshot.library} can load "
            f"({one_line(error)}); only models of images can be used"
        ) from error
    return replace(processor, input_size=_probe(processor, snapshot.name))


def _probe(processor: Processor, name: str) -> tuple[int, int]:
    """Return the height and width of prepared images; `HubError` unless they never change."""
    shapes = set()
    for height, width in _PROBES:
        try:
            shapes.add(processor(np.full((height, width, 3), 128, np.uint8)).shape)
        except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
            raise HubError(f"{name}: its image processor failed ({one_line(error)})") from error
    if len(shapes) > 1 or len(shape := shapes.pop()) != 3 or shape[0] != 3:
        raise HubError(
            f"{name}: its image processor makes no single image of a fixed size, as models for any "
            "resolution (NaFlex) and for conversation do; use a variant with a fixed resolution"
        )
    return shape[1], shape[2]


def _transformers(snapshot: Snapshot) -> Processor:
    processor = transformers().AutoImageProcessor.from_pretrained(
        snapshot.folder, backend="pil", local_files_only=True, trust_remote_code=False
    )
    kind = type(processor).__name__
    settings = {key: value for key, value in processor.to_dict().items() if "version" not in key}
    takes_array = kind == "TimmWrapperImageProcessor"  # returns tensors only

    def process(image: Image.Image) -> Any:  # noqa: ANN401
        values = processor(images=image, return_tensors="pt" if takes_array else "np")
        return np.asarray(values["pixel_values"][0])

    size = getattr(processor, "size", None) or {"shortest_edge": 0}
    return Processor(process, f"{kind}:{_digest(settings)}", "shortest_edge" in dict(size))


def _open_clip(snapshot: Snapshot) -> Processor:
    library = open_clip()
    config = json.loads((snapshot.folder / "open_clip_config.json").read_text("utf-8"))
    settings = library.transform.merge_preprocess_dict(
        library.transform.PreprocessCfg(), config.get("preprocess_cfg", {})
    )
    settings["size"] = config["model_cfg"]["vision_cfg"].get("image_size", settings["size"])
    preprocess = library.transform.image_transform_v2(
        library.transform.PreprocessCfg(**settings), is_train=False
    )
    return Processor(
        lambda image: preprocess(image).numpy(),
        f"open_clip:{_digest(settings)}",
        settings["resize_mode"] != "squash",
    )


def _digest(settings: dict[str, Any]) -> str:
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _limit_aspect(pixels: Pixels) -> Pixels:
    """Return the middle of an image whose sides differ by more than a factor of 32.

    Scaling the shorter side to 224 pixels would make a line of 1 × 20,000 pixels an image of a
    billion; all but the centre is cut away afterwards.
    """
    height, width = pixels.shape[:2]
    limit = _MAX_ASPECT * min(height, width)
    top, left = (max(0, side - limit) // 2 for side in (height, width))
    return pixels[top : top + limit, left : left + limit]
