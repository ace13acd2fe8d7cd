r"""Moments of an activation as functions of ``q`` and ``c``, integrated and interpolated.

For a pair let ``s`` be the standard deviation of what the two do not share, ``s^2 = q (1 - |c|)``,
and ``v = ln(q / s^2)``. At given s the conditional means of phi and phi' are the same functions of
what is shared for every v. They are integrated once for each s. Coordinates are (ln s, v). Where s
is so small that they are no use, a cubic in s takes over.

=========  ==========================================================  ==========
symbol     meaning                                                     shape
=========  ==========================================================  ==========
``f``      E[phi^2]                                                    ()
``g``      E[phi'^2]                                                   ()
``m``      mean of ``h`` given what the pair shares                    nodes
``split``  E[(phi(u) - phi(v))^2] / (2 s^2 g), c >= 0; 1 at s = 0      ()
``turn``   E[phi'(u) phi'(v)] / g, c >= 0; 1 at s = 0                  ()
``cross``  E[phi(u) phi(v)] / f, c <= 0                                ()
``fold``   E[phi'(u) phi'(v)] / g, c <= 0                              ()
=========  ==========================================================  ==========
"""

import functools
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation, is_tabled
from vgtheory.theory.arrays import library
from vgtheory.theory.integrals import gaussian, shipped_2d
from vgtheory.theory.integrals.chebyshev import place, samples
from vgtheory.theory.integrals.moments_1d import GRID, LN_Q, curves, value_and_slope
from vgtheory.theory.integrals.rules import values
from vgtheory.theory.precision import tables

LN_S = (-21.875, 0.625, 59, 16)
_V, _FIT, _SHARED_ORDER = (0.0, 1.0, 42, 16), (1.0, 2.0, 4.0), 16
NEAR = 1e-3
"""Below this s, in units of min(1, sqrt(q)), the cubic."""
_NARROW = gaussian.Panels((2, 4, 6, 9), (1.0,), 1, 14)
"""For averages over so little that nothing but kinks is on that scale."""
_FIRST_WIDE = 33
"""First panel of ln s that is not narrow."""


class Pairs(NamedTuple):
    """Tables of pairs over a stretch of ln q.

    Attributes
    ----------
    series
        Chebyshev coefficients over (ln s, v) of 1 - split, 1 - turn, cross and fold, shape
        (panels, panels, nodes, nodes, 4).
    cubics
        Over ln q, of the powers of s / (1e-3 min(1, sqrt(q))), shape (panels, nodes, 4, 4).
    first
        First panel of ln s that ``series`` holds.
    """

    series: Array
    cubics: Array
    first: Array


def _shared(s: np.ndarray, kinks: tuple[float, ...], wide: bool) -> tuple[np.ndarray, np.ndarray]:
    """Nodes m > 0 and weights, each of shape (s, nodes).

    They serve every Gaussian of standard deviation above s / 32, and blurred kinks.
    """
    slack = float(np.exp(LN_S[1]))
    far = 10 * slack * np.where(s < NEAR / slack, s / NEAR, np.exp(LN_Q / 2))
    ends = [s / 32, np.minimum(far, 1e4 * s), far] if wide else [s / 32, far]
    steps = [low * (high / low) ** (np.arange(25)[:, None] / 24) for low, high in itertools.pairwise(ends)]
    bends = np.abs([kink + s * width for kink in (0.0, *kinks) for width in gaussian.BLUR])
    scales = np.broadcast_to(np.array(gaussian.COARSE.scales)[:, None], (len(gaussian.COARSE.scales), s.size))
    breaks = np.sort(np.minimum(np.concatenate([np.zeros((1, s.size)), scales, *steps, bends]), far).T)
    nodes, weights = np.polynomial.legendre.leggauss(_SHARED_ORDER)
    middle, half = (breaks[:, 1:] + breaks[:, :-1]) / 2, np.diff(breaks) / 2
    m = middle[..., None] + half[..., None] * nodes
    return m.reshape(s.size, -1), (half[..., None] * weights).reshape(s.size, -1)


def given_shared(m: Any, s: Any, activation: Activation, ready: Any = None) -> tuple[Any, Any, Any]:
    """Variance over s^2, mean of phi and mean of phi', given m.

    Parameters
    ----------
    m, s
        What is shared, shape ``(nodes,)``, and the standard deviation of what is not.
    activation
        The nonlinearity.
    ready
        Breaks and order of the rule, if known.
    """
    centre, width = values(activation, m)[0], library(m).broadcast_to(s, m.shape)

    def parts(h: Any) -> tuple[Any, ...]:
        phi, dphi = values(activation, h)
        change = phi - centre[None]
        return change, change**2, dphi

    average = gaussian.smoothed if ready is None else gaussian.averaged
    shift, square, slope = average(parts, m, width, *(ready or (activation.kinks,)))
    return (square - shift**2) / s**2, centre + shift, slope


