"""Products of real matrices in training, observed along the target's singular vectors."""

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect
from vgtheory.measure.arguments import asked, number
from vgtheory.measure.engine.draws import WEIGHTS, normal, words_of
from vgtheory.measure.engine.networks import orthogonal

_MOST_STEPS = 10**6


class _Task(NamedTuple):
    """Target's singular vectors, shape (width, modes), and values; level; learning rate."""

    left: Array
    right: Array
    values: Array
    level: Array
    rate: Array


@asked(singular_values=number("[1e-30, 1e30]", ndim=1), w0=number("[1e-30, 1e30]"), level=number("(0, 1)"))
def log_mode_times(
    key: Array, singular_values: Numbers, depth: int, w0: float, *, width: int, level: float = 0.5, change: float = 0.01
) -> Estimate:
    r"""Log of the time at which each mode of a deep linear network has learnt a share of its value.

    The network has ``depth`` square matrices, each w0 times an orthogonal one, aligned with the
    target's random singular vectors at the two ends. Plain gradient descent minimises :math:`\|Y -
    W_L \cdots W_1\|_F^2 / 2`, the loss for whitened inputs. Its rate is ``change`` over the largest
    mode's curvature.

    Parameters
    ----------
    key
        A JAX key.
    singular_values
        Singular values of the target Y, > 0, shape ``(modes,)``, at most ``width`` of them; all
        others are 0.
    depth
        Number of matrices L, >= 1.
    w0
        Singular values of each matrix at the start, > 0; ``w0**depth`` is below ``level`` times
        each of the target's.
    width
        Width of every matrix.
    level
        Share to be reached, in (0, 1).
    change
        Time of a step over the fastest mode's own time, from 1e-6 to 0.1.

    Returns
    -------
    Estimate
        Natural log of the time, shape ``(modes,)``, NaN for a mode that does not reach its level in
        a million steps; ``err`` is ``change``.

    Notes
    -----
    Accuracy: ``err``, in float64.
    Assumes: nothing; the modes are observed as ``u_k . W_L ... W_1 v_k``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import measure
    >>> times = measure.training.log_mode_times(jax.random.key(0), [2.0, 1.0], 2, 0.5, width=4)
    >>> times.value.round(1).tolist()
    [-0.7, -0.6]
    """
    where = "log_mode_times"
    values = np.asarray(singular_values, float)
    with np.errstate(over="ignore", under="ignore"):
        ahead = values.size <= width and bool(np.all(np.float64(w0) ** depth < level * values))
    expect(ahead, where, "at most width singular_values above what the start has", singular_values=singular_values)
    with jax.enable_x64(True):
        rate = change / (depth * values.max() ** (2 - 2 / depth))
        draws = [
            orthogonal(normal(words_of(key), WEIGHTS, each, (width, width), jnp.float64)) for each in range(depth + 1)
        ]
        weights = jnp.stack([w0 * after @ before.T for before, after in itertools.pairwise(draws)])
        modes = (draw[:, : values.size] for draw in (draws[-1], draws[0]))
        times = _times(weights, _Task(*modes, *(jnp.asarray(each, float) for each in (values, level, rate))))
        return Estimate(np.log(np.asarray(times)), np.full(values.size, change))


def _product(weights: Array) -> Array:
    """W_L ... W_1."""
    return lax.scan(
        lambda left, matrix: (jnp.matmul(matrix, left, precision="highest"), None), weights[0], weights[1:]
    )[0]


@jax.jit
def _times(weights: Array, task: _Task) -> Array:
    """Time at which each mode passes its level, the last step in part."""
    target = jnp.matmul(task.left * task.values[None, :], task.right.T, precision="highest")

    def loss(weights: Array) -> tuple[Array, Array]:
        product = _product(weights)
        seen = jnp.sum(task.left * jnp.matmul(product, task.right, precision="highest"), axis=0)
        return jnp.sum((target - product) ** 2) / 2, seen / task.values - task.level

    slope = jax.grad(loss, has_aux=True)

    def step(carry: Any) -> Any:
        weights, time, before, times = carry
        grads, now = slope(weights)
        passes = (before < 0) & (now >= 0)
        crossed = time - task.rate * now / jnp.where(passes, now - before, 1.0)
        return weights - task.rate * grads, time + task.rate, now, jnp.where(passes, crossed, times)

    start = (weights, jnp.zeros(()), jnp.full(task.values.shape, -1.0), jnp.full(task.values.shape, jnp.nan))
    unsettled = lambda carry: jnp.isnan(carry[3]).any() & (carry[1] < _MOST_STEPS * task.rate)
    return lax.while_loop(unsettled, step, start)[3]
