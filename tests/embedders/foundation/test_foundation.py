"""Foundation models as embedders: preprocessing, vectors, texts, runtimes, crops, store."""

import json
import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from similarity_lab import RelevanceScorer, Site, load_embedder
from similarity_lab.embedders import CachedEmbedder, embed_all, join_embedders, vector_space
from similarity_lab.embedders.foundation import MODELS, is_foundation
from similarity_lab.embedders.foundation.catalogue import PERMISSIVE, licence_notice
from similarity_lab.embedders.torch_runtime import best_batch
from similarity_lab.errors import EmbedderError, HubError, InputError, LicenceWarning
from similarity_lab.relevance import LearnedRule

SMALL = ["clip", "siglip2", "dinov2", "dinov3"]
WITH_TEXT = ["clip", "siglip2", "pe"]
RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (50 + 7 * n, 80 - 9 * n, 3), np.uint8) for n in range(4)]


def pixels_of(family, folder, transformers):
    """Return the prepared images, by the library's own way to prepare one image."""
    images = [Image.fromarray(image) for image in IMAGES]
    if family == "pe":
        import open_clip

        *_, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
        return np.stack([preprocess(image).numpy() for image in images])
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    return np.stack([np.asarray(processor(images=i)["pixel_values"][0]) for i in images])


def vectors_of(family, folder, torch, transformers):
    """Return the unit vectors of the images, by the library's own forward pass."""
    pixels = torch.from_numpy(pixels_of(family, folder, transformers))
    with torch.inference_mode():
        if family == "pe":
            import open_clip

            model = open_clip.create_model(f"local-dir:{folder}").eval()
            return model.encode_image(pixels, normalize=True).numpy()
        model = transformers.AutoModel.from_pretrained(folder).eval()
        if family in WITH_TEXT:
            features = model.get_image_features(pixel_values=pixels).pooler_output
        else:
            features = model(pixel_values=pixels).last_hidden_state[:, 0]
    return (features / features.norm(dim=-1, keepdim=True)).numpy()


@pytest.mark.parametrize("family", [*SMALL, "pe"])
def test_preprocessing_is_the_processors_own_to_the_bit(family, make_model, libraries):
    folder = make_model(family)
    embedder = load_embedder(folder, runtime="torch", device="cpu")
    expected = pixels_of(family, folder, libraries[1])
    for image, wanted in zip(IMAGES, expected, strict=True):
        assert np.array_equal(embedder.read(image), wanted)


@pytest.mark.parametrize("family", [*SMALL, "pe"])
def test_vectors_are_those_of_the_library(family, make_model, libraries):
    folder = make_model(family)
    expected = vectors_of(family, folder, *libraries)
    embedder = load_embedder(folder, runtime="torch", device="cpu")
    vectors = embed_all(embedder, IMAGES, progress=False)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors.dtype == np.float32 and embedder.dimension == vectors.shape[1]


@pytest.mark.parametrize("family", SMALL)
def test_openvino_agrees_with_the_library(family, make_model, libraries):
    folder = make_model(family)
    embedder = load_embedder(folder, runtime="openvino", threads=2)
    expected = vectors_of(family, folder, *libraries)
    np.testing.assert_allclose(
        embed_all(embedder, IMAGES * 5, progress=False)[:4], expected, atol=1e-4
    )
    assert vector_space(embedder.name) == vector_space(
        load_embedder(folder, runtime="torch", device="cpu").name
    )


@pytest.mark.parametrize("family", ["siglip2", "dinov2"])
def test_int8_is_close_and_a_space_of_its_own(family, make_model):
    exact = load_embedder(make_model(family), runtime="openvino")
    rounded = load_embedder(make_model(family), runtime="openvino-int8")
    cosines = (
        embed_all(exact, IMAGES, progress=False) * embed_all(rounded, IMAGES, progress=False)
    ).sum(1)
    assert (cosines > 0.999).all()
    assert 0 < rounded.tower.loss < 0.01
    assert vector_space(exact.name) != vector_space(rounded.name)


