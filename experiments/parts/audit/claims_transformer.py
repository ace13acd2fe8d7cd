"""Claims about transformers: the stream's growth and the place of gradients with norms before or after, queries and keys, positions.

Blocks at initialisation of sigma_w = 1 with GELU, 16 positions of independent inputs, and logits that are nearly none (as small random queries and keys make them), for which the law of uniform attention holds.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from experiments.parts.audit.claim_lines import DECADE, Line, Size, line, mean_square_logs
from vgtheory import Transformer, measure, theory

DEPTH, POSITIONS = 12, 16
SIGMA_QK = 0.1
CAUSAL_DEPTH, CAUSAL_POSITIONS, HEADS = 6, 64, 4
AT = np.unique(np.linspace(1, DEPTH, 9).round().astype(int))


def _net(place: str) -> Transformer:
    return Transformer("gelu", 1.0, SIGMA_QK, place)


def _logs(key: Array, place: str, size: Size) -> Any:
    """Real stacks."""
    return measure.samples(key, _net(place), depth=DEPTH, positions=POSITIONS, width=size.width, num_nets=size.num_nets)


def pre_norm_variance(key: Array, size: Size) -> list[Line]:
    """Mean square q of the stream, against blocks. Every branch of a pre-norm block adds a number that does not know q: attention sigma_w^4 times the mean overlap of two positions, the perceptron sigma_w^2 E[phi^2].

    q is therefore linear in depth, up to the slow drift of the overlap. The claim is drawn as the exponential through the first two blocks. Means of q over networks.
    """
    law = np.exp(theory.log_q_layers(_net("pre"), depth=DEPTH, positions=POSITIONS).mean[AT - 1])
    seen = np.exp(_logs(key, "pre", size).log_q[:, AT - 1])
    first, second = np.exp(theory.log_q_layers(_net("pre"), depth=2, positions=POSITIONS).mean)
    return [line("pre-norm", AT, seen, law, np.nan, first * (second / first) ** (AT - 1))]


def _weights(key: Array, place: str, groups: tuple[str, ...], size: Size) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By group of matrices: logs of networks, and the law, of weight gradients over that of the stream at the top."""
    law = theory.blocks.log_grad_groups(_net(place), depth=DEPTH, positions=POSITIONS)
    logs = _logs(key, place, size).log_grad_groups
    return {name: (logs[name], law[name].mean) for name in groups}


def _from_top(found: tuple[np.ndarray, np.ndarray], name: str) -> Line:
    """A group's gradients over those of the same group in the top block, from the top down."""
    logs, law = found
    down = AT[::-1] - 1
    return mean_square_logs(
        name, DEPTH - 1 - down, (logs - logs[:, -1:])[:, down], (law - law[-1])[down], np.nan, DECADE
    )


def pre_norm_bottom(key: Array, size: Size) -> list[Line]:
    """Gradients of values and of the perceptron's second matrix, over those of the top block, in decades, against blocks below the top.

    With a norm before it a branch sees inputs of one size in every block, so that its gradient is as large as that of the stream where it joins, and that grows downwards by q_L / q_l in the square (here a bit more, as GELU's gradient
    loses less than its signal).
    """
    found = _weights(key, "pre", ("value", "mlp_out"), size)
    return [_from_top(found["value"], "values"), _from_top(found["mlp_out"], "perceptron")]


def post_norm_top(key: Array, size: Size) -> list[Line]:
    """Gradient of the stream over that at the top, in decades, against blocks below it, with the norm after each sum.

    A norm divides by the root of 1 + gain, and the branch adds its own factor: the square changes by (1 + factor) / (1 + gain) at each of the two sums of a block. Of the skip alone 1 / (1 + gain), about 1/2, would be left; that is the claim's 1/2
    per block for the norm. GELU's factor is larger than its gain, and what attention takes from the top's independent gradients it takes but once.
    """
    down = AT[::-1] - 1
    logs = _logs(key, "post", size).log_grad[:, down]
    law = theory.log_grad_layers(_net("post"), depth=DEPTH, positions=POSITIONS).mean[down]
    below = DEPTH - 1 - down
    return [mean_square_logs("post-norm", below, logs, law, -below * np.log10(2), DECADE)]


