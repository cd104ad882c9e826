"""Models of the hub: download, cache, pinned revisions, and every reason why one is not loaded."""

import hashlib
import json
import shutil
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from similarity_lab import load_embedder
from similarity_lab.cli import main
from similarity_lab.embedders import embed_all
from similarity_lab.embedders.foundation.hub import fetch
from similarity_lab.errors import EmbedderError, HubError

huggingface_hub = pytest.importorskip("huggingface_hub", reason="needs the extra foundation")
COMMIT, OTHER = "a" * 40, "b" * 40
IMAGE = np.full((40, 40, 3), 90, np.uint8)
TORCH = {"runtime": "torch", "device": "cpu"}


class FakeHub(ThreadingHTTPServer):
    """Serves folders as repositories, as far as downloads need it; counts requests."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories, self.gated, self.requests = {}, set(), []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.partition("?")[0].strip("/")
        self.server.requests.append(path)
        parts = path.split("/")
        is_api = parts[:2] == ["api", "models"]
        repository = "/".join(parts[2:4] if is_api else parts[:2])
        commits = self.server.repositories.get(repository)
        if commits is None:
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif is_api:
            self.describe(repository, commits, parts)
        elif repository in self.server.gated:
            self.answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
        else:
            self.send_file_of(commits, parts)

    def describe(self, repository, commits, parts):
        revision = parts[5] if len(parts) > 5 else "main"
        commit = {"main": next(iter(commits))}.get(revision, revision)
        if commit not in commits:
            self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        files = sorted(path for path in commits[commit].iterdir())
        if parts[4:5] == ["tree"]:
            listing = [
                {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": etag(path)}
                for path in files
            ]
            self.answer(200, json.dumps(listing).encode(), {})
            return
        info = {"id": repository, "sha": commit, "siblings": [{"rfilename": p.name} for p in files]}
        self.answer(200, json.dumps(info).encode(), {})

    def send_file_of(self, commits, parts):
        commit = {"main": next(iter(commits))}.get(parts[3], parts[3])
        path = commits[commit] / parts[4]
        if not path.is_file():
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        self.answer(200, path.read_bytes(), {"X-Repo-Commit": commit, "ETag": f'"{etag(path)}"'})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def etag(path):
    return hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return an empty cache of the hub."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.setattr(huggingface_hub.constants, name, str(tmp_path / "hub"), raising=False)
    return tmp_path / "hub"


@pytest.fixture
def hub(cache, monkeypatch):
    """Return a hub on loopback."""
    server = FakeHub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE",
        server.url + "/{repo_id}/resolve/{revision}/{filename}",
    )  # fmt: skip
    yield server
    server.shutdown()
    server.server_close()


def load(name, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_embedder(name, **TORCH, **options)


def test_model_is_downloaded_once_and_then_needs_no_network(hub, cache, make_model):
    hub.repositories["maker/tiny"] = {COMMIT: make_model("dinov2")}
    first = load("maker/tiny")
    assert first.name.startswith(f"maker/tiny@{COMMIT[:12]} rgb 28x28 ")
    assert hub.requests
    hub.requests.clear()
    hub.repositories["maker/tiny"] = {OTHER: make_model("dinov2")}  # a newer one appears
    assert load("maker/tiny").name == first.name
    assert not hub.requests
    hub.shutdown()
    np.testing.assert_array_equal(
        embed_all(load("maker/tiny"), [IMAGE], progress=False),
        embed_all(load_embedder(make_model("dinov2"), **TORCH), [IMAGE], progress=False),
    )


def test_revision_is_asked_for_by_parameter_or_in_the_name(hub, make_model):
    hub.repositories["maker/tiny"] = {OTHER: make_model("dinov2"), COMMIT: make_model("clip")}
    by_parameter = load("maker/tiny", revision=COMMIT)
    assert by_parameter.name == load(f"maker/tiny@{COMMIT}").name
    assert by_parameter.name.startswith(f"maker/tiny@{COMMIT[:12]}")
    assert load("maker/tiny").name.startswith(f"maker/tiny@{OTHER[:12]}")
    with pytest.raises(EmbedderError, match="names a revision"):
        load(f"maker/tiny@{COMMIT}", revision=OTHER)
    with pytest.raises(HubError, match="has no revision 'v9'"):
        load("maker/tiny@v9")


def test_neither_pickles_nor_code_are_downloaded(hub, cache, make_model, tmp_path):
    folder = shutil.copytree(make_model("dinov2"), tmp_path / "model")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "modeling_tiny.py").write_text("raise SystemExit")
    (folder / "open_clip_pytorch_model.safetensors").write_bytes(b"the same weights again")
    hub.repositories["maker/tiny"] = {COMMIT: folder}
    load("maker/tiny")
    downloaded = {path.name for path in cache.rglob("snapshots/*/*")}
    assert downloaded == {path.name for path in make_model("dinov2").iterdir()}


def test_pickled_weights_alone_are_refused_before_any_download(hub, cache, make_model, tmp_path):
    folder = shutil.copytree(make_model("dinov2"), tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    hub.repositories["maker/tiny"] = {COMMIT: folder}
    with pytest.raises(HubError, match=r"no safetensors.*pytorch_model\.bin, which is not loaded"):
        load("maker/tiny")
    assert not list(cache.rglob("snapshots/*/*"))
    with pytest.raises(HubError, match=r"pytorch_model\.bin, which is not loaded"):
        load(folder)


def test_gated_and_unknown_models_say_what_to_do(hub, make_model):
    hub.repositories["maker/gated"] = {COMMIT: make_model("dinov2")}
    hub.gated.add("maker/gated")
    with pytest.raises(HubError, match=r"gated: accept its terms at http.*hf auth login.*HF_TOKEN"):
        load("maker/gated")
    with pytest.raises(HubError, match="No model 'maker/none' on the hub"):
        load("maker/none")
    with pytest.raises(HubError, match="not the name of a model"):
        load("maker/--none..x")


def test_offline_says_where_the_cache_is(cache):
    with pytest.raises(HubError, match=r"siglip2-base-patch16-224@75de2d5.*HF_HOME") as caught:
        load("siglip2-base")
    assert str(cache) in str(caught.value)


def test_command_line_reports_a_missing_model_in_one_line(cache, capsys, tmp_path):
    assert main(["embed", str(tmp_path), "--embedder", "maker/none", "--out", "v.npz"]) != 0
    assert "maker/none is neither a folder nor in the cache" in capsys.readouterr().err


def test_incomplete_cache_is_completed(hub, cache, make_model):
    hub.repositories["maker/tiny"] = {COMMIT: make_model("dinov2")}
    name = load("maker/tiny").name
    (weights,) = cache.rglob("snapshots/*/model.safetensors")
    weights.resolve().unlink()
    weights.unlink(missing_ok=True)
    assert load("maker/tiny").name == name


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\x08\0\0\0\0\0\0\0{}      " * 9])
def test_damaged_file_is_named_with_the_folder_to_delete(file, content, make_model, tmp_path):
    folder = shutil.copytree(make_model("dinov2"), tmp_path / "model")
    (folder / file).write_bytes(content)
    with pytest.raises(HubError, match="model"):
        load(folder)


def test_code_of_the_repository_is_never_run(make_model, tmp_path):
    folder = shutil.copytree(make_model("dinov2"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "tiny-own", "auto_map": {"AutoModel": "modeling_tiny.TinyModel"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_tiny.py").write_text("raise SystemExit('ran')")
    with pytest.raises(HubError, match=r"needs code.*modeling_tiny\.TinyModel.*never run"):
        load(folder)


def test_known_class_is_used_instead_of_code_of_the_repository(make_model, tmp_path):
    folder = shutil.copytree(make_model("dinov2"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_tiny.TinyModel"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_tiny.py").write_text("raise SystemExit('ran')")
    assert load(folder).dimension == 16


def test_unknown_architecture_and_empty_folder_are_refused(make_model, tmp_path):
    folder = shutil.copytree(make_model("dinov2"), tmp_path / "model")
    (folder / "config.json").write_text('{"model_type": "of-tomorrow"}')
    with pytest.raises(HubError, match="no class for its model type, 'of-tomorrow'"):
        load(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(HubError, match="not a model"):
        load(folder)
    with pytest.raises(EmbedderError, match="no model in this folder"):
        load(tmp_path)


def test_weights_of_another_architecture_are_refused(make_model, tmp_path):
    folder = shutil.copytree(make_model("dinov2"), tmp_path / "model")
    shutil.copy(make_model("clip") / "model.safetensors", folder)
    with pytest.raises(HubError, match="weights do not fit"):
        load(folder)


def test_weights_in_several_files(make_model, libraries, tmp_path):
    _, transformers = libraries
    folder = shutil.copytree(make_model("dinov2"), tmp_path / "model")
    whole = load(folder)
    (folder / "model.safetensors").unlink()
    model = transformers.AutoModel.from_pretrained(make_model("dinov2"))
    model.save_pretrained(folder, max_shard_size="8KB")
    assert (folder / "model.safetensors.index.json").is_file()
    parts = load(folder)
    np.testing.assert_allclose(
        embed_all(parts, [IMAGE], progress=False), embed_all(whole, [IMAGE], progress=False)
    )
    next(folder.glob("model-*.safetensors")).unlink()
    with pytest.raises(HubError, match="lists weights that are missing"):
        load(folder)


def test_converted_model_is_cached_and_a_damaged_one_replaced(make_model, tmp_path, monkeypatch):
    from similarity_lab.embedders.foundation import runtimes

    monkeypatch.setenv("SIMILARITY_LAB_CACHE", str(tmp_path / "kept"))
    folder, options = make_model("dinov2"), {"runtime": "openvino", "device": "cpu"}
    vectors = embed_all(load_embedder(folder, **options), [IMAGE], progress=False)
    conversions = []
    convert = runtimes._convert
    monkeypatch.setattr(runtimes, "_convert", lambda *a: (conversions.append(1), convert(*a)))
    load_embedder(folder, **options)
    assert not conversions
    (weights,) = (tmp_path / "kept").rglob("model.bin")
    weights.write_bytes(weights.read_bytes()[:-9])
    again = embed_all(load_embedder(folder, **options), [IMAGE], progress=False)
    assert len(conversions) == 1
    np.testing.assert_array_equal(again, vectors)
    assert not list((tmp_path / "kept" / "openvino").glob("part-*"))


def test_full_disk_is_reported(make_model, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("SIMILARITY_LAB_CACHE", str(blocked))
    with pytest.raises(EmbedderError, match="cannot be kept.*SIMILARITY_LAB_CACHE"):
        load_embedder(make_model("dinov2"), runtime="openvino-int8")


def test_fetch_prefers_what_is_complete_in_the_cache(hub, cache, make_model):
    hub.repositories["maker/tiny"] = {COMMIT: make_model("clip")}
    assert fetch("maker/tiny").folder == fetch("maker/tiny", COMMIT).folder
    assert (cache / "models--maker--tiny" / "refs" / "main").read_text() == COMMIT
