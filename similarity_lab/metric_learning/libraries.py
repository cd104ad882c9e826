"""The one module that imports TensorFlow Similarity and its Keras 2.

TensorFlow Similarity was last released in 2023 and is written for Keras 2: its modules use
``tf.keras`` throughout, which today is Keras 3 unless TF_USE_LEGACY_KERAS was set before TensorFlow
was first imported. Here its modules, and no others, get a TensorFlow whose ``keras`` is the package
``tf_keras``. So it does not matter what was imported before, and ``tf.keras`` stays what it is for
everybody else.
"""

import builtins
import contextlib
import functools
import importlib
import importlib.util
import io
import logging
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from similarity_lab.backend import quiet_stderr
from similarity_lab.errors import MissingExtraError

__all__ = ["apply", "quietly", "tf_keras", "tfs"]

_PACKAGE = "tensorflow_similarity"
_NEEDED = (_PACKAGE, "nmslib", "tf_keras")
_BATCH = 128


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Hold back what TensorFlow Similarity prints, and warnings on how often Keras traces.

    Several networks in one process are what this package is for.
    """
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def check_installed() -> None:
    """Raise `MissingExtraError` for libraries that are not installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError("Metric learning", ", ".join(missing), "train")


class _TensorflowWithKeras2(ModuleType):
    """TensorFlow, except that its ``keras`` is `tf_keras`."""

    def __init__(self, tensorflow: ModuleType, keras: ModuleType) -> None:
        super().__init__(tensorflow.__name__, tensorflow.__doc__)
        self.keras = keras
        self._tensorflow = tensorflow

    def __getattr__(self, name: str) -> object:
        return getattr(self._tensorflow, name)


@contextlib.contextmanager
def _keras_2_for(package: str) -> Iterator[None]:
    """Within this context, the modules of `package` import TensorFlow with Keras 2.

    The modules of other packages, and other threads, import what they always do.
    """
    import tensorflow
    import tf_keras

    wrapped = _TensorflowWithKeras2(tensorflow, tf_keras)
    original = builtins.__import__

    def import_(
        name: str,
        globals: Any = None,  # noqa: ANN401
        locals: Any = None,  # noqa: ANN401
        fromlist: Any = (),  # noqa: ANN401
        level: int = 0,
    ) -> object:
        importer = (globals or {}).get("__name__", "")
        is_keras = name == "tensorflow" or name.startswith("tensorflow.keras")
        if level or not is_keras or importer.partition(".")[0] != package:
            return original(name, globals, locals, fromlist, level)
        if not fromlist:  # `import tensorflow.keras.layers` binds the outermost module
            return wrapped
        return functools.reduce(getattr, name.split(".")[1:], wrapped)

    builtins.__import__ = import_  # type: ignore[assignment]
    try:
        yield
    finally:
        builtins.__import__ = original


def import_similarity() -> Any:  # noqa: ANN401
    """Return TensorFlow Similarity on Keras 2, beside one that was imported on Keras 3."""
    import tf_keras

    imported = sys.modules.get(_PACKAGE)
    if imported is not None and issubclass(imported.losses.MetricLoss, tf_keras.losses.Loss):
        return imported
    theirs = _remove_modules()
    try:
        with _keras_2_for(_PACKAGE):
            return importlib.import_module(_PACKAGE)
    finally:
        if theirs:
            _remove_modules()
            sys.modules.update(theirs)


def _remove_modules() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]
    return {name: sys.modules.pop(name) for name in names}


check_installed()

with quiet_stderr():  # nmslib logs to stderr when it is imported
    import tf_keras

    tfs = import_similarity()


def apply(network: Any, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:  # noqa: ANN401
    """Return the output of a `tf_keras` network in inference mode: float32, one row per value."""
    if not len(values):
        return np.empty((0, *network.output_shape[1:]), np.float32)
    with quietly():
        if len(values) <= _BATCH:  # faster than `predict`, which takes longer to start
            return np.asarray(network(values, training=False), np.float32)
        return np.asarray(network.predict(values, batch_size=_BATCH, verbose=0), np.float32)
