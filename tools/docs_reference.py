"""Show types and defaults in the reference as docstrings and signatures state them.

An extension of griffe, which reads the docstrings for mkdocstrings. The types of NumPy docstrings
are prose: ``{"learned", "mean-distance"}, LearnedRule or MeanDistanceRule``. Griffe evaluates them
as Python, which turns "mean-distance" into a subtraction, and takes the first choice as the
default. Here types stay as written, with links to classes, and defaults come from the signature,
constants by their value.
"""

import re
from collections.abc import Iterator

import griffe

ITEM = re.compile(r"^(?P<names>\*{0,2}\w+(?:, \*{0,2}\w+)*) : (?P<type>.+)$", re.MULTILINE)
NAME = re.compile(r"(\b[A-Za-z_]\w*\b)")
KINDS = (
    griffe.DocstringSectionKind.parameters,
    griffe.DocstringSectionKind.attributes,
)
RETURNS = (griffe.DocstringSectionKind.returns, griffe.DocstringSectionKind.yields)


class Prose(griffe.Expr):
    """The type of a NumPy docstring: text, in which some words are names of classes."""

    def __init__(self, parts: list[str | griffe.Expr]) -> None:
        self.parts = parts

    def iterate(self, *, flat: bool = True) -> Iterator[str | griffe.Expr]:
        """Yield texts and names in their order."""
        yield from self.parts


class DocstringTypes(griffe.Extension):
    """Keep the types of docstrings as they are written."""

    def on_module(self, *, mod: griffe.Module, **_: object) -> None:
        """Correct what was read of a package, once all of it was (and its dataclasses known)."""
        if mod.parent is not None:
            return
        everything = list(_walk(mod))
        self.classes = {one.name: one for one in everything if one.is_class}
        constants = {one.name: one.value for one in everything if _is_constant(one)}
        for one in everything:
            for parameter in getattr(one, "parameters", ()):
                parameter.default = constants.get(str(parameter.default), parameter.default)
        for one in everything:
            if one.docstring is not None:
                self._correct(one, one.docstring)

    def _correct(self, owner: griffe.Object, docstring: griffe.Docstring) -> None:
        types = {
            name.lstrip("*"): match["type"].removesuffix(", optional")
            for match in ITEM.finditer(docstring.value)
            for name in match["names"].split(", ")
        }
        parameters = {one.name: one.default for one in getattr(owner, "parameters", ())}
        for section in docstring.parsed:
            for item in section.value if section.kind in KINDS else ():
                name = item.name.lstrip("*")
                if name in types:
                    item.annotation = self._prose(types[name])
                if section.kind is griffe.DocstringSectionKind.parameters:
                    item.value = parameters.get(name)
            for item in section.value if section.kind in RETURNS else ():
                item.annotation = self._prose(_written(docstring.value, str(item.annotation)))

    def _prose(self, text: str) -> Prose:
        """Return the text with the names of classes of the package as links."""
        parts: list[str | griffe.Expr] = []
        for part in NAME.split(text.replace("`", "")):
            known = self.classes.get(part)
            parts.append(griffe.ExprName(part, parent=known.parent) if known else part)
        return Prose(parts)


def _walk(one: griffe.Object) -> Iterator[griffe.Object]:
    yield one
    for member in one.members.values():
        if not member.is_alias:
            yield from _walk(member)


def _is_constant(one: griffe.Object) -> bool:
    """Return whether this is a name for a plain value, such as ``DEFAULT_PRIOR = 0.25``."""
    return (
        one.is_attribute
        and one.name.isupper()
        and one.value is not None
        and re.fullmatch(r"[-\d._* ]+|'[^']*'|\"[^\"]*\"", str(one.value)) is not None
    )


def _written(text: str, annotation: str) -> str:
    """Return the type of a result as the docstring has it."""
    section = re.search(r"^(?:Returns|Yields)\n-+\n((?:.*\n?)*)", text, re.MULTILINE)
    lines = section[1].splitlines() if section else []
    types = [line.rpartition(" : ")[2] for line in lines if line and not line.startswith(" ")]
    letters = {re.sub(r"\W", "", written): written for written in types}
    return letters.get(re.sub(r"\W", "", annotation), annotation)
