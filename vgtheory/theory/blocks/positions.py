"""Profiles of convolutional networks over depth and position, zero padding, and the reach of patterns."""

import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.conv import Conv, expect_positions
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.blocks.convolution import fields, is_closed
from vgtheory.theory.blocks.fourier import transfer
from vgtheory.theory.meanfield.correlation_limit import settled_rates
from vgtheory.theory.meanfield.depth_scales import scale_of
from vgtheory.theory.precision import Values, in_float64

_ONE = 1e-6
"""A mode whose factor is this near 1 is the uniform one: any other loses 1 / n^2 at least."""


@asked()
@in_float64
def log_q_positions(net: Conv, *, depth: int, positions: int | tuple[int, ...]) -> Law:
    r"""Log of the mean square of a convolution's pre-activations, at every layer and position.

    .. math:: \ln \tfrac1N |h_l(a)|^2

    Parameters
    ----------
    net
        A ``Conv`` with scalar ``sigma_w`` and ``sigma_b``.
    depth
        Number of layers L, >= 1.
    positions
        Number of positions, or a pair of numbers for a plane.

    Returns
    -------
    Law
        ``mean``: natural log of the mean over channels, shape ``(depth, *positions)``; ``std``: 0.

    Notes
    -----
    Accuracy: 1e-12 per layer.
    Assumes: infinitely many channels; unit mean square of the input at every position, with any
    correlations.

    Examples
    --------
    >>> from vgtheory import Conv, theory
    >>> net = Conv("linear", padding="zero")
    >>> theory.blocks.log_q_positions(net, depth=2, positions=3).mean[0].round(2)  # ln 2/3
    array([-0.41,  0.  , -0.41])
    """
    log_q = fields("log_q_positions", net, depth, positions)[0]
    return Law(log_q, library(log_q).zeros_like(log_q))


@asked()
@in_float64
def log_grad_positions(net: Conv, *, depth: int, positions: int | tuple[int, ...]) -> Law:
    r"""Log-norm of a convolution's gradient by layer and position, relative to the mean at the top.

    .. math:: \ln \frac{|\partial E / \partial h_l(a)|}
        {\sqrt{\langle |\partial E / \partial h_L(b)|^2 \rangle_b}}

    Parameters
    ----------
    net, depth, positions
        As in ``log_q_positions``.

    Returns
    -------
    Law
        ``mean``: natural log of the norm (not of its square), shape ``(depth, *positions)``, 0 at
        the top; ``std``: 0.

    Notes
    -----
    Accuracy: 1e-12 per layer.
    Assumes: as ``log_q_positions``; a cotangent independent of the weights and of one size at every
    position.

    Examples
    --------
    >>> from vgtheory import Conv, theory
    >>> net = Conv("linear", padding="zero")
    >>> theory.blocks.log_grad_positions(net, depth=2, positions=3).mean[0, :2].round(2)
    array([-0.2, -0. ])
    """
    log_g = fields("log_grad_positions", net, depth, positions)[1] / 2
    return Law(log_g, library(log_g).zeros_like(log_g))


@asked()
def padding_factor(net: Conv, positions: int | tuple[int, ...]) -> float:
    r"""Factor per layer by which zero padding shrinks the mean squared gradient.

    The factor is the largest eigenvalue of the average over a window that is cut off at the border.
    For three taps and n positions it is

    .. math:: \tfrac13 \left(1 + 2 \cos \frac{\pi}{n + 1}\right)
        \approx 1 - \frac{\pi^2}{3 (n + 1)^2}

    In two dimensions it is the product of two such factors.

    Parameters
    ----------
    net
        A ``Conv``. With zero padding, ``phi`` must be homogeneous of degree one (``linear``,
        ``relu``, ``leaky_relu``, ``abs``).
    positions
        Number of positions, or a pair of numbers for a plane.

    Returns
    -------
    float
        Factor per layer of the squared norm; 1 for circular padding or delta-orthogonal kernels.

    Notes
    -----
    Accuracy: 1e-14.
    Assumes: infinitely many channels and a depth well above ``n^2 / 3``, where the profile over
    positions is stationary. With any other ``phi`` the slopes at the border differ from those
    inside; ``log_grad_layers`` and ``log_grad_positions`` hold for such networks.

    Examples
    --------
    >>> from vgtheory import Conv, theory
    >>> round(theory.blocks.padding_factor(Conv("relu", 2**0.5, padding="zero"), 8), 4)
    0.9598
    """
    where = "padding_factor"
    expect(isinstance(net, Conv), where, "a Conv ensemble", net=type(net).__name__)
    shape = expect_positions(where, net, positions)
    if is_closed(net):
        return 1.0
    straight = net.activation.degree == 1
    expect(straight, where, "an activation of degree 1", "Use log_grad_layers.", activation=net.activation.name)
    return float(np.prod([_largest(net.kernel_size, length) for length in shape]))


def _largest(kernel_size: int, length: int) -> float:
    """Largest eigenvalue of the average over a window that is cut off at the border."""
    if kernel_size == 3:
        return float(1 + 2 * np.cos(np.pi / (length + 1))) / 3
    apart = np.abs(np.arange(length)[:, None] - np.arange(length)[None, :])
    return float(np.linalg.eigvalsh((apart <= kernel_size // 2) / kernel_size)[-1])


@asked()
@in_float64
def xi_c_modes(net: Conv, positions: int | tuple[int, ...]) -> Values:
    r"""Depth scale over which each spatial Fourier mode of the correlations converges.

    .. math:: \xi_c(k) = -\frac{1}{\ln |\chi_{c^*}\, D(k)|}, \qquad
        D(k) = \prod_i \frac1K \sum_\beta \cos \frac{2 \pi k_i \beta}{n_i}

    The covariance of the pre-activations at positions a and a + d is a function of a, whose Fourier
    modes converge independently of each other.

    Parameters
    ----------
    net
        A ``Conv`` with circular padding or delta-orthogonal kernels, and scalar ``sigma_w`` and
        ``sigma_b``.
    positions
        Number of positions, or a pair of numbers for a plane.

    Returns
    -------
    array
        Layers, shape ``positions``. Entry 0 belongs to the uniform mode and is ``xi_c``. At
        criticality only this entry is infinite with Gaussian kernels. With delta-orthogonal kernels
        D is 1, and all entries are.

    Notes
    -----
    Accuracy: that of ``xi_c``.
    Assumes: infinitely many channels, ``q_star`` reached, a small deviation from the fixed point;
    positions that differ.

    References
    ----------
    Xiao et al. (2018), arXiv:1806.05393.

    Examples
    --------
    >>> from vgtheory import Conv, theory
    >>> theory.blocks.xi_c_modes(Conv("tanh", 1.5, 0.3), 4).round(2).tolist()
    [19.92, 0.87, 0.87, 0.87]
    """
    where = "xi_c_modes"
    expect(isinstance(net, Conv), where, "a Conv ensemble", net=type(net).__name__)
    shape = expect_positions(where, net, positions)
    delta = net.weights == "delta_orthogonal"
    expect(delta or net.padding == "circular", where, "no border", padding=net.padding)
    log_factor = settled_rates(net)[1]
    expect(log_factor.ndim == 0, where, "scalar sigma_w and sigma_b", "Use jax.vmap.", shape=log_factor.shape)
    kept = np.ones(shape) if delta else np.abs(transfer(net.kernel_size, shape))
    with np.errstate(divide="ignore"):
        log_kept = np.where(kept >= 1 - _ONE, 0.0, np.log(kept)).astype(log_factor.dtype)
    return scale_of(log_factor + log_kept)
