"""Folders and files to write results to, checked before anything is computed."""

from os import PathLike
from pathlib import Path

from similarity_lab.errors import InputError, NotAFolderError, PathNotFoundError
from similarity_lab.files.listing import user_path

__all__ = ["check_not_in_library", "check_output_folder", "output_file", "output_folder"]


def check_output_folder(folder: str | PathLike[str], expected: str) -> Path:
    """Return a path at which there is a folder, or can be one; ``~`` is the home folder.

    Parameters
    ----------
    folder : path
    expected : str
        What will be written there, for the message: ``"a folder for the report"``.

    Raises
    ------
    NotAFolderError
        It is a file, or inside a file.
    """
    path = user_path(folder)
    for part in (path, *path.parents):
        if part.exists() and not part.is_dir():
            raise NotAFolderError(f"{part}: is a file; expected {expected}")
    return path


def check_not_in_library(folder: str | PathLike[str], library: object) -> None:
    """Refuse a folder for results in that of a library, where results would become a class.

    Parameters
    ----------
    folder : path
    library : object
        Source of a library; other things than paths of folders have no such problem.

    Raises
    ------
    InputError
        They are the same, or the folder is inside the library.

    Examples
    --------
    >>> check_not_in_library("photos/results", "photos")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    similarity_lab.errors.InputError: photos/results: is in the library photos, whose ...
    """
    if not isinstance(library, (str, PathLike)):
        return
    path, library_path = user_path(folder), user_path(library)
    if path.resolve().is_relative_to(library_path.resolve()):
        raise InputError(
            f"{path}: is in the library {library_path}, whose folders are its classes; choose "
            "another folder for the results"
        )


def output_folder(folder: str | PathLike[str], expected: str) -> Path:
    """Return a folder to write to; it is created if it is missing.

    Parameters
    ----------
    folder, expected
        As in `check_output_folder`.

    Raises
    ------
    NotAFolderError
        It is a file, or inside a file.
    InputError
        It cannot be created, for lack of permission for instance.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "list.csv"
    >>> file.touch()
    >>> output_folder(file, "a folder for the results")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    similarity_lab.errors.NotAFolderError: ...list.csv: is a file; expected a folder for the results
    """
    path = check_output_folder(folder, expected)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be created ({error.strerror}); choose another place for {expected}"
        ) from error
    return path


def output_file(file: str | PathLike[str], example: str) -> Path:
    """Return the path of a file to write, in a folder that exists.

    Parameters
    ----------
    file : path
    example : str
        A name of such a file, for the message.

    Raises
    ------
    PathNotFoundError
        There is no such folder.
    InputError
        The path is that of a folder.
    """
    path = user_path(file)
    if not path.parent.is_dir():
        raise PathNotFoundError(f"{path}: no such folder: {path.parent}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected a file, such as {path / example}")
    return path
