"""GPT-2 small and a current decoder at initialisation: every group of matrices predicted, measured, and diagnosed.

    python -m benchmarks.decoders

Three columns. The law: ``theory.blocks.log_grad_groups`` of a ``Transformer`` with the model's shape and its initialiser's scales, in
seconds. The twin: ``measure.samples`` of the same ``Transformer``, a few networks. The model: an ordinary Flax model with token
embeddings, learned or rotary positions, norms with scales, biases where it has them, a tied head and cross-entropy, of which
``vgtheory.diagnose.diagnose`` gives the gradients in one forward and one backward pass. All sizes are relative to W_2 of the last
perceptron, whose own size is predicted from the loss.
"""

import argparse
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from vgtheory import Dense, Transformer, measure, theory
from vgtheory.diagnose import diagnose


class Shape(NamedTuple):
    """A decoder.

    Attributes
    ----------
    depth, width, heads, kv_heads, hidden, vocabulary
        Sizes.
    std, embedding_std, position_std
        Standard deviations of all matrices, of the table of tokens, which is the head too, and of that of positions (0 for rotary ones).
    out_scale
        Factor of the last matrix of every branch.
    is_current
        RMS norm, SwiGLU, rotary positions, no biases; else layer norm, GELU, learned positions, biases.
    """

    depth: int
    width: int
    heads: int
    kv_heads: int
    hidden: int
    vocabulary: int
    std: float
    embedding_std: float
    position_std: float
    out_scale: float
    is_current: bool


SHAPES = {
    "GPT-2 small": Shape(12, 768, 12, 12, 3072, 50257, 0.02, 0.02, 0.02, 24**-0.5, False),
    "current decoder": Shape(30, 576, 9, 3, 1536, 49152, 576**-0.5, 576**-0.5, 0.0, 1.0, True),
}
NAMES = {
    "query": "queries",
    "key": "keys",
    "value": "values",
    "output": "attention's output",
    "mlp_in": "perceptron, in",
    "mlp_gate": "perceptron, linear side of the gate",
    "mlp_out": "perceptron, out",
}


def noun(shape: Shape) -> Transformer:
    """The blocks of a decoder.

    A token's embedding has not mean square 1, as the law's inputs have. What a norm reads is the same if stream and branches are divided by the
    embedding's root mean square, which leaves all ratios of gradients as they are.
    """
    sigma, start = shape.std * shape.width**0.5, (shape.embedding_std**2 + shape.position_std**2) ** 0.5
    outer = shape.std * shape.out_scale
    built = Transformer.decoder() if shape.is_current else Transformer("gelu", is_causal=True)
    return built.replace(
        sigma_w=sigma,
        sigma_qk=sigma,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        mlp_ratio=shape.hidden / shape.width,
        alpha=1 / start,
        sigma_o=outer * shape.width**0.5,
        sigma_2=outer * shape.hidden**0.5,
    )


def _turned(x: Any) -> Any:
    """Rotary positions, for shape (positions, heads, units)."""
    half = x.shape[-1] // 2
    angles = np.outer(np.arange(x.shape[0]), 10_000.0 ** (-np.arange(half) / half))[:, None]
    first, second = x[..., :half], x[..., half:]
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    return jnp.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)


class Block(nn.Module):
    """Pre-norm attention and perceptron."""

    shape: Shape

    @nn.compact
    def __call__(self, x: Any) -> Any:
        shape = self.shape
        size = shape.width // shape.heads

        def dense(units: int, name: str, factor: float = 1.0) -> nn.Dense:
            init = nn.initializers.normal(shape.std * factor)
            return nn.Dense(units, use_bias=not shape.is_current, kernel_init=init, name=name)

        norm = lambda name: nn.RMSNorm(name=name) if shape.is_current else nn.LayerNorm(name=name)
        n = norm("norm_1")(x)
        split = lambda heads, name: dense(heads * size, name)(n).reshape(len(n), heads, size)
        query, key, value = split(shape.heads, "query"), split(shape.kv_heads, "key"), split(shape.kv_heads, "value")
        if shape.is_current:
            query, key = _turned(query), _turned(key)
        seen = nn.dot_product_attention(
            query,
            *(jnp.repeat(each, shape.heads // shape.kv_heads, axis=1) for each in (key, value)),
            mask=jnp.tri(len(n), dtype=bool)[None],
        )
        x = x + dense(shape.width, "output", shape.out_scale)(seen.reshape(x.shape))
        n = norm("norm_2")(x)
        act = nn.silu if shape.is_current else nn.gelu
        hidden = act(dense(shape.hidden, "mlp_in")(n))
        hidden = hidden * dense(shape.hidden, "mlp_gate")(n) if shape.is_current else hidden
        return x + dense(shape.width, "mlp_out", shape.out_scale)(hidden)


class Decoder(nn.Module):
    """A language model with a tied head."""

    shape: Shape

    @nn.compact
    def __call__(self, tokens: Any) -> Any:
        shape = self.shape
        table = nn.Embed(
            shape.vocabulary, shape.width, embedding_init=nn.initializers.normal(shape.embedding_std), name="tokens"
        )
        x = table(tokens)
        if shape.position_std:
            x = x + self.param("positions", nn.initializers.normal(shape.position_std), (len(tokens), shape.width))
        for index in range(shape.depth):
            x = Block(shape, name=f"block_{index}")(x)
        return table.attend(nn.RMSNorm(name="norm")(x) if shape.is_current else nn.LayerNorm(name="norm")(x))


def loss(model: Any, tokens: Any, targets: Any) -> Any:
    """Mean cross-entropy."""
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(model(tokens)), targets[:, None], axis=1))


