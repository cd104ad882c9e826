"""The one module that imports Keras (extra ``train``); `from similarity_lab.backend import keras`.

Our networks are Keras 3 throughout, whatever ``tf.keras`` is in this process. TensorFlow
Similarity, which needs Keras 2, is imported by `similarity_lab.metric_learning.libraries`.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from similarity_lab.errors import MissingExtraError

__all__ = ["keras", "quiet_stderr"]


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what C++ libraries write to stderr; print it if anything fails.

    TensorFlow 2.21 logs remarks on oneDNN and CUDA at startup that no setting silences.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as buffer:
        stderr = os.dup(2)
        os.dup2(buffer.fileno(), 2)
        try:
            yield
        except BaseException:
            buffer.seek(0)
            os.write(stderr, buffer.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

try:
    if "keras" in sys.modules:
        import keras
    else:
        with quiet_stderr():
            import keras

            keras.ops.zeros(1)  # the first operation looks for devices, and logs that too
except ModuleNotFoundError as error:
    raise MissingExtraError("Training networks", str(error.name), "train") from error
