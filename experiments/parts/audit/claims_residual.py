"""Claims about residual branches: their scale, a factor on the stream, LayerScale, tanh in place of a norm."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from experiments.parts.audit.claim_lines import DECADE, Line, Size, mean_square_logs
from vgtheory import Activation, Residual, measure, theory


def _half_tanh(h: Array) -> Array:
    """DyT as it is initialised: tanh(h / 2)."""
    return jnp.tanh(0.5 * h)


def _without_matrices(key: Array, net: Residual, depth: int, size: Size, factor: int = 16) -> np.ndarray:
    """Logs of the gradient in wide networks, drawn without matrices."""
    how: dict[str, Any] = {"depth": depth, "width": factor * size.width, "num_nets": size.num_nets // 2}
    return measure.samples(key, net, sampler="matrix_free", **how).log_grad


def branch_scale(key: Array, size: Size) -> list[Line]:
    """Branches of ReLU with and without a norm before them; gradient at the bottom over that at the top, in decades, against the number of branches n.

    F = sigma_w^2 / 2 is the mean square of a branch and the factor of its gradient. Without a norm a branch multiplies the square by 1 + F, so that n of them make (1 + F)^n. With a norm the product telescopes to
    q_n / q_0 = 1 + n F: the norm grows as the root of n and no faster. With the factor 1/sqrt(n) and a norm it is 1 + F at any depth.
    """
    counts, lines = np.array([8, 48, 288]), []
    nets = {
        "no norm": Residual("relu", 1.0),
        "norm": Residual("relu", 1.0, norm="layer"),
        "norm, $1/\\sqrt{n}$": Residual("relu", 1.0, norm="layer", alpha="1/sqrt(L)"),
    }
    for index, (name, net) in enumerate(nets.items()):
        shown = counts[: 2 if net.norm is None else 3]
        logs = [_without_matrices(jax.random.fold_in(key, 10 * index + n), net, n, size)[:, 0] for n in shown.tolist()]
        # The stream after the first branch is the bottom, as in the law.
        law = [theory.log_grad_layers(net, depth=n).mean[0] for n in shown.tolist()]
        lines.append(mean_square_logs(name, shown, np.stack(logs, axis=1), law, np.nan, DECADE))
    said = np.log10(1.5) / 2 * (lines[0].x - 1)
    return [lines[0], lines[1]._replace(said=np.append(said, np.nan)), lines[2]]


def tanh_for_norm(key: Array, size: Size) -> list[Line]:
    """Branches W nu(h) with layer norm, with tanh(h / 2) as DyT starts, and with tanh(h); decades of the gradient below the top of 400 blocks.

    Layer norm: the square grows by the power q_L / q_l of the stream's mean square. Tanh: q grows as l, so that a share 1/sqrt(q) of the units keeps a slope, and the log of the square grows as (8/3) a sigma_w sqrt(l / 2 pi)
    for tanh(a h): a stretched exponential. Below some thirty blocks the two are alike at a = 1/2.
    """
    depth = 400
    dyt = Activation("half_tanh", _half_tanh, bounded=True)
    nets = {
        "layer norm": Residual("linear", 1.0, norm="layer"),
        "DyT, $\\alpha = 1/2$": Residual(dyt, 1.0),
        "DyT, $\\alpha = 1$": Residual("tanh", 1.0),
    }
    below, lines = np.array([0, 6, 24, 50, 100, 200, 300, 350, 380, depth - 1]), []
    same = theory.log_grad_layers(nets["layer norm"], depth=depth).mean[depth - 1 - below] / DECADE
    for index, (name, net) in enumerate(nets.items()):
        logs = _without_matrices(jax.random.fold_in(key, index), net, depth, size)[:, depth - 1 - below]
        law = theory.log_grad_layers(net, depth=depth).mean[depth - 1 - below]
        lines.append(mean_square_logs(name, below, logs, law, same if index else np.nan, DECADE))
    return lines


class _Grads(NamedTuple):
    """Log-norms of gradients in one chain, block by block, over that of the stream at the top."""

    stream: Array
    weights: Array
    scales: Array


def _chain(key: Array, width: int, depth: int, keep: float, scale: float) -> _Grads:
    """A real chain x' = keep x + scale W relu(x / rms(x)), W of variance 2 / width, by automatic differentiation."""
    keys = jax.random.split(key, depth + 2)
    x, top = jax.random.normal(keys[0], (width,)), jax.random.normal(keys[1], (width,))
    matrices = jax.vmap(lambda key: jax.random.normal(key, (width, width)))(keys[2:]) * (2 / width) ** 0.5

    def end(matrices: Array, scales: Array, slots: Array) -> Array:
        def block(x: Array, given: tuple[Array, Array, Array]) -> tuple[Array, None]:
            matrix, scale, slot = given
            x = x + slot  # the stream below the block
            active = jax.nn.relu(x / jnp.sqrt(jnp.mean(x**2)))
            return keep * x + scale * jnp.dot(matrix, active, precision=lax.Precision.HIGHEST), None

        return jnp.vdot(top, lax.scan(block, x, (matrices, scales, slots))[0])

    slots = jnp.zeros((depth, width))
    by_matrix, by_scale, by_stream = jax.grad(end, argnums=(0, 1, 2))(matrices, slots + scale, slots)
    over = lambda grads, axes: jnp.log(jnp.sqrt(jnp.sum(grads**2, axes))) - jnp.log(jnp.linalg.norm(top))
    return _Grads(over(by_stream, 1), over(by_matrix, (1, 2)), over(by_scale, 1))


