"""The one place where TensorFlow Similarity and its Keras 2 are imported, after a look around.

TensorFlow Similarity was last released in 2023 and is written for Keras 2: behind ``tf.keras`` it
must find the package ``tf_keras``, and which Keras is there is decided once in a process, by
TF_USE_LEGACY_KERAS. `similarity_lab.backend` sets it; here is said what stands in the way.
"""

import contextlib
import importlib.util
import io
import logging
import os
from collections.abc import Iterator

from similarity_lab.errors import MissingExtraError

__all__ = ["quietly", "tf_keras", "tfs"]

_NEEDED = ("tensorflow_similarity", "nmslib", "tf_keras")
_LEGACY = "TF_USE_LEGACY_KERAS"
_TOO_LATE = (
    "TensorFlow was loaded with Keras 3 behind tf.keras before similarity_lab could ask for the "
    "Keras 2 that TensorFlow Similarity needs, and that cannot be changed any more. Start a new "
    "process (in a notebook: restart the kernel) and import similarity_lab.backend before "
    f"tensorflow, or set {_LEGACY}=1 before Python starts"
)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Hold back what TensorFlow Similarity prints, and remarks on how often Keras traces.

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


def _check_surroundings() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"metric learning needs {', '.join(missing)}, which is not installed; "
            'pip install "similarity_lab[train]"'
        )
    wanted = os.environ.get(_LEGACY, "1")
    if wanted.lower() not in ("1", "true"):
        raise MissingExtraError(
            f"{_LEGACY}={wanted} asks for Keras 3 behind tf.keras, with which TensorFlow "
            "Similarity cannot work; unset it, or set it to 1, before Python starts"
        )


_check_surroundings()

from similarity_lab.backend import without_remarks  # noqa: E402

with without_remarks():  # nmslib greets on stderr
    import tensorflow_similarity as tfs
    import tf_keras

# `tf.keras` itself may look right by now: what counts is what TensorFlow Similarity is made of.
if not issubclass(tfs.losses.MultiSimilarityLoss, tf_keras.losses.Loss):
    raise MissingExtraError(_TOO_LATE)
