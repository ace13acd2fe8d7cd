"""Profiles over depth: log-norms of activations and gradients, layer by layer."""

from typing import Any

from vgtheory.estimate import Law
from vgtheory.networks.ensemble import Ensemble
from vgtheory.theory.arguments import any_network, asked
from vgtheory.theory.laws import Question, grad_law, q_law
from vgtheory.theory.layers.dense import chi_law, grad_weight_law
from vgtheory.theory.precision import in_float64


@asked(net=any_network)
@in_float64
def log_grad_layers(net: Any, *, depth: int, width: int | None = None, positions: Any = None) -> Law:
    r"""Log-norm of the gradient with respect to every layer's pre-activations, relative to the top.

    .. math:: \ln \frac{|\partial E / \partial h_l|}{|\partial E / \partial h_L|}, \qquad l = 1 \dots L

    for one input of unit mean square and a standard normal cotangent
    :math:`\partial E / \partial h_L`, independent of the weights. At infinite width it is
    :math:`\tfrac12 \sum_{k=l}^{L-1} \ln \chi(q_k)` and has no spread.

    Parameters
    ----------
    net
        A ``Dense``, ``Recurrent``, ``Conv``, ``Residual``, ``Normed`` or ``Transformer``, with
        scalar numbers. The ``h`` of a ``Residual`` or a ``Transformer`` is the stream after a
        block.
    depth
        Number of layers L, >= 1.
    width
        Number of units N (channels of a ``Conv``), >= 1; None for infinite.
    positions
        Number of positions of a ``Conv`` or a ``Transformer``; of a ``Conv`` in a plane two of
        them.

    Returns
    -------
    Law
        ``mean`` and ``std`` over networks of the natural log of the norm (not of its square), each
        of shape ``(depth,)``; the last entry is 0. It is the mean of the log, not the log of the
        mean.

    Raises
    ------
    ValueError
        If the law of ``net`` is not known at this width.

    Notes
    -----
    Accuracy: at infinite width 1e-13 per layer (``Conv`` 1e-12, ``Transformer`` 1e-10). At width N
    as in the table, whose errors of the mean are in units of ``std``, measured. "Straight" is an
    activation that is straight on either side of 0: ``linear``, ``relu``, ``leaky_relu``, ``abs``.

    ====================================  =====================  ===========  ======  ================================
    network at width N                    law                    mean to      std to  ``std`` is inf
    ====================================  =====================  ===========  ======  ================================
    ``Dense``, Gaussian, straight         exact, no layer dead   exact        exact   never
    ``Dense``, Gaussian                   depth exact, 1/N       0.05         3 %     where one component rules |g|
    ``Dense``, other independent weights  the same, 4th moment   0.03 to 0.1  8 %     where kurtosis is too large
    ``Dense``, orthogonal                 1/N                    1/N          1/N     where the expansion fails
    ``Conv``, linear, delta-orthogonal    exact                  exact        exact   never
    ``Conv``, linear, without a border    exact second moment    log-normal   5 %     from 0.27 on
    ``Residual``, linear, no norm, bias   exact                  exact        exact   never
    ``Residual``, straight, the same      1/N                    0.1          15 %    never
    ``Residual`` else, ``Normed``         infinite width         unknown      --      always
    ``Conv`` else, ``Transformer``        none: refused
    ====================================  =====================  ===========  ======  ================================

    The second row holds for N >= 64 and depths to ``10 N^(1/2)``. A ``Recurrent`` has the law of a
    ``Dense``. A ``Residual`` has an exact law, or one to order 1/N, for branches of one layer. With
    batch norm the mean is half the log of the mean square, of the whole batch's gradient.
    Heavy-tailed weights have no law at width N.

    Assumes: a cotangent independent of the weights (a loss such as ``|h_L|^2 / 2`` breaks this).
    For ``Recurrent``, that re-using the weights does not matter, which is only an approximation:
    its spread is not predicted. For ``Transformer``, attention that weighs all positions alike.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232; Hanin and Nica (2020), arXiv:1812.05994 (exact ReLU
    law). The laws at finite width are derived in the paper's appendix.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> law = theory.log_grad_layers(Dense("linear", sigma_w=1.0), depth=3, width=64)
    >>> [round(float(value), 4) for value in law.mean]
    [-0.0157, -0.0079, 0.0]
    >>> round(float(law.std[0]), 4)
    0.126
    """
    return grad_law(net, Question("log_grad_layers", depth, width, positions))


