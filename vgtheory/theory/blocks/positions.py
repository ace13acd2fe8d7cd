"""Profiles of convolutional networks over depth and position, and the loss by zero padding."""

import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.conv import Conv, expect_positions
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.blocks.convolution import fields, is_closed
from vgtheory.theory.precision import in_float64


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
