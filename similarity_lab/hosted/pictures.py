"""Pictures by their content: what stands in for vectors where only a service compares."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from similarity_lab.embedders.base import Embedded, Images, as_sources
from similarity_lab.errors import ImageError, InputError
from similarity_lab.images import check_image, read_image
from similarity_lab.images.decoding import errors_table
from similarity_lab.images.sources import Source, content_digest, describe, read_bytes

_WORDS = 16  # of 16 bits: a SHA-256
_MIDDLE = 32767.5  # so that the vectors of two contents stand at right angles, or nearly


class Pictures:
    """An embedder whose vectors say which picture it is, and nothing of what it shows.

    A vector is the picture's SHA-256 in sixteen numbers. The picture is remembered (a file by its
    path) until it is asked for.

    Attributes
    ----------
    name : str
    dimension : int
    input_size : (int, int)
        Pictures are sent no larger than this, in pixels.
    """

    dimension = _WORDS

    def __init__(self, name: str, side: int) -> None:
        self.name, self.input_size = name, (side, side)
        self._sources: dict[str, Source] = {}

    def embed(
        self, images: Images, *, batch_size: int | None = None, progress: bool = True
    ) -> Embedded:
        """Return one vector per readable image, float32 ``(n, 16)``, and list the others."""
        vectors, kept, errors = [], [], {}
        for index, source in enumerate(as_sources(images)):
            try:
                vectors.append(vector_of(self._remember(source)))
                kept.append(index)
            except ImageError as error:
                errors[index] = error
        return Embedded(np.reshape(vectors, (-1, _WORDS)), kept, errors_table(errors))

    def jpeg(self, digest: str) -> bytes:
        """Return a remembered picture as it is sent: scaled down, without EXIF or other remarks.

        Raises
        ------
        ImageError
            If its file has changed since.
        ValueError
            If it was never seen here.
        """
        if digest not in self._sources:
            raise InputError(
                "vectors of pictures that this comparator has not seen: it can ask about pictures "
                "it embedded itself, not about vectors kept in a store or a saved scorer"
            )
        source = self._sources[digest]
        if content_digest(source) != digest:
            raise ImageError(describe(source), "has changed since it was looked at")
        picture = Image.fromarray(read_image(source))
        picture.thumbnail(self.input_size, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    def _remember(self, source: Source) -> str:
        if isinstance(source, Image.Image):
            source = read_image(source)  # its own array does not tell palettes apart
        elif hasattr(source, "read"):
            source = read_bytes(source)  # a file object can be read once
        check_image(source)
        digest = content_digest(source)
        self._sources[digest] = source
        return digest


def vector_of(digest: str) -> npt.NDArray[np.float32]:
    """Return a digest as sixteen numbers, exact in float32.

    Examples
    --------
    >>> digest_of(vector_of("00ff" * 16)) == "00ff" * 16
    True
    """
    return (np.frombuffer(bytes.fromhex(digest), ">u2") - _MIDDLE).astype(np.float32)


def digest_of(vector: Sequence[float] | npt.NDArray[np.float32]) -> str:
    """Return the digest that `vector_of` made a vector of."""
    words = np.asarray(vector, np.float64) + _MIDDLE
    if words.shape != (_WORDS,) or not np.isin(words, np.arange(2**16)).all():
        raise InputError(
            "expected a vector of this comparator's own embedder, which names a picture"
        )
    return words.astype(">u2").tobytes().hex()
