"""Scikit-learn's manners without scikit-learn, which takes a second to import.

A command that scores a site needs nothing else of it, and would spend half of its time on that.
"""

import inspect
from typing import Any, Self

from similarity_lab.errors import InputError


class Estimator:
    """Parameters are the constructor's, attributes that end with ``_`` are what `fit` learned.

    Does for `sklearn.base.clone` and for those who read and set parameters what
    `sklearn.base.BaseEstimator` does.
    """

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; there are no estimators within, so `deep` is the same."""
        return {name: getattr(self, name) for name in sorted(self._defaults())}

    def set_params(self, **parameters: object) -> Self:
        """Change parameters; what was fitted stays until `fit` is called again."""
        known = self._defaults()
        for name, value in parameters.items():
            if name not in known:
                raise InputError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Name the parameters that are not the defaults."""
        changed = {
            name: value
            for name, default in self._defaults().items()
            if (value := getattr(self, name)) is not default and repr(value) != repr(default)
        }
        named = ", ".join(f"{name}={value!r}" for name, value in changed.items())
        return f"{type(self).__name__}({named})"

    def _check_is_fitted(self) -> None:
        """Raise scikit-learn's `NotFittedError` before `fit`."""
        if not any(name.endswith("_") and not name.startswith("_") for name in vars(self)):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(
                f"This {type(self).__name__} is not fitted yet; call fit(library) before this"
            )
