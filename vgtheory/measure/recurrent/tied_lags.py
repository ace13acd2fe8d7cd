"""Gradient by lag through one random W, pulled back by automatic differentiation with its log kept apart."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import Numbers, expect_scalars, expect_steps
from vgtheory.measure.arguments import asked, count, integers
from vgtheory.measure.engine.draws import COTANGENT, normal
from vgtheory.measure.engine.runs import chosen_devices, in_format, lanes_for, run
from vgtheory.measure.engine.taps import length_of
from vgtheory.measure.recurrent.lyapunov import network_map
from vgtheory.networks.recurrent import Recurrent


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    width: int
    steps: int
    burn_in: int
    dtype: str
    unbiased: bool


def _one(words: Array, net: Recurrent, size: _Size) -> Array:
    """Log-factors of one network's gradient, newest step first."""
    width, steps, burn_in, dtype, unbiased = size
    step, state, settle = network_map(net, words, width, dtype, unbiased, False)
    onwards = lambda h, t: (settle(step(h, t)), h)
    state, _ = lax.scan(onwards, state, jnp.arange(burn_in))
    _, states = lax.scan(onwards, state, jnp.arange(burn_in, burn_in + steps))
    top = normal(words, COTANGENT, 1, (width,), dtype)

    def back(row: Array, h: Array) -> tuple[Array, Array]:
        below = jax.vjp(lambda each: step(each, jnp.zeros((), int)), h)[1](row)[0]
        length, unit = length_of(below)
        return unit, jnp.log(length)

    return lax.scan(back, length_of(top)[1], states, reverse=True)[1][::-1]


@asked(lags=integers(0), num_nets=count(2), burn_in=count(0))
def log_tied_lags(
    key: Array,
    net: Recurrent,
    lags: Numbers,
    *,
    width: int,
    num_nets: int,
    burn_in: int = 0,
    dtype: str = "float32",
    devices: Sequence[jax.Device] | None = None,
) -> tuple[Estimate, Estimate]:
    r"""Log of the gradient by lag through one random matrix: mean and spread over networks.

    .. math:: \ln \frac{|\partial E / \partial h_{T-t}|}{|\partial E / \partial h_T|}

    A standard normal gradient at the last step is sent back through a run of each network.

    Parameters
    ----------
    key
        A JAX key.
    net
        A ``Recurrent``.
    lags
        Lags t, integers >= 0, any shape; static.
    width, num_nets
        Numbers of units and networks, at least two networks.
    burn_in
        Number of steps before those that the gradient passes.
    dtype
        Format of weights and arithmetic, ``"float32"`` or ``"float64"``.
    devices
        JAX devices to spread the networks over; ``None`` for all.

    Returns
    -------
    tuple of Estimate
        Mean and standard deviation over networks of the natural log, of the shape of ``lags``; ``err``
        is one standard error and, for the mean, two roundings per step.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Recurrent, measure
    >>> net = Recurrent("linear", 2.0, weights="orthogonal")
    >>> mean, std = measure.recurrent.log_tied_lags(jax.random.key(0), net, [1, 8], width=8, num_nets=2)
    >>> mean.value.round(3).tolist()  # ln 2 per step
    [0.693, 5.545]
    """
    expect_scalars("log_tied_lags", sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    at = expect_steps("log_tied_lags", lags)
    chosen = chosen_devices(devices)
    unbiased = bool(np.all(np.asarray(net.sigma_b) == 0))
    size = _Size(width, max(1, int(at.max(initial=1))), burn_in, dtype, unbiased)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "devices": chosen}
    logs = run(_one, key, in_format(net, dtype), size, lanes=lanes_for(width**2, num_nets, chosen), **how)
    profile = np.cumsum(np.asarray(logs, dtype=np.float64), axis=1)
    samples = np.pad(profile, ((0, 0), (1, 0)))[:, at]
    std, rounding = samples.std(axis=0, ddof=1), 2 * float(jnp.finfo(dtype).eps) * np.maximum(at, 1)
    squares = (samples - samples.mean(axis=0)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        spread_err = np.where(std > 0, squares.std(axis=0) / (2 * std * num_nets**0.5), 0.0)
    mean = Estimate(samples.mean(axis=0)[()], np.hypot(std / num_nets**0.5, rounding)[()])
    return mean, Estimate(std[()], np.hypot(spread_err, rounding)[()])


__all__ = ["log_tied_lags"]
