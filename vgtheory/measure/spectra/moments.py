"""Moments of the singular values of the Jacobian of real networks, from random probes.

The twin of ``theory.spectra.jacobian_moments``.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked
from vgtheory.measure.engine.links import is_scalable
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.measure.spectra.linear_map import Size, down, fresh, in_size, probes, up
from vgtheory.networks.ensemble import Layered


class JacobianMoments(NamedTuple):
    """Moments of the singular values s, each an ``Estimate``.

    Attributes
    ----------
    log_mean_square
        Natural log of the mean of s^2 over singular values (zeros included) and networks.
    spread
        Mean of s^4 over the squared mean of s^2, both means over singular values and networks.
    """

    log_mean_square: Any
    spread: Any


def _one(words: Array, given: tuple[Layered, Array], asked: tuple[Size, int]) -> tuple[Array, Array]:
    """Logs of the mean squares of ``J v`` and of ``J^T J v`` over the probes v."""
    (net, input_square), (size, num_probes) = given, asked
    above, along, _ = up(words, net, input_square, fresh(probes(words, size.width, num_probes)), in_size, size)
    below = down(words, net, along, above, in_size, size)
    return 2 * above.logs[0], 2 * below.logs[0]


def _ratios(first: np.ndarray, second: np.ndarray, rounding: float) -> JacobianMoments:
    """Moments and their errors, to first order in the fluctuations of both means."""
    num_nets, unit = first.size, np.max(first)
    unit = unit if np.isfinite(unit) else 0.0
    one, two = np.exp(first - unit), np.exp(second - 2 * unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = two.mean() / one.mean() ** 2
        shares = one / one.mean(), spread * (two / two.mean() - 2 * one / one.mean())
        errs = [share.std(ddof=1) / num_nets**0.5 if num_nets > 1 else np.inf for share in shares]
        log_mean_square = np.log(one.mean()) + unit
    rounded = np.hypot(errs, [rounding, 4 * rounding * spread])
    return JacobianMoments(Estimate(log_mean_square, rounded[0]), Estimate(spread, rounded[1]))


@asked(lapack=True)
def jacobian_moments(
    key: Array,
    net: Layered,
    *,
    depth: int,
    width: int,
    num_nets: int,
    num_probes: int = 8,
    input_square: float = 1.0,
    dtype: str = "float32",
) -> JacobianMoments:
    r"""Moments of the singular values of the Jacobian of real networks, from random probes.

    .. math:: m_1 = \frac1N \Bigl\langle \mathrm{tr}\, J^{\mathsf T} J \Bigr\rangle
        = \frac1N \bigl\langle |J v|^2 \bigr\rangle, \quad m_2 = \frac1N \bigl\langle |J^{\mathsf T} J v|^2 \bigr\rangle

    over networks and standard normal vectors v, which are independent of the weights.

    Parameters
    ----------
    key
        A JAX key; network i uses ``fold_in(key, i)`` and is that of ``jacobian_singular_values``.
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth, width, num_nets
        Numbers of layers, units and networks.
    num_probes
        Number of vectors v for each network; they share its weights, so one more costs little.
    input_square
        Mean square of the input x_0: where E[phi^2] at the fixed point is chosen, every layer is at ``q_star``.
    dtype
        ``"float32"`` or ``"float64"``: of weights and products with them.

    Returns
    -------
    JacobianMoments
        Two ``Estimate`` of shape ``()``: ln m_1 and m_2 / m_1^2. ``err`` is one standard error over
        networks, with the probes' noise; it is inf for a single network. There is no ``mean_log``,
        because probes do not see singular values near 0.

    Raises
    ------
    ValueError
        If a count is no positive integer, the format is unknown or ``input_square`` is negative or not finite.

    Notes
    -----
    Accuracy: ``err``. These are means over networks of s^2 and s^4, not of logs. In the spread they
    differ from infinite width by relative order ``depth / width``. In networks about as deep as
    wide a few networks decide both means, and ``err`` is too small.
    Assumes: nothing about the network; -inf and NaN if all are dead, NaN if one is not finite.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("linear", 1.0, weights="orthogonal")
    >>> moments = measure.spectra.jacobian_moments(jax.random.key(0), net, depth=3, width=16, num_nets=8)
    >>> bool(abs(moments.spread.value - 1) < 5 * moments.spread.err)
    True
    """
    size, devices = Size(depth, width, num_nets, dtype, is_scalable(net.activation)), chosen_devices(None)
    lanes = lanes_for(width * max(width, num_probes), num_nets, devices)
    how: dict[str, Any] = {"num_nets": num_nets, "lanes": lanes, "devices": devices}
    # Logs are summed in float64, whatever the network's format.
    first, second = run(_one, key, (net, np.asarray(input_square, float)), (size, num_probes), dtype="float64", **how)
    return _ratios(first, second, 2 * depth * float(jnp.finfo(dtype).eps))
