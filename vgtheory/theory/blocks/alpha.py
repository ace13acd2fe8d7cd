"""Gradients of the scales of residual branches, and the first step of branches that start at zero."""

from functools import partial
from typing import Any

import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import expect, expect_one_of, is_static
from vgtheory.networks.blocks import Residual, alpha_of
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.blocks.residual import branch, checked
from vgtheory.theory.precision import in_float64

_LOG_NORMAL = Law(-(np.euler_gamma + np.log(2)) / 2, np.pi / 8**0.5)
"""Law of ln |z|, z standard normal."""


@asked()
@in_float64
def log_grad_alpha_layers(net: Residual, *, depth: int) -> Law:
    r"""Log of the gradient of every block's ``alpha``, relative to the gradient norm at the top.

    .. math:: \ln \frac{|\partial E / \partial \alpha_l|}{|\partial E / \partial h_L|}, \qquad
        \frac{\partial E}{\partial \alpha_l} = \frac{\partial E}{\partial h_l} \cdot f_l(h_{l-1})

    Given stream and cotangent, this gradient is normal with standard deviation
    :math:`|\partial E / \partial h_l| \sqrt{E f^2}`. At ``alpha = 0`` all blocks have the same
    gradient at any depth, while the weights of the branches have none.

    Parameters
    ----------
    net
        A ``Residual`` with scalar numbers and without batch norm.
    depth
        Number of blocks L, >= 1.

    Returns
    -------
    Law
        ``mean`` and ``std`` over networks of the natural log, each of shape ``(depth,)``.

    Notes
    -----
    Accuracy: 1e-13 per block.
    Assumes: infinite width; one input of normal entries and unit mean square, a standard normal
    cotangent at the top. The law is that of the log.

    References
    ----------
    Bachlechner et al. (2020), arXiv:2003.04887 (a learned alpha that starts at 0).

    Examples
    --------
    >>> from vgtheory import Residual, theory
    >>> theory.blocks.log_grad_alpha_layers(Residual("linear", alpha=0.0), depth=2).mean.round(4)
    array([-0.6352, -0.6352])
    """
    where = "log_grad_alpha_layers"
    ok = isinstance(net, Residual) and net.norm != "batch"
    expect(ok, where, "a Residual ensemble without batch norm", net=type(net).__name__)
    walked = checked(where, net, depth)
    xp = library(walked)
    mean = (walked.log_grad + walked.log_branch) / 2 + _LOG_NORMAL.mean
    if net.norm is not None and net.place == "post":
        mean = mean - xp.log1p(alpha_of(net, depth) ** 2 * xp.exp(walked.log_branch)) / 2
    return Law(mean, xp.full_like(mean, _LOG_NORMAL.std))


LEARNED = ("alpha", "last")
"""What is learned of a branch that starts at zero: its factor, or its last layer."""


@asked(learned=partial(expect_one_of, LEARNED))
@in_float64
def first_decrease(net: Residual, *, depth: int, learned: str = "alpha") -> Law:
    r"""Decrease of the loss by the first gradient step of branches that start at zero.

    .. math:: \frac{-\Delta E}{\eta\, |\partial E / \partial h_L|^2}
        = \sum_l \frac{|\partial E / \partial \theta_l|^2}{|\partial E / \partial h_L|^2}

    Here :math:`\eta` is a small learning rate. Branches of zero leave the identity, so that all blocks
    have the top's gradient g. A factor (SkipInit, ReZero) has the gradient :math:`g \cdot f_l`, whose
    square is F times a chi-square variable of one degree of freedom, F being the mean square of a
    branch's output. A last layer (Fixup) has the gradient :math:`g x_l^T`, where x is what it multiplies.

    .. math:: \text{alpha: } L F \pm F \sqrt{2 L}, \qquad \text{last: } L\, E[x^2] \text{ per unit of width}

    With He's scale the loss falls in proportion to the number of blocks; with Fixup's scales it does not
    depend on it.

    Parameters
    ----------
    net
        A ``Residual`` with ``alpha=0``, plain scales, and no norm or one in front of a branch.
    depth
        Number of blocks L, >= 1.
    learned
        ``"alpha"``, or ``"last"`` for the last layer of each branch, which starts at zero while its
        factor is 1.

    Returns
    -------
    Law
        ``mean`` and ``std`` over networks; of ``"last"`` over the width, where ``std`` is 0.

    Notes
    -----
    Accuracy: 1e-13 at infinite width. At width N the mean of ``"alpha"`` is exact for branches of one
    layer, and everything else is off by a relative 1/N to each layer.
    Assumes: a normal input of unit mean square, and a gradient at the top that does not know the weights.

    References
    ----------
    De and Smith (2020), arXiv:2002.10444; Zhang, Dauphin and Ma (2019), arXiv:1901.09321.

    Examples
    --------
    >>> from vgtheory import Residual, theory
    >>> [round(float(theory.blocks.first_decrease(Residual.skip_init(), depth=n).mean), 1) for n in (10, 1000)]
    [10.0, 1000.0]
    >>> nets = [Residual.fixup(depth=n) for n in (10, 1000)]
    >>> [
    ...     round(float(theory.blocks.first_decrease(net, depth=n, learned="last").mean), 2)
    ...     for net, n in zip(nets, (10, 1000))
    ... ]
    [0.5, 0.5]
    """
    where = "first_decrease"
    ok = isinstance(net, Residual) and net.norm != "batch" and (net.norm is None or net.place == "pre")
    expect(ok, where, 'a Residual ensemble without norm, or with place="pre" and no batch norm', net=net)
    zero = is_static(net.alpha) and not isinstance(net.alpha, str | tuple) and bool(np.all(np.asarray(net.alpha) == 0))
    expect(zero, where, "alpha=0", "Give Residual.skip_init or Residual.fixup.", alpha=net.alpha)
    log_f = checked(where, net, 1).log_branch[0]
    xp = library(log_f)
    if learned == "alpha":
        return Law(depth * xp.exp(log_f), (2 * depth) ** 0.5 * xp.exp(log_f))
    return _last(net, depth, log_f)


def _last(net: Residual, depth: int, log_f: Any) -> Law:
    """Mean square of what the last layers multiply, over all blocks."""
    xp, inner = library(log_f), net.branch_layers - 1
    zero = xp.zeros_like(log_f)
    log_q = checked("first_decrease", net.replace(branch_layers=inner), 1).log_branch[0] if inner else zero
    log_x, _ = branch(log_q, zero + 1, zero, net.activation, 1)
    return Law(depth * xp.exp(log_x), zero)
