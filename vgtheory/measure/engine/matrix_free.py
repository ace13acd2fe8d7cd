r"""Networks sampled without weight matrices, with O(width) random numbers per layer and input.

The joint law of all log-norms is that of real networks. A Gaussian matrix is used once in the
forward and once in the backward pass. Treat the biases as one more input of size sigma_b, so that
:math:`h_b = V \tilde x_b` with :math:`V_{ij} \sim N(0, 1)`. Write the layer's inputs as
:math:`\tilde X = Q R` and the incoming gradients as :math:`G = Q_G R_G`, with orthonormal columns.
Forward, :math:`Z = V Q` has independent standard normal entries and :math:`H = Z R`. In the
backward pass, conditioning on the forward pass fixes :math:`V Q` and leaves V independent
elsewhere, so that

.. math:: V^{\mathsf T} G = \left[ Q Z^{\mathsf T} Q_G + (1 - Q Q^{\mathsf T})\, \eta \right] R_G

with independent standard normal :math:`\eta`. This is exact at any width. It remains exact for
inputs that coincide (R singular) or vanish (a dead layer): whatever Q is chosen there, Z is V Q.
Dropout changes X alone, and its factors the slopes as well. Noise added to H leaves V Q known. That of
a lone input is one more bias: the two are never told apart.

===========  ======================================================  =============================
symbol       meaning                                                 shape (rows here)
===========  ======================================================  =============================
``x``        the layer's input, times sigma_w / sqrt(width)          (inputs, width)
``offset``   sigma_b                                                 (inputs,)
``q, p``     Q: its part along the units, and along the bias         (inputs, width), (inputs,)
``r``        R transposed: row b expresses input b in terms of Q     (inputs, inputs)
``z``        V Q                                                     (inputs, width)
``eta``      V^T Q_G if V were unknown (and the part of its bias)    (inputs, width), (inputs, 1)
===========  ======================================================  =============================
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

from vgtheory.activations.units import is_unit
from vgtheory.expect import expect, expect_noun
from vgtheory.measure.engine.draws import ABOVE, UNITS, normal
from vgtheory.measure.engine.links import Place, activate, added, factors
from vgtheory.measure.engine.log_pass import Walk
from vgtheory.measure.engine.networks import orthonormal_columns
from vgtheory.measure.engine.taps import finite_peak, log_norm, log_pair
from vgtheory.networks.dense import Dense
from vgtheory.networks.noise import is_noisy

_LOG_EDGE = 60.0
_TINY = 1e-30
"""A number below the square of any h that is not zero."""


class _Kept(NamedTuple):
    """Record of the forward pass: h below a layer, its log-scale, log-norms of x, facts on x."""

    h: Array
    log_scale: Array
    log_x: Array
    facts: Any


def check_matrix_free(where: str, net: Any) -> None:
    """Raise unless every layer has Gaussian weights of its own."""
    remedy = "Use sampler='networks'."
    expect_noun(where, (Dense,), remedy, net=net)
    expect(net.weights == "gaussian", where, "Gaussian weights", remedy, weights=net.weights)
    expect(not is_unit(net), where, "an activation of one pre-activation", remedy, net=net)
    expect(net.dropconnect == 0, where, "no DropConnect", remedy, dropconnect=net.dropconnect)


def _drawn(words: Array, role: int, layer: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Normal numbers; the branch keeps XLA on a CPU from drawing them for every reader."""
    draw = lambda words, layer: normal(words, role, layer, shape, dtype)
    return lax.cond(layer >= 0, draw, lambda *_: jnp.zeros(shape, dtype), words, layer)


def _normalised(rows: Array) -> tuple[Array, Array]:
    """Log-norm of each row, and the rows over their norms."""
    return jax.vmap(log_norm)(rows)


def _product(left: Array, right: Array) -> Array:
    return jnp.dot(left, right, precision=lax.Precision.HIGHEST)


