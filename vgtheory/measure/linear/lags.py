"""Gradient of linear recurrences by lag, by automatic differentiation through the scans that are in use."""

import math
from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect_steps
from vgtheory.measure.arguments import asked, integers, number, one_of, optional
from vgtheory.measure.arguments import count as whole
from vgtheory.measure.linear.draws import Drawn, drawn, width_of
from vgtheory.measure.linear.scans import SCANS, block_for, log_jacobians
from vgtheory.networks.linear_recurrence import LinearRecurrence

_checks = {"lags": integers(0), "width": optional(whole()), "scan": one_of(SCANS)}
FADED = math.exp(-1)
"""Share of the gradient that is left after one memory."""
_CALL = 2**22
"""Numbers of one array of a program: wide networks are measured some units at a time."""


@partial(jax.jit, static_argnames=("steps", "block", "scan"))
def _at_lags(eigenvalues: Array, lags: Array, steps: int, block: int, scan: str) -> Array:
    decays = jnp.broadcast_to(eigenvalues, (steps, *eigenvalues.shape))
    return log_jacobians(decays, block, scan)[lags]


def unit_logs(eigenvalues: np.ndarray, lags: np.ndarray, scan: str, dtype: str) -> np.ndarray:
    """ln|dh_T / dh_(T-t)| of every unit, shape ``(lags, units)``, float64; the eigenvalues are rounded to ``dtype``."""
    longest = max(1, int(lags.max(initial=1)))
    block = block_for(eigenvalues, longest)
    steps = -(-longest // block) * block
    pieces = np.array_split(eigenvalues, max(1, eigenvalues.size * steps // _CALL))
    with jax.enable_x64(dtype == "float64"):
        kind = "complex128" if dtype == "float64" else "complex64"
        rows = [_at_lags(jnp.asarray(each, kind), jnp.asarray(lags), steps, block, scan) for each in pieces]
        return np.concatenate([np.asarray(row, dtype=float) for row in rows], axis=-1)


def _networks(key: Array, net: LinearRecurrence, width: int, num_nets: int) -> Iterator[Drawn]:
    return (drawn(jax.random.fold_in(key, index), net, width) for index in range(num_nets))


def _mean_square(squares: np.ndarray, rounding: np.ndarray) -> Estimate:
    """Half the log of the mean over networks of their logs of mean squares, shape ``(nets, lags)``."""
    top = squares.max(axis=0)
    with np.errstate(invalid="ignore"):
        sizes = np.exp(squares - np.where(np.isfinite(top), top, 0.0))
    mean, count = sizes.mean(axis=0), len(sizes)
    spread = sizes.std(axis=0, ddof=1) / math.sqrt(count) if count > 1 else np.full(mean.shape, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Estimate((top + np.log(mean)) / 2, np.hypot(spread / mean / 2, rounding))


def _squares(
    key: Array, net: LinearRecurrence, lags: np.ndarray, how: tuple[int, int, str, str], of_input: bool
) -> np.ndarray:
    """ln of each network's mean over units of the squared gradient, shape ``(nets, lags)``."""
    width, num_nets, scan, dtype = how
    rows = []
    for units in _networks(key, net, width, num_nets):
        logs = unit_logs(units.eigenvalues, lags, scan, dtype)
        logs = logs + np.log(np.abs(units.scales)) if of_input else logs
        top = logs.max(axis=1, keepdims=True)
        rows.append(2 * top[:, 0] + np.log(np.mean(np.exp(2 * (logs - top)), axis=1)))
    return np.asarray(rows)


def _rounding(lags: np.ndarray, dtype: str) -> np.ndarray:
    return 2 * float(jnp.finfo(dtype).eps) * np.maximum(lags, 1)


@asked(**_checks)
def log_grad_lags(
    key: Array,
    net: LinearRecurrence,
    lags: Numbers,
    *,
    width: int | None = None,
    num_nets: int,
    scan: str = "associative",
    dtype: str = "float32",
) -> Estimate:
    r"""Log of the root mean square over units of the state's gradient, by lag.

    .. math:: \tfrac12 \ln E \left|\frac{\partial h_T}{\partial h_{T-t}}\right|^2

    Parameters
    ----------
    key
        A JAX key.
    net
        A ``LinearRecurrence``.
    lags
        Lags t, integers >= 0, shape ``(num_lags,)`` or ``()``.
    width
        Number of units of a network; may be left out for given eigenvalues.
    num_nets
        Number of networks, each with eigenvalues of its own.
    scan
        How the recurrence is run and differentiated: ``"associative"`` or ``"sequential"``.
    dtype
        ``"float32"`` (states are complex64) or ``"float64"``.

    Returns
    -------
    Estimate
        Natural log of a norm, the shape of ``lags``: half the log of the mean square over units and
        networks. ``err`` is one standard error over networks, to first order, and two roundings of
        ``dtype`` per step.

    Notes
    -----
    Accuracy: ``err``, while many units carry the mean. On a ring that reaches 1 those are about one
    in t.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import LinearRecurrence, measure
    >>> key, net = jax.random.key(0), LinearRecurrence([0.5, 0.5])
    >>> measure.linear.log_grad_lags(key, net, [0, 1, 1000], num_nets=2).value.round(3).tolist()
    [0.0, -0.693, -693.147]
    """
    at = expect_steps("log_grad_lags", lags)
    how = (width_of("log_grad_lags", net, width), num_nets, scan, dtype)
    found = _mean_square(_squares(key, net, at.ravel(), how, False), _rounding(at.ravel(), dtype))
    return Estimate(found.value.reshape(at.shape)[()], found.err.reshape(at.shape)[()])


@asked(**_checks)
def log_grad_input_lags(
    key: Array,
    net: LinearRecurrence,
    lags: Numbers,
    *,
    width: int | None = None,
    num_nets: int,
    scan: str = "associative",
    dtype: str = "float32",
) -> Estimate:
    r"""Log of the root mean square over units of the gradient with respect to an earlier input.

    .. math:: \tfrac12 \ln E \left|\frac{\partial h_T}{\partial x_{T-t}}\right|^2

    Parameters
    ----------
    key, net, lags, width, num_nets, scan, dtype
        As for ``log_grad_lags``.

    Returns
    -------
    Estimate
        As ``log_grad_lags``.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import LinearRecurrence, measure
    >>> key, net = jax.random.key(0), LinearRecurrence([0.6, 0.6], "gamma")
    >>> measure.linear.log_grad_input_lags(key, net, 0, num_nets=2).value.round(3)  # ln 0.8
    np.float64(-0.223)
    """
    at = expect_steps("log_grad_input_lags", lags)
    how = (width_of("log_grad_input_lags", net, width), num_nets, scan, dtype)
    found = _mean_square(_squares(key, net, at.ravel(), how, True), _rounding(at.ravel(), dtype))
    return Estimate(found.value.reshape(at.shape)[()], found.err.reshape(at.shape)[()])


@asked(**_checks)
def log_grad_units(
    key: Array,
    net: LinearRecurrence,
    lags: Numbers,
    *,
    width: int | None = None,
    num_nets: int,
    scan: str = "associative",
    dtype: str = "float32",
) -> tuple[Estimate, Estimate]:
    r"""Log of the gradient of one unit's state by lag: mean and spread over units.

    .. math:: \ln \left|\frac{\partial h_T}{\partial h_{T-t}}\right|

    Parameters
    ----------
    key, net, lags, width, num_nets, scan, dtype
        As for ``log_grad_lags``.

    Returns
    -------
    tuple of Estimate
        Mean over units, and standard deviation from unit to unit; both averaged over networks (the
        square of the second), the shape of ``lags``.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import LinearRecurrence, measure
    >>> key, net = jax.random.key(0), LinearRecurrence([0.5, 0.25])
    >>> mean, std = measure.linear.log_grad_units(key, net, 10, num_nets=2)
    >>> mean.value.round(3), std.value.round(3)  # -15 ln 2 and 5 ln 2
    (np.float64(-10.397), np.float64(3.466))
    """
    at = expect_steps("log_grad_units", lags)
    units = _networks(key, net, width_of("log_grad_units", net, width), num_nets)
    logs = np.asarray([unit_logs(each.eigenvalues, at.ravel(), scan, dtype) for each in units])
    rounding, root = _rounding(at.ravel(), dtype), math.sqrt(num_nets)
    each = logs.mean(axis=-1)
    centre = each.mean(axis=0)
    squares = np.mean((logs - centre[:, None]) ** 2, axis=-1)
    deviation = lambda rows: rows.std(axis=0, ddof=1) / root if num_nets > 1 else np.full(rows.shape[1], np.inf)
    std = np.sqrt(squares.mean(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        std_err = np.where(std > 0, deviation(squares) / (2 * std), 0.0)
    found = (Estimate(centre, np.hypot(deviation(each), rounding)), Estimate(std, np.hypot(std_err, rounding)))
    mean, spread = (Estimate(one.value.reshape(at.shape)[()], one.err.reshape(at.shape)[()]) for one in found)
    return mean, spread


@asked(share=number("(0, 1)"), **{name: _checks[name] for name in ("width", "scan")})
def memory_lags(
    key: Array,
    net: LinearRecurrence,
    share: float = FADED,
    *,
    width: int | None = None,
    num_nets: int,
    steps: int,
    scan: str = "associative",
    dtype: str = "float32",
) -> Estimate:
    r"""Effective memory: the lag at which the root mean square gradient has fallen to a share.

    Parameters
    ----------
    key, net, width, num_nets, scan, dtype
        As for ``log_grad_lags``.
    share
        Share of the gradient that is left, in (0, 1).
    steps
        Number of steps to look back.

    Returns
    -------
    Estimate
        Steps, interpolated between integers; inf if the gradient has not fallen so far within
        ``steps``. ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``, and the square of the change within one step from interpolation.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import LinearRecurrence, measure
    >>> key, net = jax.random.key(0), LinearRecurrence([0.9])
    >>> measure.linear.memory_lags(key, net, num_nets=2, steps=64).value.round(2)  # -1 / ln 0.9
    np.float64(9.49)
    """
    at = np.arange(steps + 1)
    how = (width_of("memory_lags", net, width), num_nets, scan, dtype)
    found = _mean_square(_squares(key, net, at, how, False), _rounding(at, dtype))
    below = np.flatnonzero(found.value <= math.log(share))
    if not below.size:
        return Estimate(np.float64(np.inf), np.float64(np.inf))
    after = int(below[0])
    slope = found.value[after - 1] - found.value[after]
    part = (found.value[after - 1] - math.log(share)) / slope
    return Estimate(np.float64(after - 1 + part), np.float64(found.err[after] / slope))


__all__ = ["log_grad_input_lags", "log_grad_lags", "log_grad_units", "memory_lags", "unit_logs"]