def test_auto_on_a_cpu_is_int8_if_the_loss_is_small(make_model, monkeypatch, tmp_path):
    from similarity_lab.embedders.foundation import runtimes

    folder = make_model("dinov2")
    assert load_embedder(folder, device="cpu").name.endswith("openvino int8")
    assert load_embedder(folder, device="cpu", runtime="auto-float32").name.endswith("float32")
    monkeypatch.setattr(runtimes, "MAX_INT8_LOSS", 0.0)
    assert load_embedder(folder, device="cpu").name.endswith("openvino float32")


def test_model_that_openvino_cannot_convert_runs_in_torch(make_model, monkeypatch, tmp_path):
    import openvino

    monkeypatch.setenv("SIMILARITY_LAB_CACHE", str(tmp_path))

    def convert_model(*_, **__):
        raise openvino.frontend.OpConversionFailure("no such operation")

    monkeypatch.setattr(openvino, "convert_model", convert_model)
    folder = make_model("siglip2")
    with pytest.warns(UserWarning, match="falling back to PyTorch.*no such operation"):
        embedder = load_embedder(folder, device="cpu", runtime="auto-float32", threads=1)
    assert embedder.name.endswith("torch float32")
    with pytest.raises(EmbedderError, match='cannot run.*runtime="torch"'):
        load_embedder(folder, runtime="openvino", threads=1)


def test_bfloat16_on_the_cpu_is_close(make_model):
    exact = load_embedder(make_model("clip"), runtime="torch", device="cpu")
    half = load_embedder(make_model("clip"), runtime="torch-bfloat16", device="cpu")
    assert "torch bfloat16" in half.name
    vectors = embed_all(half, IMAGES, progress=False)
    assert vectors.dtype == np.float32
    assert ((embed_all(exact, IMAGES, progress=False) * vectors).sum(1) > 0.99).all()


def test_name_states_weights_preprocessing_runtime_and_precision(make_model):
    embedder = load_embedder(make_model("clip"), runtime="torch", device="cpu", color="gray")
    model, *rest = embedder.name.split(" ")
    assert model.startswith("tiny-clip@") and rest[:2] == ["gray", "32x32"]
    assert rest[2].startswith("CLIPImageProcessorPil:") and rest[3:] == ["torch", "float32"]


def test_name_changes_with_weights_and_with_preprocessing(make_model, libraries, tmp_path):
    folder = shutil.copytree(make_model("dinov2"), tmp_path / "tiny-dinov2")
    name = load_embedder(folder, runtime="torch", device="cpu").name
    assert name == load_embedder(make_model("dinov2"), runtime="torch", device="cpu").name
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    settings["image_mean"] = [0.5, 0.5, 0.5]
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    other = load_embedder(folder, runtime="torch", device="cpu").name
    assert other != name and other.split(" ")[0] == name.split(" ")[0]
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert (
        load_embedder(folder, runtime="torch", device="cpu").name.split(" ")[0]
        != name.split(" ")[0]
    )


@pytest.mark.parametrize("family", WITH_TEXT)
def test_text_vectors_are_those_of_the_library(family, make_model, libraries):
    torch, transformers = libraries
    folder, texts = make_model(family), ["almonds", "nuts in a bag"]
    embedder = load_embedder(folder, runtime="torch", device="cpu")
    with torch.inference_mode():
        if family == "pe":
            import open_clip

            model = open_clip.create_model(f"local-dir:{folder}").eval()
            tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
            features = model.encode_text(tokens)
        else:
            model = transformers.AutoModel.from_pretrained(folder).eval()
            options = (
                {"padding": True}
                if family == "clip"
                else {"padding": "max_length", "max_length": 8}
            )
            tokens = transformers.AutoTokenizer.from_pretrained(folder)(
                texts, truncation=True, return_tensors="pt", **options
            )
            if family == "siglip2":
                del tokens["attention_mask"]
            features = model.get_text_features(**tokens).pooler_output
    expected = (features / features.norm(dim=-1, keepdim=True)).numpy()
    np.testing.assert_allclose(embedder.embed_text(texts), expected, atol=1e-5)
    assert embedder.embed_text([]).shape == (0, embedder.dimension)
    assert embedder.logit_scale == pytest.approx(model.logit_scale.exp().item())
    bias = getattr(model, "logit_bias", None)
    assert embedder.logit_bias == (None if bias is None else pytest.approx(bias.item()))