class Layers(NamedTuple):
    """The layers of a network as functions of their index, which is traced.

    Attributes
    ----------
    scale, sigma_b
        Standard deviation of the entries of a layer's weights, and of its biases.
    inputs
        A layer's input from its index, the ``h`` below and its log-scale.
    slopes
        Slopes of the activation below a layer at ``h``.
    mask
        1 for the units of a layer, 0 beyond; None if all layers are of one width. A network of
        masked units is one whose slopes are zero there, so that the law above holds as it stands.
    factors, added
        Dropout's factors and noise added to ``h``, from a layer and a shape; None without noise.
    sigma_noise
        Standard deviation of what is added.
    """

    scale: Callable[[Array], Array]
    sigma_b: Callable[[Array], Any]
    inputs: Callable[[Array, Array, Array], Array]
    slopes: Callable[[Array, Array], Array]
    mask: Callable[[Array], Array] | None = None
    factors: Callable[[Array, tuple[int, ...]], Any] | None = None
    added: Callable[[Array, tuple[int, ...]], Array] | None = None
    sigma_noise: float = 0.0

    def own(self, layer: Array, rows: Array) -> Array:
        """Rows whose entries beyond the units of a layer are zero."""
        return rows if self.mask is None else rows * self.mask(layer)[None, :]


def alike(net: Dense, width: int, dtype: DTypeLike, scalable: bool, words: Array) -> Layers:
    """Layers of one width, one activation and one pair of scales."""
    scale = (net.sigma_w / np.sqrt(width)).astype(dtype)
    inputs = lambda layer, h, log_scale: activate(net.activation, h, log_scale, scalable)
    layers = Layers(lambda layer: scale, lambda layer: net.sigma_b, inputs, lambda layer, h: net.activation.dphi(h))
    if not is_noisy(net):
        return layers
    own, fresh = (
        lambda layer, shape, draw=draw: draw(net, Place(words, layer), shape, dtype) for draw in (factors, added)
    )
    return layers._replace(factors=own, added=fresh, sigma_noise=net.sigma_noise)


class _Many(NamedTuple):
    """Many inputs: Householder reflections give orthonormal columns, forward and again backward."""

    words: Array
    layers: Layers

    def _apart(self, layer: Array, x: Array, offset: Array) -> tuple[Array, Array, Array]:
        q, r = orthonormal_columns(jnp.concatenate([x * self.layers.scale(layer), offset[:, None]], axis=1).T)
        return q[:-1].T, q[-1], r.T

    def up(self, layer: Array, x: Array, log_x: Array, offset: Array, fresh: Any) -> tuple[Array, Array, Any]:
        del log_x
        z = _drawn(self.words, UNITS, layer, x.shape, x.dtype)
        return *_normalised(self.layers.own(layer, _product(self._apart(layer, x, offset)[2], z)) + fresh), ()

    def down(self, layer: Array, x: Array, offset: Array, unit: Array, above: Array, facts: Any) -> Array:
        del above, facts
        q, p, _ = self._apart(layer, x, offset)
        columns, r_g = orthonormal_columns(unit.T)
        z = _drawn(self.words, UNITS, layer, x.shape, x.dtype)
        eta, eta_bias = (
            _drawn(self.words, ABOVE, 2 * layer + k, (len(x), n), x.dtype) for k, n in ((0, x.shape[1]), (1, 1))
        )
        unknown = _product(eta, q.T) + eta_bias * p[None, :]
        return _product(r_g.T, eta + _product(_product(columns.T, z.T) - unknown, q))


class _Lone(NamedTuple):
    """One input: Q is the input over its norm (0 for a zero input), and z lies along its h."""

    words: Array
    layers: Layers

    def up(self, layer: Array, x: Array, log_x: Array, offset: Array, fresh: Any) -> tuple[Array, Array, Any]:
        del fresh
        scale = self.layers.scale(layer)
        log_r = jnp.logaddexp(2 * (log_x + jnp.log(scale)), 2 * jnp.log(offset)) / 2
        alive = log_r > -jnp.inf
        inverse = jnp.where(alive, jnp.exp(-log_r), 0.0).astype(x.dtype)
        z = self.layers.own(layer, _drawn(self.words, UNITS, layer, x.shape, x.dtype))
        length = jnp.sqrt(jnp.sum(z * z, axis=1))
        return log_r + jnp.log(length), z * (alive / length)[:, None], (scale * inverse, offset * inverse, length)

    def down(self, layer: Array, x: Array, offset: Array, unit: Array, above: Array, facts: Any) -> Array:
        del offset
        along_x, along_bias, length = facts
        eta, eta_bias = (
            _drawn(self.words, ABOVE, 2 * layer + k, (1, n), x.dtype) for k, n in ((0, x.shape[1]), (1, 1))
        )
        known = length * _product(unit, above.T)[0] / jnp.sqrt(jnp.maximum(jnp.sum(above * above, axis=1), _TINY))
        unknown = along_x * _product(eta, x.T)[0] + along_bias * eta_bias[:, 0]
        return eta + ((known - unknown) * along_x)[:, None] * x


