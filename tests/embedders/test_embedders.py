import io
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from similarity_lab import load_embedder, read_image
from similarity_lab.backend import keras
from similarity_lab.embedders import Embedded, Embedder, embed_all
from similarity_lab.errors import EmbedderError, HubError, ImageError

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "efficientnet_lite.npz"
STORED = Path(__file__).with_name("features.npz")


@pytest.fixture(scope="module")
def lite0():
    return load_embedder("efficientnet-lite0", runtime="keras")


def patterns(size):
    """Return four images that are equal on any machine: gradients, rings, stripes, checks."""
    y, x = np.mgrid[:size, :size] * (256 / size)
    ring = (np.hypot(x - 128, y - 128) * 3) % 256
    planes = [
        (x, y, 255 - x),
        (ring, 255 - ring, x),
        ((x * 4) % 256, y, (y * 4) % 256),
        (((x // 32 + y // 32) % 2) * 255, x, y),
    ]
    return np.stack([np.stack(plane, axis=-1) for plane in planes]).astype(np.uint8)


@pytest.mark.parametrize("runtime", ["keras", "openvino"])
@pytest.mark.parametrize(("name", "key"), [("lite0", "images"), ("lite2", "images_260")])
def test_features_agree_with_an_independent_implementation(name, key, runtime):
    if not GOLDEN.exists():
        pytest.skip("golden features are not present (../shared/golden)")
    golden = np.load(GOLDEN, allow_pickle=False)
    embedder = load_embedder(f"efficientnet-{name}", runtime=runtime)
    features = embedder.embed(golden[key], progress=False).vectors
    np.testing.assert_allclose(features, golden[f"features_{name}"], atol=1e-4)


@pytest.mark.parametrize(("name", "size"), [("lite0", 224), ("lite2", 260)])
@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_features_agree_with_stored_ones(name, size, color):
    """They were stored by this implementation when it agreed with the independent one."""
    embedder = load_embedder(f"efficientnet-{name}", color=color, runtime="keras")
    assert embedder.input_size == (size, size) and embedder.dimension == 1280
    features = embedder.embed(patterns(size), progress=False).vectors
    assert features.dtype == np.float32 and features.min() >= 0
    stored = np.load(STORED, allow_pickle=False)[f"{name}_{color}"]
    np.testing.assert_allclose(features, stored, atol=1e-4)


def test_keras_model_takes_pixels_in_zero_to_one(lite0):
    pixels = patterns(224)
    features = np.asarray(lite0.model(pixels.astype(np.float32) / 255, training=False))
    np.testing.assert_allclose(features, lite0.embed(pixels, progress=False).vectors, atol=1e-4)
    assert lite0.model.input_shape == (None, 224, 224, 3)


def test_embedder_in_gray_gets_three_equal_channels(lite0):
    gray = load_embedder("efficientnet-lite0", color="gray", runtime="keras")
    pixels = patterns(224)
    stacked = np.stack([np.repeat(read_image(image, color="gray"), 3, axis=2) for image in pixels])
    np.testing.assert_allclose(
        gray.embed(pixels, progress=False).vectors,
        lite0.embed(stacked, progress=False).vectors,
        atol=1e-4,
    )
    assert gray.name != lite0.name and "gray" in gray.name


def test_embed_with_sources_of_every_type(lite0, tmp_path):
    pixels = patterns(224)
    paths = []
    for number, image in enumerate(pixels):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(paths[-1])
    expected = lite0.embed(pixels, progress=False).vectors
    for images in (paths, [str(p) for p in paths], [p.read_bytes() for p in paths], list(pixels)):
        np.testing.assert_allclose(
            lite0.embed(images, batch_size=3, progress=False).vectors, expected, atol=1e-4
        )


def test_embed_with_unreadable_images(lite0, tmp_path):
    (tmp_path / "bad.jpg").write_text("not an image")
    images = [patterns(64)[0], tmp_path / "bad.jpg", patterns(64)[1]]
    with pytest.raises(ImageError, match="looks like text"):
        embed_all(lite0, images, progress=False)
    result = lite0.embed(images, progress=False)
    assert result.kept == [0, 2] and result.vectors.shape == (2, 1280)
    assert result.skipped.path.tolist() == [str(tmp_path / "bad.jpg")]
    result = lite0.embed([tmp_path / "bad.jpg"], progress=False)
    assert result.kept == [] and result.vectors.shape == (0, 1280)
    assert lite0.embed([], progress=False).vectors.shape == (0, 1280)


@pytest.mark.parametrize(
    "image", ["a.jpg", Path("a.jpg"), b"bytes", io.BytesIO(b""), Image.new("RGB", (3, 3))]
)
def test_embed_of_a_single_image(lite0, image):
    with pytest.raises(ValueError, match=r"pass \[image\]"):
        lite0.embed(image)


def test_embed_invalid_parameters(lite0):
    with pytest.raises(ValueError, match=r"pass a batch: image\[None\]"):
        lite0.embed(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="batch_size"):
        lite0.embed([], batch_size=0)


def test_embed_memory_does_not_grow_with_the_images(tmp_path):
    """Peak memory with 40 and with 400 images differs only by the vectors."""
    keras_model = keras.Sequential(
        [keras.Input((64, 64, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    embedder = load_embedder(keras_model)
    path = tmp_path / "a.png"
    Image.fromarray(patterns(64)[0]).save(path)
    peaks = []
    embedder.embed([path] * 40, batch_size=8, progress=False)
    for count in (40, 400):
        tracemalloc.start()
        embedder.embed([path] * count, batch_size=8, progress=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000  # the pixels of 360 images alone are 4.4 MB
    assert peaks[0] < 4_000_000


def test_load_embedder_keras_model(tmp_path):
    model = keras.Sequential(
        [keras.Input((16, 12, 1)), keras.layers.Flatten(), keras.layers.Dense(5)], name="tiny"
    )
    embedder = load_embedder(model)
    assert isinstance(embedder, Embedder) and embedder.model is model
    assert embedder.color == "gray" and embedder.input_size == (16, 12)
    vectors = embedder.embed(patterns(20), progress=False).vectors
    assert vectors.shape == (4, 5)
    model.save(tmp_path / "tiny.keras")
    loaded = load_embedder(tmp_path / "tiny.keras")
    assert loaded.name == embedder.name
    np.testing.assert_allclose(
        loaded.embed(patterns(20), progress=False).vectors, vectors, atol=1e-5
    )
    model.set_weights([weight + 1 for weight in model.get_weights()])
    assert load_embedder(model).name != embedder.name


@pytest.mark.parametrize(
    ("shape", "layer", "message"),
    [
        ((8, 8, 3), keras.layers.Activation("relu"), "one vector per image"),
        ((8, 8, 2), keras.layers.Flatten(), "one image input"),
        ((None, None, 3), keras.layers.GlobalAveragePooling2D(), "any image size"),
        ((9,), keras.layers.Dense(2), "one image input"),
    ],
)
def test_load_embedder_unsuitable_keras_model(shape, layer, message):
    with pytest.raises(ValueError, match=message):
        load_embedder(keras.Sequential([keras.Input(shape), layer]))


def test_load_embedder_saved_model(tmp_path):
    import tensorflow as tf

    model = keras.Sequential([keras.Input((20, 20, 3)), keras.layers.GlobalAveragePooling2D()])
    model.export(tmp_path / "exported", verbose=False)
    exported = load_embedder(str(tmp_path / "exported"))
    assert exported.input_size == (20, 20) and "savedmodel" in exported.name
    expected = load_embedder(model).embed(patterns(20), progress=False).vectors
    np.testing.assert_allclose(
        exported.embed(patterns(20), progress=False).vectors, expected, atol=1e-5
    )

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
        def __call__(self, pixels):
            return tf.reduce_mean(pixels, (1, 2))

    tf.saved_model.save(Module(), str(tmp_path / "called"))
    with pytest.raises(ValueError, match="does not state its image size"):
        load_embedder(tmp_path / "called")
    called = load_embedder(tmp_path / "called", input_size=20, color="gray")
    gray = called.embed(patterns(20), progress=False).vectors
    np.testing.assert_allclose(gray[:, 0], gray[:, 2])


def test_load_embedder_unreachable_hub_url(monkeypatch, tmp_path):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    with pytest.raises(HubError, match="TFHUB_CACHE_DIR"):
        load_embedder("http://127.0.0.1:9/lite0/feature-vector/2")


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("efficientnet-lite7", {}, "Did you mean 'efficientnet-lite2'.*of efficientnet-lite0, "),
        ({}, {}, "dict is not an embedder: it has no name, dimension"),
        ("efficientnet-lite0", {"runtime": "abacus"}, "Unknown runtime 'abacus'"),
        ("efficientnet-lite0", {"color": "blue"}, "color must be"),
    ],
)
def test_load_embedder_invalid(source, options, message):
    with pytest.raises(EmbedderError, match=message):
        load_embedder(source, **options)


@pytest.mark.parametrize(
    ("source", "parameters", "message"),
    [
        ("efficientnet-lite0", {"runtime": "keras", "threads": 2}, "threads=2 has no effect"),
        ("https://tfhub.example/x", {"runtime": "openvino"}, "runtime='openvino' has no effect"),
        (len, {"name": "length", "threads": 2}, "threads=2 has no effect"),
    ],
)
def test_load_embedder_refuses_parameters_without_effect(source, parameters, message):
    with pytest.raises(EmbedderError, match=message):
        load_embedder(source, **parameters)


@pytest.mark.parametrize(
    "parameters", [{"name": "x"}, {"color": "gray"}, {"input_size": 8}], ids=str
)
def test_load_embedder_returns_embedders_unchanged_or_refuses(stub, parameters):
    with pytest.raises(EmbedderError, match="has no effect on an embedder"):
        load_embedder(stub, **parameters)


def test_embed_all_with_an_invalid_embedder(stub):
    assert load_embedder(stub) is stub
    images = [patterns(8)[0]]
    stub.dimension = 3
    stub.embed = lambda images, **settings: np.zeros((1, 3))
    with pytest.raises(ValueError, match=r"returned a ndarray from embed\(\); expected"):
        embed_all(stub, images)
    stub.embed = lambda images, **settings: Embedded(np.zeros((1, 4)))
    with pytest.raises(ValueError, match=r"returned vectors \(1, 4\), expected \(1, 3\)"):
        embed_all(stub, images)


@pytest.mark.parametrize(
    ("vectors", "kept", "message"),
    [
        (np.zeros(3), None, "expected vectors"),
        (np.zeros((2, 3)), [0], "of 1 images"),
        (np.full((1, 3), np.nan), None, "finite"),
    ],
)
def test_embedded_invalid_vectors(vectors, kept, message):
    with pytest.raises(ValueError, match=message):
        Embedded(vectors, kept)


@pytest.mark.slow
def test_jax_gives_the_same_features():
    """The network does not depend on a Keras backend."""
    pytest.importorskip("jax", reason="jax is not installed")
    code = (
        "import json, numpy as np; from similarity_lab import load_embedder;"
        "e = load_embedder(runtime='keras'); y, x = np.mgrid[:224, :224];"
        "p = np.stack([x, y, x], -1).astype(np.uint8)[None];"
        "print(json.dumps(e.embed(p, progress=False).vectors[0].tolist()))"
    )
    results = []
    for backend in ("tensorflow", "jax"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={"KERAS_BACKEND": backend},
            capture_output=True,
            check=True,
        )
        results.append(json.loads(run.stdout))
    np.testing.assert_allclose(*results, atol=1e-3)
