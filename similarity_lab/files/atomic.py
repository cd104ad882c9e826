"""Write files atomically: a reader sees the old content or the new one, never a part of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_write", "part_path"]


def part_path(path: Path, *, writer: object = "") -> Path:
    """Return the temporary path that `atomic_write` yields for `path`.

    The suffix stays the same, since many writers choose the format by it.

    Examples
    --------
    >>> part_path(Path("store/index.npz")).as_posix()
    'store/part-index.npz'
    """
    return path.with_name(f"part{writer}-{path.name}")


@contextmanager
def atomic_write(path: Path, *, writer: object = "") -> Iterator[Path]:
    """Yield a path to write to; on success the file there replaces `path` in one step.

    If the block raises, the partial file is removed and `path` stays as it was. If the process is
    killed, a partial file may remain; the next write of `path` overwrites it. Devices and pipes
    (``/dev/stdout``) are written directly.

    Parameters
    ----------
    path : Path
        In an existing folder.
    writer : object
        Part of the temporary name. Threads or processes that may write the same file at the same
        time pass different values, such as ``threading.get_ident()``.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "marks.json"
    >>> with atomic_write(file) as part:
    ...     _ = part.write_text("{}")
    >>> [path.name for path in file.parent.iterdir()]
    ['marks.json']
    """
    if path.exists() and not path.is_file():
        yield path
        return
    part = part_path(path, writer=writer)
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
