"""Version, date, licences, citation and packaged files agree."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import similarity_lab

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_version_and_date_agree(citation):
    first = re.search(r"^## (\S+), (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert re.fullmatch(r"\d+\.\d+\.\d+", similarity_lab.__version__)
    assert citation["version"] == first[1] == similarity_lab.__version__
    assert str(citation["date-released"]) == first[2]
    assert f"version = {{{first[1]}}}," in (ROOT / "docs" / "citing.md").read_text("utf-8")


def test_citation_has_the_fields_of_its_format(citation, project):
    """Those that Citation File Format 1.2.0 requires, and agreement with pyproject.toml."""
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"].startswith("similarity_lab: ") and citation["message"]
    assert citation["title"].casefold().endswith(project["description"].casefold())
    assert [one["name"] for one in project["authors"]] == [
        one["name"] for one in citation["authors"]
    ]
    assert citation["license"] == project["license"]


def test_licences_page_lists_the_locked_packages(licences):
    table = licences.PAGE.read_text().rpartition("| --- |")[2]
    listed = re.findall(r"^\| ([a-z0-9._-]+) \| \S", table, re.MULTILINE)
    assert listed == licences.locked_packages(licences.LOCK.read_text()), (
        "run python tools/licences.py"
    )
    for name in licences.KNOWN.keys() | licences.REMARKS.keys():
        assert name in listed, f"{name} is explained, but not locked"


def test_licences_page_agrees_with_the_metadata(licences):
    page = licences.PAGE.read_text()
    for name in ("numpy", "tensorflow", "tqdm", "hypothesis", "nmslib", "appnope"):
        one = licences.licence(name)
        assert f"| {name} | {one.spdx} | {one.remark} |" in page


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License-Expression": "MIT", "License": "GPL-3.0"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: BSD License", "License": "x"}, "BSD"),
        ({"Classifier": "License :: OSI Approved", "License": "MIT License\n\nCopyright"}, "MIT"),
        ({"License": "Apache License 2.0"}, "Apache-2.0"),
        ({}, ""),
    ],
)
def test_licence_of_metadata(licences, fields, expected):
    from email.message import Message

    message = Message()
    for name, value in fields.items():
        message.add_header(name, value)
    assert licences.licence_in_metadata(message) == expected


@pytest.mark.parametrize("expression", ["GPL-3.0-or-later", "MIT AND AGPL-3.0-only", "", "my own"])
def test_incompatible_licence_is_refused(licences, monkeypatch, expression):
    monkeypatch.setattr(licences, "licence_in_metadata", lambda _: expression)
    with pytest.raises(licences.LicenceError, match=r"^numpy is under .*not known to go"):
        licences.licence("numpy")


def test_licence_of_a_missing_package_is_refused(licences):
    with pytest.raises(licences.LicenceError, match="not installed here"):
        licences.licence("no-such-package")


def test_wheel_that_bundles_a_gpl_library_is_refused(licences, monkeypatch, tmp_path):
    ffmpeg = tmp_path / "libavcodec.so"
    for content, accepted in ((b"--enable-shared", True), (b"--enable-gpl", False)):
        ffmpeg.write_bytes(content)
        monkeypatch.setattr(licences, "libraries", lambda _: {"libavcodec": ffmpeg})
        if accepted:
            assert (
                licences.bundled_remark("x")
                == "bundles libavcodec (LGPL-2.1), as separate libraries"
            )
        else:
            with pytest.raises(licences.LicenceError, match="x bundles libavcodec.*GPL"):
                licences.bundled_remark("x")
    monkeypatch.setattr(licences, "libraries", lambda _: {"libx265": ffmpeg})
    with pytest.raises(licences.LicenceError, match="libx265"):
        licences.bundled_remark("pillow-heif")


def test_bundled_libraries_are_named_without_their_versions(licences):
    assert {"libgfortran", "libscipy_openblas64_"} <= licences.libraries("numpy").keys()


def test_notice_names_the_packaged_weights():
    notice = (ROOT / "NOTICE").read_text()
    for path in sorted((ROOT / "similarity_lab").rglob("*.npz")):
        assert path.relative_to(ROOT).as_posix() in notice


def test_every_file_of_the_package_is_package_data():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = ROOT / "similarity_lab"
    globs = settings["package-data"]
    packaged = {path for glob in globs["similarity_lab"] for path in package.glob(glob)}
    packaged |= {path for glob in globs["*"] for path in package.rglob(glob)}
    present = {
        path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert present == packaged


def test_urls_are_real(project):
    """The repository is not public yet; an invented address would be worse than none."""
    for label, url in project["urls"].items():
        assert url.startswith("https://"), label
        assert "example" not in url and "similarity_lab" not in url, label
    if "Source" not in project["urls"]:
        assert "not public yet" in (ROOT / "pyproject.toml").read_text("utf-8")


def test_no_file_names_a_folder_of_this_machine(tracked_files):
    """Results, notebooks and docs are made here and read elsewhere."""
    local = re.compile(rf"{ROOT}\b|{ROOT.parent}/\w|/(?:home|Users)/\w|(?<!\w)/tmp/\w")
    for path in tracked_files:
        if path.is_relative_to(ROOT / "tests"):
            continue  # paths there are made up
        text = path.read_bytes().decode("utf-8", "replace")
        assert not (match := local.search(text)), f"{path.relative_to(ROOT)}: {match[0]}"


def slugs(page):
    """Return the anchors of the headings of a Markdown file."""
    headings = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md"])
def test_links_between_files_exist(name):
    page = ROOT / name
    links = re.findall(r"\]\(([^)#]+)(?:#([^)]*))?\)", page.read_text("utf-8"))
    for link, anchor in links:
        target = page.parent / link
        assert "://" in link or target.exists(), link
        assert not anchor or "://" in link or anchor in slugs(target), f"{link}#{anchor}"


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 150
