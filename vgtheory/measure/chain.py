r"""The log-domain forward and backward pass along a chain of real Flax layers.

Forward, each ``h`` is divided by its root mean square, whose log is kept; the activation is evaluated at the true scale.
Backward, automatic differentiation runs through a ``tap`` at every link. Depth is a ``lax.scan``, so compile time does not
grow with it; weights are drawn inside the scan and drawn again on the way back, so memory does not grow with weights.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.ensemble import Ensemble
from vgtheory.expect import expect, expect_count, expect_one_of
from vgtheory.measure.matrix_free import check_matrix_free, walks
from vgtheory.measure.networks import Layer, draw_cotangent, draw_input, draw_layer
from vgtheory.measure.tap import log_norm, tap

DTYPES = ("float32", "float64")
SAMPLERS = ("networks", "matrix_free")
_LOG_EDGE = 60.0
_CHUNK_WEIGHTS = 2**18


class ChainLogs(NamedTuple):
    """Per-network natural logs, each of shape (num_nets, depth), float64.

    Attributes
    ----------
    log_q
        Of the mean square of ``h_l``.
    log_grad
        Of ``|dE/dh_l| / |dE/dh_depth|``.
    log_grad_weight
        Of ``|dE/dW_l| / |dE/dW_depth|``, Frobenius norms (for ``Recurrent``: of step l's own share in dE/dW).
    """

    log_q: np.ndarray
    log_grad: np.ndarray
    log_grad_weight: np.ndarray


class _Walk(NamedTuple):
    """What one pass leaves at each layer; every field has shape (depth,), and sums over depth are left to float64.

    Logs of what h_l was divided by; of its rms after that; of the norm of x_{l-1} in units of h_{l-1}'s scale; and the slots'
    gradients.
    """

    log_divisor: Array
    log_rms: Array
    log_input: Array
    slots: Array


def is_scalable(activation: Activation) -> bool:
    """Tell whether h may be renormalised: ``phi(s h) / s`` settles as s goes to 0 and as s goes to infinity.

    True of functions that pass through 0 with a finite slope and are bounded or straight at infinity; then evaluating at
    scales beyond exp(-60) and exp(60) may stop there without an error that float64 could show.

    Parameters
    ----------
    activation
        The nonlinearity.
    """
    with jax.enable_x64(True):
        signs = jnp.asarray([1.0, -1.0])
        ratios = [activation.phi(signs * jnp.exp(edge)) / jnp.exp(edge) for edge in (-60.0, -45.0, 45.0, 60.0)]
        tiny, small, large, huge = (np.asarray(ratio) for ratio in ratios)
        return bool(np.allclose(tiny, small, rtol=1e-9, atol=1e-15) and np.allclose(large, huge, rtol=1e-9, atol=1e-15))


def walk(
    params_of: Callable[[Any], Any], net: Ensemble, x_0: Array, cotangent: Array, depth: int, scalable: bool
) -> _Walk:
    """One network's forward and backward pass in the log domain.

    Parameters
    ----------
    params_of
        Maps a layer's index (from 1) to Flax variables of ``Layer``.
    net
        The ensemble.
    x_0
        The first layer's input, shape ``(width,)``.
    cotangent
        dE/dh at the top, shape ``(width,)``.
    depth
        Number of layers.
    scalable
        Whether ``h`` may be renormalised on the way up (``is_scalable``).

    Returns
    -------
    _Walk
        Logs along the chain.
    """
    dtype = x_0.dtype
    layer = Layer(net, x_0.shape[0], dtype)

    def affine(index: Any, x: Array, log_scale: Array, slot: Array) -> tuple[Array, Array]:
        params = params_of(index)
        dense = params["params"]["Dense_0"]
        bias = (dense["bias"] * jnp.exp(jnp.minimum(-log_scale, _LOG_EDGE))).astype(dtype)
        h: Any = layer.apply({"params": {"Dense_0": {"kernel": dense["kernel"], "bias": bias}}}, x)
        if not scalable:
            return tap(h, slot), jnp.zeros_like(log_scale)
        log_size, _ = log_norm(lax.stop_gradient(h))
        log_rms = jnp.where(jnp.isfinite(log_size), log_size - np.log(h.size) / 2, 0.0)
        return tap((h * jnp.exp(-log_rms).astype(dtype)), slot), log_rms

    @jax.checkpoint
    def link(state: tuple[Array, Array], inputs: tuple[Array, Array]) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
        h, log_scale = state
        index, slot = inputs
        log_seen = jnp.clip(log_scale, -_LOG_EDGE, _LOG_EDGE) if scalable else log_scale
        x = (net.activation.phi(h * jnp.exp(log_seen).astype(dtype)) * jnp.exp(-log_seen)).astype(dtype)
        h, log_rms = affine(index, x, log_scale, slot)
        return (h, log_scale + log_rms), (log_rms, rms_left(h), log_norm(lax.stop_gradient(x))[0])

    def rms_left(h: Array) -> Array:
        return log_norm(lax.stop_gradient(h))[0] - np.log(h.size) / 2

    def energy(slots: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        zero = jnp.zeros((), slots.dtype)
        h, log_scale = affine(1, x_0, zero, slots[0])
        head = (log_scale, rms_left(h), log_norm(x_0)[0])
        (h, _), logs = lax.scan(link, (h, log_scale), (jnp.arange(2, depth + 1), slots[1:]))
        log_divisor, log_rms, log_input = (jnp.concatenate([a[None], b]) for a, b in zip(head, logs, strict=True))
        return jnp.vdot(cotangent, h), (log_divisor, log_rms, log_input)

    slots = jnp.zeros(depth, jnp.promote_types(dtype, jnp.float32))
    increments, (log_divisor, log_rms, log_input) = jax.grad(energy, has_aux=True)(slots)
    carried = jnp.concatenate([log_divisor[1:], jnp.zeros_like(log_divisor[:1])])
    return _Walk(log_divisor, log_rms, log_input, increments + carried)


@functools.partial(jax.jit, static_argnames=("depth", "width", "num_nets", "dtype", "scalable"))
def _walks(key: Array, net: Ensemble, depth: int, width: int, num_nets: int, dtype: str, scalable: bool) -> _Walk:
    """All networks: vmap in chunks that fit a processor's cache, each with its own key."""

    def one(index: Array) -> _Walk:
        own = jax.random.fold_in(key, index)
        tied = draw_layer(own, net, 1, width, dtype) if hasattr(net, "matrix") else None

        def params_of(layer: Any) -> Any:
            return draw_layer(own, net, layer, width, dtype) if tied is None else tied

        x_0, cotangent = draw_input(own, width, dtype), draw_cotangent(own, width, dtype)
        return walk(params_of, net, x_0, cotangent, depth, scalable)

    chunk = int(np.clip(_CHUNK_WEIGHTS // width**2, 1, min(16, num_nets)))
    rows = -(-num_nets // chunk)
    walked = lax.map(jax.vmap(one), jnp.arange(rows * chunk).reshape(rows, chunk))
    return jax.tree.map(lambda leaf: leaf.reshape(rows * chunk, depth)[:num_nets], walked)


def check_run(where: str, dtype: str, **counts: Any) -> None:
    """Raise unless ``dtype`` is one a chain can run in and every count is a positive integer.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    dtype
        The format.
    counts
        Counts by name.

    Raises
    ------
    ValueError
        If one of them is not.
    """
    expect_one_of(DTYPES, where, dtype=dtype)
    for name, count in counts.items():
        expect_count(where, **{name: count})


def from_top(increments: Any) -> np.ndarray:
    """Sum increments from the top down, in float64; the last axis is the layer, and its last entry comes out 0.

    Parameters
    ----------
    increments
        Log-factors between layer l+1 and layer l at index l, shape ``(..., depth)``; the last entry is not used.

    Returns
    -------
    numpy.ndarray
        Shape ``(..., depth)``.
    """
    steps = np.asarray(increments, dtype=np.float64).copy()
    steps[..., -1] = 0.0
    return np.cumsum(steps[..., ::-1], axis=-1)[..., ::-1]


def chain(
    key: Array,
    net: Ensemble,
    *,
    depth: int,
    width: int,
    num_nets: int,
    dtype: str = "float32",
    sampler: str = "networks",
) -> ChainLogs:
    r"""Forward and backward log-norms along many real networks, by automatic differentiation in the log domain.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)``, so its numbers do not depend on how many others are drawn.
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b`` (or a given matrix, whose width must be ``width``).
    depth
        Number of layers, >= 1.
    width
        Number of units, >= 1.
    num_nets
        Number of networks, >= 1; each has its own weights, input and top cotangent.
    dtype
        ``"float32"`` or ``"float64"``: of weights and arithmetic.
    sampler
        ``"networks"``: real weight matrices. ``"matrix_free"``: other draws from the same distribution, at the same
        finite width, at a cost of O(width) instead of O(width^2) per layer (``matrix_free``); ``Dense`` networks with
        Gaussian weights only.

    Returns
    -------
    ChainLogs
        Three arrays of shape ``(num_nets, depth)``; -inf where a norm is exactly zero (a dead ReLU layer), NaN or inf
        where the network's own arithmetic is (an activation that overflows) or where the top's weight gradient is zero.

    Raises
    ------
    ValueError
        If a count is no positive integer, the format or the sampler is unknown, the matrix does not fit the width, or the
        matrix-free sampler is asked for weights that are not Gaussian or not a layer's own.

    Notes
    -----
    Accuracy: one rounding of ``dtype`` per link; equal to ``jax.grad`` of the same network where that does not underflow.
    Assumes: nothing about the network. Activations for which ``is_scalable`` is false (``sigmoid``, ``softplus``, whose
    ``phi(0)`` is not 0) keep their ``h`` unscaled on the way up.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> logs = measure.chain(jax.random.key(0), Dense("tanh"), depth=5, width=16, num_nets=3)
    >>> logs.log_grad.shape, logs.log_grad[:, -1].tolist()
    ((3, 5), [0.0, 0.0, 0.0])
    """
    check_run("chain", dtype, depth=depth, width=width, num_nets=num_nets)
    expect_one_of(SAMPLERS, "chain", sampler=sampler)
    if sampler == "matrix_free":
        check_matrix_free("chain", net)
    given = getattr(net, "matrix", None)
    fits = given is None or np.shape(given)[0] == width
    expect(fits, "chain", "a width that fits the matrix", width=width)
    with jax.enable_x64(dtype == "float64"):
        walk_all = walks if sampler == "matrix_free" else _walks
        walked = walk_all(key, net, depth, width, num_nets, dtype, is_scalable(net.activation))
        log_divisor, log_rms, log_input, slots = (np.array(leaf, dtype=np.float64) for leaf in walked)
    log_scale, log_grad = np.cumsum(log_divisor, axis=1), from_top(slots)
    log_input[:, 1:] += log_scale[:, :-1]
    with np.errstate(invalid="ignore"):
        return ChainLogs(2 * (log_scale + log_rms), log_grad, log_grad + log_input - log_input[:, -1:])
