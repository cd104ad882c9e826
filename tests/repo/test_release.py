"""What a release says of itself agrees: version, date, licences, citation."""

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


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_version_and_date_are_the_same_everywhere(citation):
    first = re.search(r"^## (\S+), (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert re.fullmatch(r"\d+\.\d+\.\d+", similarity_lab.__version__)
    assert citation["version"] == first[1] == similarity_lab.__version__
    assert str(citation["date-released"]) == first[2]


def test_citation_says_what_its_format_asks_for(citation, project):
    """The fields that Citation File Format 1.2.0 requires, and ours."""
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"].startswith("similarity_lab: ") and citation["message"]
    assert citation["title"].casefold().endswith(project["description"].casefold())
    assert [one["name"] for one in project["authors"]] == [
        one["name"] for one in citation["authors"]
    ]
    assert citation["license"] == project["license"]


def test_licences_are_those_of_the_locked_packages(licences):
    table = licences.PAGE.read_text().rpartition("| --- |")[2]
    listed = re.findall(r"^\| ([a-z0-9._-]+) \| \S", table, re.MULTILINE)
    assert listed == licences.locked(licences.LOCK.read_text()), "run python tools/licences.py"
    for name in licences.KNOWN.keys() | licences.REMARKS.keys():
        assert name in listed, f"{name} is explained, but no longer locked"


def test_licences_are_what_the_packages_say(licences):
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
def test_what_a_package_says(licences, fields, expected):
    from email.message import Message

    message = Message()
    for name, value in fields.items():
        message.add_header(name, value)
    assert licences.said(message) == expected


@pytest.mark.parametrize("words", ["GPL-3.0-or-later", "MIT AND AGPL-3.0-only", "", "my own"])
def test_a_licence_that_does_not_go_with_ours_is_refused(licences, monkeypatch, words):
    monkeypatch.setattr(licences, "said", lambda _: words)
    with pytest.raises(licences.LicenceError, match=r"^numpy is under .*not known to go"):
        licences.licence("numpy")


def test_a_locked_package_that_is_not_here_is_refused(licences):
    with pytest.raises(licences.LicenceError, match="not installed here"):
        licences.licence("no-such-package")


def test_what_is_packaged_is_noted():
    notice = (ROOT / "NOTICE").read_text()
    for path in sorted((ROOT / "similarity_lab").rglob("*.npz")):
        assert path.relative_to(ROOT).as_posix() in notice


def test_every_file_of_the_package_is_packaged():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = ROOT / "similarity_lab"
    packaged = {
        path for glob in settings["package-data"]["similarity_lab"] for path in package.glob(glob)
    }
    there = {
        path for path in package.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert there == packaged


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md"])
def test_links_between_files_lead_somewhere(name):
    page = ROOT / name
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    for link in links:
        assert "://" in link or (page.parent / link).exists(), link
