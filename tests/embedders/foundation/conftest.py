"""Tiny models of each family, with random weights, written by the libraries themselves."""

import json
import os
import warnings

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # tests never reach for the hub

SIDE = 32


def import_libraries():
    """Return PyTorch and transformers, or skip."""
    torch = pytest.importorskip("torch", reason="needs the extra foundation: PyTorch")
    if "torchvision" not in globals():
        _let_torchvision_load(torch)
    return torch, pytest.importorskip("transformers", reason="needs the extra foundation")


def _let_torchvision_load(torch):
    """Declare the operators that a torchvision for CUDA misses beside a PyTorch for the CPU.

    PyPI has no other for Linux; timm imports it, and no model here calls these operators.
    """
    try:
        import torchvision
    except ModuleNotFoundError:
        return
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        globals()["operators"] = library  # they live as long as this object
        import torchvision  # noqa: F401


def clip_tokenizer(transformers):
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[])


def save_clip(folder, torch, transformers):
    text = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "vocab_size": 64, "max_position_embeddings": 16,
        "bos_token_id": 52, "eos_token_id": 53, "pad_token_id": 53,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8,
    }  # fmt: skip
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    transformers.CLIPModel(config).save_pretrained(folder)
    transformers.CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(folder)
    clip_tokenizer(transformers).save_pretrained(folder)


def save_siglip(folder, torch, transformers):
    text = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "vocab_size": 64, "max_position_embeddings": 8,
        "projection_size": 16,
    }  # fmt: skip
    vision = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8,
    }  # fmt: skip
    config = transformers.SiglipConfig(text_config=text, vision_config=vision)
    transformers.SiglipModel(config).save_pretrained(folder)
    transformers.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(
        folder
    )
    letters = "abcdefghijklmnopqrstuvwxyz▁"
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    vocabulary = {token: number for number, token in enumerate([*special, *letters])}
    transformers.Siglip2Tokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)


def save_dinov2(folder, torch, transformers):
    config = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    transformers.Dinov2Model(config).save_pretrained(folder)
    transformers.BitImageProcessorPil(
        size={"shortest_edge": 36}, crop_size={"height": 28, "width": 28}
    ).save_pretrained(folder)


def save_dinov3(folder, torch, transformers):
    pytest.importorskip("torchvision", reason="DINOv3's processor needs torchvision")
    config = transformers.DINOv3ViTConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        image_size=SIDE, patch_size=8, num_register_tokens=2,
    )  # fmt: skip
    transformers.DINOv3ViTModel(config).save_pretrained(folder)
    transformers.DINOv3ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(
        folder
    )


def save_pe(folder, torch, transformers):
    open_clip = pytest.importorskip("open_clip", reason="needs the extra foundation: open_clip")
    from safetensors.torch import save_file

    config = {
        "model_cfg": {
            "embed_dim": 192,
            "vision_cfg": {
                "image_size": 384, "timm_model_name": "vit_pe_core_tiny_patch16_384",
                "timm_model_pretrained": False, "timm_pool": "map", "timm_proj": None,
            },
            "text_cfg": {
                "context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2,
            },
            "custom_text": True,
        },
        "preprocess_cfg": {
            "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear",
            "resize_mode": "squash",
        },
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")


FAMILIES = {
    "clip": save_clip,
    "siglip2": save_siglip,
    "dinov2": save_dinov2,
    "dinov3": save_dinov3,
    "pe": save_pe,
}


@pytest.fixture(scope="session")
def libraries():
    """Return PyTorch and transformers; skip if they are not installed."""
    return import_libraries()


@pytest.fixture(scope="session")
def make_model(libraries, tmp_path_factory):
    """Return a function: family → folder with a tiny model, the same one each time."""
    torch, transformers = libraries
    folders = {}

    def make(family):
        if family not in folders:
            folder = tmp_path_factory.mktemp("models") / f"tiny-{family}"
            torch.manual_seed(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                FAMILIES[family](folder, torch, transformers)
            (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
            folders[family] = folder
        return folders[family]

    return make
