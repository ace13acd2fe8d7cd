"""Gradients sent back through powers of one real matrix, with their directions."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect_steps
from vgtheory.measure.arguments import asked, expect_fit, integers, number
from vgtheory.measure.recurrent.settled import gradient_steps
from vgtheory.networks.recurrent import FixedRecurrent, check_matrix

_SAME, _RANK = 1e-9, 1e-6


@functools.partial(jax.jit, static_argnames=("steps", "seen"))
def pulled(
    matrix: Array, state: Array, cotangents: Array, steps: int, seen: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """``seen`` of the cotangents at every step back, and log2 of their divisors."""

    def link(h: Array) -> Array:
        return jnp.dot(matrix, h, precision=lax.Precision.HIGHEST)

    def forward(h: Array, _: None) -> tuple[Array, Array]:
        after = link(h)
        return after / jnp.max(jnp.abs(after)), h

    def backward(carry: tuple[Array, Array], h: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        rows, log_scale = carry
        pull = jax.vjp(link, h)[1]
        rows = jax.vmap(lambda row: pull(row)[0])(rows)
        size = jnp.max(jnp.abs(rows))
        size = jnp.where(size > 0, jnp.exp2(jnp.floor(jnp.log2(size))), 1.0)
        rows, log_scale = rows / size, log_scale + jnp.log2(size)
        return (rows, log_scale), (seen(rows), log_scale)

    states = lax.scan(forward, state, None, length=steps)[1]
    first = (cotangents, jnp.zeros((), cotangents.dtype))
    rest, logs = lax.scan(backward, first, states, reverse=True)[1]
    rest = jax.tree.map(lambda leaf: leaf[::-1], rest)
    return jnp.concatenate([seen(cotangents)[None], rest]), jnp.concatenate([jnp.zeros_like(logs[:1]), logs[::-1]])


def _largest(rows: Array) -> Array:
    """Largest singular value."""
    return jnp.linalg.svd(rows, compute_uv=False)[0]


@asked(steps=integers(0))
def log_growth(matrix: Numbers, steps: Numbers, dtype: str = "float32") -> Estimate:
    r"""Log of the largest factor by which t steps of a linear recurrence lengthen a gradient.

    .. math:: \ln \Bigl\| \frac{\partial h_T}{\partial h_{T-t}} \Bigr\|_2

    Parameters
    ----------
    matrix
        Matrix W, shape ``(width, width)``, real.
    steps
        Steps t, integers >= 0, shape ``(num_steps,)`` or ``()``.
    dtype
        Format of weights and arithmetic, ``"float32"`` or ``"float64"``.

    Returns
    -------
    Estimate
        Natural log, of the shape of ``steps``; ``err`` is ``width`` roundings of ``dtype`` for the
        singular value and two per step.

    Notes
    -----
    Accuracy: ``err`` for a normal W. For any other W a rounding at step s counts
    ``|W^(t-s)| |W| |W^s| / |W^t|`` times.
    Assumes: nothing; the Jacobian of one real recurrence is pulled back, rescaled by powers of two.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> shear = np.array([[0.9, 5.0], [0.0, 0.9]])
    >>> growth = measure.recurrent.log_growth(shear, np.array([1, 10, 100]))
    >>> np.exp(growth.value).round(3).tolist()
    [5.157, 19.377, 0.015]
    """
    check_matrix("log_growth", matrix)
    counts = expect_steps("log_growth", steps)
    width, longest = np.shape(matrix)[0], max(1, int(counts.max(initial=1)))
    with jax.enable_x64(dtype == "float64"):
        w = jnp.asarray(np.asarray(matrix), dtype)
        sizes, shifts = pulled(w, jnp.ones(width, dtype), jnp.eye(width, dtype=dtype), longest, _largest)
    with np.errstate(divide="ignore"):
        logs = np.log(np.asarray(sizes, dtype=float)) + np.log(2) * np.asarray(shifts, dtype=float)
    return Estimate(logs[counts], float(jnp.finfo(dtype).eps) * (width + 2.0 * counts))


@asked(vector=number(ndim=1), steps=integers(0))
def log_power_norms(matrix: Numbers, vector: Numbers, steps: Numbers, dtype: str = "float32") -> Estimate:
    r"""Log-norm of a gradient sent back through t steps of a linear recurrence.

    .. math:: \ln \bigl| (W^{\mathsf T})^t v \bigr|

    Parameters
    ----------
    matrix, steps, dtype
        As for ``log_growth``.
    vector
        Gradient v at the last step, shape ``(width,)``.

    Returns
    -------
    Estimate
        Natural log, of the shape of ``steps``; ``err`` is two roundings of ``dtype`` per step, and
        at t = 0.

    Notes
    -----
    Accuracy: ``err`` for a normal W and a v that has a part along its leading eigenvectors. For any
    other W or v a rounding at step s counts ``|W^(t-s)| |W| |(W^T)^s v| / |(W^T)^t v|`` times: along
    an eigenvector that does not lead, rounding soon seeds the leading ones.
    Assumes: nothing; one real recurrence is run, with its weights rounded to ``dtype``.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import measure
    >>> matrix, vector = 0.5 * np.eye(2), np.array([1.0, 0.0])
    >>> decay = measure.recurrent.log_power_norms(matrix, vector, np.array([0, 1, 200]))
    >>> (decay.value / np.log(2)).round(3).tolist()
    [0.0, -1.0, -200.0]
    """
    check_matrix("log_power_norms", matrix)
    counts, start = expect_steps("log_power_norms", steps), np.asarray(vector, dtype=float)
    expect_fit("log_power_norms", matrix, vector=start)
    longest = max(1, int(counts.max(initial=1)))
    net = FixedRecurrent("linear", matrix=matrix)
    increments = gradient_steps(net, np.ones(start.size), start, longest, dtype)
    powers = np.concatenate([[0.0], np.cumsum(increments[::-1])]) + np.log(np.linalg.norm(start))
    return Estimate(powers[counts], 2 * float(jnp.finfo(dtype).eps) * np.maximum(counts, 1))
