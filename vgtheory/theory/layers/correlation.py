"""Infinite width: the correlation of two inputs, layer by layer, together with their length.

=======  =========================================================  =====
symbol   meaning                                                    shape
=======  =========================================================  =====
``c``    correlation of the two inputs in this layer                ()
``gap``  1 - c, kept apart because it has more digits near c = 1    ()
=======  =========================================================  =====
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import Numbers, expect, is_static
from vgtheory.networks.ensemble import Ensemble
from vgtheory.networks.listed import is_listed, listing
from vgtheory.networks.noise import added_square, factor_square
from vgtheory.theory.arguments import asked, listed_network, one_correlation
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.integrals import moments_2d
from vgtheory.theory.integrals.moments_1d import Curves, curves, value_and_slope
from vgtheory.theory.laws import is_one, question_of
from vgtheory.theory.meanfield.fixed_points import growth_and_slope
from vgtheory.theory.precision import Values, in_float64, reals, scales

EDGE = 27.6
"""Where abs(ln q) exceeds this, the ratios of the map are taken at the edge."""


State = tuple[Any, Any]
"""Ln q and 1 - c of a layer."""
Reader = Callable[[Any, Any], Any]


SILENT = (1.0, 0.0)
"""Inverse mean square of the factors, and variance that is added, without noise."""


def _step(
    state: State, sigma_w: Values, sigma_b: Values, table: Curves, read: Reader, noise: tuple[Any, Any] = SILENT
) -> State:
    """From one layer to the next, whose scales these are, as one input sees them."""
    xp = library(state, sigma_w, sigma_b)
    log_q, gap = state
    seen = xp.clip(log_q, -EDGE, EDGE)
    log_f, log_g = (value_and_slope(each, seen)[0] for each in table[:2])
    growth = growth_and_slope(seen, sigma_w, sigma_b, table)[0]
    share = xp.where(gap <= 1, gap, 2 - gap)
    log_share = xp.where(share > 0, xp.log(xp.where(share > 0, share, 1.0)) / 2, -xp.inf)
    four = read(seen[None], log_share[None])[0]
    split, cross = four[0], four[2]
    apart = sigma_w**2 * xp.exp(log_g) * gap * split / (1 + growth)
    weights = sigma_w**2 * xp.exp(log_f - seen) / (1 + growth)
    following = xp.where(gap <= 1, apart, weights * (1 - cross))
    kept, added = noise
    following = kept * following + (1 - kept) * weights + added * xp.exp(-seen) / (1 + growth)
    return log_q + xp.log1p(growth), xp.clip(following, 0.0, 2.0)


def _start(c: Values, sigma_w: Values, sigma_b: Values, noise: tuple[Any, Any] = SILENT) -> State:
    """The first layer."""
    xp, total, (kept, added) = library(c, sigma_w, sigma_b), sigma_w**2 + sigma_b**2, noise
    return xp.log(total), (sigma_w**2 * (kept * (1 - c) + 1 - kept) + added) / total


@compiled("depth")
def _walk(
    c: Values, scales: tuple[Values, Values], noise: tuple[Any, Any], table: Curves, read: Reader, depth: int
) -> Values:
    """Correlations of layers 1 ... depth; compiled for depths that are powers of two."""
    step = lambda state, _: (_step(state, *scales, table, read, noise), 1 - state[1])
    return scan(step, _start(c, *scales, noise), length=depth)[1]


@compiled("places")
def _listed_walk(
    c: Values,
    sigma_w: Values,
    sigma_b: Values,
    noise: tuple[Any, Any],
    kinds: list[tuple[Curves, Reader]],
    places: tuple[int, ...],
) -> Values:
    """Correlations of layers whose scales are listed, and the places of whose activations among ``kinds``."""
    state = _start(c, sigma_w[0], sigma_b[0], noise)
    gaps = [state[1]]
    for layer, place in enumerate(places[:-1], 1):
        state = _step(state, sigma_w[layer], sigma_b[layer], *kinds[place], noise)
        gaps.append(state[1])
    return 1 - library(state).stack(gaps)


def _noise(net: Ensemble) -> tuple[float, float]:
    """Inverse mean square of the factors, and variance that is added."""
    return 1 / factor_square(net), added_square(net)


def _listed(net: Ensemble, depth: int, c_0: Numbers, input_square: Any) -> Values:
    """The profile of a network whose layers are listed."""
    layers = listing("c_layers", net, depth, np.inf, input_square)
    kept, added = _noise(net)
    c, *scale = reals(c_0, *layers.sigma_w, *layers.sigma_b)
    xp = library(c, scale)
    kinds = [(curves(each), moments_2d.reader(xp.zeros(1), each)) for each in layers.kinds]
    places = tuple(layers.kinds.index(each) for each in layers.activations)
    sigma_w, sigma_b = xp.stack(scale[:depth]) * kept**-0.5, xp.stack(scale[depth:])
    sigma_b = sigma_b if added == 0 else xp.sqrt(sigma_b**2 + added)
    return _listed_walk(c, sigma_w, sigma_b, (kept, added), kinds, places)


@asked(noise=True, net=listed_network, c_0=one_correlation)
@in_float64
def c_layers(net: Ensemble, *, depth: int | None = None, c_0: Numbers = 0.5, input_square: Any = 1.0) -> Law:
    r"""Correlation of two inputs at every layer.

    .. math:: c_1 = \frac{\sigma_w^2 c_0 + \sigma_b^2}{q_1}, \qquad
        c_{l+1} = \frac{\sigma_w^2\, E[\phi(u) \phi(v)] + \sigma_b^2}{q_{l+1}}, \quad
        E[u^2] = E[v^2] = q_l, \quad E[u v] = c_l q_l

    Without noise; dropout and added noise, independent for the two inputs, lower the overlap and not
    q. Both inputs have the same mean square: :math:`q_1 = \sigma_w^2 + \sigma_b^2` if it is 1. Unlike
    ``c_map``, which holds q at ``q_star``, this profile includes the change of q with depth.

    Parameters
    ----------
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``, not both 0; or a ``Dense`` of listed
        layers, of whose ``widths`` only the ratios matter.
    depth
        Number of layers L, >= 1; may be left out of listed layers.
    c_0
        Correlation of the two inputs (their overlap over their mean square), from -1 to 1.
    input_square
        Mean square of both inputs of a ``Dense``; unit of ``h`` squared, > 0.

    Returns
    -------
    Law
        ``mean``: normalised overlap of the two ``h_l`` (means are not subtracted), shape
        ``(depth,)``. ``std``: 0, as at infinite width.

    Notes
    -----
    Accuracy: 1e-10 per layer in the ordered phase, where errors shrink. In the chaotic phase an
    error in 1 - c grows by at most ``chi_1`` per layer.
    Assumes: infinite width. At width N the mean over networks differs by O(1/N), see
    ``measure.layers.c_layers``.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340; Schoenholz et al. (2017), arXiv:1611.01232.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> theory.layers.c_layers(Dense("relu", 2**0.5), depth=3, c_0=0.0).mean.round(4).tolist()
    [0.0, 0.3183, 0.4937]
    """
    depth = question_of("c_layers", net, depth, None, None, input_square).depth
    correlated = not is_static(c_0) or bool(np.all(np.abs(c_0) <= 1))
    expect(correlated, "c_layers", "a correlation from -1 to 1", c_0=c_0)
    if is_listed(net) or not is_one(input_square):
        found = _listed(net, depth, c_0, input_square)
        return Law(found, library(found).zeros_like(found))
    sigma_w, sigma_b, c = scales(net, c_0)
    scalar = sigma_w.ndim == sigma_b.ndim == 0
    expect(scalar, "c_layers", "scalar sigma_w and sigma_b", "Use jax.vmap.", sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    xp = library(c, sigma_w, sigma_b)
    read = moments_2d.reader(xp.zeros(1), net.activation)
    padded = depth if xp is np else 1 << (depth - 1).bit_length()
    mean = _walk(c, (sigma_w, sigma_b), _noise(net), curves(net.activation), read, padded)[:depth]
    return Law(mean, xp.zeros_like(mean))
