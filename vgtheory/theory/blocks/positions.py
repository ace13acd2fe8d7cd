"""Profiles of convolutional networks over depth and position, and what a border of zeros takes away."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.conv import Conv, expect_positions
from vgtheory.theory.arguments import asked
from vgtheory.theory.blocks.convolution import fields, is_closed
from vgtheory.theory.precision import in_float64


@asked()
@in_float64
def log_q_positions(net: Conv, *, depth: int, positions: Any) -> Law:
    r"""Log of the mean square over channels of a convolution's pre-activations, at every layer and position.

    .. math:: \ln \tfrac1N |h_l(a)|^2

    Parameters
    ----------
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth
        Number of layers L, >= 1.
    positions
        Number of positions, or two of them for a plane.

    Returns
    -------
    Law
        ``mean``: natural log, shape ``(depth, *positions)``; ``std``: 0.

    Notes
    -----
    Accuracy: 1e-12 per layer.
    Assumes: infinitely many channels; every position of the input has unit mean square, whatever
    their correlations.

    Examples
    --------
    >>> from vgtheory import Conv, theory
    >>> import numpy as np
    >>> net = Conv("linear", padding="zero")
    >>> np.exp(theory.blocks.log_q_positions(net, depth=1, positions=4).mean).round(4).tolist()
    [[0.6667, 1.0, 1.0, 0.6667]]
    """
    log_q = fields("log_q_positions", net, depth, positions)[0]
    return Law(log_q, jnp.zeros_like(log_q))


@asked()
@in_float64
def log_grad_positions(net: Conv, *, depth: int, positions: Any) -> Law:
    r"""Log-norm of a convolution's gradient at every layer and position, relative to the mean over positions at the top.

    .. math:: \ln \frac{|\partial E / \partial h_l(a)|}{\sqrt{\langle |\partial E / \partial h_L(b)|^2 \rangle_b}}

    Parameters
    ----------
    net
        The ensemble, with scalar ``sigma_w`` and ``sigma_b``.
    depth
        Number of layers L, >= 1.
    positions
        Number of positions, or two of them for a plane.

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
    >>> import numpy as np
    >>> net = Conv("linear", padding="zero")
    >>> np.exp(2 * theory.blocks.log_grad_positions(net, depth=2, positions=4).mean[0]).round(4).tolist()
    [0.6667, 1.0, 1.0, 0.6667]
    """
    log_g = fields("log_grad_positions", net, depth, positions)[1] / 2
    return Law(log_g, jnp.zeros_like(log_g))


@asked()
def padding_factor(net: Conv, positions: Any) -> float:
    r"""Factor per layer by which zero padding shrinks the mean squared gradient of a homogeneous network.

    It is the largest eigenvalue of the average over a window that is cut off at the border, for
    three taps and n positions

    .. math:: \tfrac13 \left(1 + 2 \cos \frac{\pi}{n + 1}\right) \approx 1 - \frac{\pi^2}{3 (n + 1)^2}

    and in two dimensions the product of two of them.

    Parameters
    ----------
    net
        The ensemble; with ``phi`` homogeneous of degree one (linear, ``relu``, ``leaky_relu``,
        ``abs``), or without a border.
    positions
        Number of positions, or two of them for a plane.

    Returns
    -------
    float
        Of the squared norm, per layer; 1 for circular padding or delta-orthogonal kernels.

    Raises
    ------
    ValueError
        If there is a border of zeros and ``phi`` is not homogeneous of degree one.

    Notes
    -----
    Accuracy: 1e-14.
    Assumes: infinitely many channels and a depth well above ``n^2 / 3``, where the profile over
    positions has settled. With any other ``phi`` the slopes at the border differ from those inside;
    ``log_grad_layers`` and ``log_grad_positions`` hold for such networks.

    Examples
    --------
    >>> from vgtheory import Conv, theory
    >>> net = Conv("relu", 2**0.5, padding="zero")
    >>> round(theory.blocks.padding_factor(net, 8), 4), round(theory.blocks.padding_factor(net, (8, 8)), 4)
    (0.9598, 0.9212)
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