def walk_without_matrices(
    words: Array, chain: Layers, x_0: Array, cotangent: Array, depth: int, scalable: bool
) -> Walk:
    """Run one Gaussian ``Dense`` network forward and backward, as ``log_pass.walk`` does."""
    (num_inputs, width), dtype = x_0.shape, x_0.dtype
    layers = (_Lone if num_inputs == 1 else _Many)(words, chain)
    zeros = jnp.zeros(num_inputs, dtype)

    def inputs_of(layer: Array, h: Array, log_scale: Array) -> Array:
        return jnp.where(layer == 1, h, chain.inputs(layer, h, log_scale))

    def factors_of(layer: Array) -> Any:
        return 1 if chain.factors is None else chain.factors(layer, x_0.shape)

    def offset_of(layer: Array, log_scale: Array) -> Array:
        size = chain.sigma_b(layer)
        if num_inputs == 1 and chain.sigma_noise > 0:
            size = jnp.hypot(size, chain.sigma_noise)
        return (size * jnp.exp(jnp.minimum(-log_scale, _LOG_EDGE))).astype(dtype)

    def fresh_of(layer: Array, log_scale: Array) -> Any:
        if chain.added is None or num_inputs == 1:
            return 0
        return jnp.exp(jnp.minimum(-log_scale, _LOG_EDGE)).astype(dtype)[:, None] * chain.added(layer, x_0.shape)

    def slopes_of(layer: Array, h: Array, log_scale: Array) -> Array:
        seen = jnp.clip(log_scale, -_LOG_EDGE, _LOG_EDGE) if scalable else log_scale
        return chain.slopes(layer, h * jnp.exp(seen)[:, None])

    def climb(state: tuple[Array, Array], layer: Array) -> tuple[tuple[Array, Array], tuple[_Kept, Array]]:
        h, log_scale = state
        x = inputs_of(layer, h, log_scale) * factors_of(layer)
        log_x = _normalised(x)[0]
        size, unit, facts = layers.up(layer, x, log_x, offset_of(layer, log_scale), fresh_of(layer, log_scale))
        log_rms = size - np.log(width) / 2
        grown = jnp.where(jnp.isfinite(log_rms), log_rms, 0.0) if scalable else jnp.zeros_like(log_rms)
        above = unit * (np.sqrt(width) * jnp.exp(log_rms - grown)).astype(dtype)[:, None]
        return (above, log_scale + grown), (_Kept(h, log_scale, log_x, facts), log_rms)

    def descend(
        state: tuple[Array, Array, Array], inputs: tuple[Array, _Kept]
    ) -> tuple[tuple[Array, Array, Array], tuple[Array, Array]]:
        (unit, ledger, above), (layer, kept) = state, inputs
        x = inputs_of(layer, kept.h, kept.log_scale) * factors_of(layer)
        pair = log_pair(ledger + kept.log_x + kept.log_scale - finite_peak(kept.log_scale), unit, x, kept.log_x)
        down = layers.down(layer, x, offset_of(layer, kept.log_scale), unit, above, kept.facts)
        size, unit = _normalised(slopes_of(layer, kept.h, kept.log_scale) * factors_of(layer) * down)
        ledger = ledger + size
        return (unit, ledger - finite_peak(ledger), kept.h), (jnp.log(chain.scale(layer)) + size, pair)

    (top_h, _), (kept, log_rms) = lax.scan(climb, (x_0, zeros), jnp.arange(1, depth + 1))
    size, unit = _normalised(cotangent)
    start = (unit, size - finite_peak(size), top_h)
    _, (rows, pair) = lax.scan(descend, start, (jnp.arange(1, depth + 1), kept), reverse=True)
    rows = jnp.concatenate([rows[1:], size[None]])
    return Walk(log_rms, rows, pair, rows[0])
