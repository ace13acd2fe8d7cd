"""Measured twins of ``theory.scalar``: one unit, by automatic differentiation."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.activation import as_activation
from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.log_pass import walk
from vgtheory.measure.engine.networks import Weights
from vgtheory.measure.recurrent.settled import gradient_steps
from vgtheory.networks.dense import Dense
from vgtheory.networks.recurrent import FixedRecurrent


@asked()
def log_scalar_steps(w: Any, activation: Any, h_0: Any, *, steps: int, dtype: str = "float32") -> Estimate:
    r"""Log-gradient along a one-dimensional recurrence, by automatic differentiation.

    .. math:: \ln \left|\frac{\partial h_t}{\partial h_0}\right|, \qquad h_{s+1} = w\,\phi(h_s)

    Parameters
    ----------
    w
        Weight, any sign.
    activation
        A name, an ``Activation``, or an elementwise JAX function.
    h_0
        Initial state.
    steps
        Number of steps, >= 1.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    Estimate
        Natural log at t = 1 ... steps, shape ``(steps,)``; ``err`` is two roundings of ``dtype`` per step.

    Raises
    ------
    ValueError
        If ``steps`` is no positive integer or a name is unknown.

    Notes
    -----
    Accuracy: ``err``; more where the map itself amplifies rounding (a chaotic one).
    Assumes: nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> np.exp(measure.recurrent.log_scalar_steps(0.5, "linear", 1.0, steps=3).value).round(6).tolist()
    [0.5, 0.25, 0.125]
    """
    net = FixedRecurrent(as_activation(activation), matrix=np.array([[float(w)]]))
    factors = gradient_steps(net, np.array([float(h_0)]), np.ones(1), steps, dtype)
    return Estimate(np.cumsum(factors), 2 * float(jnp.finfo(dtype).eps) * np.arange(1, steps + 1))


@functools.partial(jax.jit, static_argnames=("depth", "num_nets"))
def _scalar_logs(key: Array, mean: Array, std: Array, depth: int, num_nets: int) -> Array:
    """Log-factors of num_nets chains of independent normal weights, shape (num_nets, depth)."""

    def one(index: Array) -> Array:
        weights = mean + std * jax.random.normal(jax.random.fold_in(key, index), (depth,), jnp.float32)

        weights_of = lambda layer: Weights(weights[layer - 1].reshape(1, 1), jnp.zeros(1, jnp.float32))
        one = jnp.ones((1, 1), jnp.float32)
        walked = walk(weights_of, Dense("linear"), one, one, depth, True, from_h=True)
        return jnp.concatenate([walked.start, walked.rows[:-1, 0]])

    return jax.vmap(one)(jnp.arange(num_nets))


def _scalar_samples(where: str, key: Array, mean: float, std: float, depth: int, num_nets: int) -> np.ndarray:
    """Log |w_1 ... w_depth| of each chain, shape (num_nets,)."""
    return np.asarray(_scalar_logs(key, jnp.float32(mean), jnp.float32(std), depth, num_nets), dtype=float).sum(axis=1)


@asked()
def log_scalar_chain(key: Array, mean: float, std: float, depth: int, *, num_nets: int) -> Estimate:
    r"""Log of a product of independent normal weights, averaged over chains: what a typical chain does.

    .. math:: \ln |w_1 \cdots w_n|, \qquad w_i \sim N(m, s^2)

    Parameters
    ----------
    key
        A JAX key.
    mean, std
        Mean m and standard deviation s >= 0 of each weight.
    depth
        Number of weights n, >= 1.
    num_nets
        Number of chains, >= 1.

    Returns
    -------
    Estimate
        Mean over chains of the natural log; ``err`` is one standard error.

    Raises
    ------
    ValueError
        If a count is no positive integer, or ``std`` is negative.

    Notes
    -----
    Accuracy: ``err``; weights are rounded to float32.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import measure
    >>> round(float(measure.recurrent.log_scalar_chain(jax.random.key(0), 0.98, 0.0, 100, num_nets=2).value), 3)
    -2.02
    """
    return averaged(_scalar_samples("log_scalar_chain", key, mean, std, depth, num_nets), depth, "float32")


@asked()
def log_mean_scalar_chain(key: Array, mean: float, std: float, depth: int, *, num_nets: int) -> Estimate:
    r"""Log of the mean size of a product of independent normal weights: what the average over chains does.

    .. math:: \ln E|w_1 \cdots w_n|

    Parameters
    ----------
    key
        A JAX key.
    mean, std
        Mean m and standard deviation s >= 0 of each weight.
    depth
        Number of weights n, >= 1.
    num_nets
        Number of chains, >= 1.

    Returns
    -------
    Estimate
        Natural log of the mean over chains of the product's size; ``err`` is one standard error to first order.

    Raises
    ------
    ValueError
        If a count is no positive integer, or ``std`` is negative.

    Notes
    -----
    Accuracy: ``err``, as long as the mean is not carried by chains too rare to be among ``num_nets``: the spread of the log
    must stay well below ``sqrt(2 ln(num_nets))``; beyond that the estimate is too small and does not know it.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import measure
    >>> round(float(measure.recurrent.log_mean_scalar_chain(jax.random.key(0), 2.0, 0.0, 10, num_nets=2).value), 3)
    6.931
    """
    logs = _scalar_samples("log_mean_scalar_chain", key, mean, std, depth, num_nets)
    sizes = np.exp(logs - logs.max())
    mean_size = averaged(sizes, depth, "float32")
    return Estimate(np.log(mean_size.value) + logs.max(), mean_size.err / mean_size.value)
