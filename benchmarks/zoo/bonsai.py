"""Sixteen models of jax-ml/bonsai (Flax NNX), from a checkout."""

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.zoo.case import Case, cross_entropy, mean_square, normal, package, stand_in, tokens

LABELS = jnp.array([1, 3, 0, 2])
IMAGES = (4, 32, 32, 3)


def _module(name: str) -> Any:
    return importlib.import_module(f"bonsai.models.{name}.modeling")


def _built(make: Callable[[Any], Any]) -> Callable[[int], tuple[Any, Any]]:
    return lambda seed: (make(nnx.Rngs(seed)), None)


def _as(model: Any, dtype: Any) -> Any:
    """The model with parameters of another format."""
    params = nnx.state(model, nnx.Param)
    nnx.update(model, jax.tree.map(lambda leaf: leaf.astype(dtype), params))
    return model


def _classified(model: Any, x: Any, labels: Any) -> Any:
    return cross_entropy(model(x), labels)


def convnext() -> Case:
    zoo = _module("convnext")
    cfg = zoo.ModelConfig(stage_depths=(1, 1, 2, 1), stage_dims=(24, 48, 96, 192), drop_path_rate=0.0, num_classes=10)
    loss = lambda model, x, labels: cross_entropy(model(x, rngs=jax.random.key(0)), labels)
    return Case(_built(lambda rngs: zoo.ConvNeXt(cfg, rngs=rngs)), loss, (normal(1, *IMAGES), LABELS), particles=512)


def densenet() -> Case:
    zoo = _module("densenet121")
    cfg = zoo.ModelConfig(num_classes=10, dense_block_layers=[2, 3, 2, 2], growth_rate=16)
    build = _built(lambda rngs: zoo.DenseNet(cfg, rngs=rngs))
    return Case(build, _classified, (normal(1, *IMAGES), LABELS), particles=256)


def dinov3() -> Case:
    zoo = _module("dinov3")
    cfg = zoo.ModelConfig(
        patch_size=(8, 8),
        image_size=32,
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=4,
        num_attention_heads=6,
    )
    loss = lambda model, x: mean_square(model(x)["pooler_output"][:, :8] - 1)
    return Case(_built(lambda rngs: zoo.Dinov3ViTModel(cfg, rngs=rngs)), loss, (normal(1, 4, 3, 32, 32),))


def efficientnet() -> Case:
    zoo = _module("efficientnet")
    cfg = dataclasses.replace(
        zoo.ModelConfig.b0(num_classes=10),
        width_coefficient=1.0,
        depth_coefficient=0.5,
        resolution=32,
        block_configs=zoo.BlockConfigs(zoo.BlockConfigs.default_block_config().items[:4]),
    )
    return Case(
        _built(lambda rngs: zoo.EfficientNet(cfg, rngs=rngs)), _classified, (normal(1, *IMAGES), LABELS), particles=256
    )


def gemma3() -> Case:
    zoo = _module("gemma3")
    whole = zoo.ModelConfig.gemma3_4b_it(norm_dtype=jnp.float32)
    text = dataclasses.replace(
        whole.text_config,
        head_dim=16,
        hidden_size=64,
        intermediate_size=128,
        layer_types=zoo._set_attention_modes(2, 4),
        num_attention_heads=4,
        num_hidden_layers=4,
        num_key_value_heads=2,
        sliding_window=4,
        vocab_size=64,
    )
    vision = dataclasses.replace(
        whole.vision_config,
        hidden_size=64,
        image_size=16,
        intermediate_size=128,
        num_attention_heads=4,
        num_hidden_layers=1,
        patch_size=4,
    )
    cfg = dataclasses.replace(whole, text_config=text, vision_config=vision, mm_tokens_per_image=4)
    words = tokens(1, 2, 16, vocabulary=64)

    def loss(model: Any, words: Any, image: Any, places: Any) -> Any:
        cache = zoo.init_cache(cfg, *words.shape, 0, dtype=jnp.float32)
        logits = model(words, image, cache=cache, segment_ids=jnp.ones_like(words), token_type_ids=places)
        return cross_entropy(logits[:, :-1], words[:, 1:])

    places = jnp.zeros_like(words).at[:, 2:6].set(1)
    batch = (words, normal(2, 2, 16, 16, 3), places)
    return Case(_built(lambda rngs: zoo.Gemma3Model(cfg, rngs=rngs)), loss, batch)


