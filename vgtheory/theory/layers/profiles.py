"""Profiles over depth: logs of the sizes of signals and gradients, layer by layer."""

from typing import Any

from vgtheory.estimate import Law
from vgtheory.networks.blocks import Normed, Residual
from vgtheory.networks.ensemble import Ensemble
from vgtheory.networks.transformer import Transformer
from vgtheory.theory.arguments import any_network, asked, count_or_inf, listed_network
from vgtheory.theory.laws import grad_law, q_law, question_of
from vgtheory.theory.layers.dense import chi_law, grad_weight_law
from vgtheory.theory.precision import in_float64


@asked(noise=True, unit=True, net=any_network, width=count_or_inf)
@in_float64
def log_grad_layers(
    net: Ensemble | Residual | Normed | Transformer,
    *,
    depth: int | None = None,
    width: int | float | None = None,
    positions: int | tuple[int, ...] | None = None,
    input_square: Any = 1.0,
) -> Law:
    r"""Log-norm of the gradient with respect to every layer's pre-activations, relative to the top.

    .. math:: \ln \frac{|\partial E / \partial h_l|}{|\partial E / \partial h_L|}, \qquad
        l = 1 \dots L

    The input has the mean square ``input_square``. The cotangent
    :math:`\partial E / \partial h_L` is standard normal and independent of the weights. At infinite
    width the log-norm is :math:`\tfrac12 \sum_{k=l}^{L-1} \ln \chi(q_k)` and has no spread.

    Parameters
    ----------
    net
        A ``Dense``, ``Recurrent``, ``Conv``, ``Residual``, ``Normed`` or ``Transformer`` with
        scalar numbers, or tuples of one for every layer. The ``h`` of a ``Residual`` or a
        ``Transformer`` is the stream after a block.
    depth
        Number of layers L, >= 1; may be left out of a ``Dense`` whose layers are listed.
    width
        Number of units N (channels of a ``Conv``), >= 1. None stands for a network's own
        ``widths``, or for infinite width if it has none; ``np.inf`` for infinite width.
    positions
        Number of positions of a ``Conv`` or a ``Transformer``; a pair of numbers for a ``Conv`` in
        a plane.
    input_square
        Mean square of the input of a ``Dense``; unit of ``h`` squared, > 0.

    Returns
    -------
    Law
        ``mean`` and ``std`` over networks of the natural log of the norm (not of its square), each
        of shape ``(depth,)``; the last entry is 0. The mean is that of the log, not the log of the
        mean.

    Raises
    ------
    ValueError
        If the law of ``net`` is not known at this width.

    Notes
    -----
    Accuracy: at infinite width 1e-13 per layer (``Conv`` 1e-12, ``Transformer`` 1e-10). At width N
    as in the table, where errors of the mean are measured and in units of ``std``. "Straight" means
    straight on either side of 0: ``linear``, ``relu``, ``leaky_relu``, ``abs``.

    ===============================  =====================  ===========  ======  ===================
    network at width N               law                    mean to      std to  ``std`` is inf
    ===============================  =====================  ===========  ======  ===================
    ``Dense``, Gaussian, straight    exact, no layer dead   exact        exact   never
    ``Dense``, Gaussian              depth exact, 1/N       0.05         3 %     one component rules
    ``Dense``, other independent     plus 4th moment        0.03 to 0.1  8 %     kurtosis too large
    ``Dense``, gated units, maxout   depth exact, 1/N       0.05         5 %     one component rules
    ``Dense``, orthogonal            1/N                    1/N          1/N     expansion fails
    ``Conv``, linear, delta-orth.    exact                  exact        exact   never
    ``Conv``, linear, no border      exact second moment    log-normal   5 %     from 0.27 on
    ``Residual``, linear, plain      exact                  exact        exact   never
    ``Residual``, straight, plain    1/N                    0.1          15 %    never
    other ``Residual``, ``Normed``   infinite width         unknown      --      always
    ``Transformer``                  mean square, 1/N       0.03         --      always
    other ``Conv``                   none: refused
    ===============================  =====================  ===========  ======  ===================

    - The second row holds for N >= 64 and depths up to ``10 N^(1/2)``. Its ``std`` is inf where one
      component dominates the gradient. Its mean is exact to order 1/N, and errs by k / N^2 per layer.
      For tanh at (1.327, 0.05^0.5) k is 0.52 from 8 units on. For GELU at (1.4033, 0.8426) the
      variance of ln q grows to 85 / N over 65 layers, and k settles only where this is small: k is
      1.1 at 64 units, 3 at 256 and 5 in the limit.
    - The fourth row is for Gaussian weights and N >= 128, up to some ten layers (0.1 and 10 % at N =
      64). ``rrelu`` belongs there too. ``h`` are all pre-activations of a layer. Where the lengths of
      gated units run away, ``std`` is inf. Maxout passes the mean square of a gradient on as a linear
      layer does, but its part along ``h`` grows by the length map's factor, and rules a deep network.
    - Listed layers of a ``Dense`` have the laws of the first five rows but the fourth. The units N_l
      of layer l rule the factor between layers l and l + 1: the fan-out of the weights of layer l
      forward, and the fan-in of those of layer l + 1 backward. Orthogonal ones are for square layers.
    - Dropout keeps the first two rows, the second up to p = 0.3 (0.1 and 4 % at p = 0.5 and 64
      units). DropConnect has the third. In a ``Residual`` any noise, biases and listed blocks have
      the row of straight branches, and so has stochastic depth without biases and added noise.
      Linear ``Conv`` keep their rows with dropout, to order 1/N (``std`` to 10 % at N = 16).
      Noise in other networks is known at infinite width, where stochastic depth has a spread.
    - A ``Recurrent`` has the law of a ``Dense``. Heavy-tailed weights have no law at width N.
    - "Plain" branches have one layer and no norm; those of the exact law no bias and no noise.
    - With batch norm the mean is half the log of the mean square of the whole batch's gradient, and
      for a ``Transformer`` at width N that of all positions' gradient, over networks.

    Assumes: a cotangent independent of the weights (a loss such as ``|h_L|^2 / 2`` breaks this).
    For a ``Recurrent``, re-using the weights is neglected, which is only an approximation: its
    spread is not predicted. For a ``Transformer``, no position is masked.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232; Hanin and Nica (2020), arXiv:1812.05994 (exact ReLU
    law). The laws at finite width are derived in the paper and its supplement.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> law = theory.log_grad_layers(Dense("linear", sigma_w=1.0), depth=3, width=64)
    >>> [round(float(value), 4) for value in law.mean]
    [-0.0157, -0.0079, 0.0]
    >>> round(float(law.std[0]), 4)
    0.126
    """
    return grad_law(net, question_of("log_grad_layers", net, depth, width, positions, input_square))


