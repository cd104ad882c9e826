"""The package raises its own errors only: every `raise` names a class of errors.py."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "similarity_lab"
# Classes of others that a protocol asks for.
PROTOCOLS = {
    "NotFittedError": "scikit-learn's check_is_fitted and its callers",
    "AttributeError": "__getattr__ of a module",
    "NotImplementedError": "an abstract method",
    "IndexError": "__getitem__ of a sequence: iteration stops at it",
    "KeyError": "__getitem__ of a mapping",
    "StopIteration": "__next__",
    "ArgumentError": "a parser of argparse, for one of its arguments",
    "ArgumentTypeError": "a type= function of argparse",
    "PermissionError": "an audit hook: whoever opens a socket handles OSError",
}
# Errors of others that never leave the package, and why they are raised.
INTERNAL = {
    "files/archives.py": {"BadZipFile"},  # as zipfile raises it; caught where members are written
    "hosted.py": {"ReadTimeout", "ValueError"},  # retried by tenacity; caught four lines below
    "web/policy/ssrf.py": {"PermissionError"},  # an audit hook: the socket's caller expects OSError
}
# Classes that Scrapy asks its components to raise.
SCRAPY = {"CloseSpider", "DontCloseSpider", "DropItem", "FileException", "IgnoreRequest"}


def classes(path):
    """Return the names of the classes that a file defines."""
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


OURS = classes(PACKAGE / "errors.py")


def foreign_raises(source, internal=frozenset()):
    """Return ``(line, class name)`` of each `raise` of a class that is neither ours nor internal.

    A `raise` without a class, or of a variable (an error made elsewhere), is not looked at.
    """
    result = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Raise) or node.exc is None:
            continue
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        name = ast.unparse(raised).rpartition(".")[2]
        is_class = name.lstrip("_")[:1].isupper()
        if is_class and name not in OURS | internal | PROTOCOLS.keys():
            result.append((node.lineno, name))
    return result


@pytest.mark.parametrize(
    "path",
    sorted(PACKAGE.rglob("*.py")),
    ids=lambda path: path.relative_to(PACKAGE).with_suffix("").as_posix(),
)
def test_module_raises_errors_of_the_package_only(path):
    internal = {name for name in classes(path) if name.startswith("_")}  # caught where they are
    internal |= INTERNAL.get(path.relative_to(PACKAGE).as_posix(), set())
    if "web/crawler" in path.as_posix():
        crawler = (PACKAGE / "web" / "crawler").glob("*.py")
        internal |= SCRAPY.union(*map(classes, crawler))
    foreign = foreign_raises(path.read_text("utf-8"), internal)
    assert not foreign, f"{path.relative_to(ROOT)}: (line, class) {foreign}; see errors.py"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("raise InputError('x')", []),
        ("raise errors.ImageError('x', 'y') from None", []),
        ("try: pass\nexcept ValueError:\n  raise", []),
        ("raise image_error", []),
        ("def f():\n  raise ValueError('x')", [(2, "ValueError")]),
        ("raise RuntimeError", [(1, "RuntimeError")]),
        ("raise zipfile.BadZipFile('x')", [(1, "BadZipFile")]),
    ],
)
def test_foreign_raise_is_noticed(source, expected):
    assert foreign_raises(source) == expected
