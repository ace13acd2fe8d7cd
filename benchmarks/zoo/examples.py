"""Examples of Flax, from a checkout of it; a transformer of Equinox's documentation; and small models of Haiku and of plain JAX."""

import __future__

import dataclasses
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks.zoo.case import Case, cross_entropy, mean_square, normal, package, stand_in, tokens

LABELS = jnp.array([1, 3, 0, 2])


def _module(name: str) -> Any:
    return importlib.import_module(f"flax_examples.{name}")


def _linen(model: Any, *example: Any, **kwargs: Any) -> Callable[[int], tuple[Any, Any]]:
    """Builder of a Linen module with the variables of its ``init``."""
    init = jax.jit(lambda keys: model.init(keys, *example, **kwargs))

    def build(seed: int) -> tuple[Any, Any]:
        keys = dict(zip(("params", "dropout"), jax.random.split(jax.random.key(seed)), strict=True))
        return model, init(keys)

    return build


def _small(config: Any, **more: Any) -> Any:
    """A configuration of one of the transformers, small and without dropout."""
    sizes = {"emb_dim": 64, "num_heads": 4, "num_layers": 2, "qkv_dim": 64, "mlp_dim": 128, "max_len": 16}
    return config(vocab_size=64, output_vocab_size=64, dropout_rate=0.0, attention_dropout_rate=0.0, **sizes, **more)


def imagenet() -> Case:
    """ResNet v1.5, with averages of its batch norms in use."""
    zoo = _module("imagenet.models")
    model = zoo.ResNet(stage_sizes=[1, 1, 1], block_cls=zoo.ResNetBlock, num_classes=10, num_filters=16)
    x = normal(1, 4, 32, 32, 3)
    loss = lambda model, x, labels: cross_entropy(model(x, train=False), labels)
    return Case(_linen(model, x, train=False), loss, (x, LABELS), particles=256)


def lm1b() -> Case:
    zoo = _module("lm1b.models")
    model = zoo.TransformerLM(_small(zoo.TransformerConfig, deterministic=True, logits_via_embedding=False))
    words = tokens(1, 2, 16, vocabulary=64)
    return Case(_linen(model, words), lambda model, words: cross_entropy(model(words), words), (words,))


def wmt() -> Case:
    zoo = _module("wmt.models")
    model = zoo.Transformer(_small(zoo.TransformerConfig, deterministic=True, share_embeddings=True))
    words = tokens(1, 2, 12, vocabulary=64)
    loss = lambda model, words, said: cross_entropy(model(words, said), said)
    return Case(_linen(model, words, words), loss, (words, tokens(2, 2, 12, vocabulary=64)))


def nlp_seq() -> Case:
    zoo = _module("nlp_seq.models")
    model = zoo.Transformer(_small(zoo.TransformerConfig))
    words = tokens(1, 2, 16, vocabulary=64)
    loss = lambda model, words: cross_entropy(model(inputs=words, train=False), words)
    return Case(_linen(model, inputs=words, train=False), loss, (words,))


def sst2() -> Case:
    """An LSTM in both directions under a hand-written attention."""
    zoo = _module("sst2.models")
    model = zoo.TextClassifier(
        embedding_size=64, hidden_size=64, vocab_size=64, output_size=4, dropout_rate=0.0, word_dropout_rate=0.0
    )
    words, lengths = tokens(1, 4, 12, vocabulary=64), jnp.array([12, 7, 9, 12])
    loss = lambda model, words, lengths, labels: cross_entropy(model(words, lengths, deterministic=True), labels)
    return Case(_linen(model, words, lengths, deterministic=True), loss, (words, lengths, LABELS), particles=512)


def seq2seq() -> Case:
    zoo = _module("seq2seq.models")
    model = zoo.Seq2seq(teacher_force=True, hidden_size=64, vocab_size=16)
    said = jax.nn.one_hot(tokens(1, 2, 8, vocabulary=16), 16)

    def build(seed: int) -> tuple[Any, Any]:
        keys = {name: jax.random.key(seed + k) for k, name in enumerate(("params", "lstm"))}
        return model, jax.jit(lambda keys: model.init(keys, said, said))(keys)

    loss = lambda model, said: cross_entropy(model(said, said)[0], said[:, 1:].argmax(-1))
    return Case(build, loss, (said,), rngs={"lstm": jax.random.key(5)}, particles=512)


def vae() -> Case:
    """Its 20 latents are narrow."""
    zoo = _module("vae.models")
    x = (normal(1, 4, 784) > 0).astype(jnp.float32)

    def loss(model: Any, x: Any, key: Any) -> Any:
        y, mean, log_variance = model(x, key)
        fit = jnp.mean(jnp.sum(jax.nn.softplus(y) - x * y, -1))
        return fit - 0.5 * jnp.mean(jnp.sum(1 + log_variance - mean**2 - jnp.exp(log_variance), -1))

    return Case(_linen(zoo.VAE(), x, jax.random.key(2)), loss, (x, jax.random.key(3)))


def mnist() -> Case:
    zoo = _module("mnist.train")

    def loss(model: Any, x: Any, labels: Any) -> Any:
        model.eval()
        return cross_entropy(model(x, nnx.Rngs(3)), labels)

    build = lambda seed: (zoo.CNN(nnx.Rngs(seed)), None)
    return Case(build, loss, (normal(1, 4, 28, 28, 1), LABELS), particles=256)


