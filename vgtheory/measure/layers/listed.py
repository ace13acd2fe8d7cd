"""Real networks whose layers are listed: every layer is padded to the widest, so that depth stays one scan.

Units beyond a layer's own are zero forward and backward. The norms of ``log_pass.Walk`` are those of
the real units; only a mean square is taken over the padded ones, which ``log_padding`` makes good.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from vgtheory.activation import Activation
from vgtheory.expect import expect
from vgtheory.measure.engine.draws import BIAS, COTANGENT, INPUT, WEIGHTS, drawn, normal
from vgtheory.measure.engine.links import Place, activate, affine, factors, is_scalable
from vgtheory.measure.engine.log_pass import Walk, walk
from vgtheory.measure.engine.matrix_free import Layers, walk_without_matrices
from vgtheory.measure.engine.networks import Weights, orthogonal, wide
from vgtheory.networks.dense import Dense
from vgtheory.networks.listed import Listing, depth_of, known_width, listing, width_of
from vgtheory.networks.noise import NOISE, expect_no_added_noise, is_noisy


def unit_of(net: Any) -> Dense:
    """A network of weights and biases that are drawn at their own scales, with the noise of another."""
    noise = {name: getattr(net, name) for name in NOISE}
    return Dense("linear", sigma_w=1.0, sigma_b=1.0, **noise)


class Rows(NamedTuple):
    """The layers' numbers as arrays, which a program takes as arguments.

    Attributes
    ----------
    sigma_w, sigma_b
        Scales of each layer, shape ``(depth,)``; of the weights for entries of variance 1 / inputs.
    sizes
        Units of the input and of every layer, shape ``(depth + 1,)``.
    kinds
        Place of the activation below each layer among the different ones, shape ``(depth,)``.
    input_rms
        Root of the input's mean square, shape ``()``.
    """

    sigma_w: Any
    sigma_b: Any
    sizes: Any
    kinds: Any
    input_rms: Any


class Plan(NamedTuple):
    """Static facts on the layers: the widest, the kind of weights, the different activations."""

    widest: int
    weights: str
    activations: tuple[Activation, ...]

    @property
    def scalable(self) -> bool:
        """Whether ``h`` may be renormalised, whatever the layer."""
        return all(is_scalable(each) for each in self.activations)


def planned_layers(
    where: str, net: Any, depth: int | None, width: int | None, input_square: Any, dtype: str
) -> tuple[Plan, Rows, Listing]:
    """The layers of a network as a measurement takes them; ``where`` names the public function."""
    depth, width = depth_of(where, net, depth), width_of(where, net, width)
    expect_no_added_noise(where, net)
    width = width if net.widths else known_width(where, width)
    layers = listing(where, net, depth, width)
    alike = net.weights != "orthogonal" or len(set(layers.sizes)) == 1
    expect(alike, where, "orthogonal weights of square layers", "Take Gaussian ones.", widths=net.widths)
    kinds = layers.kinds
    below = [0, *(kinds.index(each) for each in layers.activations[:-1])]
    scale_w, scale_b = (np.asarray(jax.tree.map(float, row), wide(dtype)) for row in (layers.sigma_w, layers.sigma_b))
    rows = Rows(scale_w, scale_b, np.array(layers.sizes), np.array(below), np.asarray(input_square, wide(dtype)) ** 0.5)
    return Plan(max(layers.sizes), net.weights, tuple(kinds)), rows, layers


def log_padding(layers: Listing) -> np.ndarray:
    """Log of the mean square over a layer's own units less that over the widest layer's, shape ``(depth,)``."""
    return np.log(max(layers.sizes) / np.asarray(layers.sizes[1:]))


class Listed(NamedTuple):
    """The layers of one network, by a layer's index from 1, which may be traced."""

    words: Array
    plan: Plan
    rows: Rows
    dtype: Any
    scalable: bool
    unit: Dense = Dense("linear")

    def mask(self, layer: ArrayLike) -> Array:
        """1 for a layer's own units, 0 beyond, shape ``(widest,)``; layer 0 is the input."""
        return jnp.asarray(jnp.arange(self.plan.widest) < jnp.asarray(self.rows.sizes)[jnp.asarray(layer)], self.dtype)

    def scale(self, layer: ArrayLike) -> Array:
        """Standard deviation of the entries of a layer's weights."""
        sizes = jnp.asarray(self.rows.sizes, wide(self.dtype))
        return (
            jnp.asarray(self.rows.sigma_w)[jnp.asarray(layer) - 1] / jnp.sqrt(sizes[jnp.asarray(layer) - 1])
        ).astype(self.dtype)

    def sigma_b(self, layer: ArrayLike) -> Array:
        """Standard deviation of a layer's biases."""
        return jnp.asarray(self.rows.sigma_b)[jnp.asarray(layer) - 1]

    def weights(self, layer: ArrayLike) -> Weights:
        """One layer's weights, scaled; zero from and to units that are not there."""
        shape, stored = (self.plan.widest, self.plan.widest), wide(self.dtype)
        if self.plan.weights == "orthogonal":
            matrix = orthogonal(normal(self.words, WEIGHTS, layer, shape, stored)) * np.sqrt(shape[0])
        else:
            matrix = drawn(self.words, self.plan.weights, layer, shape, stored)
        below, above = self.mask(jnp.asarray(layer) - 1), self.mask(layer)
        matrix = matrix * self.scale(layer) * below[:, None] * above[None, :]
        bias = normal(self.words, BIAS, layer, shape[:1], stored) * self.sigma_b(layer) * above
        return Weights(matrix.astype(self.dtype), bias.astype(self.dtype))

    def affine(self, layer: Array, x: Array, log_scale: Array) -> Array:
        """``h`` of a layer from its input, both over ``exp(log_scale)``."""
        place = Place(self.words, layer)
        x = x * factors(self.unit, place, x.shape, x.dtype)
        return affine(self.unit, self.weights(layer), x, log_scale, place)

    def _of_kind(
        self, layer: Array, branch: Callable[[Activation], Callable[..., Array]], h: Array, *rest: Array
    ) -> Array:
        """A function of the activation below a layer; where no unit is it sees 1, for slopes at 0 may be infinite."""
        own = self.mask(jnp.asarray(layer) - 1)[None, :]
        values = (jnp.where(own > 0, h, 1.0), *rest)
        branches = [branch(each) for each in self.plan.activations]
        if len(branches) == 1:
            return branches[0](*values) * own
        return lax.switch(jnp.asarray(self.rows.kinds)[jnp.asarray(layer) - 1], branches, *values) * own

    def inputs(self, layer: Array, h: Array, log_scale: Array) -> Array:
        """Inputs of a layer above the first from the ``h`` below it, over the scale."""
        branch = lambda kind: functools.partial(activate, kind, scalable=self.scalable)
        return self._of_kind(layer, branch, h, log_scale)

    def slopes(self, layer: Array, h: Array) -> Array:
        """Slopes of the activation below a layer at ``h``."""
        branch = lambda kind: lambda h: jnp.broadcast_to(kind.dphi(h), h.shape).astype(h.dtype)
        return self._of_kind(layer, branch, h)

    def start(self, num_inputs: int) -> Array:
        """Inputs of exactly the mean square that is asked for, shape ``(num_inputs, widest)``."""
        z = normal(self.words, INPUT, 0, (num_inputs, self.plan.widest), wide(self.dtype)) * self.mask(0)[None, :]
        size = jnp.asarray(self.rows.sizes, z.dtype)[0]
        unit = z / jnp.sqrt(jnp.sum(z**2, axis=1, keepdims=True) / size)
        return (unit * self.rows.input_rms).astype(self.dtype)

    def cotangent(self, num_inputs: int) -> Array:
        """Standard normal cotangents of the last layer, shaped as ``start``."""
        z = normal(self.words, COTANGENT, 0, (num_inputs, self.plan.widest), wide(self.dtype))
        return (z * self.mask(len(self.rows.sigma_w))[None, :]).astype(self.dtype)


