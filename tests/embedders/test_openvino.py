"""The OpenVINO runtime: agreement with Keras, start without TensorFlow, fallback."""

import importlib.util
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, load_embedder
from similarity_lab._threads import usable_cores
from similarity_lab.embedders import loading, openvino_lite
from similarity_lab.embedders.lite import VARIANTS, LiteWeights
from similarity_lab.embedders.openvino_graph import Int8, lite_graph, quantise_weights
from similarity_lab.embedders.openvino_lite import OpenVinoLite
from similarity_lab.errors import EmbedderError, SavedFolderError
from similarity_lab.samples import load_image
from similarity_lab.store import unit


@pytest.fixture(scope="module")
def lite0():
    return load_embedder(runtime="openvino")


def noise(size, count=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "size", "color"),
    [("lite0", 99, "gray"), ("lite2", 380, "rgb")],
)
def test_vectors_agree_with_keras(name, size, color):
    """Also at the input size of quality "best", and at one with uneven padding."""
    images, name = noise(size), f"efficientnet-{name}"
    keras, openvino = (
        load_embedder(name, color=color, runtime=runtime, input_size=size)
        for runtime in ("keras", "openvino")
    )
    expected = keras.embed(images, progress=False).vectors
    vectors = openvino.embed(images, progress=False).vectors
    np.testing.assert_allclose(vectors, expected, atol=1e-4)
    assert keras.name.replace("keras", "openvino") == openvino.name
    assert vectors.dtype == np.float32 and keras.dimension == openvino.dimension


@pytest.mark.parametrize("runtime", ["openvino", "openvino-int8"])
def test_bfloat16_is_disabled(runtime, monkeypatch):
    """OpenVINO would otherwise compute float32 models in bfloat16 if the processor has it."""
    recorded, compile_model = {}, ov.Core.compile_model

    def spy(core, model, device, settings):
        recorded.update(settings)
        return compile_model(core, model, device, settings)

    monkeypatch.setattr(ov.Core, "compile_model", spy)
    load_embedder(runtime=runtime).embed(noise(224, 1), progress=False)
    assert recorded["INFERENCE_PRECISION_HINT"] == "f32"


def test_vectors_do_not_depend_on_threads_and_batches(lite0, tmp_path):
    paths = []
    for number, image in enumerate(noise(90, 11)):
        paths.append(tmp_path / f"{number:02}.png")
        Image.fromarray(image).save(paths[-1])
    paths.insert(4, tmp_path / "none.png")
    single = load_embedder(runtime="openvino", threads=1)
    expected = single.embed(paths, batch_size=1, progress=False)
    for embedder, batch_size in [(lite0, None), (lite0, 1), (lite0, 5), (lite0, 100), (single, 3)]:
        result = embedder.embed(paths, batch_size=batch_size, progress=False)
        np.testing.assert_allclose(result.vectors, expected.vectors, atol=1e-5)
        assert result.kept == [*range(4), *range(5, 12)] and len(result.skipped) == 1
    assert lite0.threads == usable_cores()


def test_threads_invalid():
    with pytest.raises(EmbedderError, match="threads must be at least 1, got 0"):
        load_embedder(runtime="openvino", threads=0)


def test_forward_is_thread_safe(lite0):
    images = noise(224, 6, seed=1)
    expected = lite0.forward(images)
    with ThreadPoolExecutor(6) as pool:
        vectors = list(pool.map(lite0.forward, np.split(images, 6)))
    np.testing.assert_allclose(np.concatenate(vectors), expected, atol=1e-5)


INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from similarity_lab import load_embedder
from similarity_lab.embedders import CachedEmbedder
from similarity_lab.store import VectorStore

class Images(tuple):
    def __getitem__(self, index):
        if index == 300:
            print("running", flush=True)
        return super().__getitem__(index)

path, *folder = sys.argv[1:]
embedder = load_embedder()
if folder:
    embedder = CachedEmbedder(embedder, VectorStore(folder[0]))
