r"""Infinite width: a batch of given inputs, layer by layer, and the gradient of the whole batch.

========  =======================================================  ==========
symbol    meaning                                                  shape
========  =======================================================  ==========
``c``     normalised overlaps of two examples' h                   (B, B)
``r``     normalised overlaps of two examples' phi(h)              (B, B)
``turn``  E[phi'(u) phi'(v)] over the root of their mean squares   (B, B)
``part``  share of an example's q that comes from the weights      (B,)
``k``     overlaps of cotangents at the top, normalised            (B, B)
========  =======================================================  ==========
"""

from typing import NamedTuple

import numpy as np

from vgtheory.activation import Activation
from vgtheory.checks import expect_batch, optional
from vgtheory.expect import Numbers, expect_count, expect_noun
from vgtheory.networks.dense import Dense
from vgtheory.networks.listed import depth_of, listing
from vgtheory.theory.arguments import asked, expect_given, listed_network
from vgtheory.theory.integrals import moments_2d
from vgtheory.theory.integrals.moments_1d import curves, value_and_slope
from vgtheory.theory.layers.correlation import EDGE
from vgtheory.theory.precision import Values, in_float64

_ALIKE = 1e-5
"""Difference in ln q up to which two examples are as one of their mean: its square is left out."""


class GramLayers(NamedTuple):
    """A batch of B examples at every layer.

    Attributes
    ----------
    log_q
        Natural log of the mean square of each example's h, shape ``(depth, B)``.
    c
        Overlap of two examples' h over the root of their mean squares, shape ``(depth, B, B)``.
    log_grad
        Log of the root mean square norm of each example's dE/dh, shape ``(depth, B)``.
    c_grad
        Overlap of two examples' dE/dh over the root of their mean squares, shape ``(depth, B, B)``; 0
        for an example without a cotangent.
    log_grad_weight
        Log of the root mean square of the Frobenius norm of the whole batch's dE/dW, over the root
        of the layer's number of inputs, shape ``(depth,)``.
    """

    log_q: Values
    c: Values
    log_grad: Values
    c_grad: Values
    log_grad_weight: Values


def _log_squares(log_q: np.ndarray, activation: Activation) -> list[np.ndarray]:
    """Logs of E[phi^2] and E[phi'^2]; of a homogeneous activation from those at q = 1."""
    degree = activation.degree
    if degree is None:
        return [value_and_slope(each, log_q)[0] for each in curves(activation)[:2]]
    unit = [value_and_slope(each, np.zeros_like(log_q))[0] for each in curves(activation)[:2]]
    return [log + power * log_q if power else log for log, power in zip(unit, (degree, degree - 1), strict=True)]


def _overlaps(log_q: np.ndarray, c: np.ndarray, activation: Activation) -> tuple[np.ndarray, np.ndarray]:
    """``r`` and ``turn`` of every pair of examples."""
    r, turn = np.ones_like(c), np.ones_like(c)
    rows, columns = np.triu_indices(len(c), 1)
    logs, between = np.stack([log_q[rows], log_q[columns]]), c[rows, columns]
    alike = np.full(rows.size, activation.degree is not None) | (np.abs(logs[0] - logs[1]) <= _ALIKE)
    found = np.empty((2, rows.size))
    middle = np.zeros(rows.size) if activation.degree is not None else logs.mean(axis=0)
    found[:, alike] = _alike(middle[alike], between[alike], activation)
    sizes = np.stack(_log_squares(log_q, activation)) / 2
    for index in np.flatnonzero(~alike):
        size = np.exp(sizes[:, rows[index]] + sizes[:, columns[index]])
        found[:, index] = moments_2d.unlike_pair(logs[:, index], between[index], activation) / size
    for square, each in zip((r, turn), found, strict=True):
        square[rows, columns] = square[columns, rows] = each
    return r, turn


def _alike(log_q: np.ndarray, c: np.ndarray, activation: Activation) -> np.ndarray:
    """``r`` and ``turn`` of pairs of one length each, from the tables."""
    if log_q.size == 0:
        return np.empty((2, 0))
    share = 1 - np.abs(c)
    log_share = np.log(np.maximum(share, 0.0)) / 2
    split, turn, cross, fold = np.moveaxis(np.asarray(moments_2d.pair(log_q, log_share, activation)), -1, 0)
    log_f, log_g = _log_squares(log_q, activation)
    r = np.where(c >= 0, 1 - split * share * np.exp(log_q + log_g - log_f), cross)
    return np.stack([r, np.where(c >= 0, turn, fold)])


