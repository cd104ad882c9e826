"""The network of a model in PyTorch: an image tower and, if it has one, a text tower.

Vectors have unit length, as the authors of all these models compare them.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from similarity_lab.embedders.base import Vectors
from similarity_lab.embedders.foundation.hub import Snapshot
from similarity_lab.embedders.foundation.libraries import open_clip, quiet, transformers
from similarity_lab.embedders.torch_runtime import torch
from similarity_lab.errors import HubError, one_line

__all__ = ["Network", "has_text", "is_multilingual", "load_network", "scalar"]

_POOLER = ("pooler.", "vit.pooler.")
_TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")
_SIGLIP = ("siglip", "siglip2")
# Vocabularies of one language: CLIP 49,408 pieces, SigLIP 32,000, BERT 30,522; of many: SigLIP 2
# 256,000, XLM-R 250,002, mT5 250,112, multilingual BERT 119,547.
_MANY_PIECES = 100_000
_MULTILINGUAL = re.compile(r"multilingual|xlm|mt5|siglip2|bge-m3", re.IGNORECASE)


class Network(ABC):
    """A loaded model; `image_features` and `text_features` are vectors of any length."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - a module of PyTorch
        self.model = model.eval().requires_grad_(requires_grad=False)

    @abstractmethod
    def image_features(self, pixels: Any) -> Any:  # noqa: ANN401 - tensors
        """Return the features of prepared images, ``(b, 3, h, w)`` → ``(b, d)``."""

    @abstractmethod
    def text_features(self, texts: list[str]) -> Any:  # noqa: ANN401 - a tensor
        """Return the features of texts, ``(m, d)``."""

    def image_tower(self) -> Any:  # noqa: ANN401 - a module of PyTorch
        """Return the image tower as a module: float ``(b, 3, h, w)`` → unit vectors ``(b, d)``."""
        library, features = torch(), self.image_features

        class ImageTower(library.nn.Module):  # type: ignore[name-defined]
            def __init__(self, model: Any) -> None:  # noqa: ANN401
                super().__init__()
                self.model = model  # its parameters are the tower's

            def forward(self, pixels: Any) -> Any:  # noqa: ANN401
                return library.nn.functional.normalize(features(pixels), dim=-1)

        return ImageTower(self.model).eval()

    def dimension(self, input_size: tuple[int, int]) -> int:
        """Return the length of an image's vector; `HubError` if there is not one per image."""
        library = torch()
        try:
            with library.inference_mode(), quiet():
                shape = tuple(self.image_features(library.zeros(2, 3, *input_size)).shape)
        except Exception as error:  # whatever the model's code raises
            raise HubError(
                f"{type(self.model).__name__} returns no vector of an image ({one_line(error)}): "
                "models for conversation or detection do not"
            ) from error
        if len(shape) != 2 or shape[0] != 2:
            raise HubError(
                f"{type(self.model).__name__} returned {shape} for two images, expected "
                "(2, dimension)"
            )
        return int(shape[1])

    def text_vectors(self, texts: Sequence[str]) -> Vectors:
        """Return the unit vectors of texts, float32 ``(m, d)``."""
        library = torch()
        try:
            with library.inference_mode(), quiet():
                features = self.text_features(list(texts)).float()
        except Exception as error:  # whatever a tokenizer or the model's code raises
            raise HubError(
                f"{type(self.model).__name__} cannot embed texts ({type(error).__name__}: "
                f"{one_line(error)})"
            ) from error
        return library.nn.functional.normalize(features, dim=-1).cpu().numpy()


class _TransformersNetwork(Network):
    def __init__(self, snapshot: Snapshot) -> None:
        model, info = _model_class(snapshot).from_pretrained(
            snapshot.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch().float32,
            output_loading_info=True,
        )
        missing = set(info["missing_keys"])
        # a classifier is saved without the pooling layer, which its authors did not train
        self._is_pooled = not any(key.startswith(_POOLER) for key in missing)
        missing -= {key for key in missing if key.startswith(_POOLER)}
        if missing or info.get("mismatched_keys"):
            raise HubError(
                f"{snapshot.name}: its weights do not fit {type(model).__name__}; "
                f"{len(missing)} tensors are missing, such as {sorted(missing)[:2]}"
            )
        super().__init__(model)
        self._folder = snapshot.folder
        self._tokenizer: Any = None

    def image_features(self, pixels: Any) -> Any:  # noqa: ANN401
        if hasattr(self.model, "get_image_features"):
            output = self.model.get_image_features(pixel_values=pixels)
            return getattr(output, "pooler_output", output)
        output = self.model(pixel_values=pixels)
        if hasattr(output, "image_embeds"):
            return output.image_embeds
        pooled = getattr(output, "pooler_output", None)
        if pooled is None or not self._is_pooled:
            return output.last_hidden_state[:, 0]  # the class token
        return pooled.flatten(1)

    def text_features(self, texts: list[str]) -> Any:  # noqa: ANN401
        if self._tokenizer is None:
            self._tokenizer = transformers().AutoTokenizer.from_pretrained(
                self._folder, local_files_only=True, trust_remote_code=False
            )
        config = self.model.config
        length = int(getattr(config.text_config, "max_position_embeddings", 0)) or None
        is_siglip = config.model_type in _SIGLIP
        if is_siglip:  # trained on lower-case texts, filled up to the full length
            texts = [text.lower() for text in texts]
        tokens = self._tokenizer(
            texts,
            padding="max_length" if is_siglip else True,
            truncation=True,
            max_length=length,
            return_tensors="pt",
        )
        if is_siglip:
            tokens.pop("attention_mask", None)
        tokens.pop("token_type_ids", None)
        output = self.model.get_text_features(**tokens.to(self.model.device))
        return getattr(output, "pooler_output", output)


