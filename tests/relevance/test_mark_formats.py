import json
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from similarity_lab import RelevanceScorer
from similarity_lab.errors import InputError
from similarity_lab.images.sources import content_digest
from similarity_lab.relevance import (
    LABEL_STUDIO_CONFIG,
    Marks,
    SiteFailure,
    read_fiftyone,
    read_label_studio,
    write_fiftyone,
    write_label_studio,
)


@pytest.fixture
def results(library, sites, stub):
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    shops = [sites / "nut-shop", sites / "date-shop"]
    return [*scorer.decide_each(shops), SiteFailure("broken", "almonds", "no answer")]


@pytest.fixture
def marks(results):
    marks = Marks()
    for row, shows in ((0, True), (1, True), (5, False)):
        marks.set(results[0].sources[row], "almonds", shows)
    return marks


def same(a, b):
    return [(mark.sha256, mark.shows) for mark in a.of("almonds")] == [
        (mark.sha256, mark.shows) for mark in b.of("almonds")
    ]


def test_label_studio_round_trip(results, marks, tmp_path):
    file = write_label_studio(results, tmp_path / "tasks.json", marks=marks)
    found, skipped = read_label_studio(file)
    assert same(found, marks) and len(found) == 3
    tasks = json.loads(file.read_text())
    n_images = len({content_digest(path) for result in results[:2] for path in result.sources})
    assert len(tasks) == n_images and set(skipped["reason"]) == {"not annotated"}
    assert len(skipped) == n_images - 3


def test_label_studio_tasks_have_the_documented_form(results, marks, tmp_path):
    config = ElementTree.fromstring(LABEL_STUDIO_CONFIG)
    choices, image = config.find("Choices"), config.find("Image")
    file = write_label_studio(
        results, tmp_path / "tasks.json", marks=marks, url_of=lambda path: f"/files/?d={path}"
    )
    task = json.loads(file.read_text())[0]
    assert task["data"]["image"].startswith("/files/?d=/") and image.get("value") == "$image"
    region = task["annotations"][0]["result"][0]
    assert (region["from_name"], region["to_name"]) == (choices.get("name"), image.get("name"))
    assert region["type"] == "choices"
    assert region["value"]["choices"][0] in {each.get("value") for each in choices}
    prediction = task["predictions"][0]
    assert prediction["score"] == results[0].images["probability"][0]
    assert prediction["result"][0]["type"] == "choices"


def test_label_studio_reads_what_it_exports(results, tmp_path):
    """An export has more keys, cancelled annotations, and several annotators."""
    first, second, third = (str(path) for path in results[0].sources[:3])

    def task(path, *choices, **more):
        annotations = [
            {"id": 7, "completed_by": 1, "was_cancelled": False, "ground_truth": False,
             "result": [{"id": "x", "origin": "manual", "from_name": "c", "to_name": "i",
                         "type": "choices", "value": {"choices": [choice]}}]}
            for choice in choices
        ]  # fmt: skip
        return {"id": 1, "data": {"image": path}, "annotations": annotations, **more}

    cancelled = task(second, "shows it")
    cancelled["annotations"][0]["was_cancelled"] = True
    tasks = [
        task(first, "shows it", "shows it"), cancelled, task(third, "shows it", "does not"),
        task("https://shop.example/1.jpg", "does not"), task(second),
    ]  # fmt: skip
    file = tmp_path / "export.json"
    file.write_text(json.dumps(tasks))
    found, skipped = read_label_studio(file, "almonds")
    assert [(mark.path, mark.shows) for mark in found.of("almonds")] == [(first, True)]
    assert skipped["reason"].tolist() == [
        "not annotated", "annotations contradict each other", "no such file", "not annotated"
    ]  # fmt: skip
    with pytest.raises(InputError, match="names no target"):
        read_label_studio(file)


def test_label_studio_reads_json_min(results, tmp_path):
    file = tmp_path / "min.json"
    path = str(results[0].sources[0])
    file.write_text(json.dumps([{"id": 1, "image": path, "choice": "yes", "annotator": 1}]))
    with pytest.raises(InputError, match=r"unknown choice 'yes'.*labels=\{'yes': True\}"):
        read_label_studio(file, "almonds")
    found, _ = read_label_studio(file, "almonds", labels={"yes": True})
    assert found.get(path, "almonds") is True


def test_fiftyone_round_trip(results, marks, tmp_path):
    file = write_fiftyone(results, tmp_path / "dataset", marks=marks)
    content = json.loads(file.read_text())
    paths = json.loads((tmp_path / "dataset" / "data.json").read_text())
    assert content["classes"] == ["almonds", "not almonds"]
    assert paths.keys() == content["labels"].keys()
    assert all(content_digest(path) == name for name, path in paths.items())
    found, skipped = read_fiftyone(tmp_path / "dataset", "almonds")
    assert same(found, marks)
    assert set(skipped["reason"]) == {"has no label"} and len(skipped) == len(paths) - 3