def _normalised(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log of the diagonal, and the overlaps over the root of both; 0 of an example that is 0."""
    size = np.diagonal(gram)
    both = np.sqrt(size[:, None]) * np.sqrt(size[None, :])
    return np.log(size), np.where(both > 0, gram / np.where(both > 0, both, 1.0), 0.0)


class _Links(NamedTuple):
    """One layer: its input's log mean squares and overlaps, those of h, and the way of gradients to the h below."""

    log_f: np.ndarray
    r: np.ndarray
    log_q: np.ndarray
    c: np.ndarray
    log_chi: np.ndarray
    turn: np.ndarray


def _links(net: Dense, depth: int, gram: np.ndarray) -> _Links:
    """Every layer, along a first axis; gradients find no layer below the first."""
    layers, made = listing("gram_layers", net, depth, np.inf), []
    (log_f, r), log_g, turn = _normalised(gram), np.zeros(len(gram)), np.ones_like(gram)
    for index in range(depth):
        log_w, log_b = (2 * np.log(np.float64(each[index])) for each in (layers.sigma_w, layers.sigma_b))
        log_q = np.logaddexp(log_w + log_f, log_b)
        part = np.exp(np.minimum(log_w + log_f - log_q, 0.0))
        c = np.sqrt(np.outer(part, part)) * r + np.sqrt(np.outer(1 - part, 1 - part))
        c = np.clip(c, -1.0, 1.0)
        np.fill_diagonal(c, 1.0)
        made.append(_Links(log_f, r, log_q, c, log_w + log_g, turn))
        activation = layers.activations[index]
        if index < depth - 1:
            log_f, log_g = _log_squares(log_q, activation)
            r, turn = _overlaps(np.clip(log_q, -EDGE, EDGE), c, activation)
    return _Links(*map(np.stack, zip(*made, strict=True)))


def _from_above(steps: np.ndarray) -> np.ndarray:
    """Sums of the steps of all layers above."""
    return np.concatenate([np.cumsum(steps[:0:-1], axis=0)[::-1], np.zeros_like(steps[:1])])


def _log_batch(logs: np.ndarray, overlaps: np.ndarray) -> np.ndarray:
    """Half the log of the sum over pairs of overlaps of vectors with these log-norms, by layer."""
    top = logs.max(axis=1, keepdims=True)
    sizes = np.exp(np.where(np.isfinite(top), logs - top, logs))
    total = np.einsum("lb,lc,lbc->l", sizes, sizes, overlaps)
    return top[:, 0] + np.log(np.maximum(total, 0.0)) / 2


@asked(net=listed_network, depth=optional(expect_count), inputs=expect_given, cotangent=expect_given)
@in_float64
def gram_layers(
    net: Dense, inputs: Numbers, *, depth: int | None = None, cotangent: Numbers | None = None
) -> GramLayers:
    r"""Lengths and overlaps of a batch of inputs at every layer, and the gradient of the whole batch.

    .. math:: G_1 = \sigma_w^2 X X^{\mathsf T} / N_0 + \sigma_b^2, \qquad
        G_{l+1} = \sigma_w^2\, E[\phi(u) \phi(v)] + \sigma_b^2, \qquad
        D_l = \sigma_w^2\, E[\phi'(u) \phi'(v)] \odot D_{l+1}

    .. math:: E \Bigl| \frac{\partial E}{\partial W_l} \Bigr|_F^2 = \sum_{b, b'} (D_l)_{bb'}
        \langle x_{l-1}^b, x_{l-1}^{b'} \rangle

    with (u, v) normal of the covariance :math:`G_l`. ``D_l`` has the inner products of the examples'
    gradients with respect to ``h_l``, and ``D_L`` is given. The gradient is that of the sum over
    the batch: for a mean, divide ``cotangent`` by the square of the number of examples.

    Parameters
    ----------
    net
        A ``Dense`` with scalar ``sigma_w`` and ``sigma_b``, or of listed layers, of whose ``widths``
        only the ratios matter.
    inputs
        The batch, shape ``(B, features)``. Lengths and correlations may be of any size. Only the
        Gram matrix counts: for a given one G, pass ``sqrt(B)`` times a square root of G.
    depth
        Number of layers L, >= 1; may be left out of listed layers.
    cotangent
        Inner products of the examples' dE/dh_L, shape ``(B, B)``. None for ones: all examples have
        one cotangent of unit norm. The identity makes them independent. Half the squared error of K
        outputs has ``K * G_L`` plus the inner products of the targets, if the outputs are few.

    Returns
    -------
    GramLayers
        The batch at every layer.

    Raises
    ------
    ValueError
        If shapes do not fit, or the cotangents' matrix is not one of inner products.

    Notes
    -----
    Accuracy: 1e-10 per layer; of the batch's gradient relative to the sum of the examples' own, so
    that a sum that cancels has fewer digits. In the chaotic phase an error in 1 - c, which is at
    least 1e-16, grows by ``chi_1`` per layer. NaN where a variance is too large for the ripples of a
    periodic activation, or an example is 0 without biases.
    Two examples of unlike lengths cost about 10 ms per layer, unless the activation is
    homogeneous, as ``relu`` is.
    Assumes: infinite width, and cotangents that do not depend on the weights. At width N the mean
    squares differ by a relative amount of order depth / N.

    References
    ----------
    Lee et al. (2018), arXiv:1711.00165, for G; Jacot, Gabriel and Hongler (2018), arXiv:1806.07572,
    for D.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import Dense, theory
    >>> found = theory.layers.gram_layers(Dense("relu", 2**0.5), np.eye(2), depth=3)
    >>> found.c[:, 0, 1].round(4).tolist()
    [0.0, 0.3183, 0.4937]
    >>> found.c_grad[:, 0, 1].round(4).tolist()
    [0.3016, 0.6031, 1.0]
    """
    where = "gram_layers"
    expect_noun(where, (Dense,), net=net)
    expect_given(where, net=net)
    depth, sizes = depth_of(where, net, depth), net.widths
    expect_batch(where, inputs, cotangent, sizes[0] if sizes else None)
    x = np.asarray(inputs, float)
    log_top, k = _normalised(np.ones((len(x), len(x))) if cotangent is None else np.asarray(cotangent, float))
    links = _links(net, depth, x @ x.T / x.shape[1])
    log_grad = (log_top + _from_above(links.log_chi)) / 2
    above = np.concatenate([links.turn[1:], np.ones_like(links.turn[:1])])
    c_grad = np.cumprod(above[::-1], axis=0)[::-1] * k
    log_grad_weight = _log_batch(log_grad + links.log_f / 2, c_grad * links.r)
    return GramLayers(links.log_q, links.c, log_grad, c_grad, log_grad_weight)


__all__ = ["GramLayers", "gram_layers"]
