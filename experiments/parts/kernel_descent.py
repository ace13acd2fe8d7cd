"""What training does if the tangent kernel stays what it is at infinite width: stochastic descent in the outputs, on the very examples."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg.lapack import dpstrf
from scipy.sparse.linalg import eigsh

from experiments.parts.digits import OUTPUTS, Data
from vgtheory import Dense, theory

LEAST = 1e-3
"""Of an output's variance: what the root may leave out. Reading off a grid of 129 angles gets up to 0.0012 wrong (tanh, depth 16, sigma_w = 3)."""
FEW = 256
"""Pairs in all layers that are integrated one by one."""
LARGEST = float(np.finfo(np.float32).max)
"""Outputs beyond it are lost."""


class Kernel(NamedTuple):
    """On all examples, those to train on first: the tangent kernel, a root of the covariance of the outputs as drawn, how many train, and the outputs' log mean square."""

    theta: np.ndarray
    root: np.ndarray
    num_train: int
    log_q: float


def _root(covariance: np.ndarray) -> np.ndarray:
    """A matrix of few columns whose product with its transpose this is."""
    factor, order, rank, _ = dpstrf(covariance, tol=LEAST, lower=1)
    root = np.empty((len(covariance), rank))
    root[order - 1] = np.tril(factor)[:, :rank]
    return root


@functools.partial(jax.jit, static_argnames=("activation", "depth", "width", "num_inputs"))
def _traced(scales: Any, c: Any, activation: Any, depth: int, width: int, num_inputs: int) -> Any:
    return theory.training.tangent_kernel(
        Dense(activation, *scales), depth=depth, width=width, num_inputs=num_inputs, c_0=c
    )


def _law(net: Dense, c: np.ndarray, depth: int, width: int, num_inputs: int) -> Any:
    """Many pairs are read from the activation's whole table, made once, which is what a traced call does."""
    if depth * c.size <= FEW:
        return theory.training.tangent_kernel(net, depth=depth, width=width, num_inputs=num_inputs, c_0=c)
    with jax.enable_x64(True):
        scales = jnp.asarray([net.sigma_w, net.sigma_b])
        law = _traced(scales, jnp.asarray(c), net.activation, depth, width, num_inputs)
        return theory.training.TangentKernel(*(np.asarray(each) for each in law))


def kernel(data: Data, net: Dense, *, depth: int, width: int, num_angles: int) -> Kernel:
    """Read off a grid of angles between two inputs; an input with itself is no such pair."""
    inputs = np.concatenate([data.inputs, data.unseen[0]]).astype(np.float64)
    angles = np.arccos(np.clip(inputs @ inputs.T / inputs.shape[1], -1, 1))
    grid = np.linspace(0, np.pi, num_angles)
    law = _law(net, np.cos(grid), depth, width, inputs.shape[1])
    theta, outputs = (np.interp(angles, grid, values) for values in (law.cosine, law.c))
    np.fill_diagonal(theta, 1.0)
    np.fill_diagonal(outputs, 1.0)
    return Kernel(np.exp(law.log_size) * theta, np.exp(law.log_q / 2) * _root(outputs), len(data.inputs), law.log_q)


def curvature(found: Kernel) -> float:
    """Largest eigenvalue of the loss's Hessian at the start, all classes being equally likely."""
    trained = found.theta[: found.num_train, : found.num_train]
    scale = trained[0, 0]
    return float(eigsh(trained / scale, k=1, return_eigenvectors=False)[0]) * scale / found.num_train / OUTPUTS


def _probabilities(outputs: np.ndarray) -> np.ndarray:
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _loss(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Cross-entropy, in logs."""
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(targets)), targets]).mean())


def descent(
    rng: Any, found: Kernel, data: Data, *, rate: float, batch: int, num_probes: int, record: np.ndarray
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Loss over the probed examples and share of the unseen that is right, at each record; whether the outputs stay in float32."""
    outputs = found.root @ rng.standard_normal((found.root.shape[1], OUTPUTS))
    wanted, losses, scores = np.eye(OUTPUTS)[data.targets], [], []
    for update in range(record[-1] + 1):
        if update in record:
            losses.append(_loss(outputs[:num_probes], data.targets[:num_probes]))
            scores.append(float((outputs[found.num_train :].argmax(axis=1) == data.unseen[1]).mean()))
        drawn = rng.integers(0, found.num_train, batch)
        residual = _probabilities(outputs[drawn]) - wanted[drawn]
        outputs = outputs - rate / batch * found.theta[drawn].T @ residual
    return np.array(losses), np.array(scores), bool(np.abs(outputs).max() < LARGEST)
