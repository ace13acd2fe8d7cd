"""Depth scales of the spatial patterns in a convolutional network."""

import numpy as np

from vgtheory.expect import expect
from vgtheory.networks.conv import Conv, expect_positions
from vgtheory.theory.arguments import asked
from vgtheory.theory.blocks.fourier import transfer
from vgtheory.theory.meanfield.correlation_limit import settled_rates
from vgtheory.theory.meanfield.depth_scales import scale_of
from vgtheory.theory.precision import Values, in_float64

_ONE = 1e-6
"""A mode whose factor is this near 1 is the uniform one: any other loses 1 / n^2 at least."""


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
