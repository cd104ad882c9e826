"""Names as references and text queries, from the command line."""

import io

import numpy as np
import pytest
from PIL import Image

from similarity_lab import load_embedder
from similarity_lab.cli import options

from ..relevance.joint_space import JointSpace, PhotosOnly


@pytest.fixture
def joint(monkeypatch):
    """The embedder that every command gets for --embedder."""
    embedder = JointSpace()

    def load(source, **options):
        return embedder if source == "joint" else load_embedder(source, **options)

    for place in ("embedders", "distances.comparators"):
        monkeypatch.setattr(f"similarity_lab.{place}.load_embedder", load)
    return embedder


@pytest.fixture
def shop(tmp_path):
    """A folder with 3 images of almonds and 12 of other things."""
    folder = tmp_path / "nut-shop"
    folder.mkdir()
    for number in range(15):
        shown = "almonds" if number < 3 else ("walnuts", "tea", "gizmo", "bicycle")[number % 4]
        file = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 256, (70, 80, 3), np.uint8)
        Image.fromarray(pixels).save(file, "png")
        (folder / f"{number:02}.png").write_bytes(file.getvalue() + f"\n{shown}|{number}".encode())
    return folder


def test_decide_by_names(run, joint, shop, tmp_path, capsys):
    command = ["decide", "--text", "--embedder", "joint", "--target", "almonds", "--quiet", shop]
    store = ["--store", tmp_path / "store"]
    assert run(*command, *store, "--word", "raw almonds", "--report", tmp_path / "report") == 0
    assert "nut-shop sells almonds" in capsys.readouterr().out
    text = "".join(page.read_text() for page in (tmp_path / "report").rglob("*.html"))
    assert "judged by names of it alone" in text and "names as references" in text
    assert "almonds is known by names only" in text and "not measured" in text


def test_decide_by_names_for_two_targets_and_saved(run, joint, shop, tmp_path, capsys):
    command = ["decide", "--text", "--embedder", "joint", "--quiet", "--no-store", shop]
    assert run(*command, "--target", "almonds", "--target", "walnuts", "--json") == 0
    assert '"relevant": true' in capsys.readouterr().out
    saved = tmp_path / "scorer"
    assert run(*command, "--target", "almonds", "--save-scorer", saved) == 0
    assert run("decide", "--scorer", saved, "--text", shop) == 2
    assert "--text does not apply to a saved scorer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "almonds"], "--text needs no library"),
        (["--text"], "pass --target with the name"),
        (["--target", "almonds", "--text"], "has no embed_text"),
        (["--target", "almonds", "--text", "--rule", "mean-distance"], "--text does not apply to"),
        (["--target", "almonds", "--text", "--no-words", "--embedder", "joint"], "words=()"),
    ],
)
def test_decide_by_names_refuses(run, joint, shop, capsys, arguments, message):
    assert run("decide", *arguments, "--no-store", shop) == 2
    assert message in capsys.readouterr().err


def test_rank_needs_a_library_or_names(run, tmp_path, capsys):
    assert run("rank", "http://shop.example", "--target", "almonds", "--out", tmp_path) == 2
    assert "--text to go by names alone" in capsys.readouterr().err


def test_search_by_text(run, joint, shop, tmp_path, capsys):
    store = ["--store", tmp_path / "store", "--embedder", "joint", "--quiet"]
    assert run("decide", shop, "--text", "--target", "tea", *store) == 0
    capsys.readouterr()
    table = tmp_path / "found.csv"
    assert run("search", "raw almonds", shop / "04.png", "-k", "3", *store, "--csv", table) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    by_image, by_text = lines[:3], lines[3:]
    assert by_image[0][2].endswith("04.png") and float(by_image[0][-1]) == pytest.approx(
        0, abs=1e-3
    )
    assert len({line[-2][-6:] for line in by_text} & {"00.png", "01.png", "02.png"}) >= 2
    assert all(line[:2] == ["raw", "almonds"] for line in by_text)
    assert "raw almonds" in table.read_text()


def test_search_by_text_needs_a_text_tower(run, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(options, "make_embedder", lambda _: PhotosOnly())
    assert run("search", "roasted almonds in a bag", "--store", tmp_path) == 2
    error = capsys.readouterr().err
    assert "'roasted almonds in a bag' is not a file, and 'photos only' embeds no texts" in error
    assert "this one holds nothing" in error
    assert run("search", "no-such-folder/almonds", "--store", tmp_path) == 2
    assert "no readable image among 1 file" in capsys.readouterr().err


def test_text_with_a_dot_is_a_text(run, joint, tmp_path, capsys):
    assert run("search", "almonds 1.5 kg", "--embedder", "joint", "--store", tmp_path) == 2
    assert "No vectors of 'joint space'" in capsys.readouterr().err
