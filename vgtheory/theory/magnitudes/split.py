r"""Variance of log|g| over the entries of all weight gradients, split exactly into three parts.

.. math:: \operatorname{Var} \ln|g| = \operatorname{Var}_l E[\ln|g|\,|\,l]
    + E_l \operatorname{Var}_{ij} E[\ln|g|\,|\,ij] + E_{ij} \operatorname{Var}[\ln|g|\,|\,ij]

The parts belong to layers l, to entries ij within a layer, and to draws (minibatches) of one entry.
Entries that are 0 have no log and are left out; each layer and each entry counts by its share of
other entries.

==========  ============================================================  ========
symbol      meaning                                                       shape
==========  ============================================================  ========
``c_zeta``  correlation of two examples' gradients as they reach a layer  (depth,)
``share``   share of a layer's entries that are not 0                     (depth,)
``mean``    mean of log|g| in a layer                                     (depth,)
==========  ============================================================  ========
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vgtheory.estimate import Estimate
from vgtheory.expect import expect
from vgtheory.frame import frame_of_parts
from vgtheory.networks.dense import Dense
from vgtheory.theory.arguments import asked, given, share
from vgtheory.theory.magnitudes import examples, minibatch
from vgtheory.theory.magnitudes.minibatch import Sums, Unit
from vgtheory.theory.magnitudes.trajectory import Trajectory, trajectory

if TYPE_CHECKING:
    import pandas

_MOST_LAYERS = 24
"""Number of layers drawn for minibatches of a deeper net; the others are interpolated."""
_NUM_SETS = 4
_FEW = 1e-3
"""Share of zeros above which momentum is not a mean of equal weights."""


class VarianceSplit(NamedTuple):
    """The three parts of Var log|g| and the share of zeros, each an ``Estimate``.

    Attributes
    ----------
    layers
        Variance over layers of their means: depth.
    entries
        Mean over layers of the variance between entries, of each entry's mean over draws.
    draws
        Mean variance of one entry over draws (minibatches, or single examples).
    zeros
        Share of entries times draws where g is exactly 0.
    """

    layers: Estimate
    entries: Estimate
    draws: Estimate
    zeros: Estimate

    @property
    def frame(self) -> "pandas.DataFrame":
        """One row for each part, as a ``pandas.DataFrame``."""
        return frame_of_parts(self)


def _chosen(depth: int) -> np.ndarray:
    """Layers to draw, from 0: all, or close together at both ends."""
    if depth <= _MOST_LAYERS:
        return np.arange(depth)
    ends = np.unique(np.geomspace(1, depth / 2, _MOST_LAYERS // 2).round().astype(int)) - 1
    return np.unique([*ends, *(depth - 1 - ends)])


class Drawing(NamedTuple):
    """Minibatches: number of draws, examples in each, batch by which entries are scaled or None."""

    draws: int
    batch: int
    scaled_batch: int | None = None


def _batch_sums(way: Trajectory, net: Dense, c_0: float, drawing: Drawing, seed: int) -> list[Sums]:
    """Every layer's split for minibatches, on fixed pseudo-random numbers."""
    depth = len(way.c)
    log_q = np.asarray(way.layers.log_q)
    log_f, log_g = (np.log(np.sum(side.weight * side.square, axis=1)) for side in way.sides)
    own = np.maximum(np.diagonal(way.walks.own), 0.0)
    nodes = [list(zip(side.m, side.first, side.square, strict=True)) for side in way.sides]
    phi, dphi = net.activation.phi, net.activation.dphi
    signals, gradients = way.aligned if drawing.scaled_batch is None else (np.zeros(depth), np.zeros(depth))
    drawn, scale = [], np.zeros(depth)
    for layer in range(depth):
        at = layer - 1
        signal = (
            Unit(phi, log_q[at], way.c[at], log_f[at], nodes[0][at], signals[at])
            if layer
            else Unit(None, 0.0, c_0, 0.0)
        )
        slope = Unit(dphi, log_q[layer], way.c[layer], log_g[layer], nodes[1][layer], signals[layer])
        slope = Unit(None, 0.0, 1.0, 0.0) if layer == depth - 1 else slope
        if drawing.scaled_batch is None:
            scale[layer] = way.log_zeta[layer] + (slope.log_square + signal.log_square) / 2 + way.shift[layer]
        if layer in _chosen(depth):
            facts = (way.c_zeta[layer], own[layer], gradients[layer])
            drawn.append(minibatch.sums(slope, signal, *facts, **drawing._asdict(), seed=seed + 7 * layer))
    between = (np.interp(np.arange(depth), _chosen(depth), column) for column in np.array(drawn).T)
    return [Sums(share, mean + shift, *parts) for share, mean, *parts, shift in zip(*between, scale, strict=True)]