@pytest.mark.parametrize(
    ("family", "pieces", "expected"),
    [("clip", None, False), ("siglip2", None, False), ("siglip2", 256_000, True)],
)
def test_multilingual_by_the_size_of_the_vocabulary(family, pieces, expected, make_model, tmp_path):
    folder = shutil.copytree(make_model(family), tmp_path / "model")
    embedder = load_embedder(folder, runtime="torch", device="cpu")
    if pieces is not None:
        config = json.loads((folder / "config.json").read_text())
        config["text_config"]["vocab_size"] = pieces
        (folder / "config.json").write_text(json.dumps(config))
    assert embedder.is_multilingual is expected
    assert CachedEmbedder(embedder).is_multilingual is expected
    assert join_embedders(embedder, embedder).is_multilingual is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ({"vocab_size": 49408}, False),
        ({"hf_model_name": "xlm-roberta-base"}, True),
        ({"hf_tokenizer_name": "timm/ViT-B-16-SigLIP2"}, True),
        ({"hf_tokenizer_name": "timm/ViT-B-16-SigLIP", "vocab_size": 32000}, False),
        ({"vocab_size": 250100}, True),
    ],
)
def test_multilingual_of_open_clip(text, expected, tmp_path):
    from similarity_lab.embedders.foundation.hub import Snapshot
    from similarity_lab.embedders.foundation.networks import is_multilingual

    config = {"model_cfg": {"text_cfg": text}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    assert is_multilingual(Snapshot(tmp_path, "x", "open_clip", (), None)) is expected


def test_short_text_tower_takes_what_it_can_and_is_refused_as_references(make_model):
    """Eight tokens: texts are cut as the library's processor cuts them, prompts before the name."""
    embedder = load_embedder(make_model("siglip2"), runtime="torch", device="cpu")
    one, same, other = embedder.embed_text(["almonds and more", "almonds and less", "walnuts"])
    np.testing.assert_allclose(one, same, atol=1e-6)
    assert one @ other < 0.999
    scorer = RelevanceScorer(
        "almonds", rule=LearnedRule(text=True), embedder=embedder, progress=False
    )
    with pytest.raises(InputError, match="text tower takes more tokens than"):
        scorer.fit(None)


def test_long_text_is_cut_and_a_single_one_refused(make_model):
    embedder = load_embedder(make_model("clip"), runtime="torch", device="cpu")
    long = "almonds " * 500
    assert np.isfinite(embedder.embed_text([long, ""])).all()
    with pytest.raises(InputError, match=r"list of texts.*pass \[text\]"):
        embedder.embed_text("almonds")
    with pytest.raises(InputError, match="list of texts"):
        embedder.embed_text([b"almonds"])


def test_only_models_with_a_text_tower_embed_text(make_model):
    for family in SMALL:
        embedder = load_embedder(make_model(family), runtime="torch", device="cpu")
        assert hasattr(embedder, "embed_text") == (family in WITH_TEXT)
        assert hasattr(CachedEmbedder(embedder), "embed_text") == (family in WITH_TEXT)
        crop = load_embedder(make_model(family), runtime="torch", device="cpu", crops=(0.5,))
        assert hasattr(crop, "embed_text") == (family in WITH_TEXT)


def test_text_vectors_of_views_and_joined_embedders(make_model):
    clip = load_embedder(make_model("clip"), runtime="torch", device="cpu")
    siglip = load_embedder(make_model("siglip2"), runtime="torch", device="cpu")
    both = join_embedders(clip, siglip)
    expected = np.hstack([clip.embed_text(["nuts"]), siglip.embed_text(["nuts"])]) / np.sqrt(2)
    np.testing.assert_allclose(both.embed_text(["nuts"]), expected, atol=1e-6)
    assert not hasattr(both, "logit_scale")
    crop = load_embedder(make_model("clip"), runtime="torch", device="cpu", crops=(0.5,))
    assert crop.logit_scale == clip.logit_scale
    np.testing.assert_allclose(crop.embed_text(["nuts"]), clip.embed_text(["nuts"]), atol=1e-6)
    dino = load_embedder(make_model("dinov2"), runtime="torch", device="cpu")
    assert not hasattr(join_embedders(clip, dino), "embed_text")


@pytest.mark.parametrize("family", SMALL)
def test_crops_are_prepared_by_the_processor(family, make_model):
    """The model sees the crop itself at full resolution, not one that was resized before."""
    plain = load_embedder(make_model(family), runtime="torch", device="cpu")
    views = load_embedder(make_model(family), runtime="torch", device="cpu", crops=(0.5,))
    image = RNG.integers(0, 256, (80, 120, 3), np.uint8)
    whole, crop = embed_all(plain, [image, image[20:60, 40:80]], progress=False)
    expected = (whole + crop) / np.linalg.norm(whole + crop)
    np.testing.assert_allclose(embed_all(views, [image], progress=False)[0], expected, atol=1e-5)
    assert views.name == plain.name + " crop50"


def test_joined_with_a_packaged_network(make_model):
    clip = load_embedder(make_model("clip"), runtime="torch", device="cpu")
    lite = load_embedder("efficientnet-lite0", runtime="openvino")
    joined = embed_all(join_embedders(clip, lite), IMAGES, progress=False)
    assert joined.shape == (4, 12 + 1280)
    np.testing.assert_allclose(
        joined[:, :12] * np.sqrt(2), embed_all(clip, IMAGES, progress=False), atol=1e-5
    )


def test_store_keeps_vectors_by_name(make_model, tmp_path):
    embedder = load_embedder(make_model("dinov2"), runtime="torch", device="cpu")
    cached = CachedEmbedder(embedder, tmp_path / "store")
    first = cached.embed(IMAGES, progress=False).vectors
    assert cached.store.embedders() == {embedder.name: 4}
    np.testing.assert_array_equal(cached.embed(IMAGES, progress=False).vectors, first)


def test_embedder_is_the_same_after_pickling(make_model):
    embedder = load_embedder(make_model("clip"), runtime="openvino", threads=1)
    again = pickle.loads(pickle.dumps(embedder))
    assert again.name == embedder.name and again.threads == 1
    np.testing.assert_array_equal(
        embed_all(again, IMAGES, progress=False), embed_all(embedder, IMAGES, progress=False)
    )


def test_scorer_fits_decides_and_loads_with_a_folder_as_embedder(
    make_model, library, sites, tmp_path
):
    name = str(make_model("clip"))
    scorer = RelevanceScorer("almonds", embedder=name, progress=False).fit(library)
    result = scorer.decide(Site.from_folder(sites / "nut-shop"))
    assert result.settings.embedder.startswith("tiny-clip@")
    scorer.save(tmp_path / "scorer")
    again = RelevanceScorer.load(tmp_path / "scorer").decide(Site.from_folder(sites / "nut-shop"))
    assert again.probability == pytest.approx(result.probability)
    other = RelevanceScorer("almonds", embedder=str(make_model("dinov2")), progress=False)
    with pytest.raises(InputError, match="Cannot compare vectors"):
        other.fit(scorer.library_)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: Image.new("L", (60, 40), 90).save(path.with_suffix(".png")),
        lambda path: Image.new("CMYK", (60, 40), (10, 90, 30, 0)).save(path.with_suffix(".jpg")),
        lambda path: Image.new("P", (60, 40), 3).save(path.with_suffix(".gif")),
        lambda path: Image.new("RGBA", (60, 40), (9, 9, 9, 0)).save(path.with_suffix(".webp")),
        lambda path: Image.new("RGB", (1, 1), (9, 9, 9)).save(path.with_suffix(".bmp")),
        lambda path: Image.new("RGB", (9000, 2), (9, 9, 9)).save(path.with_suffix(".png")),
        lambda path: Image.new("RGB", (3, 9000), (9, 9, 9)).save(path.with_suffix(".png")),
        lambda path: path.with_suffix(".jpg").write_bytes(b"no image"),
    ],
    ids=["gray", "cmyk", "palette", "transparent", "pixel", "line", "column", "text"],
)
@pytest.mark.parametrize("family", ["clip", "siglip2"])
def test_unusual_images_are_embedded_or_listed(family, make, make_model, tmp_path):
    make(tmp_path / "image")
    embedder = load_embedder(make_model(family), runtime="torch", device="cpu")
    embedded = embedder.embed([*tmp_path.iterdir(), IMAGES[0]], progress=False)
    assert len(embedded.kept) + len(embedded.skipped) == 2
    assert np.isfinite(embedded.vectors).all() and 1 in embedded.kept


