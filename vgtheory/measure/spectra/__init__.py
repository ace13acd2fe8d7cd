"""Singular values of the input-output Jacobian, measured.

``jacobian_singular_values`` gives the logarithms of all of them, over hundreds of orders of
magnitude, ``jacobian_top_singular_values`` the largest of wide networks, and ``jacobian_moments``
mean and variance.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.spectra.moments import JacobianMoments, jacobian_moments
    from vgtheory.measure.spectra.top import jacobian_top_singular_values
    from vgtheory.measure.spectra.values import jacobian_singular_values

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["JacobianMoments", "jacobian_moments", "jacobian_singular_values", "jacobian_top_singular_values"]
