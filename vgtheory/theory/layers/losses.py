"""Gradients of a real loss over classes: absolute sizes, not relative to the top."""

import functools
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.special
import scipy.stats
from numpy.polynomial.hermite_e import hermegauss

from vgtheory.checks import optional
from vgtheory.estimate import Law
from vgtheory.expect import expect, expect_count, expect_noun, expect_one_of
from vgtheory.networks.dense import Dense
from vgtheory.networks.listed import LOSSES, listing
from vgtheory.theory.arguments import asked, count_or_inf, listed_network
from vgtheory.theory.laws import question_of
from vgtheory.theory.layers import listed
from vgtheory.theory.precision import in_float64
from vgtheory.theory.width.chi_square import log_chi_square_law

MOST_CLASSES = 20_000
_NODES = 15
"""Of the quadrature over the logits' variance."""
_MOST_RESPONSE = 0.1
"""Part of the spread that may stem from the error's response to the logits' variance, whose covariance is neglected."""
_POINTS, _NUMBERS = 2**13, 2**21
"""Points of the quadrature over the logits, and numbers that they have together, at most."""


@functools.lru_cache(maxsize=4)
def _normals(num_classes: int) -> np.ndarray:
    """Points of a quadrature over independent standard normal logits, shape (points, classes)."""
    points = min(_POINTS, 1 << (_NUMBERS // num_classes).bit_length() - 1)
    sobol = scipy.stats.qmc.Sobol(num_classes, scramble=True, rng=np.random.default_rng(0))
    return np.asarray(scipy.special.ndtri(np.clip(sobol.random(points), 1e-12, 1 - 1e-12)))


class Error(NamedTuple):
    """What dE/dh_L is like, over normal logits h_L, their variance over networks, and a label independent of them.

    Attributes
    ----------
    mean, std
        Of its log-norm.
    response
        Change of its log-norm with the log of the logits' variance, times that log's standard deviation.
    along, shares
        Mean square of its cosine with h_L, times the number of classes, at each of a few variances of
        the logits, and the shares of networks that have them.
    """

    mean: float
    std: float
    response: float
    along: np.ndarray
    shares: np.ndarray


def error_of(loss: str, num_classes: int, log_variance: Law) -> Error:
    """The derivative of a loss by its logits, whose variance is log-normal."""
    nodes, weights = hermegauss(_NODES)
    weights = weights / weights.sum()
    found = [_error_at(loss, num_classes, float(log_variance.mean + node * log_variance.std)) for node in nodes]
    means, squares, along = (np.array(column) for column in zip(*found, strict=True))
    mean = weights @ means
    return Error(mean, (weights @ squares - mean**2) ** 0.5, weights @ (nodes * means), along, weights)


def _error_at(loss: str, num_classes: int, log_variance: float) -> tuple[float, float, float]:
    """Mean and mean square of the log-norm, and ``along``, at one variance of the logits."""
    unit = _normals(num_classes)
    logits = unit * np.exp(log_variance / 2)
    if loss == "squared":
        error, log_factor = logits.copy(), 0.0
        error[:, 0] -= 1
    else:
        # 1 - p times the shares of the other classes, and minus their sum: no share of the label is too near 1 for it.
        error = np.column_stack([-np.ones(len(logits)), scipy.special.softmax(logits[:, 1:], axis=1)])
        log_factor = scipy.special.log_expit(scipy.special.logsumexp(logits[:, 1:], axis=1) - logits[:, 0])
    square = np.einsum("ij,ij->i", error, error)
    along = np.einsum("ij,ij->i", error, unit) ** 2 / square
    log_norm = log_factor + np.log(square) / 2
    return float(log_norm.mean()), float((log_norm**2).mean()), float(along.mean())


@asked(net=listed_network, depth=optional(expect_count), width=count_or_inf, loss=partial(expect_one_of, LOSSES))
@in_float64
def log_loss_grad_layers(
    net: Dense,
    *,
    depth: int | None = None,
    width: int | None = None,
    loss: str = "cross_entropy",
    input_square: float = 1.0,
) -> Law:
    r"""Log-norm of the gradient of a loss with respect to every layer's weights.

    .. math:: \ln \left| \frac{\partial E}{\partial W_l} \right|_F, \qquad l = 1 \dots L

    for one example and a label that is independent of it. The last ``h`` of the network are the
    logits of as many classes as it has units. The loss is the cross-entropy of their softmax, or
    half the squared distance between them and the label's one-hot vector.

    Parameters
    ----------
    net
        A ``Dense`` of Gaussian weights, as a rule with ``widths`` that end in the number of
        classes and a tuple of scales, of which the last one is the head's.
    depth, width
        As in ``log_grad_layers``; the width must be finite.
    loss
        ``"cross_entropy"`` or ``"squared"``.
    input_square
        Mean square of the input.

    Returns
    -------
    Law
        ``mean`` and ``std`` over networks and labels of the natural log of the Frobenius norm, each
        of shape ``(depth,)``. The mean is that of the log.

    Raises
    ------
    ValueError
        If the width is not known, or weights are not Gaussian.

    Notes
    -----
    Accuracy: that of ``log_grad_weight_layers`` and, for what the loss adds, first order in the
    number of classes over the width, and 1e-3 for the quadrature over the logits. ``std`` is
    accurate to 10 %: it neglects the covariance of a layer's input with the gradient above it. It is
    inf where the error grows with logits whose variance scatters; there the mean is accurate to 0.1,
    and for squared errors to 0.4. Below squared errors and 100 or more layers of GELU means are too
    large by 0.4 to 1.1, up to a sixth of the log-gradient's loss, though ``std`` is finite there.
    Assumes: logits that are normal and independent, as at great width.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> net = Dense("relu", sigma_w=2**0.5, widths=(784, 512, 256, 10))
    >>> theory.layers.log_loss_grad_layers(net).mean.round(2).tolist()
    [3.33, 3.12, 2.77]
    """
    where = "log_loss_grad_layers"
    expect_noun(where, (Dense,), net=net)
    question = question_of(where, net, depth, width, None, input_square)
    layers = listing(where, net, question.depth, question.width, input_square)
    expect(not layers.is_infinite, where, "a finite width", "Give width=, or widths=.", width=width)
    expect(net.weights == "gaussian", where, "Gaussian weights", weights=net.weights)
    classes = layers.sizes[-1]
    expect(2 <= classes <= MOST_CLASSES, where, f"2 to {MOST_CLASSES} units of the last layer", classes=classes)
    relative, gradient, square = (law(net, question) for law in (listed.grad_weight, listed.grad, listed.q))
    trajectory, own = listed.trajectory_of(net, question), [log_chi_square_law(size) for size in layers.sizes[1:]]
    own_mean, own_std = (np.array([law[k] for law in own]) for k in (0, 1))
    below = np.sqrt(np.maximum(square.std**2 - own_std**2, 0.0))
    error = error_of(loss, classes, Law(square.mean[-1] - own_mean[-1], below[-1]))
    pulled = error.shares @ _pulled(trajectory, layers.sizes, error.along)
    log_input = np.log(layers.sizes[0] * input_square) / 2
    mean = relative.mean - relative.mean[0] + gradient.mean[0] + log_input + error.mean + pulled
    inputs = np.concatenate([[0.0], below[1:] / trajectory.rho[1:] / 2])
    std = np.sqrt(gradient.std**2 + error.std**2 + inputs**2)
    return Law(mean, np.where(abs(error.response) > _MOST_RESPONSE * std, np.inf, std))


def _pulled(layers: Any, sizes: tuple[int, ...], along: np.ndarray) -> np.ndarray:
    """What the logits' direction in the gradient adds to ln |g_l|, for each value of ``along``.

    A layer passes its share on, diluted by growth. The logs are averaged over networks and not the
    shares: few networks may have large logits, along which their gradient grows; that of the others
    does not.
    """
    out, pull = np.zeros((len(along), len(sizes) - 1)), float(layers.rho[-1]) * (along - 1)
    for index in reversed(range(out.shape[1] - 1)):
        growth = 1 + pull * float(layers.along[index]) / sizes[index + 1]
        out[:, index] = out[:, index + 1] + np.log(growth) / 2
        pull = pull * float(layers.grip[index]) / growth
    return out