def llada() -> Case:
    """Its norms' weights, zeros until a checkpoint is loaded, are ones."""
    zoo = _module("llada")
    cfg = dataclasses.replace(
        zoo.ModelConfig.llada_8b_it(False, False, dtype=jnp.bfloat16),
        d_model=64,
        n_heads=4,
        n_kv_heads=4,
        n_layers=3,
        vocab_size=64,
        embedding_size=64,
        mlp_hidden_size=128,
        shd_cfg=zoo.ShardingConfig(*[None] * 10),
    )
    words = tokens(1, 2, 16, vocabulary=64)

    def make(rngs: Any) -> Any:
        model = zoo.LLaDAModel(cfg, rngs=rngs)
        for _, module in nnx.iter_modules(model):
            if isinstance(module, zoo.RMSNorm):
                module.weight[...] = jnp.ones_like(module.weight[...])
        return model

    def loss(model: Any, words: Any, key: Any) -> Any:
        return cross_entropy(model(words, jnp.ones(words.shape, bool), key)[0], words)

    return Case(_built(make), loss, (words, jax.random.key(3)))


def mamba2() -> Case:
    zoo = _module("mamba2")
    words = tokens(1, 2, 32, vocabulary=100)
    cfg = dataclasses.replace(zoo.ModelConfig.tiny(), vocab_size=100, chunk_size=8, num_hidden_layers=3)
    loss = lambda model, words: model(words, labels=words)["loss"]
    return Case(_built(lambda rngs: zoo.Mamba2ForCausalLM(cfg, rngs=rngs)), loss, (words,))


def qwen3() -> Case:
    """Parameters in bfloat16, as its checkpoints have them."""
    zoo = _module("qwen3")
    cfg = dataclasses.replace(
        zoo.ModelConfig.qwen3_0_6b(),
        num_layers=4,
        vocab_size=64,
        emb_dim=64,
        mlp_dim=192,
        num_heads=4,
        head_dim=16,
        num_kv_heads=2,
    )
    words = tokens(1, 2, 16, vocabulary=64)

    def loss(model: Any, words: Any) -> Any:
        cache = zoo.init_cache(cfg, *words.shape, 0)
        logits = model(words, cache=cache, segment_ids=jnp.ones_like(words))
        return cross_entropy(logits[:, :-1], words[:, 1:])

    return Case(_built(lambda rngs: _as(zoo.Qwen3(cfg, rngs=rngs), jnp.bfloat16)), loss, (words,))


def resnet() -> Case:
    """Its widths are fixed: 64 channels to 2,048."""
    zoo = _module("resnet")
    cfg = zoo.ModelConfig([1, 1, 1, 1], num_classes=10)
    build = _built(lambda rngs: zoo.ResNet(cfg, rngs=rngs))
    return Case(build, _classified, (normal(1, *IMAGES), LABELS), particles=256)


def umt5() -> Case:
    zoo = _module("umt5")
    cfg = zoo.ModelConfig(vocab_size=64, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, dropout_rate=0.0)
    words = tokens(1, 2, 12, vocabulary=64)

    def loss(model: Any, words: Any) -> Any:
        y = model(input_ids=words, attention_mask=jnp.ones_like(words), decoder_input_ids=words)
        return cross_entropy(model.lm_head(y), words)

    return Case(_built(lambda rngs: zoo.UMT5Model(cfg, rngs=rngs)), loss, (words,))


def unet() -> Case:
    zoo = _module("unet")
    cfg = zoo.ModelConfig(in_channels=1, num_classes=2, features=(8, 16, 32, 64, 128))
    loss = lambda model, x: mean_square(model(x) - 1)
    return Case(_built(lambda rngs: zoo.UNet(cfg, rngs=rngs)), loss, (normal(1, 2, 32, 32, 1),), particles=128)


