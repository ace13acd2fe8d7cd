"""Parts of a chain that can be taken out of the backward pass, without a change of the forward pass."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from vgtheory.diagnose.passes.exponents import Scaled


class Cut(NamedTuple):
    """Which part is taken out.

    Attributes
    ----------
    which
        Its number; traced. Row k of the table is 2 k, and what lies right above it is 2 k + 1.
    same
        Numbers of the layers' sites whose input has the shape of their output, so that the identity
        replaces their Jacobian.
    pairs
        For layers' sites, the next one up, where only slopes lie between, of one shape, in one
        step; the identity replaces the slopes' Jacobian.
    factors
        By number of a part, the inverse of its factor of the gradient's norm, as a mantissa and a
        power of two, shape ``(2 * rows, 2)``.
    """

    which: Array
    same: frozenset[int]
    pairs: dict[int, int]
    factors: Array

    def layer(self, row: Array, site: int, above: Scaled, below: Scaled) -> Scaled:
        """Cotangent by a layer's input, given those by its output and by its input."""
        number = 2 * jnp.asarray(row)
        taken = self.which == number
        if site in self.same:
            other = Scaled(above.unit.astype(below.unit.dtype), above.power)
        else:
            other = self._scaled(number, below)
        return Scaled(jnp.where(taken, other.unit, below.unit), jnp.where(taken, other.power, below.power))

    def above(self, row: Array, cotangent: Scaled, upper: Scaled | None) -> Scaled:
        """Cotangent by a layer's output, with the slopes above it taken out.

        ``upper`` is the cotangent by the input of the next layer up, where that is at hand.
        """
        number = 2 * jnp.asarray(row) + 1
        other = upper if upper is not None else self._scaled(number, cotangent)
        other, taken = other._replace(unit=other.unit.astype(cotangent.unit.dtype)), self.which == number
        return Scaled(jnp.where(taken, other.unit, cotangent.unit), jnp.where(taken, other.power, cotangent.power))

    def _scaled(self, number: Array, cotangent: Scaled) -> Scaled:
        mantissa, power = self.factors[number]
        return Scaled(cotangent.unit * mantissa.astype(cotangent.unit.dtype), cotangent.power + power.astype(jnp.int32))
