"""Law of the entries of every matrix's gradient in a stack of transformer blocks.

Each gradient is a sum over positions of outer products, as in ``positions``: of what the matrix
reads and of the gradient of what it puts out. Units of the stream, values, queries and keys are
Gaussian on both sides. Those of the perceptron are functions of Gaussian numbers.
"""

from typing import Any

import numpy as np

from vgtheory.expect import expect, expect_scalars
from vgtheory.networks.transformer import SCALES, Transformer
from vgtheory.theory.attention.climb import Block, Facts, Widths, scene_of
from vgtheory.theory.attention.groups import log_weights
from vgtheory.theory.attention.overlaps import backward, forward
from vgtheory.theory.attention.stack import Grads, behind
from vgtheory.theory.blocks.transformer import walked
from vgtheory.theory.laws import is_one
from vgtheory.theory.magnitudes.positions import Modes, Sums, modes, normal_sums, unit_sums
from vgtheory.theory.magnitudes.tensors import Asked, Tensor, tensors_of
from vgtheory.theory.magnitudes.units import function_units, normal_units, product
from vgtheory.theory.precision import Values

FEWEST = 16
"""Positions from which a sum over them is nearly as large as its mean and variance say."""


def _given(where: str, name: str, value: int | None) -> int:
    """A size that a Transformer needs."""
    got: dict[str, Any] = {name: value}
    expect(value is not None, where, f"a number {name} for a Transformer", **got)
    return int(got[name])


@tensors_of.register(Transformer)
def _matrices(net: Transformer, asked: Asked) -> dict[str, Tensor]:
    """Laws of every matrix of every block, below a standard normal cotangent at every position."""
    where, _, width, _, c_0, input_square = asked
    depth, positions = (_given(where, name, getattr(asked, name)) for name in ("depth", "positions"))
    remedy = f"Measure it: measure.magnitudes.{where}."
    expect(is_one(input_square), where, "inputs of unit mean square", input_square=input_square)
    expect(not net.is_causal, where, "no causal mask", remedy, net=net)
    expect(positions >= FEWEST, where, f"{FEWEST} or more positions", remedy, positions=positions)
    expect_scalars(where, **{name: getattr(net, name) for name in SCALES})
    stack = walked(where, net, depth, None if width == np.inf else width, positions, c_0)
    fans, logs = _fans(net, float(stack[0].ratio)), log_weights(stack[1], stack[0], *stack[2:])
    log_square = {name: logs[name] + np.log(positions / np.prod(fans[name])) for name in net.groups}
    rows = _of_attention(log_square, *stack) | _of_mlp(log_square, *stack)
    units = 1.0 if width is None or width == np.inf else float(width)
    sizes = {name: [np.full(depth, units * fan) for fan in fans[name]] for name in net.groups}
    return {name: Tensor(rows[name], *sizes[name]) for name in net.groups}


def _fans(net: Transformer, ratio: float) -> dict[str, tuple[float, float]]:
    """Numbers of outputs and inputs over the width."""
    few = (net.kv_heads or net.heads) / net.heads
    fans = {"query": (1.0, 1.0), "key": (few, 1.0), "value": (few, 1.0), "output": (1.0, 1.0)}
    return fans | {"mlp_in": (ratio, 1.0), "mlp_gate": (ratio, 1.0), "mlp_out": (1.0, ratio)}


def _each(depth: int, *pairs: Any) -> list[np.ndarray]:
    """Numbers of all blocks, shape (depth,)."""
    return [np.broadcast_to(np.asarray(each, float), (depth,)) for each in pairs]


def _of_attention(
    log_square: dict[str, Values], widths: Widths, facts: Facts, stack: Block, grads: Grads
) -> dict[str, list[Sums]]:
    """Laws of queries, keys, values and outputs."""
    net, count, token, found = facts.net, round(float(facts.positions)), stack.attention.token, stack.found
    tie = behind(net, grads.attention[1])
    scene = scene_of(facts, widths, token, tie)
    depth = len(log_square["query"])
    gap, b, alike = _each(depth, token.gap, tie, found.joint / np.maximum(found.swing, np.finfo(float).tiny))
    pairs = {"value": backward(found, scene, net.dropout).value, "output": forward(found, scene, net.dropout)}
    scatter = _between_heads(scene.gap, scene.kappa, count, widths.head)
    rows: dict[str, list[Sums]] = {name: [] for name in ("query", "key", "value", "output")}
    made = {name: _each(depth, *pair) for name, pair in pairs.items()}
    for block in range(depth):
        two = {name: (float(pair[0][block]), float(pair[1][block])) for name, pair in made.items()}
        read, top = modes(1.0, 1 - gap[block], count), modes(1.0, b[block], count)
        # What queries have in common stands in for a key, whose gradients cancel in their sum, and adds as much.
        logits = modes(1.0, b[block] * alike[block], count)
        sides: dict[str, tuple[Modes, Modes]] = dict.fromkeys(("query", "key"), (read, logits))
        sides |= {"value": (read, modes(*two["value"], count)), "output": (modes(*two["output"], count), top)}
        for name, (one, other) in sides.items():
            varied = float(scatter[block]) if name in ("query", "key") else 0.0
            rows[name].append(normal_sums(float(log_square[name][block]), one, other, count, varied))
    return rows


def _between_heads(gap: Values, kappa: Values, count: int, head: float) -> np.ndarray:
    """Relative variance from head to head of the squared gradient that all queries have in common.

    It is a sum over keys of squared shares times squared overlaps of a value and a gradient. Two
    queries' logits have the covariance kappa c (1 - c), and the gradient has a length of its own.
    """
    gap, kappa = _each(len(gap), gap, kappa)
    return (3 * np.exp(4 * kappa * gap * (1 - gap)) - 1) / count + 2 * head


def _of_mlp(
    log_square: dict[str, Values], widths: Widths, facts: Facts, stack: Block, grads: Grads
) -> dict[str, list[Sums]]:
    """Laws of the perceptron's matrices."""
    del widths
    net, count, depth = facts.net, round(float(facts.positions)), len(log_square["mlp_in"])
    token = stack.mlp.token
    gap, b, size = _each(depth, token.gap, behind(net, grads.mlp[1]), token.size)
    rows: dict[str, list[Sums]] = {name: [] for name in log_square if name.startswith("mlp")}
    for block in range(depth):
        c, square = 1 - float(gap[block]), float(net.sigma_1) ** 2 * float(size[block])
        phi, dphi = (function_units(net.activation, slope, square, c) for slope in (False, True))
        read, top, pulled = modes(1.0, c, count), modes(1.0, b[block], count), normal_units(max(float(b[block]), 0.0))
        sides = {"mlp_in": (product(dphi, pulled), read), "mlp_out": (phi, top)}
        if net.is_gated:
            gate = normal_units(c)
            sides = {"mlp_in": (product(product(dphi, gate), pulled), read), "mlp_out": (product(phi, gate), top)}
            sides["mlp_gate"] = product(phi, pulled), read
        for name, (units, other) in sides.items():
            rows[name].append(unit_sums(float(log_square[name][block]), units, other, count, along=name == "mlp_out"))
    return rows


__all__: list[str] = []
