"""Small faults that may be planted in a module, one at a time."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_NAMES = {
    "min": "max", "max": "min", "any": "all", "all": "any", "argmin": "argmax", "argmax": "argmin",
    "minimum": "maximum", "maximum": "minimum", "floor": "ceil", "zeros": "ones", "ones": "zeros",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A module with one fault.

    Attributes
    ----------
    name : str
        Line, column and what was changed; the same as long as the source is.
    tree : ast.Module
    """

    name: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Yield a module's mutants, in the order of the source.

    Nothing is changed in annotations, decorators, messages of errors and warnings, and texts.
    """
    for position, node in enumerate(_code(ast.parse(source))):
        for words, change in _changes(node):
            copy = ast.parse(source)  # faster than copying the tree
            target = next(one for at, one in enumerate(_code(copy)) if at == position)
            change(target)
            yield Mutant(
                f"{node.lineno}:{node.col_offset} {words}", ast.fix_missing_locations(copy)
            )


def _code(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Yield what computes something, in the order of the source."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.JoinedStr):
                continue
            if isinstance(child, ast.Call) and ast.unparse(child.func) == "warnings.warn":
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child
            yield from _code(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[..., None]]]:
    """Yield ``(words, change)``: what may be changed at a node, as functions of such a node."""
    yield from _operators(node)
    match node:
        case ast.Constant(value=bool()):
            yield f"{node.value} -> {not node.value}", _set("value", not node.value)
        case ast.Constant(value=int() | float()):
            for value in (node.value + 1, node.value - 1):
                yield f"{node.value} -> {value}", _set("value", value)
        case ast.If() | ast.IfExp() | ast.While():
            yield "condition negated", lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
        case ast.Return() if node.value is not None:
            yield "returns None", _set("value", ast.Constant(None))
        case ast.Name() if node.id in _NAMES:
            yield f"{node.id} -> {_NAMES[node.id]}", _set("id", _NAMES[node.id])
        case ast.Attribute() if node.attr in _NAMES:
            yield f"{node.attr} -> {_NAMES[node.attr]}", _set("attr", _NAMES[node.attr])


def _operators(node: ast.AST) -> Iterator[tuple[str, Callable[..., None]]]:
    match node:
        case ast.Compare():
            for at, old in enumerate(node.ops):
                for new in _COMPARISONS[type(old)]:
                    words = f"{_words(old, new)}{f', number {at + 1}' if at else ''}"
                    yield words, lambda n, at=at, new=new: n.ops.__setitem__(at, new())
        case ast.BinOp() | ast.AugAssign() if new := _ARITHMETIC.get(type(node.op)):
            yield _words(node.op, new), lambda n: setattr(n, "op", new())
        case ast.BoolOp():
            other = ast.Or if isinstance(node.op, ast.And) else ast.And
            yield _words(node.op, other), lambda n: setattr(n, "op", other())
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield f"without {type(node.op).__name__}", lambda n: setattr(n, "op", ast.UAdd())


def _set(name: str, value: object) -> Callable[[ast.AST], None]:
    return lambda node: setattr(node, name, value)


def _words(old: ast.AST, new: type[ast.AST]) -> str:
    return f"{type(old).__name__} -> {new.__name__}"
