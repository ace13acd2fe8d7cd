"""Lyapunov exponents of a map, from tangents that are made orthonormal once per block of steps."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect, expect_function, expect_runs
from vgtheory.measure.arguments import asked, count, optional
from vgtheory.measure.engine.networks import orthonormal_columns
from vgtheory.measure.engine.taps import length_of

_NUM_PARTS = 16
_PANEL = 16
"""Number of rows per panel."""
_LOST = 0.1
"""Largest rounding error of a tangent, relative to what a block has left of it."""

Step = Callable[[Array, Array], Array]
Settle = Callable[[Array], Array]


def _product(left: Array, right: Array) -> Array:
    return jnp.dot(left, right, precision=lax.Precision.HIGHEST)


def orthonormal(rows: Array) -> tuple[Array, Array]:
    """Orthonormal rows, and the logs of R's diagonal (NaN where rounding has taken over a row).

    The rows, shape ``(count, size)``, are treated in panels: products remove the span of earlier
    rows, twice, and Householder reflections do the rest. A single reflection of all rows would call
    LAPACK's blocked routine, whose threads cost more than they save on a busy host.
    """
    done, logs = rows[:0], []
    for first in range(0, rows.shape[0], _PANEL):
        panel = rows[first : first + _PANEL]
        sizes, panel = jax.vmap(length_of)(panel)
        log = jnp.log(sizes)
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
    """Logs of the tangents' growth in each block, shape ``(steps // block, num_exponents)``.

    Parameters
    ----------
    step
        Maps a flat state and the time to the next state.
    state, tangents
        Start, shapes ``(size,)`` and ``(num_exponents, size)``.
    settle
        Applied to the state after each step; the tangents do not see it.
    steps, burn_in, block
        Numbers of steps; the first two are multiples of ``block``.
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


@asked(lapack=True, step=expect_function, num_exponents=optional(count()), burn_in=optional(count(0)))
def map_exponents(
    step: Callable[[Array], Array],
    state: Numbers,
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
        The map, differentiable by JAX; takes and returns an array of one shape.
    state
        Start of the orbit, at least one number, shape ``(n,)`` or ``()``.
    steps
        Number of steps to average over, rounded up to sixteen equal parts of whole blocks.
    num_exponents
        Number of exponents, from the largest; ``None`` for all.
    burn_in
        Number of steps before the average; ``None`` for a tenth of ``steps``.
    block
        Number of steps between two orthonormalisations.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    Estimate
        Natural logs per step, largest first, shape ``(num_exponents,)``; ``err`` is the standard
        error over sixteen parts of the orbit. NaN where rounding takes over a tangent within a
        block.

    Notes
    -----
    Accuracy: ``err``; it does not include correlations longer than a part.
    Assumes: one orbit is typical of all.

    References
    ----------
    Benettin et al. (1980), Meccanica 15, 9.

    Examples
    --------
    >>> from vgtheory import measure
    >>> step = lambda x: 4 * x * (1 - x)
    >>> logistic = measure.recurrent.map_exponents(step, 0.3, steps=100_000)
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