def ppo() -> Case:
    zoo = _module("ppo.models")
    x = 127 * (1 + normal(1, 2, 84, 84, 4))

    def loss(model: Any, x: Any) -> Any:
        policy, value = model(x)
        return mean_square(value - 1) - policy[:, 0].mean()

    return Case(_linen(zoo.ActorCritic(6), x), loss, (x,), particles=256)


def gemma() -> Case:
    folder = sys.modules["flax_examples"].__path__[0]
    sys.path.insert(0, str(Path(folder) / "gemma"))
    zoo = importlib.import_module("transformer")
    plan = importlib.import_module("transformer_cfg")
    cfg = dataclasses.replace(
        plan.TransformerConfig.gemma3_270m(),
        num_layers=3,
        num_embed=64,
        embed_dim=64,
        hidden_dim=128,
        num_heads=4,
        head_dim=16,
        num_kv_heads=1,
    )
    words = tokens(1, 2, 12, vocabulary=64)
    mask = jnp.broadcast_to(jnp.tril(jnp.ones((12, 12), bool)), (2, 12, 12))

    def loss(model: Any, words: Any) -> Any:
        places = jnp.broadcast_to(jnp.arange(12), words.shape)
        return cross_entropy(model(words, places, None, mask)[0], words)

    return Case(lambda seed: (zoo.Transformer(cfg, rngs=nnx.Rngs(seed)), None), loss, (words,))


def scanned() -> Case:
    """Blocks made by ``nnx.vmap`` and called by ``nnx.scan``, with dropout."""
    zoo = _module("nnx_toy_examples.06_scan_over_layers")
    loss = lambda model, x: mean_square(model(x) - 1)
    return Case(lambda seed: (zoo.ScanMLP(64, n_layers=5, rngs=nnx.Rngs(seed)), None), loss, (normal(1, 16, 64),))


FLAX = {
    "imagenet, ResNet": imagenet,
    "lm1b": lm1b,
    "wmt": wmt,
    "nlp_seq": nlp_seq,
    "sst2": sst2,
    "seq2seq": seq2seq,
    "vae": vae,
    "mnist": mnist,
    "ppo": ppo,
    "gemma": gemma,
    "scan over layers": scanned,
}


def flax_cases(checkout: Path) -> dict[str, Callable[[], Case]]:
    """Builders by name, given the folder of a checkout of google/flax."""
    stand_in(
        "ml_collections", "tensorflow", "tensorflow_datasets", "tensorboard", "kauldron", "flax.metrics.tensorboard"
    )
    package("flax_examples", checkout / "examples")
    for folder in (checkout / "examples").iterdir():
        if folder.is_dir():
            package(f"flax_examples.{folder.name}", folder)
    return {f"flax {name}": build for name, build in FLAX.items()}


def bert(checkout: Path) -> Case:
    """BERT of Equinox's documentation: the classes in its notebook."""
    import equinox

    cells = json.loads((checkout / "docs" / "examples" / "bert.ipynb").read_text())["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    words = "import functools\nfrom collections.abc import Mapping\nfrom jaxtyping import Array, Float, Int\n"
    package("equinox_bert", checkout)
    space = vars(sys.modules["equinox_bert"])
    space |= {"eqx": equinox, "jax": jax, "jnp": jnp}
    for text in (words, *(text for text in texts if text.startswith("class "))):
        # Annotations are not evaluated: some are of functions.
        exec(compile(text, "bert.ipynb", "exec", __future__.annotations.compiler_flag), space)
    sizes = {"vocab_size": 64, "max_position_embeddings": 16, "type_vocab_size": 2, "intermediate_size": 128}
    config = sizes | {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}

    def loss(model: Any, words: Any, labels: Any) -> Any:
        inputs = {"token_ids": words, "segment_ids": jnp.zeros_like(words)}
        return cross_entropy(jax.vmap(lambda each: model(each, enable_dropout=False))(inputs), labels)

    build = lambda seed: (space["BertClassifier"](config, 4, jax.random.key(seed)), None)
    return Case(build, loss, (tokens(1, 4, 12, vocabulary=64), LABELS))


def haiku_mlp() -> Case:
    import haiku

    net = haiku.without_apply_rng(haiku.transform(lambda x: haiku.nets.MLP([128] * 6 + [10], activation=jnp.tanh)(x)))
    x = normal(1, 4, 64)
    loss = lambda params, x, labels: cross_entropy(net.apply(params, x), labels)
    return Case(lambda seed: (net.init(jax.random.key(seed), x), None), loss, (x, LABELS))


def plain_mlp() -> Case:
    sizes = (64, *[128] * 6, 10)

    def build(seed: int) -> tuple[Any, Any]:
        keys = jax.random.split(jax.random.key(seed), len(sizes) - 1)
        pairs = zip(keys, sizes, sizes[1:], strict=False)
        return [{"w": jax.random.normal(key, (m, n)) / m**0.5, "b": jnp.zeros(n)} for key, m, n in pairs], None

    def loss(params: Any, x: Any, labels: Any) -> Any:
        for layer in params[:-1]:
            x = jnp.tanh(x @ layer["w"] + layer["b"])
        return cross_entropy(x @ params[-1]["w"] + params[-1]["b"], labels)

    return Case(build, loss, (normal(1, 4, 64), LABELS))


OWN = {"Haiku MLP": haiku_mlp, "plain pytree MLP": plain_mlp}
