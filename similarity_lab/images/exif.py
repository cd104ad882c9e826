"""EXIF: the one tag that changes pixels."""

import struct

__all__ = ["exif_orientation"]

_ORIENTATION, _SHORT = 0x0112, 3


def exif_orientation(exif: bytes) -> int:
    r"""Return the orientation that EXIF data declare, 1 (upright) … 8; 1 if they are damaged.

    Only EXIF counts, as in browsers: Pillow's ``getexif`` would also look into XMP.

    Parameters
    ----------
    exif : bytes
        A TIFF header and directory, possibly after ``Exif`` and two zero bytes.

    Examples
    --------
    >>> exif_orientation(b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0")
    6
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = ">" if tiff.startswith(b"MM") else "<"
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (n_entries,) = struct.unpack_from(f"{order}H", tiff, start)
        for index in range(n_entries):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * index)
            if tag == _ORIENTATION and kind == _SHORT:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:  # the directory is cut
        pass
    return 1