def _model_class(snapshot: Snapshot) -> Any:  # noqa: ANN401 - a class of transformers
    """Return the class that loads a model: of an image tower alone, the one with its projection."""
    library = transformers()
    for name in _config(snapshot).architectures or ():
        if name.endswith("VisionModelWithProjection") and hasattr(library, name):
            return getattr(library, name)
    return library.AutoModel


def _config(snapshot: Snapshot) -> Any:  # noqa: ANN401 - a configuration of transformers
    return transformers().AutoConfig.from_pretrained(
        snapshot.folder, local_files_only=True, trust_remote_code=False
    )


class _OpenClipNetwork(Network):
    def __init__(self, snapshot: Snapshot) -> None:
        library = open_clip()
        source = f"local-dir:{snapshot.folder}"
        model = library.create_model(source, load_weights=False, pretrained_text=False)
        library.load_checkpoint(model, str(snapshot.weights[0]))
        super().__init__(model)
        self._source = source
        self._tokenizer: Any = None

    def image_features(self, pixels: Any) -> Any:  # noqa: ANN401
        return self.model.encode_image(pixels)

    def text_features(self, texts: list[str]) -> Any:  # noqa: ANN401
        if self._tokenizer is None:
            self._tokenizer = open_clip().get_tokenizer(self._source)
        device = next(self.model.parameters()).device
        return self.model.encode_text(self._tokenizer(texts).to(device))


def load_network(snapshot: Snapshot) -> Network:
    """Return the network of a model with its weights, float32 on the CPU.

    Raises
    ------
    HubError
        The weights are damaged or do not fit, or the model embeds no images.
    """
    build = _TransformersNetwork if snapshot.library == "transformers" else _OpenClipNetwork
    try:
        with quiet():
            return build(snapshot)
    except HubError:
        raise
    except Exception as error:  # safetensors, PyTorch and the libraries raise errors of many types
        raise HubError(
            f"{snapshot.name} cannot be loaded ({type(error).__name__}: {one_line(error)}). If its "
            f"files are damaged, delete {snapshot.folder} and load it again"
        ) from error


def has_text(snapshot: Snapshot) -> bool:
    """Tell whether a model has a text tower and the tokenizer for it."""
    has_tokenizer = any((snapshot.folder / name).is_file() for name in _TOKENIZERS)
    if snapshot.library == "open_clip":
        settings = json.loads((snapshot.folder / "open_clip_config.json").read_text("utf-8"))
        return has_tokenizer or "hf_tokenizer_name" not in settings["model_cfg"]["text_cfg"]
    with quiet():
        config = _config(snapshot)
        model_class = transformers().MODEL_MAPPING.get(type(config), None)
    # without its files, transformers would make a tokenizer with an empty vocabulary
    return has_tokenizer and hasattr(model_class, "get_text_features")


def is_multilingual(snapshot: Snapshot) -> bool:
    """Tell whether a text tower was trained on many languages, by the size of its vocabulary.

    Models of open_clip whose text tower is one of transformers may state only its name.
    """
    if snapshot.library == "open_clip":
        settings = json.loads((snapshot.folder / "open_clip_config.json").read_text("utf-8"))
        text = settings["model_cfg"]["text_cfg"]
        names = (str(text.get(key, "")) for key in ("hf_model_name", "hf_tokenizer_name"))
        size = text.get("vocab_size") or 0
        return int(size) >= _MANY_PIECES or any(map(_MULTILINGUAL.search, names))
    with quiet():
        config = _config(snapshot)
    text_config = getattr(config, "text_config", config)
    return int(getattr(text_config, "vocab_size", 0) or 0) >= _MANY_PIECES


def scalar(snapshot: Snapshot, name: str) -> float | None:
    """Return one number of the weights, such as ``"logit_scale"``; None if there is none."""
    from safetensors import safe_open

    for path in snapshot.weights:
        with safe_open(path, "np") as file:
            if name in file.keys():  # noqa: SIM118 - it is not iterable
                return float(np.ravel(file.get_tensor(name))[0])
    return None
