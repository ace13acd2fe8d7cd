"""Memory of a real reservoir: readouts are fitted to one half of a run and tested on the other."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation, as_activation
from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect
from vgtheory.measure.arguments import asked, number
from vgtheory.networks.recurrent import check_matrix

_NUM_BLOCKS = 20


@functools.partial(jax.jit, static_argnames=("activation", "steps"))
def _run(
    key: Array, matrix: Array, w_in: Array, sigma: Array, activation: Activation, steps: int
) -> tuple[Array, Array]:
    """Inputs and states of ``steps`` steps, from rest."""
    inputs, noise = (jax.random.fold_in(key, index) for index in (0, 1))
    u = jax.random.normal(inputs, (steps,), matrix.dtype)

    def step(x: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        index, value = now
        xi = jax.random.normal(jax.random.fold_in(noise, index), x.shape, x.dtype)
        h = jnp.dot(matrix, x, precision=lax.Precision.HIGHEST) + w_in * value + sigma * xi
        return activation.phi(h), activation.phi(h)

    return u, lax.scan(step, jnp.zeros_like(w_in), (jnp.arange(steps), u))[1]


@asked(w_in=number(ndim=1))
def memory_curve(
    key: Array,
    matrix: Numbers,
    w_in: Numbers,
    num_lags: int,
    *,
    sigma_noise: Numbers = 0.0,
    activation: str | Activation | Callable[[Array], Array] = "linear",
    steps: int = 20_000,
    dtype: str = "float32",
) -> Estimate:
    """Share of an input's variance that a linear readout recovers k steps later, out of sample.

    The reservoir is ``x' = phi(W x + w u + noise)``. For each lag a readout is fitted to the first
    half of the run by least squares and tested on the second half. Fitting ``width`` weights to n
    samples raises the error by ``(n - 1) / (n - width - 1)`` for Gaussian states; this factor is
    divided out.

    Parameters
    ----------
    key
        A JAX key.
    matrix
        Matrix W, shape ``(width, width)``, real.
    w_in
        Input weights w, shape ``(width,)``.
    num_lags
        Number of lags k = 0 ... num_lags - 1, >= 1.
    sigma_noise
        Standard deviation of the noise on each unit and step, >= 0.
    activation
        Activation phi of the reservoir.
    steps
        Number of samples, at least ten times the width. They follow a washout of
        ``num_lags + 1000`` steps.
    dtype
        Format of the reservoir, ``"float32"`` or ``"float64"``; readouts are fitted in float64.

    Returns
    -------
    Estimate
        Shape ``(num_lags,)``; ``err`` is the standard error over twenty blocks in time. A value can
        be below 0 where no memory is left.

    Notes
    -----
    Accuracy: ``err``. A reservoir in float32 has rounding noise of 1e-7.
    Assumes: nothing.

    Examples
    --------
    >>> import jax, numpy as np
    >>> from vgtheory import measure
    >>> shift = 0.5 * np.eye(3, k=-1)
    >>> start = np.array([1.0, 0.0, 0.0])
    >>> curve = measure.recurrent.memory_curve(jax.random.key(0), shift, start, 4, steps=2000)
    >>> np.abs(curve.value.round(1)).tolist()
    [1.0, 1.0, 1.0, 0.0]
    """
    check_matrix("memory_curve", matrix)
    start = np.asarray(w_in, dtype=float)
    expect(start.shape == np.shape(matrix)[:1], "memory_curve", "input weights that fit matrix", shape=start.shape)
    expect(steps >= 10 * start.size, "memory_curve", "at least ten samples per unit", steps=steps)
    washout = num_lags + 1000
    with jax.enable_x64(dtype == "float64"):
        given = [jnp.asarray(np.asarray(each), dtype) for each in (matrix, start, sigma_noise)]
        u, x = (np.asarray(each, dtype=float) for each in _run(key, *given, as_activation(activation), steps + washout))
    targets = np.stack([u[washout - lag : washout - lag + steps] for lag in range(num_lags)], axis=1)
    return _judged(x[washout:], targets)


def _judged(states: np.ndarray, targets: np.ndarray) -> Estimate:
    """One minus the squared error, on the second half, of readouts fitted to the first."""
    half, width = len(states) // 2, states.shape[1]
    readout = np.linalg.lstsq(states[:half], targets[:half], rcond=None)[0]
    factor, size = (half - width - 1) / (half - 1), (targets[half:] ** 2).mean(axis=0)
    squares = factor * (targets[half:] - states[half:] @ readout) ** 2
    memory = 1 - squares.mean(axis=0) / size
    excess = (squares - (1 - memory) * targets[half:] ** 2) / size
    blocks = np.stack([block.mean(axis=0) for block in np.array_split(excess, _NUM_BLOCKS)])
    return Estimate(memory, blocks.std(axis=0, ddof=1) / _NUM_BLOCKS**0.5)
