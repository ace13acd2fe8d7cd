r"""Gradient by lag through one random W, at a finite width: mean and spread of its log over networks.

A Gaussian W is reduced exactly: reflections that turn v, W v, W^2 v ... into the first axes leave a
matrix H that is zero below its first subdiagonal and has independent entries,

.. math:: |W^t v| \stackrel{d}{=} |H^t e_1|\,|v|, \qquad H_{jk} \sim N(0, 1/N) \; (j \le k), \quad
    H_{k+1,k} \sim \chi_{N-k} / \sqrt N

A lag t needs t columns of it, whatever the width. This is solved on paths, one H for each.
"""

import functools

import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import Numbers, expect
from vgtheory.networks.dense import Dense
from vgtheory.networks.recurrent import Recurrent
from vgtheory.theory.arguments import asked, steps_back
from vgtheory.theory.layers.profiles import log_grad_layers
from vgtheory.theory.precision import in_numpy
from vgtheory.theory.recurrent.leading_mode import tied_exponent
from vgtheory.weights import expect_known_law

_SKIP, _LAYERS = 20, 200
_ALL = 0.995
"""Share of networks that must be chaotic."""


def _path(steps: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """ln |H^t e_1|, t = 0 ... steps, for one reduced matrix."""
    size = min(steps + 1, width)
    reduced = np.triu(rng.standard_normal((size, size)))
    below = np.arange(size - 1)
    reduced[below + 1, below] = np.sqrt(rng.chisquare(width - 1 - below))
    reduced /= width**0.5
    vector, logs = np.zeros(size), np.zeros(steps + 1)
    vector[0] = 1.0
    for t in range(1, steps + 1):
        reached = min(t, size)
        vector = reduced[:, :reached] @ vector[:reached]
        length = np.sqrt(vector @ vector)
        vector, logs[t] = vector / length, logs[t - 1] + np.log(length)
    return logs


@functools.lru_cache(maxsize=16)
def _paths(steps: int, width: int, num_paths: int) -> np.ndarray:
    """Paths at sigma_w = 1, shape ``(num_paths, steps + 1)``; the random numbers are fixed."""
    rng = np.random.default_rng(0)
    return np.stack([_path(steps, width, rng) for _ in range(num_paths)])


def _chaotic(net: Recurrent, at: np.ndarray, width: int) -> Law:
    """The exponent's spread grows as t, that of independent steps as its root."""
    found = tied_exponent(net, width=width)
    words = "a sigma_w at which networks of this width are chaotic"
    expect(found.chaotic > _ALL, "log_tied_lags", words, net=net)
    std = log_grad_layers(Dense(net.activation, float(net.sigma_w)), depth=_LAYERS + 2 * _SKIP, width=width).std
    step = (std[_SKIP] ** 2 - std[_SKIP + _LAYERS] ** 2) / _LAYERS
    return Law(at * found.exponent.mean, np.sqrt((at * found.exponent.std) ** 2 + at * step))


@asked(lags=steps_back)
@in_numpy
def log_tied_lags(net: Recurrent, lags: Numbers, *, width: int, num_paths: int = 1024) -> Law:
    r"""Log of the gradient by lag through one random matrix, with its spread over networks.

    .. math:: \ln \frac{|\partial E / \partial h_{T-t}|}{|\partial E / \partial h_T|}

    With a linear activation and Gaussian W it stays near :math:`t \ln \sigma_w` up to a lag of about
    :math:`2 \sqrt N`, from where the largest eigenvalue takes over. The spread grows as
    :math:`\sqrt{t / 2N}` first, and as t in the end. An orthogonal W has neither. In a chaotic network,
    the spread of the Lyapunov exponent (``tied_exponent``) adds to that of independent steps.

    Parameters
    ----------
    net
        A ``Recurrent`` with plain numbers: linear with Gaussian or orthogonal weights; or one that
        ``tied_exponent`` takes, at a sigma_w at which it is chaotic at this width.
    lags
        Lags t, integers >= 0, any shape; static.
    width
        Number of units N.
    num_paths
        Number of reduced matrices, >= 2, for a linear Gaussian network. The cost grows as the cube of
        the longest lag.

    Returns
    -------
    Law
        Mean and standard deviation over networks of the natural log, of the shape of ``lags``.

    Notes
    -----
    Accuracy: linear and Gaussian: a standard error of ``std`` over the root of ``num_paths`` for the
    mean and of 0.7 times that for ``std``, with fixed random numbers, and no other error at any lag or
    width. Orthogonal: rounding. Chaotic: that of ``tied_exponent``; the first steps, in which the
    gradient turns towards the growing directions, are not resolved.
    Assumes: a gradient at the last step that does not know the weights. A chaotic network is on its
    attractor.

    Examples
    --------
    >>> from vgtheory import Recurrent, theory
    >>> law = theory.recurrent.log_tied_lags(Recurrent("linear"), [8, 64, 256], width=100, num_paths=200)
    >>> law.mean.round(1).tolist(), law.std.round(1).tolist()
    ([-0.0, 1.6, 10.3], [0.2, 2.1, 9.2])
    """
    at = np.asarray(lags, int)
    expect(num_paths >= 2, "log_tied_lags", "at least two paths", num_paths=num_paths)
    expect_known_law("log_tied_lags", Dense(net.activation, net.sigma_w, 0.0, net.weights))
    if net.activation.name != "linear":
        return _chaotic(net, at, width)
    rate = at * np.log(float(net.sigma_w))
    if net.weights == "orthogonal":
        return Law(rate, np.zeros(at.shape)[()])
    paths = _paths(int(at.max(initial=1)), int(width), int(num_paths))[:, at]
    return Law(paths.mean(axis=0) + rate, paths.std(axis=0, ddof=1))


__all__ = ["log_tied_lags"]
