r"""Effect of the fourth cumulant of weights that are not Gaussian, at width N.

Given its input, :math:`h_i = \sum_j W_{ij} x_j` of independent entries of excess kurtosis
:math:`\kappa` has the excess kurtosis :math:`\kappa\, k_x / N` with
:math:`k_x = E x^4 / (E x^2)^2`. In every layer this has three effects:

- It moves the means of phi^2 and of phi'^2 by Edgeworth's term: order 1/N, and 0 for phi straight
  on either side of 0.
- It correlates W_ij^2 with h_i^2, and thus the gradient from above with the slopes above: order
  1/N, and again 0 for such phi.
- It widens a squared norm's own factor, whose variance is :math:`(2 + \kappa k_x / N) / N` for a
  linear layer: order 1/N^2.
"""

from typing import NamedTuple

from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.precision import Arrays, Values
from vgtheory.theory.width.expansion import Layers
from vgtheory.weights import EXCESS_KURTOSIS

_LARGEST = 1.0
"""Largest excess kurtosis of h, given the layer below, at which one term gives the spread."""


class Change(NamedTuple):
    """Additions to a Gaussian law, each of shape (depth,), all of natural logs of squares.

    Attributes
    ----------
    grad, grad_var
        Mean and variance of ``ln |g_l|^2`` relative to the top.
    factor, factor_var
        Mean and variance of its growth from layer l + 1 to layer l; 0 at the top.
    size
        Mean of ``ln |x_{l-1}|^2``.
    q, q_var
        Mean and variance of ``ln q_l``.
    """

    grad: Arrays
    grad_var: Arrays
    factor: Arrays
    factor_var: Arrays
    size: Arrays
    q: Arrays
    q_var: Arrays


def _excess_of(weights: str, dropconnect: float) -> float:
    """Excess kurtosis of the weights that one input sees, of which some are dropped."""
    excess = EXCESS_KURTOSIS[weights]
    return (excess + 3) / (1 - dropconnect) - 3 if dropconnect > 0 else excess


def change(layers: Layers, weights: str, width: int, dropconnect: float = 0.0) -> Change:
    """Law of independent entries of another kind less the law of Gaussian ones; zeros for Gaussian.

    Notes
    -----
    Accuracy: means to order 1/N. Variances to the leading order, kappa / N^2, for phi straight on
    either side of 0, and inf where h has an excess kurtosis above 1. Measured for sparse weights
    near that limit: the mean to 0.1 standard deviations, ``std`` to 8 %; for other weights 0.03 and
    1 %.
    Assumes: an input of normal numbers, ``sigma_w > 0``.
    """
    xp, excess = library(layers), _excess_of(weights, dropconnect)
    if not excess:
        return Change(*[xp.zeros_like(layers.log_q)] * len(Change._fields))
    ratio = xp.asarray(excess / width, layers.log_q.dtype)
    return _change(layers, Ratios(ratio, ratio, ratio), 1 / width)


def varying_change(layers: Layers, weights: str, sizes: tuple[int, ...], dropconnect: float = 0.0) -> Change:
    """``change`` where sizes of the input and of the layers differ; ``sizes`` has depth + 1 numbers."""
    xp, excess = library(layers), _excess_of(weights, dropconnect)
    if not excess:
        return Change(*[xp.zeros_like(layers.log_q)] * len(Change._fields))
    share = xp.asarray([1 / size for size in (*sizes, sizes[-1])], layers.log_q.dtype)
    ratio = excess * share
    return _change(layers, Ratios(ratio[:-2], ratio[1:-1], ratio[2:]), share[1:-1])


class Ratios(NamedTuple):
    """kappa over the numbers of units below a layer, in it, and above, each of shape () or (depth,)."""

    below: Values
    own: Values
    above: Values

    @property
    def largest(self) -> Values:
        """The largest of them, without a sign."""
        return library(self).maximum(abs(self.below), library(self).maximum(abs(self.own), abs(self.above)))


@compiled()
def _change(layers: Layers, ratios: Ratios, share: float | Values) -> Change:
    """``share`` is 1 over the number of units of a layer."""
    ratio = ratios.below
    xp = library(layers, ratio)
    above = xp.append(layers.rho[1:], 1.0)
    of_x = 1 + layers.forward / xp.where(above > 0, above, 1.0) ** 2
    of_input = xp.append(3.0, of_x[:-1])
    of_g = xp.append(layers.back[:-1] + 1, 3.0)
    bent = ratio * of_input * layers.rho**2 / 3

    def climb(
        state: tuple[Values, Values], inputs: tuple[Values, ...]
    ) -> tuple[tuple[Values, Values], tuple[Values, Values]]:
        (mean, var), (slope, push, noise) = state, inputs
        return (slope * mean + push, slope**2 * var + noise), state

    noise = share * bent * of_x * above**2
    zero = xp.zeros_like(layers.log_q[0])
    mean, var = scan(climb, (zero, zero), (layers.slope, layers.bend * bent, noise))[1]
    tie = ratios.own / 2 * xp.append(layers.kick[1:-1], xp.zeros(2, ratio.dtype))[: len(bent)] * layers.along
    factor_var = xp.append((share * ratios.above * xp.ones_like(of_g))[:-1] * of_g[1:] * of_g[:-1] / 3, 0.0)
    factor = layers.a * mean + (layers.b + layers.a**2 / 2) * bent + tie
    inside = xp.arange(len(bent)) < len(bent) - 1
    factor = xp.where(inside, factor - factor_var / 2, 0.0)
    from_top = lambda rows: xp.cumsum(rows[::-1])[::-1]
    q_var = var + share * ratio * of_input * layers.rho**2
    grad, size = from_top(factor), (mean - var / 2) / xp.where(layers.rho > 0, layers.rho, 1.0)
    held = xp.maximum(of_x, of_g) * ratios.largest < _LARGEST
    spread = xp.where(inside, xp.where(held, factor_var, xp.inf), 0.0)
    above_var = xp.where(xp.all(held), q_var, xp.inf)
    return Change(grad, from_top(spread), factor, spread, size, mean - q_var / 2, above_var)
