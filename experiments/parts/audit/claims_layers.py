"""Claims about plain layers: slopes, gains, random matrices, batch norm, orthogonal weights.

Gradients are those with respect to pre-activations, over that at the top, in decades, against layers below the top; at width N both their mean and their
spread between networks are predicted.
"""

from typing import Any

import jax
import numpy as np
from jax import Array
from scipy.special import polygamma, psi

from experiments.parts.audit.claim_lines import DECADE, ROUNDING, Line, Size, line, mean_square_logs
from vgtheory import Dense, Normed, measure, theory

DEPTH = 60
NUM_POINTS = 10


def _profiles(key: Array, nets: dict[str, Any], size: Size, said: float = 0.0, depth: int = DEPTH) -> list[Line]:
    """Decades of the gradient below the top; ``said`` is what the claim gives per layer."""
    layers = np.unique(np.linspace(1, depth, NUM_POINTS).round().astype(int))[::-1]
    below, lines = depth - layers, []
    for index, (name, net) in enumerate(nets.items()):
        how: dict[str, Any] = {"depth": depth, "width": size.width}
        logs = measure.samples(jax.random.fold_in(key, index), net, num_nets=size.num_nets, **how).log_grad
        mean, std = theory.log_grad_layers(net, **how)
        at = layers - 1
        lines.append(line(name, below, logs[:, at], mean[at], std[at], said * below / DECADE, DECADE))
    return lines


def relu_slope(key: Array, size: Size) -> list[Line]:
    """ReLU. chi_1 = sigma_w^2 E[phi'^2] = sigma_w^2 / 2: half of the slopes are 0, so the weights have to make up for a factor of 1/sqrt(2) per layer."""
    nets = {"He": Dense("relu", 2**0.5), "LeCun": Dense("relu", 1.0), "PyTorch": Dense("relu", 3**-0.5)}
    return _profiles(key, nets, size)


def sigmoid_power(key: Array, size: Size) -> list[Line]:
    """Sigmoid. chi_1 = sigma_w^2 E[phi'^2] at the fixed point of q; the slope is at most 1/4, but sigma_w stands beside it, and at sigma_w = 10.15 chi_1 is 1."""
    critical = float(theory.critical("sigmoid").sigma_w[0])
    nets = {
        "$\\sigma_w = 1$": Dense("sigmoid", 1.0),
        "$\\sigma_w = 4$": Dense("sigmoid", 4.0),
        f"$\\sigma_w = {critical:.2f}$": Dense("sigmoid", critical),
    }
    return _profiles(key, nets, size, float(np.log(0.25)))


def he_smooth(key: Array, size: Size) -> list[Line]:
    """GELU and SiLU at He's scale. With sigma_w^2 = 2 the signal falls to q = 0, where phi' = 1/2 and chi_1 = 2/4 = 1/2: a factor of 1/sqrt(2) per layer in the end."""
    gelu = theory.critical("gelu", sigma_b=0.45)
    nets = {
        "ReLU, He": Dense("relu", 2**0.5),
        "GELU, He": Dense("gelu", 2**0.5),
        "SiLU, He": Dense("silu", 2**0.5),
        "GELU, critical": Dense("gelu", float(gelu.sigma_w[0]), 0.45),
    }
    return _profiles(key, nets, size)


def tanh_gain(key: Array, size: Size) -> list[Line]:
    """Tanh at gain 5/3. q* = 1.18 and chi_1 = (5/3)^2 E[sech^4(sqrt(q*) z)] = 1.21: the chaotic phase, where gradients grow by 1.10 per layer."""
    return _profiles(key, {"gain five thirds": Dense("tanh", 5 / 3), "gain one": Dense("tanh", 1.0)}, size)


def selu(key: Array, size: Size) -> list[Line]:
    """SELU with LeCun's weights. q = 1 is a stable fixed point by construction, and chi_1 = E[phi'^2] there is 1.0716: the signal is kept, not its gradient."""
    return _profiles(key, {"LeCun": Dense("selu", 1.0)}, size, depth=100)


def spectral_radius(key: Array, size: Size) -> list[Line]:
    """Products of independent n x n matrices grow by E ln |W u|, u a unit vector, whatever the eigenvalues of each.

    Standard normal, n = 4: |W u|^2 is chi-square with 4 degrees, E ln |W u| = [ln 2 + psi(2)] / 2 = 0.558 per matrix, with variance psi'(2) / 4. The
    claim's number is E ln rho, from the drawn matrices. Nilpotent: W = 2 a b', with b normal and a normal but for its part along b, has the one eigenvalue 0.
    |a|^2 is chi-square with 3 degrees, and b'u is normal and independent of it: E ln |W u| = ln 2 + [2 ln 2 + psi(3/2) + psi(1/2)] / 2 = 0.423,
    with variance [psi'(3/2) + psi'(1/2)] / 4. Decades of the length of a vector, against the number of matrices.
    """
    num, n, count = 100, 4, 40 * size.num_nets
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    steps = np.unique(np.linspace(0, num, NUM_POINTS).round().astype(int))[1:]
    normal = rng.normal(size=(num, count, n, n))
    b = normal[..., 0]
    a = normal[..., 1] - b * np.sum(normal[..., 1] * b, -1, keepdims=True) / np.sum(b**2, -1, keepdims=True)
    rates = {
        "normal": ((np.log(2) + psi(n / 2)) / 2, polygamma(1, n / 2) / 4),
        "nilpotent": (2 * np.log(2) + (psi(1.5) + psi(0.5)) / 2, (polygamma(1, 1.5) + polygamma(1, 0.5)) / 4),
    }
    radius = np.log(np.abs(np.linalg.eigvals(normal[:10])).max(-1)).mean()
    matrices = {"normal": normal, "nilpotent": 2 * a[..., :, None] * b[..., None, :]}
    lines = []
    for name, (rate, variance) in rates.items():
        said = radius * steps / DECADE if name == "normal" else np.nan
        samples = _log_lengths(matrices[name])[:, steps - 1]
        lines.append(line(name, steps, samples, rate * steps, np.sqrt(variance * steps), said, DECADE))
    return lines