def query_key(key: Array, size: Size) -> list[Line]:
    """Gradient of the queries' matrix over that of the values' in the same block, over the same ratio in the first block; decades, against blocks.

    A query's gradient comes from differences between the values of two positions, and its size goes as 1 - c, c their correlation. Attention mixes positions in every block: with the norm after the sum 1 - c falls
    by a factor per block, with the norm before by a power of the depth, since a block changes ever less of a growing stream. The law is that of infinite width, from which the norm after the sum departs most (a tenth of a
    decade at width 256): hence half as many networks of twice the width.
    """
    lines = []
    for index, place in enumerate(("pre", "post")):
        wide = Size(2 * size.width, size.num_nets // 2) if place == "post" else size
        found = _weights(jax.random.fold_in(key, index), place, ("query", "value"), wide)
        ratio = [query - value for query, value in zip(found["query"], found["value"], strict=True)]
        logs, law = ratio[0] - ratio[0][:, :1], ratio[1] - ratio[1][0]
        lines.append(mean_square_logs(f"{place}-norm", AT, logs[:, AT - 1], law[AT - 1], np.nan, DECADE))
    return lines


def middle(key: Array, size: Size) -> list[Line]:
    """Gradient of the last position's output by the input at each position, over that at the last; causal attention with RMS norm before it and without perceptrons, 64 positions, 6 blocks.

    Nearly equal weights make attention the mean over all positions so far, M (row t holds 1/t up to t). With random values of variance v = sigma_w^4 per block the second moments are exact at large width: the stream's overlaps
    K' = K + v M R M^T, R = K over the roots of its diagonal d; the gradient's, from e_T e_T^T at the top, G' = G + v D (M^T G M) D, D = diag(d)^(-1/2). Drawn is half the log of the diagonal of G in decades: much at the first positions, which all later
    means share, and at the last, which has the skip to itself.
    """
    positions, weight = CAUSAL_POSITIONS, 1.0
    mean = np.tril(np.ones((positions, positions))) / np.arange(1, positions + 1)[:, None]
    overlap, roots = np.eye(positions), []
    for _ in range(CAUSAL_DEPTH):
        roots.append(np.diag(overlap) ** -0.5)
        overlap = overlap + weight * mean @ (overlap * np.outer(roots[-1], roots[-1])) @ mean.T
    grad = np.zeros((positions, positions))
    grad[-1, -1] = 1.0
    for root in reversed(roots):
        grad = grad + weight * np.outer(root, root) * (mean.T @ grad @ mean)
    run = jax.jit(lambda keys: lax.map(lambda one: _influence(one, size.width // 2), keys))
    logs = np.asarray(run(jax.random.split(key, 2 * size.num_nets)), float)
    law, at = np.log(np.diag(grad)) / 2, np.unique(np.geomspace(1, positions - 1, 12).round().astype(int)) - 1
    below, last = logs[:, at] - logs[:, -1:], np.zeros(1)
    before = mean_square_logs("before the last", at + 1, below, law[at] - law[-1], np.nan, DECADE)
    return [before, Line("the last", last + positions, last, last, last, last, last + np.nan)]


def _influence(key: Array, width: int) -> Array:
    """Log-norms by position of the gradient of one output in a real causal stack, by automatic differentiation."""
    keys = jax.random.split(key, CAUSAL_DEPTH + 2)
    x, top = jax.random.normal(keys[0], (CAUSAL_POSITIONS, width)), jax.random.normal(keys[1], (width,))
    mask = jnp.tril(jnp.ones((CAUSAL_POSITIONS, CAUSAL_POSITIONS), bool))
    times = lambda x, matrix: jnp.dot(x, matrix, precision=lax.Precision.HIGHEST)
    split = lambda x: x.reshape(CAUSAL_POSITIONS, HEADS, -1)

    def end(x: Array) -> Array:
        def block(x: Array, key: Array) -> tuple[Array, None]:
            query, look, value, out = jax.random.normal(key, (4, width, width)) / width**0.5
            n = x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True))
            query, look, value = (split(times(n, each)) for each in (SIGMA_QK * query, SIGMA_QK * look, value))
            logits = jnp.einsum("thd,shd->hts", query, look) / (width // HEADS) ** 0.5
            seen = jnp.einsum("hts,shd->thd", jax.nn.softmax(jnp.where(mask, logits, -jnp.inf)), value)
            return x + times(seen.reshape(CAUSAL_POSITIONS, width), out), None

        return jnp.vdot(top, lax.scan(block, x, keys[2:])[0][-1])

    return jnp.log(jnp.linalg.norm(jax.grad(end)(x), axis=1) / jnp.linalg.norm(top))
