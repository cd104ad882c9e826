import json
import time

import pytest

pytest.importorskip("scrapy", reason='needs the extra: pip install "similarity_lab[web]"')

from similarity_lab.web.html.literals import (
    data_files,
    folders,
    image_strings,
    json_of,
    nodes,
    objects,
)

NUTS = {"name": "Nuts", "image": "/a.jpg"}
TEXT = json.dumps(NUTS)


@pytest.mark.parametrize(
    "text",
    [
        TEXT[:-1] + ",}", TEXT + ";", f"\ufeff{TEXT}", f"// comment\n{TEXT}", f"<!-- {TEXT} -->",
        f"var data = {TEXT};", f"//<![CDATA[\n{TEXT}\n//]]>", TEXT.replace('"', "'"),
        TEXT.replace('"', "&quot;"), '{name: "Nuts", image: "/a.jpg"}', f"/* x */{TEXT} // y",
    ],
)  # fmt: skip
def test_nearly_json_is_repaired_and_noted(text):
    assert json_of(text) == (NUTS, True)


def test_json_is_not_repaired():
    assert json_of(TEXT) == (NUTS, False)
    assert json_of('{"name": "a\nb"}') == ({"name": "a\nb"}, False)


@pytest.mark.parametrize("text", ["", "null", "<p>nuts", '{"a": ', "[" * 10**5, '{"a":' * 10**5])
def test_text_without_json_has_none(text):
    assert json_of(text)[0] is None


def test_objects_of_a_script_are_literals():
    script = "window.state = {a: 'b', f() { return 1 }}; g({'c': [1, 2,], }); if (x) {}"
    assert [found for found in objects(script) if "c" in found] == [{"c": [1, 2]}]


def test_nodes_include_json_in_strings_and_what_nuxt_refers_to():
    flight = [1, f'5:["$","div",null,{json.dumps({"product": NUTS})}]']
    assert NUTS in [node for node, _ in nodes(flight)]
    nuxt = [
        ["Reactive", 1],
        {"data": 2},
        {"name": 3, "images": 4},
        "Nuts",
        [5],
        {"src": 6},
        "/a.jpg",
    ]
    assert {"name": "Nuts", "images": [{"src": "/a.jpg"}]} in [node for node, _ in nodes(nuxt)]


def test_strings_of_images_in_a_script():
    script = r"""
    a = "img/a b.jpg?v=1"; b = 'img\/b.PNG'; c = `c\u002fd.webp`; html = '<img src="d.jpg">';
    css = 'background:url(e.gif)'; no = "f.pdf"; f = `${name}.jpg`; g = x + '.jpg'; /.jpg$/.test(y)
    text = 'Look at this\nphoto.jpg of ours'; h = "h.jpeg", i = "https://cdn.example/i.avif#x"
    """
    assert list(image_strings(script)) == [
        "img/a b.jpg?v=1", "img/b.PNG", "c/d.webp", "d.jpg", "e.gif", "h.jpeg",
        "https://cdn.example/i.avif",
    ]  # fmt: skip


def test_folders_and_files_of_a_script():
    script = """fetch("./data/nuts.json"); fetch('/api.json?v=2'); import('package.json')
    el.src = `assets/img/${nut.file}`; el.src = "/media/" + nut.file; el.href = 'a/b'"""
    assert data_files(script) == ["./data/nuts.json", "/api.json"]
    assert folders(script) == ["assets/img/", "/media/"]


@pytest.mark.parametrize(
    "piece",
    [
        '"',
        "'a.jpg",
        ".jpg",
        "(",
        "{",
        "[{",
        "a.jpg?",
        '{"a":"',
        "`${",
        "/${",
        ".json",
        "&quot;",
        "\\u",
    ],
)
def test_hostile_script_is_read_in_linear_time(piece):
    script = piece * (10**6 // len(piece))
    start = time.process_time()
    for read in (image_strings, folders, data_files, objects):
        list(read(script))
    json_of(script)
    assert time.process_time() - start < 20