class Size(NamedTuple):
    """Static arguments of the compiled program."""

    plan: Plan
    num_inputs: int
    dtype: DTypeLike
    scalable: bool
    sampler: str
    keep: str


def one(words: Array, given: tuple[Dense, Rows], size: Size) -> Walk:
    """Run one network; every leaf has an axis of one point in front, as of a grid."""
    rows = jax.tree.map(jnp.asarray, given[1])
    layers, unit = Listed(words, size.plan, rows, size.dtype, size.scalable), unit_of(given[0])
    depth, x_0, cotangent = len(rows.sigma_w), layers.start(size.num_inputs), layers.cotangent(size.num_inputs)
    if size.sampler == "matrix_free":
        own = lambda layer, shape: factors(unit, Place(words, layer), shape, size.dtype)
        chain = Layers(layers.scale, layers.sigma_b, layers.inputs, layers.slopes, layers.mask)
        chain = chain._replace(factors=own) if is_noisy(unit) else chain
        found = walk_without_matrices(words, chain, x_0, cotangent, depth, size.scalable)
    else:
        how: dict[str, Any] = {"inputs_of": layers.inputs, "words": words}
        found = walk(layers.weights, unit, x_0, cotangent, depth, size.scalable, size.keep, **how)
    return jax.tree.map(lambda leaf: leaf[None], found)


__all__ = ["Listed", "Plan", "Rows", "Size", "log_padding", "one", "planned_layers", "unit_of"]
