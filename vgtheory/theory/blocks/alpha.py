"""Gradients of the scales of residual branches."""

import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.blocks import Residual, alpha_of
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.blocks.residual import checked
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
