"""Chains of one unit, by automatic differentiation."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.activation import Activation, as_activation
from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.log_pass import walk
from vgtheory.measure.engine.networks import Weights
from vgtheory.measure.recurrent.settled import gradient_steps
from vgtheory.networks.dense import Dense
from vgtheory.networks.recurrent import FixedRecurrent


@asked()
def log_scalar_steps(
    w: float, activation: str | Activation | Callable[[Array], Array], h_0: float, *, steps: int, dtype: str = "float32"
) -> Estimate:
    r"""Log-gradient along a one-dimensional recurrence.

    .. math:: \ln \left|\frac{\partial h_t}{\partial h_0}\right|, \qquad h_{s+1} = w\,\phi(h_s)

    Parameters
    ----------
    w
        Weight, any sign.
    activation
        Name of an activation, an ``Activation``, or an elementwise JAX function.
    h_0
        Initial state.
    steps
        Number of steps, >= 1.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    Estimate
        Natural log at t = 1 ... steps, shape ``(steps,)``; ``err`` is two roundings of ``dtype``
        per step.

    Notes
    -----
    Accuracy: ``err``; larger where the map itself amplifies rounding, as a chaotic map does.
    Assumes: nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> chain = measure.recurrent.log_scalar_steps(0.5, "linear", 1.0, steps=3)
    >>> np.exp(chain.value).round(6).tolist()
    [0.5, 0.25, 0.125]
    """
    net = FixedRecurrent(as_activation(activation), matrix=np.array([[float(w)]]))
    factors = gradient_steps(net, np.array([float(h_0)]), np.ones(1), steps, dtype)
    return Estimate(np.cumsum(factors), 2 * float(jnp.finfo(dtype).eps) * np.arange(1, steps + 1))


@functools.partial(jax.jit, static_argnames=("depth", "num_nets"))
def _scalar_logs(key: Array, mean: Array, std: Array, depth: int, num_nets: int) -> Array:
    """Log-factors of chains of independent normal weights, shape (num_nets, depth)."""

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
    r"""Log of a product of independent normal weights, averaged over chains: the typical size.

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

    Notes
    -----
    Accuracy: ``err``; weights are rounded to float32.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import measure
    >>> chain = measure.recurrent.log_scalar_chain(jax.random.key(0), 0.98, 0.0, 100, num_nets=2)
    >>> round(float(chain.value), 3)
    -2.02
    """
    return averaged(_scalar_samples("log_scalar_chain", key, mean, std, depth, num_nets), depth, "float32")


@asked()
def log_mean_scalar_chain(key: Array, mean: float, std: float, depth: int, *, num_nets: int) -> Estimate:
    r"""Log of the mean size of a product of independent normal weights, averaged over chains.

    .. math:: \ln E|w_1 \cdots w_n|

    Parameters
    ----------
    key, mean, std, depth, num_nets
        As for ``log_scalar_chain``.

    Returns
    -------
    Estimate
        Natural log of the mean over chains of the product's size; ``err`` is one standard error to
        first order.

    Notes
    -----
    Accuracy: ``err``, while the spread of the log stays well below ``sqrt(2 ln(num_nets))``. Beyond
    that, chains too rare to be drawn carry the mean; the estimate is too small, and so is its
    error.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import measure
    >>> key = jax.random.key(0)
    >>> chain = measure.recurrent.log_mean_scalar_chain(key, 0.98, 0.0, 100, num_nets=2)
    >>> round(float(chain.value), 3)
    -2.02
    """
    logs = _scalar_samples("log_mean_scalar_chain", key, mean, std, depth, num_nets)
    sizes = np.exp(logs - logs.max())
    mean_size = averaged(sizes, depth, "float32")
    return Estimate(np.log(mean_size.value) + logs.max(), mean_size.err / mean_size.value)