def test_gray_feeds_three_equal_channels(make_model):
    embedder = load_embedder(make_model("clip"), runtime="torch", device="cpu", color="gray")
    gray = np.asarray(Image.fromarray(IMAGES[0]).convert("L"))
    rgb = load_embedder(make_model("clip"), runtime="torch", device="cpu")
    np.testing.assert_array_equal(
        embed_all(embedder, [IMAGES[0]], progress=False),
        embed_all(rgb, [np.stack([gray] * 3, axis=2)], progress=False),
    )


def test_options_without_effect_are_refused(make_model):
    folder = make_model("clip")
    for options, match in [
        ({"input_size": 64}, "input_size"),
        ({"runtime": "keras"}, "packaged networks"),
        ({"name": "mine"}, "has its own name"),
        ({"revision": "main"}, "no effect on a folder"),
        ({"runtime": "torch", "device": "cpu", "threads": 2}, "no effect on PyTorch"),
        ({"runtime": "openvino", "device": "cuda"}, "OpenVINO runs on the CPU"),
        ({"threads": 0}, "at least 1"),
        ({"device": "tpu"}, "Unknown device 'tpu'"),
        ({"device": "cuda:99"}, "finds no device 'cuda:99'"),
    ]:
        with pytest.raises(EmbedderError, match=match):
            load_embedder(folder, **options)