def _chains(key: Array, size: Size, depth: int, keep: float, scale: float) -> _Grads:
    """Many chains."""
    run = jax.jit(lambda keys: lax.map(lambda one: _chain(one, size.width, depth, keep, scale), keys))
    return jax.tree.map(lambda leaf: np.asarray(leaf, float), run(jax.random.split(key, size.num_nets)))


def residual_lambda(key: Array, size: Size) -> list[Line]:
    """A factor a on the stream before each of 48 branches, x' = a x + W relu(x / rms(x)), W of variance 2 / N, so that a branch has mean square 1 and passes the gradient on with factor 1 / q.

    Then q_l = a^2 q_(l-1) + 1, and the squared gradient is multiplied by a^2 + 1 / q_(l-1) = q_l / q_(l-1) on its way down: it telescopes. A gradient l branches below the top is sqrt(q_L / q_(L-l)) of that at
    the top. Far above the bottom q grows as a^2l, which is the claim's a^l; the lowest branches get up to sqrt(1 + 1 / (a^2 - 1)) times as much, 2.4 at a = 1.1, and at a = 1 the growth is the root of the depth.
    """
    depth, lines = 48, []
    below = np.array([1, 6, 12, 18, 24, 30, 36, 40, 44, 46, depth])
    for index, keep in enumerate((1.1, 1.0)):
        q = [1.0]
        for _ in range(depth):
            q.append(keep**2 * q[-1] + 1)
        law = np.log(q[-1] / np.array(q)[depth - below]) / 2
        logs = _chains(jax.random.fold_in(key, index), size, depth, keep, 1.0).stream[:, depth - below]
        lines.append(mean_square_logs(f"$\\lambda = {keep}$", below, logs, law, below * np.log10(keep), DECADE))
    return lines


def layer_scale(key: Array, size: Size) -> list[Line]:
    """LayerScale: x' = x + s * W relu(x / rms(x)) with a vector s of small equal entries e; gradients in the lowest of 32 blocks over that at the top, in decades, against log10 e.

    The stream's square grows by q_L / q_l with q_l = 1 + e^2 l, so by nothing if e is small: any depth lets it through. The gradient of s is |g * W relu|, as large as g itself; that of W is
    e |g| |relu| = e |g| sqrt(N / 2), which is drawn over sqrt(N / 2): smaller than usual by the factor e, until s has grown.
    """
    depth, powers = 32, np.array([0.0, -2.0, -4.0, -6.0])
    found = [_chains(jax.random.fold_in(key, index), size, depth, 1.0, 10.0**each) for index, each in enumerate(powers)]
    lowest = lambda logs: np.stack([getattr(each, logs)[:, 0] for each in found], axis=1)
    # Above the first block, where its branch joins the stream.
    square = (1 + depth * 100.0**powers) / (1 + 100.0**powers)
    grown, whole = np.log(square) / 2, np.log(1 + depth * 100.0**powers) / 2
    weights = lowest("weights") - np.log(size.width / 2) / 2
    return [
        mean_square_logs("weights", powers, weights, grown + powers * DECADE, 0.0, DECADE),
        mean_square_logs("scales", powers, lowest("scales"), grown, np.nan, DECADE),
        mean_square_logs("stream", powers, lowest("stream"), whole, np.nan, DECADE),
    ]
