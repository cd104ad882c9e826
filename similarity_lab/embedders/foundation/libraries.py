"""The optional libraries of foundation models, imported when they are needed."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from similarity_lab.embedders.telemetry import without_telemetry
from similarity_lab.embedders.torch_runtime import torch
from similarity_lab.errors import EmbedderError, MissingExtraError, one_line

__all__ = ["nncf", "open_clip", "quiet", "transformers"]

_LOGGERS = ("transformers", "open_clip", "timm", "nncf", "torch", "huggingface_hub", None)


def transformers() -> Any:  # noqa: ANN401 - a module
    """Return transformers, with which PyTorch is needed too."""
    torch()
    _check_torchvision()
    return _import("transformers")


def open_clip() -> Any:  # noqa: ANN401 - a module
    """Return open_clip, for the models that transformers has no class for."""
    _check_torchvision()
    _import("open_clip.transform")
    return _import("open_clip")


def nncf() -> Any:  # noqa: ANN401 - a module
    """Return NNCF, which rounds weights to int8."""
    with without_telemetry():
        return _import("nncf")


def _import(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        with quiet():
            return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError("A foundation model", str(error.name), "foundation") from error


def _check_torchvision() -> None:
    """Raise `EmbedderError` if there is a torchvision that does not go with this PyTorch.

    transformers imports it if it is there, and would report every class as missing.
    """
    try:
        import_module("torchvision")
    except ModuleNotFoundError:
        return  # most models need none
    except (RuntimeError, OSError, ImportError) as error:
        raise EmbedderError(
            f"torchvision does not go with PyTorch {torch().__version__} ({one_line(error)}): one "
            "of them is built for CUDA, the other for the CPU, or their versions differ; install "
            "both from the same index"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the remarks and progress bars of these libraries while they load a model."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    log = sys.modules.get("transformers.utils.logging")
    has_bars = log is not None and log.is_progress_bar_enabled()
    if log is not None:
        log.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if log is not None and has_bars:
            log.enable_progress_bar()