@functools.partial(jax.jit, static_argnames=("activation", "order"))
def _at_one_s(s: Array, m: Array, weights: Array, breaks: Array, v: Array, activation: Activation, order: int) -> Array:
    """Unnormalised split, turn, cross and fold at one s, for all v; shape (4, v)."""
    signed = jnp.concatenate([m, -m])
    each = given_shared(signed, s, activation, (breaks, order))
    spread, length, slope = (part.reshape(2, -1) for part in each)
    rows = jnp.stack([spread.sum(0), (slope**2).sum(0), 2 * length.prod(0), 2 * slope.prod(0)])
    shared = s * jnp.sqrt(jnp.expm1(v))[:, None]
    density = jnp.exp(-((m[None, :] / shared) ** 2) / 2) / (shared * float(np.sqrt(2 * np.pi)))
    return (rows * weights[None, :]) @ density.T


def _band(activation: Activation, panel: int) -> np.ndarray:
    """``integrated_band``, of a tabled activation from the shipped file."""
    if not is_tabled(activation):
        return integrated_band(activation, panel)
    (nodes_s, to_s), (nodes_v, to_v) = samples(LN_S), samples(_V)
    log_s, v = np.broadcast_arrays(nodes_s[panel][:, None, None], nodes_v)
    four, asked = np.zeros((*v.shape, 4)), np.any(np.abs(2 * log_s + v) < LN_Q, axis=(0, 2))
    four[:, asked] = shipped_2d.lost_pairs(activation, (2 * log_s + v)[:, asked], -v[:, asked] / 2)
    return np.einsum("iqjk,ai,bj->qabk", four, to_s, to_v)


@functools.lru_cache(maxsize=1024)
def integrated_band(activation: Activation, panel: int) -> np.ndarray:
    """Series of ``Pairs`` on one panel of ln s, integrated; shape (panels, nodes, nodes, 4)."""
    (nodes_s, to_s), (nodes_v, to_v) = samples(LN_S), samples(_V)
    log_s, v, wide = nodes_s[panel], nodes_v.ravel(), panel >= _FIRST_WIDE
    panels = gaussian.COARSE if wide else _NARROW
    s = np.exp(log_s)
    m, weights = _shared(s, activation.kinks, wide)
    signed = np.concatenate([m, -m], axis=1)
    breaks = np.sort(gaussian.marks(signed, s[:, None], activation.kinks, panels, np), axis=-1)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        one = functools.partial(_at_one_s, v=jnp.asarray(v), activation=activation, order=panels.order)
        columns = [np.moveaxis(each, -1, 0) for each in breaks]
        rows = np.stack([np.asarray(one(*each)) for each in zip(s, m, weights, columns, strict=True)])
        table = curves(activation)
        log_q = 2 * log_s[:, None] + v[None, :]
        f, g = (np.exp(value_and_slope(each, log_q)[0]) for each in table[:2])
    rows = rows / np.stack([g, g, f, g], axis=1)
    rows[:, :2] = 1 - rows[:, :2]
    rows = rows.reshape(log_s.size, 4, *nodes_v.shape)
    return np.einsum("ikqj,ai,bj->qabk", rows, to_s, to_v)


def pairs(activation: Activation, log_q: Any = None) -> Pairs:
    """Tables of E[phi phi] and E[phi' phi'] over q and c.

    Parameters
    ----------
    activation
        The nonlinearity.
    log_q
        Natural logs of the variances asked for, NumPy; None for all from 1e-12 to 1e12.

    Returns
    -------
    Pairs
        To be read with ``lost_at_pair``.

    Notes
    -----
    Accuracy: 1e-10 of each quantity's value at ``s = 0``, q in [1e-12, 1e12], all c. For ``split``
    of activations straight at infinity, q <= 1e6; beyond it ``phi`` loses 1e-16 sqrt(q) / s.
    Assumes: kinks are where the activation says, and the function varies on scales of 1/2 or more
    between them.
    """
    known = np.array([-27.7, 27.7]) if log_q is None else np.clip(log_q, -27.7, 27.7)
    low, high = float(np.min(known)), float(np.max(known))
    return _stretch(activation, *(int(np.floor((each - GRID[0]) / GRID[1])) for each in (low, high)))


@tables
def _stretch(activation: Activation, first: int, last: int) -> Pairs:
    """Tables for the panels of ln q from first to last."""
    low, high = (GRID[0] + GRID[1] * each for each in (first, last + 1))
    edges = np.log(NEAR) + min(low, 0) / 2, max(high, min(high, 0) + 2 * np.log(max(_FIT) * NEAR)) / 2
    start, stop = (int((each - LN_S[0]) / LN_S[1]) for each in edges)
    bands = range(max(start, 0), min(stop, LN_S[2] - 1) + 1)
    series = np.stack([_band(activation, panel) for panel in bands])
    cubics = _cubics(series, bands[0], activation, first, last)
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        return Pairs(jnp.asarray(series), jnp.asarray(cubics), jnp.asarray(bands[0]))


