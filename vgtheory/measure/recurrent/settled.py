"""Gradients along one given recurrence, by automatic differentiation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers
from vgtheory.measure.arguments import asked, count, expect_fit, number
from vgtheory.measure.engine.links import is_scalable
from vgtheory.measure.engine.log_pass import walk
from vgtheory.measure.engine.networks import Weights
from vgtheory.networks.recurrent import FixedRecurrent

_NUM_BLOCKS = 8


@functools.partial(jax.jit, static_argnames=("steps", "scalable", "dtype"))
def _increments(net: FixedRecurrent, state: Array, cotangent: Array, steps: int, scalable: bool, dtype: str) -> Array:
    """Log of |dE/dh_t| / |dE/dh_{t+1}| for t = 0 ... steps - 1."""
    weights = Weights(jnp.asarray(net.matrix, dtype).T, jnp.zeros_like(state))
    walked = walk(lambda _: weights, net, state[None], cotangent[None], steps, scalable, from_h=True)
    return jnp.concatenate([walked.start, walked.rows[:-1, 0]])


@asked(state=number(ndim=1), cotangent=number(ndim=1))
def gradient_steps(
    net: FixedRecurrent, state: Numbers, cotangent: Numbers, steps: int, dtype: str = "float32"
) -> np.ndarray:
    """Log-factors of the gradient per step along one given recurrence.

    Parameters
    ----------
    net
        A ``FixedRecurrent``.
    state
        Start ``h_0``, shape ``(width,)``.
    cotangent
        Gradient at the last step, shape ``(width,)``.
    steps
        Number of steps, >= 1.
    dtype
        Format of weights and arithmetic, ``"float32"`` or ``"float64"``.

    Returns
    -------
    numpy.ndarray
        Natural log of ``|dE/dh_t| / |dE/dh_{t+1}|`` at index t = 0 ... steps - 1, float64.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import FixedRecurrent, measure
    >>> net, vector = FixedRecurrent("linear", matrix=0.5 * np.eye(2)), np.ones(2)
    >>> steps = measure.recurrent.gradient_steps(net, vector, vector, 3)
    >>> (steps / np.log(2)).round(4).tolist()
    [-1.0, -1.0, -1.0]
    """
    expect_fit("gradient_steps", net.matrix, state=state, cotangent=cotangent)
    with jax.enable_x64(dtype == "float64"):
        given = FixedRecurrent(net.activation, matrix=jnp.asarray(net.matrix, dtype))
        start, top = (jnp.asarray(np.asarray(vector), dtype) for vector in (state, cotangent))
        out = _increments(given, start, top, steps, is_scalable(net.activation), dtype)
        return np.asarray(out, dtype=np.float64)


@asked(state=number(ndim=1), steps=count(16))
def log_rate(key: Array, net: FixedRecurrent, state: Numbers, *, steps: int = 4000, dtype: str = "float32") -> Estimate:
    """Log-factor of the gradient per step once an undriven recurrence has settled.

    A random gradient at the last step is followed back. The rate is the mean increment over the
    middle half, where the state has settled and the gradient has found its leading direction.

    Parameters
    ----------
    key
        A JAX key, for the gradient at the last step.
    net, state, dtype
        As for ``gradient_steps``.
    steps
        Number of steps, >= 16.

    Returns
    -------
    Estimate
        Natural log per step, of the norm; ``err`` combines the standard error over eight blocks in
        time with rounding.

    Notes
    -----
    Accuracy: ``err``; it does not include a transient longer than ``steps / 4``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from vgtheory import FixedRecurrent, measure
    >>> net = FixedRecurrent("tanh", matrix=np.array([[2.0]]))
    >>> rate = measure.recurrent.log_rate(jax.random.key(0), net, np.ones(1))
    >>> round(float(np.exp(rate.value)), 4)
    0.1664
    """
    start = np.asarray(state, dtype=float)
    expect_fit("log_rate", net.matrix, state=start)
    cotangent = np.asarray(jax.random.normal(key, start.shape))
    middle = gradient_steps(net, start, cotangent, steps, dtype)[steps // 4 : steps // 4 + 8 * (steps // 16)]
    blocks = middle.reshape(_NUM_BLOCKS, -1).mean(axis=1)
    return Estimate(blocks.mean(), np.hypot(blocks.std(ddof=1) / _NUM_BLOCKS**0.5, 2 * float(jnp.finfo(dtype).eps)))