def _joined(rows: np.ndarray | list[Sums], walk: np.ndarray, own: np.ndarray, width: int | None) -> np.ndarray:
    """The four fields for a network from those of its layers; ``own`` adds to the draws'."""
    share, mean, entries, inside = np.array(rows).T
    p = share / share.sum()
    entries, inside = entries / share, inside / share
    between = p @ (mean - p @ mean) ** 2 + p @ np.diagonal(walk) - p @ walk @ p
    sampled = np.zeros_like(p) if width is None else entries / width
    parts = [between + p @ ((1 - p) * sampled), p @ (entries - sampled), p @ (inside + own)]
    return np.array([*parts, 1 - share.mean()])


def _check(where: str, net: Dense, num_draws: int, width: int | None) -> None:
    """Raise unless the question is a proper one."""
    expect(num_draws > 1, where, "at least two draws", num_draws=num_draws)
    known = width is None or net.weights == "gaussian"
    expect(known, where, "Gaussian weights at a given width", weights=net.weights)


def _split(
    net: Dense, depth: int, width: int | None, c_0: float, c_cotangent: float, drawing: Drawing
) -> VarianceSplit:
    """The split by quadrature for single examples, and on fixed numbers for all else."""
    way = trajectory(net, depth, width, c_0, c_cotangent)
    shared, own = way.walks
    draws, batch, scaled = drawing
    if batch == 1 and scaled is None:
        seen = np.diagonal(own) * (1 - 1 / draws)
        parts = _joined(examples.sums(way, c_0, draws), shared + own / draws, seen, width)
        return VarianceSplit(*(Estimate(float(part), 0.0) for part in parts))
    walk = np.zeros_like(own) if scaled is not None else shared + own / (draws * batch)
    rows = np.array([_batch_sums(way, net, c_0, drawing, 1000 * k) for k in range(_NUM_SETS)])
    still = np.zeros(depth)
    sets = [_joined(each, walk, still, width) for each in rows]
    # Noise in the layers' means looks like depth; the noise of the sets' average is subtracted.
    noise = np.diag(rows[:, :, 1].var(axis=0, ddof=1) / _NUM_SETS)
    mean, err = _joined(rows.mean(axis=0), walk - noise, still, width), np.std(sets, axis=0, ddof=1) / _NUM_SETS**0.5
    return VarianceSplit(*(Estimate(float(value), float(each)) for value, each in zip(mean, err, strict=True)))


