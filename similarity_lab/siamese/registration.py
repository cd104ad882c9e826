"""Register the layers and losses of this package with Keras as soon as Keras is imported.

A ``.keras`` file names its layers; `keras.models.load_model` finds those that are registered.
Importing Keras takes seconds, so `similarity_lab.siamese` does not import it: if Keras is loaded,
the classes are registered at once, otherwise right after whoever imports it first.
"""

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_MODULES = ("similarity_lab.siamese.heads", "similarity_lab.siamese.losses")


def register_with_keras() -> None:
    """Register now if Keras is imported, otherwise when it is."""
    if sys.modules.get("keras") is not None:
        _import_modules()
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


def _import_modules() -> None:
    for name in _MODULES:  # their classes carry `register_keras_serializable`
        importlib.import_module(name)


class _KerasFinder(importlib.abc.MetaPathFinder):
    """Finds Keras where the other finders do, and registers once it is executed."""

    def __init__(self) -> None:
        self._is_searching = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of Keras with a loader that registers; None for other modules."""
        if fullname != "keras" or self._is_searching:
            return None
        self._is_searching = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._is_searching = False
        if spec is not None and spec.loader is not None:
            self._register_after(spec.loader)
        return spec

    def _register_after(self, loader: importlib.abc.Loader) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            backend = sys.modules.get("similarity_lab.backend")
            if backend is not None:  # it is importing Keras right now
                vars(backend).setdefault("keras", module)
            _import_modules()

        loader.exec_module = exec_module  # type: ignore[method-assign]
