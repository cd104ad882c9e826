"""Every exception and warning of the package, in one tree.

    SimilarityLabError
    ├── InputError (ValueError)                  an argument or a file that cannot be used
    │   ├── ImageError                           an image that cannot be read: path and reason
    │   ├── ArchiveError                         a zip that is refused
    │   ├── UnknownClassError                    a class that the dataset does not have
    │   ├── SiteError                            a site on which no decision is possible
    │   │   └── CollectedFolderError             not a folder of a collected site, or outdated
    │   ├── NoReferencesError                    a library without a usable image of the target
    │   ├── EmbedderError                        not an embedder, or one that cannot run here
    │   ├── WeightsError                         a weights file that is damaged or unsafe
    │   ├── StoreError                           a folder that is not a store of vectors
    │   │   └── StoreAccessError                 a store that cannot be read or written here
    │   ├── SavedFolderError                     a saved model that is damaged, foreign or outdated
    │   └── UrlError                             a URL that may not be requested
    ├── InputTypeError (TypeError)               an argument of the wrong type
    ├── PathNotFoundError (FileNotFoundError)    no such file or folder
    ├── NotAFolderError (NotADirectoryError)     a file where a folder is expected
    ├── MissingExtraError (ImportError)          an optional dependency that is not installed
    ├── DownloadError (OSError)                  a download that failed
    ├── HubError (OSError)                       a model of a hub that cannot be reached or loaded
    ├── BrowserError (RuntimeError)              a browser that cannot be started
    ├── ClusterError (RuntimeError)              a Ray cluster that cannot be reached or started
    └── HostedError (RuntimeError)               a hosted service that failed
        └── QuotaError                           quota used up: your own, or the service's

Each also derives from the built-in exception in brackets, so that ``except ValueError`` works.
Warnings: `PromiseWarning`, a calibration promise that cannot be kept; `InputWarning`, an input that
may be meant otherwise than it was read; `StoreWarning`, a store that cannot be used;
`LicenceWarning`, a model under special terms.
"""

import difflib
from collections.abc import Iterable, Sequence
from numbers import Integral, Real


def did_you_mean(name: object, known_names: Iterable[str]) -> str:
    """Return a suggestion for the message of an error about an unknown name.

    Returns
    -------
    str
        ``" Did you mean 'almonds'?"`` with the most similar known name, ignoring case; an empty
        string if none is similar.

    Examples
    --------
    >>> did_you_mean("almond", ["almonds", "dates"])
    " Did you mean 'almonds'?"
    """
    by_key = {known_name.casefold(): known_name for known_name in known_names}
    close = difflib.get_close_matches(str(name).casefold(), by_key, n=1)
    return f" Did you mean {by_key[close[0]]!r}?" if close else ""


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line of at most 200 characters, for a table."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def check_number(name: str, value: object, expected: str, *, whole: bool = False) -> None:
    """Raise `InputTypeError` unless a parameter is a number.

    Parameters
    ----------
    name : str
        Of the parameter.
    value : object
    expected : str
        What it should be, for the message: ``"a probability from 0.5 to 1"``.
    whole : bool
        Whether it has to be an integer.

    Examples
    --------
    >>> check_number("prior", "high", "a probability")
    Traceback (most recent call last):
    similarity_lab.errors.InputTypeError: prior is a probability, got 'high'
    """
    kind = Integral if whole else Real
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputTypeError(f"{name} is {expected}, got {value!r}")


def check_type(value: object, kind: type | tuple[type, ...], expected: str) -> None:
    """Raise `InputTypeError` unless an argument is of a type.

    Parameters
    ----------
    value : object
    kind : type or tuple of types
    expected : str
        What it should be and where it comes from, for the message.

    Examples
    --------
    >>> check_type("shop", dict, "a mapping from name to url")
    Traceback (most recent call last):
    similarity_lab.errors.InputTypeError: expected a mapping from name to url, got str
    """
    if not isinstance(value, kind):
        raise InputTypeError(f"expected {expected}, got {type(value).__name__}")


class SimilarityLabError(Exception):
    """Base of all errors that this package raises."""


class InputError(SimilarityLabError, ValueError):
    """An argument or a file that cannot be used; the message says what was expected."""


class InputTypeError(SimilarityLabError, TypeError):
    """An argument of the wrong type."""


class PathNotFoundError(SimilarityLabError, FileNotFoundError):
    """No such file or folder."""


