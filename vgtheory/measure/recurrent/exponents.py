"""Lyapunov exponents of a map: tangents carried along, made orthonormal once per block of steps, in the log domain."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_function, expect_runs
from vgtheory.measure.arguments import asked, count, optional
from vgtheory.measure.engine.networks import orthonormal_columns

_NUM_PARTS = 16
_PANEL = 16
"""Rows per panel."""
_LOST = 0.1
"""Share of a tangent's digits that may be lost in a block: the rest is less than a tenth of what is left of it."""

Step = Callable[[Array, Array], Array]
Settle = Callable[[Array], Array]


def _product(left: Array, right: Array) -> Array:
    return jnp.dot(left, right, precision=lax.Precision.HIGHEST)


def orthonormal(rows: Array) -> tuple[Array, Array]:
    """Orthonormal rows and the logs of R's diagonal, NaN where too little of a row was left to be known.

    Panel by panel: what earlier rows span is taken out by products, twice, and Householder reflections do the rest. (Those of all rows
    at once are LAPACK's blocked ones, whose threads cost far more than they bring on a busy host.)

    Parameters
    ----------
    rows
        Shape ``(count, size)``.
    """
    done, logs = rows[:0], []
    for first in range(0, rows.shape[0], _PANEL):
        panel = rows[first : first + _PANEL]
        sizes = jnp.sqrt(jnp.sum(panel**2, axis=1))
        panel, log = panel / sizes[:, None], jnp.log(sizes)
        left = jnp.zeros_like(log)
        for _ in range(2):
            panel = panel - _product(_product(panel, done.T), done)
            q, r = orthonormal_columns(panel.T)
            panel, left = q.T, left + jnp.log(jnp.abs(jnp.diagonal(r)))
        known = jnp.exp(left) * _LOST > jnp.finfo(rows.dtype).eps
        logs.append(jnp.where(known, log + left, jnp.nan))
        done = jnp.concatenate([done, panel])
    return done, jnp.concatenate(logs)


def exponents_of(
    step: Step, state: Array, tangents: Array, settle: Settle = lambda x: x, *, steps: int, burn_in: int, block: int
) -> Array:
    """Logs of the tangents' growth in each block, shape ``(steps // block, num_exponents)``; ``settle`` has no share in it.

    Parameters
    ----------
    step
        Maps a flat state and the time to the next state.
    state, tangents
        Where it starts, shapes ``(size,)`` and ``(num_exponents, size)``.
    settle
        Done to the state after each step.
    steps, burn_in, block
        Multiples of ``block``, and ``block``.
    """

    def move(carry: tuple[Array, Array], t: Array) -> tuple[tuple[Array, Array], None]:
        state, rows = carry
        after, along = jax.linearize(lambda state: step(state, t), state)
        return (settle(after), jax.vmap(along)(rows)), None

    def one(carry: tuple[Array, Array], times: Array) -> tuple[tuple[Array, Array], Array]:
        (state, rows), _ = lax.scan(move, carry, times)
        rows, logs = orthonormal(rows)
        return (state, jnp.where(jnp.isfinite(rows), rows, 0.0)), logs

    times = lambda first, count: (first + jnp.arange(count)).reshape(-1, block)
    carry, _ = lax.scan(one, (state, tangents), times(0, burn_in))
    return lax.scan(one, carry, times(burn_in, steps))[1]


@asked(step=expect_function, num_exponents=optional(count()), burn_in=optional(count(0)))
def map_exponents(
    step: Callable[[Any], Any],
    state: Any,
    *,
    steps: int,
    num_exponents: int | None = None,
    burn_in: int | None = None,
    block: int = 1,
    dtype: str = "float64",
) -> Estimate:
    r"""Lyapunov exponents of a map along one orbit.

    .. math:: \lambda_k = \lim_{t \to \infty} \frac1t \ln |R_{kk}|, \qquad \prod_s Df(x_s) = Q R

    Parameters
    ----------
    step
        The map, differentiable by JAX: takes and returns an array of one shape.
    state
        Where the orbit starts, at least one number, shape ``(n,)`` or ``()``.
    steps
        Steps to average over; rounded up to sixteen equal parts of whole blocks.
    num_exponents
        How many, from the largest; all of them if not given.
    burn_in
        Steps before these; a tenth of ``steps`` if not given.
    block
        Steps between two orthonormalisations.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    Estimate
        Natural logs per step, largest first, shape ``(num_exponents,)``; ``err`` is the standard error over sixteen parts of the
        orbit. NaN where rounding has taken a tangent over within a block.

    Raises
    ------
    ValueError
        If a count is no positive integer, or there are more exponents than dimensions.

    Notes
    -----
    Accuracy: ``err``; it does not know of correlations longer than a part.
    Assumes: that one orbit stands for all.

    References
    ----------
    Benettin et al. (1980), Meccanica 15, 9.

    Examples
    --------
    >>> from vgtheory import measure
    >>> logistic = measure.recurrent.map_exponents(lambda x: 4 * x * (1 - x), 0.3, steps=100_000)
    >>> bool(abs(logistic.value[0] - 0.6931) < 0.005)  # ln 2
    True
    """
    start = np.atleast_1d(np.asarray(state, dtype=float))
    shape, size = np.shape(state), start.size
    wanted = size if num_exponents is None else num_exponents
    expect(wanted <= size, "map_exponents", f"at most {size} exponents", num_exponents=wanted)
    whole = lambda count, parts: -(-count // (block * parts)) * block * parts
    lengths = {"steps": whole(steps, _NUM_PARTS), "burn_in": whole(steps // 10 if burn_in is None else burn_in, 1)}
    flat = lambda x, t: jnp.ravel(step(x.reshape(shape)))
    with jax.enable_x64(dtype == "float64"):
        with expect_runs("map_exponents", "a step of arrays of JAX", "step"):
            after = jax.eval_shape(step, jnp.zeros(shape, dtype))
        same = getattr(after, "shape", None) == shape and jnp.issubdtype(after.dtype, jnp.floating)
        expect(same, "map_exponents", f"a step that returns real numbers of shape {list(shape)}", step=after)
        run = jax.jit(functools.partial(exponents_of, flat, block=block, **lengths))
        logs = np.asarray(run(jnp.asarray(start.ravel(), dtype), jnp.eye(wanted, size, dtype=dtype)), dtype=float)
    parts = logs.reshape(_NUM_PARTS, -1, wanted).sum(axis=1) / (lengths["steps"] / _NUM_PARTS)
    return Estimate(parts.mean(axis=0), parts.std(axis=0, ddof=1) / _NUM_PARTS**0.5)
