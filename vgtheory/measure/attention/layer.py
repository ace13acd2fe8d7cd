"""One real layer of softmax attention: outputs and gradients, by automatic differentiation."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import expect_flag
from vgtheory.measure.arguments import asked, count, number
from vgtheory.measure.attention.block import turned
from vgtheory.measure.engine.averages import averaged


class AttentionEstimates(NamedTuple):
    """What a layer of attention makes of its tokens and of its cotangents; each an ``Estimate`` of shape (2,).

    Attributes
    ----------
    output, query, key, value, cross, gradient
        As in ``theory.attention.AttentionOverlaps``.
    """

    output: Estimate
    query: Estimate
    key: Estimate
    value: Estimate
    cross: Estimate
    gradient: Estimate


class _Size(NamedTuple):
    """Static arguments of the program."""

    positions: int
    head_width: int
    width: int
    is_normed: bool
    is_rotary: bool
    dtype: str


def _overlaps(rows: Array, units: int) -> Array:
    """Mean square per unit at a position, and mean overlap per unit of two positions."""
    positions = len(rows)
    same, all_of = jnp.sum(rows**2), jnp.sum(jnp.sum(rows, axis=0) ** 2)
    other = (all_of - same) / max(positions - 1, 1)
    return jnp.stack([same, other]) / (positions * units)


def _one(key: Array, scales: Array, size: _Size) -> Array:
    """Overlaps of one layer with one head, shape (6, 2)."""
    sigma_qk, c, tie, dropout = scales
    positions, head, width, is_normed, is_rotary, dtype = size
    keys = jax.random.split(key, 8)
    normal = lambda index, *shape: jax.random.normal(keys[index], shape, dtype)
    tokens = jnp.sqrt(c) * normal(0, 1, width) + jnp.sqrt(1 - c) * normal(1, positions, width)
    if is_normed:
        tokens = tokens * lax.rsqrt(jnp.mean(tokens**2, axis=1, keepdims=True))
    top = jnp.sqrt(tie) * normal(2, 1, head) + jnp.sqrt(1 - tie) * normal(3, positions, head)
    matrices = [normal(4 + k, width, head) * width**-0.5 for k in range(3)]
    kept = jax.random.bernoulli(keys[7], 1 - dropout, (positions, positions)) / (1 - dropout)
    product = functools.partial(jnp.matmul, precision=lax.Precision.HIGHEST)

    def energy(query: Array, key: Array, value: Array) -> tuple[Array, Array]:
        query, key = (product(x, sigma_qk * w)[None] for x, w in ((query, matrices[0]), (key, matrices[1])))
        query, key = (turned(query), turned(key)) if is_rotary else (query, key)
        logits = product(query[0], key[0].T)
        output = product(jax.nn.softmax(logits * head**-0.5) * kept, product(value, matrices[2]))
        return jnp.vdot(output, top), output

    grads, output = jax.grad(energy, argnums=(0, 1, 2), has_aux=True)(tokens, tokens, tokens)
    # All heads together are as wide as the stream; each has its own matrices.
    apart, total = [_overlaps(each, head) for each in grads], _overlaps(sum(grads), head)
    return jnp.stack([_overlaps(output, head), *apart, total - sum(apart), total])


@functools.partial(jax.jit, static_argnames=("size", "num_nets"))
def _all(key: Array, scales: Array, size: _Size, num_nets: int) -> Array:
    return lax.map(lambda index: _one(jax.random.fold_in(key, index), scales, size), jnp.arange(num_nets))


@asked(
    sigma_qk=number("[0, 2.5]"),
    positions=count(),
    head_width=count(8),
    c=number("[0, 1]"),
    dropout=number("[0, 1)"),
    is_normed=expect_flag,
    is_rotary=expect_flag,
)
def softmax_attention(
    key: Array,
    sigma_qk: float,
    *,
    positions: int,
    head_width: int,
    width: int,
    num_nets: int,
    c: float = 0.0,
    c_cotangent: float = 0.0,
    dropout: float = 0.0,
    is_normed: bool = True,
    is_rotary: bool = False,
    dtype: str = "float32",
) -> AttentionEstimates:
    """Overlaps of outputs and gradients of real layers of softmax attention, with new tokens for each.

    Parameters
    ----------
    key
        A JAX key.
    sigma_qk, positions, head_width, width, c, c_cotangent, dropout, is_normed, is_rotary
        As in ``theory.attention.softmax_attention``; both widths are finite.
    num_nets
        Number of layers, each of one head.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    AttentionEstimates
        Means over layers with their standard errors.

    Notes
    -----
    Accuracy: the standard errors.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import measure
    >>> size = {"positions": 16, "head_width": 8, "width": 32, "num_nets": 4}
    >>> measure.attention.softmax_attention(jax.random.key(0), 1.0, **size).output.value.shape
    (2,)
    """
    with jax.enable_x64(dtype == "float64"):
        scales = jnp.asarray([sigma_qk, c, c_cotangent, dropout], dtype)
        size = _Size(positions, head_width, width, is_normed, is_rotary, dtype)
        seen = np.asarray(_all(key, scales, size, num_nets), float)
    return AttentionEstimates(*(averaged(seen[:, k], positions, dtype) for k in range(6)))


@functools.partial(jax.jit, static_argnames=("positions", "num_draws"))
def _participations(key: Array, logit_variance: Array, positions: int, num_draws: int) -> Array:
    def one(index: Array) -> Array:
        z = jax.random.normal(jax.random.fold_in(key, index), (positions,))
        return jnp.sum(jax.nn.softmax(jnp.sqrt(logit_variance) * z) ** 2)

    return lax.map(one, jnp.arange(num_draws))


@asked(logit_variance=number("[0, 36]"), positions=count())
def participation(key: Array, logit_variance: float, *, positions: int, num_draws: int) -> Estimate:
    """Mean of the sum of squared shares of softmaxes over drawn Gaussian logits.

    Parameters
    ----------
    key
        A JAX key.
    logit_variance, positions
        As in ``theory.attention.participation``.
    num_draws
        Number of softmaxes.

    Returns
    -------
    Estimate
        Mean over softmaxes; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import measure
    >>> float(measure.attention.participation(jax.random.key(0), 0.0, positions=4, num_draws=2).value)
    0.25
    """
    seen = np.asarray(_participations(key, jnp.float32(logit_variance), positions, num_draws), float)
    return averaged(seen, positions, "float32")


__all__ = ["AttentionEstimates", "participation", "softmax_attention"]
