"""How far from criticality a network lies, in layers, and on which side."""

import inspect
from typing import Any

import jax.numpy as jnp
import numpy as np

from vgtheory.ensemble import Ensemble
from vgtheory.expect import expect_not_negative
from vgtheory.theory.arguments import asked
from vgtheory.theory.decorrelation import chi_c
from vgtheory.theory.meanfield import chi_1, q_slope
from vgtheory.theory.precision import in_float64

_CRITICAL = 1e-9
"""Of ln chi_1: what still counts as critical."""


@asked()
@in_float64
def phase(net: Ensemble) -> Any:
    """Phase of a network: -1 ordered (gradients vanish), 0 critical, 1 chaotic (gradients explode).

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    array
        Sign of ``ln chi_1``, 0 where that is below 1e-9 (in float32: 1e-4); broadcast shape. It is that of the limit of many
        layers: where q runs to 0 or to infinity for ever, 0 says that the factor tends to 1, not that the gradient keeps its norm
        (``log_grad_layers``; ``drift`` of ``initialiser_audit``).

    Raises
    ------
    ValueError
        If ``net`` has a given matrix.

    Notes
    -----
    Accuracy: that of ``chi_1``.
    Assumes: infinite width. The names are those of the correlation of two inputs; where ``q_star`` is 0 or infinite (``relu``
    without biases) that has no phase of its own, and only the gradient's is told.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import Dense, theory
    >>> theory.phase(Dense("tanh", sigma_w=np.array([0.9, 1.0, 1.1]))).tolist()
    [-1.0, 0.0, 1.0]
    """
    log_chi = jnp.log(_plain(chi_1)(net))
    noise = max(_CRITICAL, 500 * float(jnp.finfo(log_chi.dtype).eps))
    return jnp.where(jnp.abs(log_chi) <= noise, 0.0, jnp.sign(log_chi))


def _plain(function: Any) -> Any:
    """A theory function inside another: no second change of precision."""
    return inspect.unwrap(function)


def scale(factor: Any) -> Any:
    """-1 / ln of a factor, infinite where it is 1 within rounding.

    Parameters
    ----------
    factor
        Per layer, > 0.
    """
    log_factor = jnp.log(jnp.asarray(factor))
    flat = jnp.abs(log_factor) <= 8 * float(jnp.finfo(log_factor.dtype).eps)
    return jnp.where(flat, jnp.inf, -1 / jnp.where(flat, 1.0, log_factor))


@asked()
@in_float64
def xi_grad(net: Ensemble) -> Any:
    r"""Depth scale of the gradient's squared norm.

    .. math:: \xi_\nabla = -\frac{1}{\ln \chi_1}

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    array
        Layers over which the mean *squared* gradient falls by e; negative where it grows, infinite at criticality;
        broadcast shape. The norm itself has twice the scale.

    Raises
    ------
    ValueError
        If ``net`` has a given matrix.

    Notes
    -----
    Accuracy: that of ``chi_1``, divided by its distance from 1.
    Assumes: infinite width.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232, eq. 20.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.xi_grad(Dense("tanh", sigma_w=1.5, sigma_b=0.3))), 2)
    -16.89
    """
    return scale(_plain(chi_1)(net))


@asked()
@in_float64
def xi_c(net: Ensemble) -> Any:
    r"""Depth scale over which the correlation of two inputs settles.

    .. math:: \xi_c = -\frac{1}{\ln \chi_{c^*}}

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    array
        Layers, > 0, infinite at criticality; broadcast shape. Infinite too for ``relu`` without biases at every ``sigma_w``,
        where correlations settle by a power of the depth.

    Raises
    ------
    ValueError
        If ``net`` has a given matrix.

    Notes
    -----
    Accuracy: that of ``chi_c``, divided by its distance from 1.
    Assumes: infinite width.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232, eq. 9.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.xi_c(Dense("tanh", sigma_w=1.0, sigma_b=0.3))), 3)
    2.807
    """
    return scale(_plain(chi_c)(net))


@asked()
@in_float64
def xi_q(net: Ensemble) -> Any:
    r"""Depth scale over which the length of an input settles.

    .. math:: \xi_q = -\frac{1}{\ln (dq'/dq)}

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.

    Returns
    -------
    array
        Layers; infinite where the slope is 1, NaN where it is negative (q then settles by swinging); broadcast shape.

    Raises
    ------
    ValueError
        If ``net`` has a given matrix.

    Notes
    -----
    Accuracy: that of ``q_slope``, divided by its distance from 1.
    Assumes: infinite width.

    References
    ----------
    Schoenholz et al. (2017), arXiv:1611.01232, eq. 7.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.xi_q(Dense("tanh", sigma_w=1.5, sigma_b=0.3))), 3)
    1.167
    """
    return scale(_plain(q_slope)(net))


@asked()
@in_float64
def decade_depth(net: Ensemble, decades: Any = 1.0) -> Any:
    r"""Depth at which the norm of the gradient has lost, or gained, so many powers of ten.

    .. math:: L = \frac{2 \ln 10}{|\ln \chi_1|}\, d

    Parameters
    ----------
    net
        The ensemble; ``sigma_w`` and ``sigma_b`` of any broadcastable shapes.
    decades
        Powers of ten d, >= 0; broadcasts.

    Returns
    -------
    array
        Layers, infinite at criticality; broadcast shape.

    Raises
    ------
    ValueError
        If ``net`` has a given matrix or ``decades`` is negative.

    Notes
    -----
    Accuracy: that of ``xi_grad``.
    Assumes: infinite width. For the layer at which a number format gives out, with its spread, see ``pass_limit``.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> round(float(theory.decade_depth(Dense("sigmoid", sigma_w=1.0), decades=6)), 2)
    9.57
    """
    expect_not_negative("decade_depth", decades=decades)
    depth = jnp.abs(_plain(xi_grad)(net))
    return 2 * float(np.log(10)) * depth * jnp.asarray(decades, depth.dtype)
