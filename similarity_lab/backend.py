"""The one place where Keras and TensorFlow are imported.

TensorFlow Similarity (extra ``train``) needs the Keras 2 of the package ``tf_keras`` behind
``tf.keras``, and that is decided by an environment variable when TensorFlow is first imported.
Whoever needs a network says ``from similarity_lab.backend import keras``, so that the variable is
set in time whichever part of the package comes first. Our own networks are Keras 3 throughout.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["keras", "without_remarks"]


@contextmanager
def without_remarks() -> Iterator[None]:
    """Hold back what TensorFlow's C++ parts write to stderr; it comes out if anything fails.

    TensorFlow 2.21 greets every process with remarks on oneDNN and CUDA that no setting silences.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


if importlib.util.find_spec("tensorflow_similarity") is not None:
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

with without_remarks():
    import keras

    keras.ops.zeros(1)  # the first operation looks for devices, and remarks on that too
