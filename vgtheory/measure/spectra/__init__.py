"""Singular values of the input-output Jacobian."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.spectra.moments import JacobianMoments, jacobian_moments
    from vgtheory.measure.spectra.top import jacobian_top_singular_values
    from vgtheory.measure.spectra.values import jacobian_singular_values

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["JacobianMoments", "jacobian_moments", "jacobian_singular_values", "jacobian_top_singular_values"]