def _log_lengths(matrices: np.ndarray) -> np.ndarray:
    """Log-lengths of a vector under growing products, shape (products, matrices)."""
    num, count, n, _ = matrices.shape
    vectors, logs = np.full((count, n), n**-0.5), np.zeros((count, num))
    for step in range(num):
        vectors = np.einsum("kij,kj->ki", matrices[step], vectors)
        lengths = np.linalg.norm(vectors, axis=1)
        logs[:, step] = np.log(lengths)
        vectors /= lengths[:, None]
    return np.cumsum(logs, axis=1)


def batch_norm(key: Array, size: Size) -> list[Line]:
    """Batch norm before the activation. Poincare's inequality makes the factor of the mean squared gradient at least 1: no activation vanishes, and all but a straight line explode.

    For ReLU and large batches the factor of the norm is the root of pi / (pi - 1), 1.211; small batches explode faster. The gradient is that of the whole batch, and the law that of its mean square at
    infinite width, which a sigmoid's batch is slow to forget: hence twice the width.
    """
    depth = 40
    lines = _profiles(key, {"sigmoid, no norm": Dense("sigmoid", 1.0)}, size, depth=depth)
    at = (depth - lines[0].x).astype(int) - 1
    for index, (name, batch) in enumerate((("sigmoid", 8), ("relu", 32))):
        net, how = Normed(name, "batch", batch=batch), {"depth": depth, "width": 2 * size.width}
        logs = measure.samples(jax.random.fold_in(key, 10 + index), net, num_nets=size.num_nets // 2, **how).log_grad
        law = theory.log_grad_layers(net, depth=depth).mean
        shown = f"{'ReLU' if name == 'relu' else name}, batch of {batch}"
        lines.append(mean_square_logs(shown, lines[0].x, logs[:, at], law[at], 0.0, DECADE))
    return lines


def orthogonal(key: Array, size: Size) -> list[Line]:
    """Spread of the squared singular values of the Jacobian, <s^4> / <s^2>^2 - 1, after L layers at critical scale.

    With B the Jacobian times its transpose, b = tr B^2 / N and a = (tr B / N)^2, the means change exactly at any width N: by Gaussian weights (1/N variance) b' = (1 + 1/N) b + a and
    a' = a + 2 b / N^2, by orthogonal ones not at all; by the slopes of ReLU, independent signs, times 2, b' = b + s and a' = a + s / N with s = (2 b + N a) / (N + 2). At infinite width the spread is
    L, 0, 2 L and L: orthogonal weights leave none in a linear network, and in ReLU half of the Gaussian one. tr B / N has mean 1 with either.
    """
    depths, width = np.array([1, 2, 4, 8]), size.width // 2
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    lines = []
    for relu in (False, True):
        for weights in ("gaussian", "orthogonal"):
            b, a = _squares(rng, relu, weights, width, 2 * size.num_nets, depths[-1])
            law = _spreads(relu, weights, width, depths[-1])[depths - 1]
            mean = a.mean(axis=0)
            ratio = b.mean(axis=0) / mean
            err = (b - ratio * a).std(axis=0, ddof=1) / len(a) ** 0.5 / mean
            said = np.zeros(len(depths)) if weights == "orthogonal" else np.full(len(depths), np.nan)
            name = f"{'ReLU' if relu else 'linear'}, {weights}"
            seen, err = ratio[depths - 1] - 1, np.hypot(err, ROUNDING)[depths - 1]
            law_err = np.full(len(depths), np.nan if relu or weights == "gaussian" else 0.0)
            lines.append(Line(name, depths.astype(float), law, law_err, seen, err, said))
    return lines


def _spreads(relu: bool, weights: str, width: int, depth: int) -> np.ndarray:
    """E tr B^2 / N over E (tr B / N)^2, less 1, after 1 to ``depth`` layers, slopes after weights."""
    b, a, found = 1.0, 1.0, []
    for _ in range(depth):
        if weights == "gaussian":
            b, a = (1 + 1 / width) * b + a, a + 2 * b / width**2
        if relu:
            share = (2 * b + width * a) / (width + 2)
            b, a = b + share, a + share / width
        found.append(b / a - 1)
    return np.array(found)


def _squares(
    rng: np.random.Generator, relu: bool, weights: str, width: int, num_nets: int, depth: int
) -> tuple[np.ndarray, np.ndarray]:
    """tr B^2 / N and (tr B / N)^2 of real networks after each layer, shape (networks, depth)."""
    b, a = np.empty((num_nets, depth)), np.empty((num_nets, depth))
    for net in range(num_nets):
        h, jacobian = rng.normal(size=width), np.eye(width)
        for layer in range(depth):
            matrix = rng.normal(size=(width, width)) * (width**-0.5 if weights == "gaussian" else 1)
            if weights == "orthogonal":
                q, r = np.linalg.qr(matrix)
                matrix = q * np.sign(np.diag(r))
            h, jacobian = matrix @ h, matrix @ jacobian
            if relu:
                slope = 2**0.5 * (h > 0)
                h, jacobian = slope * h, slope[:, None] * jacobian
            square = jacobian @ jacobian.T
            b[net, layer], a[net, layer] = np.sum(square**2) / width, (np.trace(square) / width) ** 2
    return b, a