def vae() -> Case:
    zoo = _module("vae")
    cfg = zoo.ModelConfig(block_out_channels=[32, 32, 64], latent_channels=4, norm_num_groups=8)
    loss = lambda model, x: mean_square(model(x) - x)
    return Case(_built(lambda rngs: zoo.VAE(cfg, rngs)), loss, (normal(1, 2, 16, 16, 3),), particles=128)


def vgg() -> Case:
    zoo = _module("vgg19")
    cfg = zoo.ModelConfig(num_classes=10, block_layers=[1, 1, 2, 2, 2], channels=[16, 32, 48, 64, 64, 128])
    return Case(_built(lambda rngs: zoo.VGG(cfg, rngs=rngs)), _classified, (normal(1, *IMAGES), LABELS), particles=256)


def vit() -> Case:
    zoo = _module("vit")
    cfg = dataclasses.replace(
        zoo.ModelConfig.vit_p16_224(),
        image_size=(32, 32),
        patch_size=(8, 8),
        hidden_dim=96,
        num_heads=6,
        mlp_dim=192,
        num_layers=4,
        num_labels=10,
    )
    loss = lambda model, x, labels: cross_entropy(model(x, rngs=None), labels)
    build = _built(lambda rngs: zoo.ViTClassificationModel(cfg, rngs=rngs))
    return Case(build, loss, (normal(1, *IMAGES), LABELS))


def vjepa2() -> Case:
    zoo = _module("vjepa2")
    cfg = dataclasses.replace(zoo.ModelConfig.standard_test(), num_labels=10, crop_size=32)
    loss = lambda model, x, labels: cross_entropy(model(x)["logits"], labels)
    build = _built(lambda rngs: zoo.VJEPA2ForVideoClassification(cfg, rngs=rngs))
    return Case(build, loss, (normal(1, 2, 4, 32, 32, 3), LABELS[:2]))


def whisper() -> Case:
    """Encoder and decoder; the whole has no call of its own."""
    zoo = _module("whisper")
    cfg = dataclasses.replace(
        zoo.ModelConfig.whisper_tiny(),
        d_model=64,
        decoder_attention_heads=4,
        encoder_attention_heads=4,
        decoder_ffn_dim=128,
        encoder_ffn_dim=128,
        decoder_layers=2,
        encoder_layers=2,
        max_source_positions=16,
        max_length=12,
        num_mel_bins=20,
        vocab_size=64,
    )
    words = tokens(1, 2, 12, vocabulary=64)

    def loss(model: Any, sound: Any, words: Any) -> Any:
        heard = model.encoder(sound)
        mask = nnx.make_causal_mask(words)
        y = model.decoder(words, mask, heard, None, decode=False)
        return cross_entropy(model.decoder.embed_tokens.attend(y)[:, :-1], words[:, 1:])

    return Case(_built(lambda rngs: zoo.Whisper(cfg, rngs=rngs)), loss, (normal(2, 2, 32, 20), words))


MODELS = {
    "ConvNeXt": convnext,
    "DenseNet": densenet,
    "DINOv3": dinov3,
    "EfficientNet": efficientnet,
    "Gemma 3": gemma3,
    "LLaDA, bfloat16": llada,
    "Mamba-2": mamba2,
    "Qwen3, bfloat16": qwen3,
    "ResNet": resnet,
    "UMT5": umt5,
    "U-Net": unet,
    "VAE": vae,
    "VGG": vgg,
    "ViT": vit,
    "V-JEPA 2": vjepa2,
    "Whisper": whisper,
}


def cases(checkout: Path) -> dict[str, Callable[[], Case]]:
    """Builders by name, given the folder of a checkout of jax-ml/bonsai."""
    stand_in("tqdm", "huggingface_hub")
    package("bonsai", checkout / "bonsai")
    package("bonsai.models", checkout / "bonsai" / "models")
    package("bonsai.utils", checkout / "bonsai" / "utils")
    return {f"bonsai {name}": build for name, build in MODELS.items()}