def test_packaged_networks_refuse_options_without_effect(libraries):
    for options, match in [
        ({"revision": "main"}, "revision='main' has no effect"),
        (
            {"runtime": "openvino", "device": "cpu"},
            "device='cpu' has no effect on runtime",
        ),
        ({"runtime": "torch", "threads": 2}, "threads=2 has no effect on PyTorch"),
        ({"device": "cuda:99"}, "finds no device 'cuda:99'"),
    ]:
        with pytest.raises(EmbedderError, match=match):
            load_embedder("efficientnet-lite0", **options)


@pytest.mark.parametrize("options", [{}, {"color": "gray"}, {"input_size": (97, 64)}])
@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite2"])
def test_packaged_network_in_torch_agrees_with_openvino(name, options, libraries):
    torch = load_embedder(name, runtime="torch", device="cpu", **options)
    openvino = load_embedder(name, runtime="openvino", **options)
    expected = embed_all(openvino, IMAGES, progress=False)
    np.testing.assert_allclose(embed_all(torch, IMAGES, progress=False), expected, atol=1e-4)
    assert vector_space(torch.name) == vector_space(openvino.name)
    assert pickle.loads(pickle.dumps(torch)).name == torch.name


def test_unknown_name_suggests_a_short_name(tmp_path):
    with pytest.raises(EmbedderError, match="Did you mean 'siglip2-base'"):
        load_embedder("siglip-base")
    for page in (
        "https://huggingface.co/google/siglip2-base",
        "hf.co/google/siglip2-base/tree/main",
    ):
        with pytest.raises(EmbedderError, match="pass its name, 'google/siglip2-base'"):
            load_embedder(page, runtime="torch")
    with pytest.raises(EmbedderError, match="no model in this folder.*interrupted"):
        load_embedder(tmp_path)
    with pytest.raises(EmbedderError, match="Unknown embedder 'models/adapted.keras'"):
        load_embedder("models/adapted.keras")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_short_name_is_pinned_and_its_licence_known(name):
    model = MODELS[name]
    assert is_foundation(name) and is_foundation(f"{name}@main") and is_foundation(model.id)
    assert model.revision is None or len(bytes.fromhex(model.revision)) == 20
    assert (licence_notice(model.licence) is None) == (model.licence.casefold() in PERMISSIVE)