def test_fiftyone_reads_every_form_of_a_label(results, tmp_path):
    folder = tmp_path / "dataset"
    (folder / "data").mkdir(parents=True)
    names = ["a", "b", "c"]
    for name, path in zip(names, results[0].sources, strict=False):
        (folder / "data" / f"{name}.jpg").write_bytes(path.read_bytes())
    labels = {"a": "almonds", "b": {"label": "not almonds", "confidence": 0.9}, "c": None}
    (folder / "labels.json").write_text(json.dumps({"classes": None, "labels": labels}))
    found, skipped = read_fiftyone(folder, "almonds")
    assert found.get(results[0].sources[0], "almonds") is True
    assert found.get(results[0].sources[1], "almonds") is False
    assert skipped["reason"].tolist() == ["has no label"]
    (folder / "labels.json").write_text(json.dumps({"labels": {"a": "nuts"}}))
    with pytest.raises(InputError, match="unknown label 'nuts'"):
        read_fiftyone(folder, "almonds")
    assert len(read_fiftyone(folder, "almonds", labels={"nuts": True})[0]) == 1


def test_changed_and_lost_images_are_told(results, marks, tmp_path):
    file = write_label_studio(results, tmp_path / "tasks.json", marks=marks)
    results[0].sources[0].write_bytes(b"another image")
    results[0].sources[1].unlink()  # its digest is in the file: the mark is kept
    found, skipped = read_label_studio(file)
    assert len(found) == 2
    assert "the image has changed since it was exported" in skipped["reason"].tolist()


def test_only_files_can_be_written(library, sites, stub, tmp_path):
    scorer = RelevanceScorer("almonds", embedder=stub, progress=False).fit(library)
    data = [path.read_bytes() for path in sorted((sites / "nut-shop").iterdir())]
    with pytest.raises(InputError, match="<bytes>, not a file"):
        write_label_studio([scorer.decide(data)], tmp_path / "tasks.json")
    result = scorer.decide(sites / "nut-shop")
    other = scorer.for_target("dates").decide(sites / "nut-shop")
    with pytest.raises(InputError, match="about one target, got almonds, dates"):
        write_fiftyone([result, other], tmp_path / "dataset")


@pytest.mark.parametrize(
    "content",
    [
        "", "{}", "null", '{"a": [', "[1]", '[{"data": 1}]', "[" * 100_000, '["\ud800"]',
        '[{"data": {"image": 1, "target": ["x"]}, "annotations": [{"result": [{}]}]}]',
    ],
)  # fmt: skip
def test_label_studio_refuses_or_lists_other_content(content, tmp_path):
    file = tmp_path / "tasks.json"
    file.write_text(content, "utf-8", errors="surrogatepass")
    try:
        found, skipped = read_label_studio(file, "almonds")
    except InputError:
        return
    assert len(found) == 0 and len(skipped) == 1


@pytest.mark.parametrize(
    ("labels", "data"),
    [
        ("[]", None), ("{}", None), ('{"labels": []}', None), ('{"labels": {"a": true}}', None),
        ('{"labels": {"a": 5}, "classes": ["x"]}', None), ('{"labels": {"a": 0}}', None),
        ('{"labels": {"a": "almonds"}}', "[]"), ('{"labels": {"a": "almonds"}}', '{"a": 5}'),
    ],
)  # fmt: skip
def test_fiftyone_refuses_other_content(labels, data, tmp_path):
    (tmp_path / "labels.json").write_text(labels)
    if data:
        (tmp_path / "data.json").write_text(data)
    with pytest.raises(InputError):
        read_fiftyone(tmp_path, "almonds")


def test_fiftyone_reads_no_file_outside_its_data(tmp_path):
    (tmp_path / "set" / "data").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("x")
    labels = dict.fromkeys(["../../secret", "..", "", "/etc/passwd", "data/../x"], "almonds")
    (tmp_path / "set" / "labels.json").write_text(json.dumps({"labels": labels}))
    found, skipped = read_fiftyone(tmp_path / "set", "almonds")
    assert len(found) == 0 and len(skipped) == 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "image", "annotations", "result", "value", "choices", "type", "labels",
                 "classes", "label", "choice", "sha256", "path", "target"]
            ) | st.just("choices"),
            inner, max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(content=JSON)
def test_readers_raise_input_errors_only(content, tmp_path):
    for name, read in (
        ("tasks.json", lambda: read_label_studio(tmp_path / "tasks.json", "almonds")),
        ("labels.json", lambda: read_fiftyone(tmp_path, "almonds")),
    ):
        (tmp_path / name).write_text(json.dumps(content))
        try:
            found, _ = read()
        except InputError:
            continue
        assert isinstance(found, Marks)
