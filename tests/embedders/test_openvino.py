"""The OpenVINO runtime: agrees with Keras, starts without TensorFlow, falls back."""

import importlib.util
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, load_embedder
from similarity_lab.embedders import loading, openvino_lite
from similarity_lab.embedders.lite import VARIANTS
from similarity_lab.embedders.openvino_graph import Int8, lite_graph, quantise_weights
from similarity_lab.embedders.openvino_lite import OpenVinoLite, usable_cores
from similarity_lab.errors import EmbedderError, SavedFolderError
from similarity_lab.relevance.rules.prototypes import unit
from similarity_lab.samples import load_image

STORED = Path(__file__).with_name("features.npz")


@pytest.fixture(scope="module")
def lite0():
    return load_embedder(runtime="openvino")


def noise(size, count=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "size", "color"),
    [("lite0", 99, "gray"), ("lite2", 380, "rgb")],
)
def test_agrees_with_keras(name, size, color):
    """At the size of quality "best", and at one whose padding is uneven, too."""
    pictures, name = noise(size), f"efficientnet-{name}"
    both = [
        load_embedder(name, color=color, runtime=runtime, input_size=size)
        for runtime in ("keras", "openvino")
    ]
    expected, vectors = (embedder.embed(pictures, progress=False).vectors for embedder in both)
    np.testing.assert_allclose(vectors, expected, atol=1e-4)
    assert both[0].name.replace("keras", "openvino") == both[1].name
    assert vectors.dtype == np.float32 and both[0].dimension == both[1].dimension


@pytest.mark.parametrize("runtime", ["openvino", "openvino-int8"])
def test_processors_with_bfloat16_do_not_use_it(runtime, monkeypatch):
    """There, OpenVINO would round what is called float32, unless it is told not to."""
    asked, compile_model = {}, ov.Core.compile_model

    def spy(core, model, device, settings):
        asked.update(settings)
        return compile_model(core, model, device, settings)

    monkeypatch.setattr(ov.Core, "compile_model", spy)
    load_embedder(runtime=runtime).embed(noise(224, 1), progress=False)
    assert asked["INFERENCE_PRECISION_HINT"] == "f32"


def test_threads_and_batches_change_nothing(lite0, tmp_path):
    paths = []
    for number, picture in enumerate(noise(90, 11)):
        paths.append(tmp_path / f"{number:02}.png")
        Image.fromarray(picture).save(paths[-1])
    paths.insert(4, tmp_path / "none.png")
    alone = load_embedder(runtime="openvino", threads=1)
    expected = alone.embed(paths, batch_size=1, progress=False)
    for embedder, batch_size in [(lite0, None), (lite0, 1), (lite0, 5), (lite0, 100), (alone, 3)]:
        result = embedder.embed(paths, batch_size=batch_size, progress=False)
        np.testing.assert_allclose(result.vectors, expected.vectors, atol=1e-5)
        assert result.kept == [*range(4), *range(5, 12)] and len(result.skipped) == 1
    assert lite0.threads == usable_cores()
    with pytest.raises(EmbedderError, match="threads must be at least 1, got 0"):
        load_embedder(runtime="openvino", threads=0)


def test_any_number_of_threads_may_call_it(lite0):
    """Vectors of one caller must not be overwritten by the next one's."""
    pictures = noise(224, 6, seed=1)
    expected = lite0.forward(pictures)
    found = [None] * 6

    def call(at):
        found[at] = lite0.forward(pictures[at : at + 1])

    callers = [threading.Thread(target=call, args=(at,)) for at in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-5)


INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from similarity_lab import load_embedder
from similarity_lab.embedders import CachedEmbedder
from similarity_lab.store import VectorStore

class Photos(tuple):  # one photo again and again; says when work is under way
    def __getitem__(self, at):
        if at == 300:
            print("under way", flush=True)
        return super().__getitem__(at)

photo, *folder = sys.argv[1:]
embedder = load_embedder()
if folder:
    embedder = CachedEmbedder(embedder, VectorStore(folder[0]))