@asked(c_0=given(share))
def log_grad_variance(
    net: Dense,
    *,
    depth: int,
    batch: int = 1,
    num_draws: int = 16,
    width: int | None = None,
    c_0: float = 0.0,
    c_cotangent: float = 0.0,
) -> VarianceSplit:
    r"""Variance of log|g| over all entries of all weight gradients, by layers, entries and draws.

    A draw is a minibatch of new examples, through one network. Each entry of the gradient is
    :math:`g_{ij} = \tfrac1B \sum_b \phi'(h_i^b)\, \zeta_i^b\, \phi(h_j^b)`, and the cotangent
    :math:`\zeta` is normal and independent of the forward pass. For B = 1 the log of an entry is a
    sum of three terms: the log of a normal variable, of variance :math:`\pi^2/8` with every
    activation, and one term for each of the two units. For large B and uncorrelated cotangents, an
    entry is normal given its units, and the variance of its log is again :math:`\pi^2/8`.

    Parameters
    ----------
    net
        A ``Dense`` with plain ``sigma_w`` and ``sigma_b``.
    depth
        Number of layers L, >= 1.
    batch
        Examples B in a minibatch, >= 1.
    num_draws
        Minibatches K, >= 2, over which the split is made. A fraction 1/K of each entry's own
        variance appears as variance between entries.
    width
        Number of units N, >= 1, for Gaussian weights only; None for infinite.
    c_0
        Correlation of two examples' inputs, from 0 to below 1.
    c_cotangent
        Correlation of their gradients at the top, from 0 to below 1; 0 for uninformative labels.

    Returns
    -------
    VarianceSplit
        Parts of the variance of natural logs, expected over networks; ``err`` is the error of the
        numerical solution.

    Notes
    -----
    Accuracy:

    - Infinite width: 1e-7 for B = 1, by quadrature. For larger B ``err``, about 1 % of the entries'
      part; beyond 24 layers some are interpolated.
    - Finite width, measured at depths up to a quarter of the width: 2 % for each part. The layers'
      part has two further errors: (entries' part) / N and (depth / N)^3 / 6.
    - With an odd activation the remaining error falls as 1/N^2. For a critical tanh network of 32
      layers, batches of 32 and N = 64 to 512, it is about -45 / N^2 of the layers' part and -130 /
      N^2 of the entries'.
    - With any other activation the correlation of two examples fluctuates between networks, and its
      effect at order 1/N is not known. Measured with ReLU in 8 and 32 layers, the entries' part is
      larger by 2.5 / N to 6 / N. The draws' part is smaller by 1 / N to 5 / N.

    Assumes: a normal cotangent at the top, independent of the weights; h within the range of
    float64; of each layer one entry in each row and column, or all of them. Draws are independent
    given the network.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> split = theory.log_grad_variance(Dense("linear", 1.0), depth=8)
    >>> round(split.draws.value * 16 / 15, 4)  # pi^2 / 4
    2.4674
    """
    _check("log_grad_variance", net, num_draws, width)
    return _split(net, depth, width, c_0, c_cotangent, Drawing(num_draws, batch))


@asked(c_0=given(share))
def log_update_variance(
    net: Dense,
    *,
    depth: int,
    batch: int = 1,
    beta_1: float = 0.0,
    num_draws: int = 16,
    width: int | None = None,
    c_0: float = 0.0,
    c_cotangent: float = 0.0,
) -> VarianceSplit:
    r"""Variance of log|update| of RMSProp or Adam, by layers, entries and draws.

    .. math:: \frac{m_{ij}}{\sqrt{E[g_{ij}^2]}}, \qquad m = (1 - \beta_1) \sum_k \beta_1^k g^{(k)}

    Dividing each entry by its own root mean square removes the influence of its layer and of its
    units. What remains is the variance of one entry over draws: :math:`\pi^2 / 8` if g is normal
    with mean 0, with momentum or without.

    Parameters
    ----------
    net, depth, batch, num_draws, width, c_0, c_cotangent
        As in ``log_grad_variance``.
    beta_1
        Decay of momentum, from 0 (RMSProp) to below 1 (Adam).

    Returns
    -------
    VarianceSplit
        Parts of the variance of log|update|, as in ``log_grad_variance``.

    Notes
    -----
    Accuracy: ``err``. With momentum it is inf where minibatches often have a gradient of exactly 0
    (ReLU). Each of them lowers the log of the update by ln(1 / beta_1), which adds far more
    variance than the rest. Momentum is taken as a mean over :math:`(1 + \beta_1) / (1 - \beta_1)`
    minibatches of equal weight.
    Assumes: as ``log_grad_variance``; constant weights; a second moment averaged over many more
    steps than momentum (as Adam's 0.999); draws further apart than the memory of momentum; an
    epsilon far below every entry.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> net = Dense("linear", 1.0)
    >>> split = theory.magnitudes.log_update_variance(net, depth=2, batch=32, num_draws=4)
    >>> split.layers.value < 0.01, round(split.draws.value * 4 / 3, 2)  # nearly pi^2 / 8
    (True, 1.25)
    """
    _check("log_update_variance", net, num_draws, width)
    averaged = round(batch * (1 + beta_1) / (1 - beta_1))
    split = _split(net, depth, width, c_0, c_cotangent, Drawing(num_draws, averaged, batch))
    if beta_1 == 0:
        return split
    often = _split(net, depth, None, c_0, c_cotangent, Drawing(num_draws, batch)).zeros.value > _FEW
    return VarianceSplit(*(part._replace(err=np.inf) for part in split)) if often else split