@asked()
@in_float64
def log_chi_layers(net: Ensemble, *, depth: int, width: int | None = None) -> Law:
    r"""Log of the factor by which the squared gradient grows from each layer to the one below.

    .. math:: \ln \frac{|\partial E / \partial h_l|^2}{|\partial E / \partial h_{l+1}|^2}, \qquad l = 1 \dots L - 1

    The terms of which twice ``log_grad_layers`` is the sum; neighbours are correlated, so its
    variance is not the sum of theirs.

    Parameters
    ----------
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth
        Number of layers L, >= 1.
    width
        Number of units N, >= 1; None for infinite.

    Returns
    -------
    Law
        ``mean`` and ``std`` over networks of the natural log of the squared norm's factor, each of
        shape ``(depth - 1,)``.

    Notes
    -----
    Accuracy: as ``log_grad_layers``; finite.
    Assumes: as ``log_grad_layers``.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> law = theory.layers.log_chi_layers(Dense("relu", sigma_w=2**0.5), depth=3, width=64)
    >>> [round(float(value), 4) for value in law.mean], [round(float(value), 4) for value in law.std]
    ([-0.0401, -0.0401], [0.2881, 0.2881])
    """
    return chi_law(net, Question("log_chi_layers", depth, width))


@asked()
@in_float64
def log_grad_weight_layers(net: Ensemble, *, depth: int, width: int | None = None) -> Law:
    r"""Log of the Frobenius norm of the gradient with respect to every layer's weights, relative to the top.

    .. math:: \ln \frac{|\partial E / \partial W_l|_F}{|\partial E / \partial W_L|_F}, \qquad l = 1 \dots L

    For one input the gradient is the outer product of :math:`\partial E / \partial h_l` and the
    layer's input :math:`x_{l-1}`, so its log-norm is the sum of theirs.

    Parameters
    ----------
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth
        Number of layers L, >= 1.
    width
        Number of units N, >= 1; None for infinite.

    Returns
    -------
    Law
        ``mean`` and ``std`` over networks of the natural log of the norm, each of shape
        ``(depth,)``; the last entry is 0.

    Notes
    -----
    Accuracy: as ``log_grad_layers``, but nowhere exact: without biases, and phi straight on either
    side of 0, ``std`` is to 15 % in networks deeper than they are wide.
    Assumes: as ``log_grad_layers``, and one input (batch of one); ``sigma_w > 0``.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> law = theory.log_grad_weight_layers(Dense("linear", sigma_w=1.2), depth=5)
    >>> bool(abs(law.mean).max() < 1e-14)
    True
    """
    return grad_weight_law(net, Question("log_grad_weight_layers", depth, width))


@asked(net=any_network)
@in_float64
def log_q_layers(net: Any, *, depth: int, width: int | None = None, positions: Any = None) -> Law:
    r"""Log of the mean square of every layer's pre-activations.

    .. math:: \ln \tfrac1N |h_l|^2, \qquad l = 1 \dots L

    Parameters
    ----------
    net, depth, width, positions
        As ``log_grad_layers``.

    Returns
    -------
    Law
        ``mean`` and ``std`` over networks of the natural log of q, each of shape ``(depth,)``, for
        an input of unit mean square. It is the mean of the log, not the log of the mean.

    Notes
    -----
    Accuracy: infinite width: 1e-13 per layer. Finite width: as ``log_grad_layers``, exact where
    that is and ``sigma_b = 0``.
    Assumes: an input that does not depend on the weights.

    References
    ----------
    Poole et al. (2016), arXiv:1606.05340.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> theory.log_q_layers(Dense("linear", sigma_w=1.0), depth=2).mean.tolist()
    [0.0, 0.0]
    """
    return q_law(net, Question("log_q_layers", depth, width, positions))
