"""Every write of a file in the package goes through `similarity_lab.files.atomic_write`."""

import ast
from pathlib import Path

import pytest

import similarity_lab

PACKAGE = Path(similarity_lab.__file__).parent

WRITERS = {
    "write_text", "write_bytes", "to_csv", "to_parquet", "to_json", "to_html", "to_excel",
    "savez", "savez_compressed", "savetxt", "save", "save_weights", "savefig", "dump",
    "copy", "copyfile", "copy2", "copytree", "tofile", "imwrite", "rename", "symlink_to",
}  # fmt: skip

OWN_SAVE = {"scorer", "learner", "result", "run", "marks", "saving", "store", "images"}
"""Objects with a `save` of our own, which is checked where it is defined."""

ALLOWED = {
    # the partial download is kept on purpose, so that the next call resumes
    ("files/downloads.py", "part.open('ab' if received else 'wb')"),
    # never overwrites, and removes all it wrote if the archive turns out to be unusable
    ("files/archives.py", "path.open('xb')"),
    # a folder is written beside its place, verified, then renamed
    ("datasets/fetching.py", "roots[0].rename(home)"),
    ("samples/folder.py", "temporary.rename(folder)"),
    ("embedders/foundation/runtimes.py", "(Path(part) / 'done').rename(folder)"),
    ("samples/folder.py", "entry.rename(folder / entry.name)"),
    # append-only logs, one row per line; readers ignore a line that was cut off
    ("web/crawler/store.py", "log.open('a', encoding='utf-8', buffering=1)"),
    # likewise, responses of an unfinished crawl
    ("web/crawler/cache.py", "path.open('r+b' if path.exists() else 'w+b')"),
    ("web/crawler/spider.py", "path.open('w', encoding='utf-8', buffering=1)"),
    ("hosted.py", "self.path.open('a', encoding='utf-8')"),
    # a temporary folder
    ("distributed/deciding.py", "path.write_bytes(memoryview(data.as_buffer()))"),
    # the null device
    ("cli/program.py", "open(os.devnull, 'w', encoding='utf-8')"),
    ("hosted.py", "self.path.open('a')"),
}


def is_write(call):
    """Return whether a call writes to a file, or may do so."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name == "open":
        modes = [*call.args, *[word.value for word in call.keywords if word.arg == "mode"]]
        texts = [
            node.value
            for mode in modes
            for node in ast.walk(mode)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        return any(set(text) <= set("rwabxt+U") and set(text) & set("wax+") for text in texts)
    owner = getattr(call.func, "value", None)
    owner_name = getattr(owner, "attr", getattr(owner, "id", ""))
    if name == "dump":
        return owner_name == "json"
    if name == "copy":
        return owner_name == "shutil"
    if name == "save":
        return owner_name not in OWN_SAVE
    if name == "rename":  # of a path, not of columns
        return len(call.args) == 1 and not isinstance(call.args[0], ast.Dict)
    if name.startswith("to_"):  # without a path they return a text
        return name in WRITERS and bool(call.args)
    return name in WRITERS


def names_in(*nodes):
    return {each.id for node in nodes for each in ast.walk(node) if isinstance(each, ast.Name)}


def targets(call):
    """Return the names in the arguments of a call and in the object it is a method of."""
    arguments = [*call.args, *[word.value for word in call.keywords]]
    owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
    return names_in(*arguments, *owner)


def bypassing_writes(source):
    """Return the calls that write neither to the part of an `atomic_write` nor to memory."""
    tree = ast.parse(source)
    safe, writers = {"buffer"}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            for item in node.items:
                is_part = names_in(item.context_expr) & (safe | {"atomic_write"})
                if is_part and isinstance(item.optional_vars, ast.Name):
                    safe.add(item.optional_vars.id)
        if isinstance(node, ast.Lambda):  # a writer for `save_folder`, which passes the part
            parameters = {argument.arg for argument in node.args.args}
            if isinstance(node.body, ast.Call) and targets(node.body) & parameters:
                writers.add(node.body)
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and is_write(node)
        and node not in writers
        and not targets(node) & safe
    ]


@pytest.mark.parametrize(
    ("source", "n_bypassing"),
    [
        ("path.write_text('x')", 1),
        ("with open(path, 'w') as file: file.write('x')", 1),
        ("text = table.to_html()", 0),
        ("columns = table.rename({'a': 'b'})", 0),
        ("network.save(path)", 1),
        ("scorer.save(path)", 0),
        ("with path.open(mode='wb') as file: pass", 1),
        ("table.to_csv(path)", 1),
        ("with path.open() as file: pass", 0),
        ("with atomic_write(path) as part: table.to_csv(part)", 0),
        ("with atomic_write(path) as new, new.open('wb') as file: np.savez(file, a=1)", 0),
        ("image.save(buffer, 'JPEG')", 0),
    ],
)
def test_scan_detects_bypassing_writes(source, n_bypassing):
    assert len(bypassing_writes(source)) == n_bypassing


def test_every_write_is_atomic():
    bypassing = {
        (path.relative_to(PACKAGE).as_posix(), call)
        for path in sorted(PACKAGE.rglob("*.py"))
        for call in bypassing_writes(path.read_text("utf-8"))
    }
    assert bypassing - ALLOWED == set()
    assert ALLOWED - bypassing == set(), "no longer needed"