embedder.embed(Images([path] * 1_000_000), progress=False)
"""


@pytest.mark.parametrize("is_cached", [False, True])
def test_embed_stops_on_interrupt(is_cached, make_image, tmp_path):
    make_image((100, 90, 80), size=(240, 240)).save(tmp_path / "a.jpg")
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "a.jpg")]
    command += [str(tmp_path)] * is_cached
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert run.stdout.readline() == "running\n"
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)  # the whole run would take hours
    finally:
        run.kill()
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_scoring_with_the_default_embedder_imports_no_network_library(library, sites):
    code = (
        "import json, sys; from similarity_lab import RelevanceScorer\n"
        f"s = RelevanceScorer('almonds', progress=False).fit({str(library)!r})\n"
        f"r = s.decide({str(sites / 'nut-shop')!r})\n"
        "heavy = {'tensorflow', 'keras', 'torch'} & set(sys.modules)\n"
        "print(json.dumps([r.settings.embedder, sorted(heavy)]))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name, heavy = json.loads(run.stdout)
    assert name.endswith("openvino int8 crop50") and heavy == []
    assert run.stderr == ""


def test_scorer_of_openvino_vectors_is_loaded_with_keras(library, sites, tmp_path):
    openvino = load_embedder(runtime="openvino")
    scorer = RelevanceScorer("almonds", embedder=openvino, progress=False).fit(library)
    scorer.save(tmp_path / "scorer")
    with pytest.raises(SavedFolderError, match=r"fitted on vectors of .* float32.*int8"):
        RelevanceScorer.load(tmp_path / "scorer", embedder="efficientnet-lite0")
    keras = load_embedder(runtime="keras")
    loaded = RelevanceScorer.load(tmp_path / "scorer", embedder=keras).set_params(progress=False)
    expected, result = scorer.decide(sites / "nut-shop"), loaded.decide(sites / "nut-shop")
    assert "openvino" in expected.settings.embedder and "keras" in result.settings.embedder
    assert result.decision == expected.decision
    np.testing.assert_allclose(result.images["score"], expected.images["score"], atol=1e-2)


def test_fallback_to_keras_warns_once(monkeypatch):
    def broken(*_):
        raise RuntimeError("no such\n  instruction")

    monkeypatch.setattr(openvino_lite, "_compiled", broken)
    images = noise(100)
    embedder = load_embedder(input_size=100)
    with pytest.warns(UserWarning, match=r"falling back to Keras.*no such instruction") as caught:
        vectors = embedder.embed(images, progress=False, batch_size=1).vectors
    assert len(caught) == 1
    keras = load_embedder(input_size=100, runtime="keras")
    np.testing.assert_allclose(vectors, keras.embed(images, progress=False).vectors, atol=1e-4)
    assert embedder.name == keras.name  # vectors are never stored under the name of another runtime
    with pytest.raises(EmbedderError, match=r'no such instruction; use load_embedder.*"keras"'):
        load_embedder(runtime="openvino").embed(images, progress=False)


def test_scorer_refuses_vectors_of_another_space(library, sites, tmp_path, monkeypatch):
    RelevanceScorer("almonds", progress=False).fit(library).save(tmp_path / "scorer")
    loaded = RelevanceScorer.load(tmp_path / "scorer").set_params(progress=False)

    def broken(*_):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(openvino_lite, "_compiled", broken)
    with (
        pytest.warns(UserWarning, match="falling back to Keras"),
        pytest.raises(ValueError, match=r"vectors of .*keras.*scorer's vectors of .*int8"),
    ):
        loaded.decide(sites / "nut-shop")


def test_load_embedder_without_openvino(monkeypatch):
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="pip install openvino"):
        embedder = load_embedder()
    assert "keras" in embedder.name
    assert isinstance(load_embedder(runtime="openvino"), OpenVinoLite)  # fails on first use


def test_int8_vectors_are_close_to_float32(lite0):
    int8 = load_embedder(runtime="openvino-int8")
    assert int8.name == lite0.name.replace("bicubic openvino float32", "scaled openvino int8")
    images = [load_image(kind, 5, size=(160, 160)) for kind in ("almonds", "dates", "clothing")]
    vectors = [unit(embedder.embed(images, progress=False).vectors) for embedder in (lite0, int8)]
    cosines = (vectors[0] * vectors[1]).sum(1)
    assert cosines.min() > 0.97 and cosines.max() < 0.99999  # close, but quantised


@pytest.mark.parametrize(("depthwise", "largest"), [(False, 63), (True, 127)])
def test_quantise_weights(depthwise, largest):
    kernel = np.random.default_rng(0).normal(0, 1, (5, 4, 3, 3)).astype(np.float32)
    kernel[2] = 0
    values, scale = quantise_weights(kernel, depthwise=depthwise)
    assert values.dtype == np.int8 and scale.shape == (5, 1, 1, 1)
    assert np.abs(values).max() == largest and (values[2] == 0).all()
    assert (np.abs(values * scale - kernel) <= 0.51 * scale).all()


@pytest.mark.slow
def test_int8_parameters_reproduce_the_model_of_nncf(tool):
    nncf_model = tool.quantise("efficientnet-lite0", list(noise(224, 2)))
    parameters = tool.int8_parameters(nncf_model)
    packaged = Int8.packaged("efficientnet-lite0")
    assert parameters.ranges.keys() == packaged.ranges.keys()
    assert parameters.biases.keys() == packaged.biases.keys()
    assert not any(name.startswith(("stem", "block0_")) for name in packaged.biases)
    model = lite_graph(LiteWeights("efficientnet-lite0"), (224, 224), 3, parameters)
    core, images = ov.Core(), noise(224, 4, seed=3)
    expected = core.compile_model(nncf_model, "CPU")(images)[0]
    vectors = core.compile_model(model, "CPU")(images)[0]
    assert (unit(expected) * unit(vectors)).sum(1).min() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_packaged_int8_parameters_are_reproduced_by_the_tool(tool, variant):
    parameters = tool.int8_parameters(tool.quantise(variant, tool.background_images()))
    packaged = Int8.packaged(variant)
    for part in ("ranges", "biases"):
        values, expected = getattr(parameters, part), getattr(packaged, part)
        assert values.keys() == expected.keys()
        for name in expected:
            np.testing.assert_allclose(values[name], expected[name], rtol=1e-2, atol=1e-2)


@pytest.fixture
def tool():
    pytest.importorskip("nncf", reason="nncf is not installed")
    file = Path(__file__).parents[2] / "tools" / "make_int8.py"
    spec = importlib.util.spec_from_file_location("make_int8", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