def test_special_terms_are_said_when_a_model_is_loaded(make_model, tmp_path):
    folder = shutil.copytree(make_model("dinov2"), tmp_path / "dino")
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: dinov3-license\n---\n")
    with pytest.warns(LicenceWarning, match="DINOv3 licence") as records:
        load_embedder(folder, runtime="torch", device="cpu")
    assert records[0].filename == __file__


def test_best_batch_stops_where_memory_ends():
    def seconds(size):
        if size > 64:
            raise RuntimeError("out of memory")
        return 1 / size

    assert best_batch(seconds) == 64


def test_model_without_a_vector_per_image_is_refused(make_model, libraries, tmp_path):
    _, transformers = libraries
    config = transformers.BertConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        vocab_size=50,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(HubError, match="only models of images"):
        load_embedder(tmp_path / "bert", runtime="torch", device="cpu")


@pytest.mark.parametrize("content", ["{}", "[]", '{"model_cfg": {"vision_cfg": {}}}', "{"])
@pytest.mark.usefixtures("libraries")
def test_open_clip_config_that_describes_no_model_is_refused(content, tmp_path):
    (tmp_path / "open_clip_config.json").write_text(content)
    with pytest.raises(HubError, match="describes no model|not a model|is damaged"):
        load_embedder(tmp_path, runtime="torch", device="cpu")


def test_image_tower_alone_keeps_its_projection(make_model, libraries, tmp_path):
    _, transformers = libraries
    whole = load_embedder(make_model("clip"), runtime="torch", device="cpu")
    folder = shutil.copytree(make_model("clip"), tmp_path / "tower")
    model = transformers.CLIPModel.from_pretrained(folder)
    config = model.config.vision_config
    config.projection_dim = model.config.projection_dim
    tower = transformers.CLIPVisionModelWithProjection(config)
    tower.load_state_dict(model.state_dict(), strict=False)
    tower.save_pretrained(folder)
    embedder = load_embedder(folder, runtime="torch", device="cpu")
    assert not hasattr(embedder, "embed_text")
    np.testing.assert_allclose(
        embed_all(embedder, IMAGES, progress=False),
        embed_all(whole, IMAGES, progress=False),
        atol=1e-6,
    )


def test_model_without_its_tokenizer_embeds_images_only(make_model, tmp_path):
    """transformers would make a tokenizer without vocabulary, and every text the same vector."""
    folder = shutil.copytree(make_model("clip"), tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    embedder = load_embedder(folder, runtime="torch", device="cpu")
    assert not hasattr(embedder, "embed_text")


def test_classifier_without_pooler_gives_its_class_token(libraries, tmp_path):
    torch, transformers = libraries
    config = transformers.ViTConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        image_size=32, patch_size=8,
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config).eval()
    model.save_pretrained(tmp_path / "vit")
    transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(
        tmp_path / "vit"
    )
    embedder = load_embedder(tmp_path / "vit", runtime="torch", device="cpu")
    pixels = torch.from_numpy(np.stack([embedder.read(image) for image in IMAGES]))
    with torch.inference_mode():
        tokens = model(pixels, output_hidden_states=True).hidden_states[-1]
        expected = model.vit.layernorm(tokens)[:, 0].numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embed_all(embedder, IMAGES, progress=False), expected, atol=1e-5)


def test_gpu_agrees_with_the_cpu(make_model, libraries):
    torch, _ = libraries
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    exact = load_embedder(make_model("clip"), runtime="torch", device="cpu")
    vectors = embed_all(exact, IMAGES, progress=False)
    cuda = load_embedder(make_model("clip"), runtime="torch", device="cuda")
    np.testing.assert_allclose(embed_all(cuda, IMAGES, progress=False), vectors, atol=1e-4)
    auto = load_embedder(make_model("clip"))
    assert "torch bfloat16" in auto.name and auto.batch_size >= 8
    assert ((embed_all(auto, IMAGES, progress=False) * vectors).sum(1) > 0.99).all()