def _cubics(series: np.ndarray, first_s: int, activation: Activation, first: int, last: int) -> np.ndarray:
    """Coefficients, over ln q, of polynomials in s / (1e-3 min(1, sqrt(q))) through s = 0."""
    nodes, transform = samples(GRID)
    log_q = nodes[first : last + 1].ravel()
    log_near = np.log(NEAR) + np.minimum(log_q, 0) / 2
    values = np.stack([read_series(series, first_s, log_near + np.log(times), log_q) for times in _FIT])
    start = _at_no_distance(log_q, activation)
    powers = np.array(_FIT)[:, None] ** np.arange(1, 4)
    cubic = np.concatenate([start[None], np.linalg.solve(powers, (values - start).reshape(3, -1)).reshape(3, -1, 4)])
    chosen = np.einsum("dpjk,aj->padk", cubic.reshape(4, last + 1 - first, -1, 4), transform)
    return np.pad(chosen, ((first, GRID[2] - 1 - last), (0, 0), (0, 0), (0, 0)))


def mirrored(log_q: Any, activation: Activation) -> Any:
    """The four at s = 0, shape (4,).

    Parameters
    ----------
    log_q
        Natural log of the variance, shape ``()``.
    activation
        The nonlinearity.
    """
    xp = library(log_q)
    q = gaussian.settled(xp.exp(log_q), activation)
    kinks = (*activation.kinks, *(-kink for kink in activation.kinks))

    def both(z: Any) -> Any:
        pairs = zip(values(activation, xp.sqrt(q) * z), values(activation, -xp.sqrt(q) * z), strict=True)
        return xp.stack([part for up, down in pairs for part in (up * down, up**2)])

    cross, f, fold, g = gaussian.mean(both, q, kinks)
    return xp.stack([xp.ones_like(q), xp.ones_like(q), cross / f, fold / g])


def _at_no_distance(log_q: np.ndarray, activation: Activation) -> np.ndarray:
    """1 - split, 1 - turn, cross and fold at s = 0, shape (q, 4)."""
    if is_tabled(activation):
        return shipped_2d.lost_pairs(activation, log_q, np.full_like(log_q, -np.inf))
    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        return np.asarray(lost(_all_mirrored(jnp.asarray(log_q), activation)))


@functools.partial(jax.jit, static_argnames=("activation",))
def _all_mirrored(log_q: Array, activation: Activation) -> Array:
    return lax.map(lambda each: mirrored(each, activation), log_q, batch_size=64)


def read_series(series: Any, first: Any, log_s: Any, log_q: Any) -> Any:
    """What the series hold, shape (..., columns).

    Parameters
    ----------
    series, first
        Fields of ``Pairs``.
    log_s, log_q
        Natural logs of s and of the variance, of one shape.
    """
    xp = library(log_s, log_q)
    index_s, rows_s = place(log_s, LN_S)
    index_v, rows_v = place(log_q - 2 * log_s, _V)
    block = series[xp.clip(index_s - first, 0, series.shape[0] - 1), index_v]
    along_v = xp.einsum("...abk,b...->...ak", block, rows_v)
    return xp.einsum("...ak,a...->...k", along_v, rows_s)


def lost(four: Any) -> Any:
    """1 - split, 1 - turn, cross and fold, of the four; and the four of these.

    Parameters
    ----------
    four
        Along the last axis.
    """
    return library(four).concatenate([1 - four[..., :2], four[..., 2:]], axis=-1)


def lost_at_pair(table: Pairs, log_q: Array, log_share: Array) -> Array:
    """1 - split and 1 - turn, to full digits near c = 1, cross and fold of a pair, from tables.

    Parameters
    ----------
    table
        From ``pairs``.
    log_q
        Natural log of the variance, any shape.
    log_share
        Half of ``ln(1 - |c|)``, <= 0, the same shape; -inf for |c| = 1.

    Returns
    -------
    Array
        Shape ``(..., 4)``: the first two for the pair of correlation |c|, the others for that of
        -|c|; fewer if the table holds fewer.
    """
    log_s = log_q / 2 + log_share
    log_near = float(np.log(NEAR)) + jnp.minimum(log_q, 0) / 2
    series, cubics = (jnp.asarray(each, log_q.dtype) for each in table[:2])
    index, rows = place(log_q, GRID)
    cubic = jnp.einsum("...adk,a...->...dk", cubics[index], rows)
    near = log_s < log_near
    x = jnp.exp(jnp.where(near, log_s - log_near, 0.0))[..., None]
    small = cubic[..., 0, :] + x * (cubic[..., 1, :] + x * (cubic[..., 2, :] + x * cubic[..., 3, :]))
    return jnp.where(near[..., None], small, read_series(series, table.first, jnp.where(near, log_near, log_s), log_q))