embedder.embed(Photos([photo] * 1_000_000), progress=False)
"""


@pytest.mark.parametrize("kept", [False, True])
def test_control_c_stops_at_once(kept, make_image, tmp_path):
    make_image((100, 90, 80), size=(240, 240)).save(tmp_path / "a.jpg")
    words = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "a.jpg"), *[str(tmp_path)] * kept]
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert run.stdout.readline() == "under way\n"
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)  # of hours
    finally:
        run.kill()
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_scoring_with_the_default_embedder_needs_no_network_library(library, sites):
    code = (
        "import json, sys; from similarity_lab import RelevanceScorer\n"
        f"s = RelevanceScorer('almonds', progress=False).fit({str(library)!r})\n"
        f"r = s.decide({str(sites / 'nut-shop')!r})\n"
        "heavy = {'tensorflow', 'keras', 'torch'} & set(sys.modules)\n"
        "print(json.dumps([r.settings.embedder, sorted(heavy)]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name, heavy = json.loads(run.stdout)
    assert name.endswith("openvino int8") and heavy == []
    assert run.stderr == ""


def test_a_scorer_moves_between_machines_with_and_without_openvino(library, sites, tmp_path):
    openvino = load_embedder(runtime="openvino")
    scorer = RelevanceScorer("almonds", embedder=openvino, progress=False).fit(library)
    scorer.save(tmp_path / "scorer")
    with pytest.raises(SavedFolderError, match=r"fitted on vectors of .* float32.*int8"):
        RelevanceScorer.load(tmp_path / "scorer", embedder="efficientnet-lite0")
    keras = load_embedder(runtime="keras")
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=keras).set_params(progress=False)
    here, there = scorer.decide(sites / "nut-shop"), loaded.decide(sites / "nut-shop")
    assert "openvino" in here.settings.embedder and "keras" in there.settings.embedder
    assert here.decision == there.decision
    np.testing.assert_allclose(here.images["score"], there.images["score"], atol=1e-2)


def test_falls_back_to_keras_once_with_a_message(monkeypatch):
    def broken(*_):
        raise RuntimeError("no such\n  instruction")

    monkeypatch.setattr(openvino_lite, "_compiled", broken)
    pictures = noise(100)
    embedder = load_embedder(input_size=100)
    with pytest.warns(UserWarning, match=r"falling back to Keras.*no such instruction") as caught:
        vectors = embedder.embed(pictures, progress=False, batch_size=1).vectors
    assert len(caught) == 1
    keras = load_embedder(input_size=100, runtime="keras")
    np.testing.assert_allclose(vectors, keras.embed(pictures, progress=False).vectors, atol=1e-4)
    assert embedder.name == keras.name  # never vectors under another one's name
    with pytest.raises(EmbedderError, match=r'no such instruction; use load_embedder.*"keras"'):
        load_embedder(runtime="openvino").embed(pictures, progress=False)


def test_a_scorer_never_decides_on_vectors_of_another_network(
    library, sites, tmp_path, monkeypatch
):
    RelevanceScorer("almonds", progress=False).fit(library).save(tmp_path / "scorer")
    loaded = RelevanceScorer.load(tmp_path / "scorer").set_params(progress=False)

    def broken(*_):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(openvino_lite, "_compiled", broken)
    with (
        pytest.warns(UserWarning, match="falling back to Keras"),
        pytest.raises(ValueError, match=r"vectors are of .*keras.*scorer's are of .*int8.*fit"),
    ):
        loaded.decide(sites / "nut-shop")


def test_without_openvino(monkeypatch):
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="pip install openvino"):
        embedder = load_embedder()
    assert "keras" in embedder.name
    assert isinstance(load_embedder(runtime="openvino"), OpenVinoLite)  # and says why when used


def test_int8_is_near_and_says_what_it_is(lite0):
    int8 = load_embedder(runtime="openvino-int8")
    assert int8.name == lite0.name.replace("bicubic openvino float32", "scaled openvino int8")
    photos = [load_image(kind, 5, size=(160, 160)) for kind in ("almonds", "dates", "clothing")]
    exact, near = (unit(e.embed(photos, progress=False).vectors) for e in (lite0, int8))
    cosine = (exact * near).sum(1)
    assert cosine.min() > 0.97 and cosine.max() < 0.99999  # rounded indeed


def test_quantise_weights():
    rng = np.random.default_rng(0)
    kernel = rng.normal(0, 1, (5, 4, 3, 3)).astype(np.float32)
    kernel[2] = 0
    for depthwise, steps in ((False, 63.5), (True, 127)):
        values, scale = quantise_weights(kernel, depthwise=depthwise)
        assert values.dtype == np.int8 and scale.shape == (5, 1, 1, 1)
        assert np.abs(values).max() <= np.ceil(steps) and (values[2] == 0).all()
        assert (np.abs(values * scale - kernel) <= 0.51 * scale).all()


@pytest.mark.slow
def test_the_int8_form_is_nncfs(tool):
    """A few photos are enough to see that what is kept rebuilds what NNCF made."""
    nncf_model = tool.quantised("efficientnet-lite0", list(noise(224, 2)))
    form = tool.int8_form(nncf_model)
    packaged = Int8.packaged("efficientnet-lite0")
    assert form.ranges.keys() == packaged.ranges.keys()
    assert form.biases.keys() == packaged.biases.keys()
    assert not any(name.startswith(("stem", "block0_")) for name in packaged.biases)
    core, pictures = ov.Core(), noise(224, 4, seed=3)
    ours = lite_graph("efficientnet-lite0", (224, 224), 3, form)
    expected, found = (core.compile_model(m, "CPU")(pictures)[0] for m in (nncf_model, ours))
    assert (unit(expected) * unit(found)).sum(1).min() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_packaged_int8_form_is_made_by_the_script(tool, variant):
    form = tool.int8_form(tool.quantised(variant, tool.background_images()))
    packaged = Int8.packaged(variant)
    for made, kept in ((form.ranges, packaged.ranges), (form.biases, packaged.biases)):
        assert made.keys() == kept.keys()
        for name, values in kept.items():
            np.testing.assert_allclose(made[name], values, rtol=1e-2, atol=1e-2)


@pytest.fixture
def tool():
    pytest.importorskip("nncf", reason="nncf, which makes the int8 form, is not installed")
    file = Path(__file__).parents[2] / "tools" / "make_int8.py"
    spec = importlib.util.spec_from_file_location("make_int8", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
