"""Singular values of the Jacobian: do all directions keep their length, or only the average?

What are the largest and the smallest singular value? ``jacobian_edge``; their ratio is
``jacobian_condition``, and the share of zeros ``jacobian_atom``. To keep all directions over many
layers take orthogonal weights and a critical scale with small ``q_star``, and look at the edge.

How are the values distributed? ``jacobian_density`` and ``jacobian_cdf``, with
``jacobian_density_of_log`` and ``jacobian_cdf_of_log`` for their logarithms; ``jacobian_moments``
gives mean and variance. ``heavy_edge`` is the largest singular value of one heavy-tailed matrix.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.spectra.density import (
        jacobian_cdf,
        jacobian_cdf_of_log,
        jacobian_density,
        jacobian_density_of_log,
    )
    from vgtheory.theory.spectra.edge import JacobianEdge, jacobian_atom, jacobian_condition, jacobian_edge
    from vgtheory.theory.spectra.heavy_tails import heavy_edge
    from vgtheory.theory.spectra.moments import JacobianMoments, jacobian_moments

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "JacobianEdge",
    "JacobianMoments",
    "heavy_edge",
    "jacobian_atom",
    "jacobian_cdf",
    "jacobian_cdf_of_log",
    "jacobian_condition",
    "jacobian_density",
    "jacobian_density_of_log",
    "jacobian_edge",
    "jacobian_moments",
]