class NotAFolderError(SimilarityLabError, NotADirectoryError):
    """A file where a folder is expected."""


class MissingExtraError(SimilarityLabError, ImportError):
    """An optional dependency that is not installed; the message has the ``pip`` line.

    Parameters
    ----------
    feature : str
        What needs the dependency: the subject of the message.
    requirement : str
        The missing package or packages.
    extra : str
        The extra of this package that installs them.
    next_step : str
        Appended to the ``pip`` line, if installing is not enough.

    Examples
    --------
    >>> print(MissingExtraError("Drawing figures", "matplotlib", "plots"))
    Drawing figures needs matplotlib: pip install "similarity_lab[plots]"
    """

    def __init__(self, feature: str, requirement: str, extra: str, next_step: str = "") -> None:
        super().__init__(feature, requirement, extra, next_step)

    def __str__(self) -> str:
        feature, requirement, extra, next_step = self.args
        return f'{feature} needs {requirement}: pip install "similarity_lab[{extra}]"{next_step}'


class ImageError(InputError):
    """An image that cannot be read.

    Parameters
    ----------
    path : str
        Path of the image; ``"<bytes>"``, ``"<array>"`` … for sources without a path.
    reason : str
        One line that a person can act on.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class ArchiveError(InputError):
    """A zip that is damaged, dangerous, or exceeds the limits."""


class UnknownClassError(InputError):
    """A class that the dataset does not have; the message lists the classes it has.

    Parameters
    ----------
    name : object
        The unknown class.
    classes : sequence of str
        The classes of the dataset; the one with the most similar spelling is suggested.
    left_out : str
        Why no file of the class could be used, if there are such files.
    """

    def __init__(self, name: object, classes: Sequence[str], left_out: str = "") -> None:
        super().__init__(name, classes, left_out)

    def __str__(self) -> str:
        name, classes, left_out = self.args
        known = f"The dataset has: {', '.join(classes)}"
        if left_out:
            return f"No file of the class {name!r} can be used: {left_out}. {known}"
        parts = [part.strip() for part in str(name).split(",")]
        hint = did_you_mean(name, classes)
        if len(parts) > 1 and set(parts) <= set(classes):
            hint = f" Pass several names one by one: {', '.join(map(repr, parts))}."
        return f"Unknown class {name!r}.{hint} {known}"


class SiteError(InputError):
    """A site on which no decision is possible; the message says why."""


class NoReferencesError(InputError):
    """A library without a readable image of the target.

    Parameters
    ----------
    target : str
    """

    def __init__(self, target: str) -> None:
        super().__init__(target)

    def __str__(self) -> str:
        return (
            f"The library has no readable image of {self.args[0]!r}; its table `skipped` says why "
            "images could not be read"
        )


class EmbedderError(InputError):
    """Something that cannot be made into an embedder, or an embedder that cannot run here."""


class WeightsError(InputError):
    """A weights file that is damaged or refers to anything but tensors."""


class StoreError(InputError):
    """A folder that is not a store of vectors."""


class StoreAccessError(StoreError):
    """A store that cannot be read or written: no permission, a read-only or full disk, a lock."""


class SavedFolderError(InputError):
    """A folder without a usable saved model: damaged, incomplete, or of another version."""


class UrlError(InputError):
    """A URL that may not be requested."""


class CollectedFolderError(SiteError):
    """A folder that is not one of a collected site, or one that version 1 wrote."""


class DownloadError(SimilarityLabError, OSError):
    """A download that failed; the message says what to do."""


class HubError(SimilarityLabError, OSError):
    """A model of TF-Hub or the Hugging Face hub that cannot be reached or loaded."""


class BrowserError(SimilarityLabError, RuntimeError):
    """A browser that cannot be started or controlled."""


class ClusterError(SimilarityLabError, RuntimeError):
    """A Ray cluster that cannot be reached or started, or whose workers do not start."""


class HostedError(SimilarityLabError, RuntimeError):
    """A request to a hosted service that failed, or a response that cannot be used."""


class QuotaError(HostedError):
    """The request quota is used up: your own limit, or the service's."""


class PromiseWarning(UserWarning):
    """A calibration promise that cannot be kept on the calibration images."""


class InputWarning(UserWarning):
    """An input that may be meant otherwise than it was read; the message says how to choose."""


class StoreWarning(UserWarning):
    """A store that cannot be read or written; the work continues without it."""


class LicenceWarning(UserWarning):
    """A model whose licence does not allow every use, or states none."""