@asked(noise=True, unit=True, net=listed_network, width=count_or_inf)
@in_float64
def log_chi_layers(
    net: Ensemble, *, depth: int | None = None, width: int | float | None = None, input_square: Any = 1.0
) -> Law:
    r"""Log of the squared-gradient growth factor of each single layer.

    .. math:: \ln \frac{|\partial E / \partial h_l|^2}{|\partial E / \partial h_{l+1}|^2}, \qquad
        l = 1 \dots L - 1

    These terms add up to twice ``log_grad_layers``. Neighbouring terms are correlated, so their
    variances do not add up to its variance.

    Parameters
    ----------
    net
        A ``Dense`` or ``Recurrent`` ensemble with scalar ``sigma_w`` and ``sigma_b``, or a ``Dense``
        of listed layers.
    depth, width, input_square
        As in ``log_grad_layers``.

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
    >>> theory.layers.log_chi_layers(Dense("relu", sigma_w=2**0.5), depth=3, width=64).mean.round(4)
    array([-0.0401, -0.0401])
    """
    return chi_law(net, question_of("log_chi_layers", net, depth, width, None, input_square))


@asked(noise=True, unit=True, net=listed_network, width=count_or_inf)
@in_float64
def log_grad_weight_layers(
    net: Ensemble, *, depth: int | None = None, width: int | float | None = None, input_square: Any = 1.0
) -> Law:
    r"""Log of the Frobenius norm of the gradient of every layer's weights, relative to the top.

    .. math:: \ln \frac{|\partial E / \partial W_l|_F}{|\partial E / \partial W_L|_F}, \qquad
        l = 1 \dots L

    For one input the gradient is the outer product of :math:`\partial E / \partial h_l` and the
    layer's input :math:`x_{l-1}`. Its log-norm is therefore the sum of theirs.

    Parameters
    ----------
    net
        A ``Dense`` or ``Recurrent`` ensemble with scalar ``sigma_w`` and ``sigma_b``, or a ``Dense``
        of listed layers.
    depth, width, input_square
        As in ``log_grad_layers``.

    Returns
    -------
    Law
        ``mean`` and ``std`` over networks of the natural log of the norm, each of shape
        ``(depth,)``; the last entry is 0.

    Notes
    -----
    Accuracy: as ``log_grad_layers``, but nowhere exact. For straight activations without biases,
    ``std`` is too small in networks that are deeper than wide: by a quarter for ReLU with L = 1.5 N,
    a third with L = 5 N and by nearly all of it with L = 15 N. Networks' own grows all the while.
    Assumes: as ``log_grad_layers``, and one input (batch of one); ``sigma_w > 0``.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> law = theory.log_grad_weight_layers(Dense("linear", sigma_w=1.2), depth=5)
    >>> bool(abs(law.mean).max() < 1e-14)
    True
    """
    return grad_weight_law(net, question_of("log_grad_weight_layers", net, depth, width, None, input_square))


@asked(noise=True, unit=True, net=any_network, width=count_or_inf)
@in_float64
def log_q_layers(
    net: Ensemble | Residual | Normed | Transformer,
    *,
    depth: int | None = None,
    width: int | float | None = None,
    positions: int | tuple[int, ...] | None = None,
    input_square: Any = 1.0,
) -> Law:
    r"""Log of the mean square of every layer's pre-activations.

    .. math:: \ln \tfrac1N |h_l|^2, \qquad l = 1 \dots L

    Parameters
    ----------
    net, depth, width, positions, input_square
        As in ``log_grad_layers``.

    Returns
    -------
    Law
        ``mean`` and ``std`` over networks of the natural log of q, each of shape ``(depth,)``. The
        mean is that of the log, not the log of the mean.

    Notes
    -----
    Accuracy: 1e-13 per layer at infinite width. At finite width as ``log_grad_layers``; exact where
    it is exact and ``sigma_b = 0``.
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
    return q_law(net, question_of("log_q_layers", net, depth, width, positions, input_square))