def level(shape: Shape, net: Transformer, positions: int) -> float:
    """Predicted log-norm of the last W_2's gradient.

    At the top each position gets the row of its target, less the mean row, over T, and the norm divides it by the stream's length.
    """
    log_q = theory.log_q_layers(net, depth=shape.depth, positions=positions, width=shape.width).mean[-1]
    q = np.exp(log_q) * (shape.embedding_std**2 + shape.position_std**2)
    square = float(theory.meanfield.q_map(net.sigma_1**2, Dense(net.activation, 1.0))) * (
        net.sigma_1**2 if net.is_gated else 1.0
    )
    per_position = shape.width * shape.embedding_std**2 / positions**2 / q
    return 0.5 * float(np.log(positions * per_position * shape.hidden * square))


def diagnosed(key: Any, shape: Shape, positions: int) -> tuple[dict[str, np.ndarray], str]:
    """Log-norms of the gradients of a real model's matrices, by name and block, and its verdict."""
    model, keys = Decoder(shape), jax.random.split(key, 3)
    tokens, targets = (jax.random.randint(each, (positions,), 0, shape.vocabulary) for each in keys[:2])
    variables = jax.jit(model.init)(keys[2], tokens)
    found = diagnose(model, loss, tokens, targets, variables=variables)
    get = lambda name: np.array([found.weights[f"block_{index}/{name}/kernel"] for index in range(shape.depth)])
    return {name: get(name) for name in noun(shape).groups}, found.verdict.word


def _mean(rows: list[np.ndarray]) -> np.ndarray:
    """Half the log of the mean square."""
    return np.log(np.mean(np.exp(2 * np.array(rows)), axis=0)) / 2


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--positions", type=int, default=256)
    parser.add_argument("--nets", type=int, default=6, help="networks of the twin")
    parser.add_argument("--models", type=int, default=2, help="diagnosed models")
    parser.add_argument("--only", default="", help="the shape whose name has this in it")
    options = parser.parse_args()
    for title, shape in SHAPES.items():
        if options.only in title:
            report(title, shape, options)


def report(title: str, shape: Shape, options: argparse.Namespace) -> None:
    """One table."""
    net, sizes = noun(shape), {"depth": shape.depth, "positions": options.positions, "width": shape.width}
    start = time.perf_counter()
    groups = theory.blocks.log_grad_groups(net, **sizes)
    law, top = {name: groups[name].mean for name in net.groups}, level(shape, net, options.positions)
    seconds = time.perf_counter() - start
    logs = measure.samples(jax.random.key(0), net, num_nets=options.nets, **sizes).log_grad_groups
    rows = {name: each - logs["mlp_out"][:, -1:] for name, each in logs.items()}
    twin = {name: _mean(list(each)) for name, each in rows.items()}
    errors = [
        np.exp(2 * (each - twin[name])).std(axis=0, ddof=1) / options.nets**0.5 / 2 for name, each in rows.items()
    ]
    models = [diagnosed(jax.random.key(1 + index), shape, options.positions) for index in range(options.models)]
    tops = [np.exp(2 * each["mlp_out"][-1]) for each, _ in models]
    seen = {name: _mean([each[name] - each["mlp_out"][-1] for each, _ in models]) for name in law}
    words = ", ".join(sorted({word for _, word in models}))
    print(
        f"\n{title}: {shape.depth} blocks of {shape.width}, {options.positions} positions; law {seconds:.1f} s; verdict: {words}"
    )
    print(f"|dE/dW_2| of the last block: law {np.exp(top):.4g}, model {np.mean(tops) ** 0.5:.4g}")
    print(
        "\n| matrices | lowest block: law | twin | model | highest block: law | twin | model | law - twin, median | worst | law - model, median | worst |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name in law:
        ends = [f"{np.exp(each[name][at]):.3g}" for at in (0, -1) for each in (law, twin, seen)]
        gaps = [100 * np.abs(np.expm1(law[name] - each[name])) for each in (twin, seen)]
        print(
            f"| {NAMES[name]} | {' | '.join(ends)} | "
            + " | ".join(f"{np.median(each):.1f} % | {each.max():.1f} %" for each in gaps)
            + " |"
        )
    print(f"standard error of the twin, median: {100 * np.median(np.concatenate(errors)):.1f} %")
    for word, each in (("twin", twin), ("model", seen)):
        gaps = np.concatenate([100 * np.abs(np.expm1(law[name] - each[name])) for name in law])
        print(
            f"all groups and blocks, law - {word}: median {np.median(gaps):.1f} %, worst {gaps.max():.1f} %", flush=True
        )


if __name__ == "__main__":
    main()
