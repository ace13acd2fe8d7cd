"""The noun ``Activation`` and the table ``ACTIVATIONS``."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from vgtheory.expect import expect, expect_one_of

Pointwise = Callable[[Array], Array]


@functools.cache
def _derivative(phi: Pointwise) -> Pointwise:
    """Elementwise derivative of ``phi`` by forward-mode differentiation; one object per ``phi``."""

    def dphi(h: Array) -> Array:
        return jax.jvp(phi, (h,), (jnp.ones_like(h),))[1]

    return dphi


@dataclass(frozen=True)
class Activation:
    r"""A pointwise nonlinearity :math:`\phi` with what theory must know of it.

    Attributes
    ----------
    name
        A word for tables and figures.
    phi
        Elementwise JAX function.
    dphi
        Its derivative, elementwise; by automatic differentiation if not given.
    kinks
        Points where ``phi`` or its first or second derivative jumps, in units of ``h``; integrals are split there.
    sup_dphi
        :math:`\sup_h |\phi'(h)|`; searched for numerically if not given (``theory.sup_dphi``).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from vgtheory import Activation, Dense, theory
    >>> cube = Activation("tanh_cubed", lambda h: jnp.tanh(h) ** 3)
    >>> round(float(theory.q_map(1.0, Dense(cube, sigma_w=1.0))), 4)
    0.1867
    """

    name: str
    phi: Pointwise
    dphi: Pointwise = None  # type: ignore[assignment]  # filled in below
    kinks: tuple[float, ...] = ()
    sup_dphi: float | None = None

    def __post_init__(self) -> None:
        """Fill in the derivative."""
        expect(callable(self.phi), "Activation", "a callable phi", phi=self.phi)
        if self.dphi is None:
            object.__setattr__(self, "dphi", _derivative(self.phi))


def _linear(h: Array) -> Array:
    return h


def _one(h: Array) -> Array:
    return jnp.ones_like(h)


def _step(h: Array) -> Array:
    return jnp.where(h > 0, jnp.ones_like(h), jnp.zeros_like(h))


def _leaky_relu(h: Array) -> Array:
    return jnp.where(h > 0, h, 0.01 * h)


def _leaky_step(h: Array) -> Array:
    return jnp.where(h > 0, jnp.ones_like(h), jnp.full_like(h, 0.01))


def _tanh_slope(h: Array) -> Array:
    decay = jnp.exp(-2 * jnp.abs(h))
    return 4 * decay / (1 + decay) ** 2


def _erf_slope(h: Array) -> Array:
    return 2 / jnp.sqrt(jnp.pi).astype(h.dtype) * jnp.exp(-(h**2))


def _sigmoid_slope(h: Array) -> Array:
    decay = jnp.exp(-jnp.abs(h))
    return decay / (1 + decay) ** 2


def _gelu(h: Array) -> Array:
    return jax.nn.gelu(h, approximate=False)


def _gelu_slope(h: Array) -> Array:
    return jax.scipy.stats.norm.cdf(h) + h * jax.scipy.stats.norm.pdf(h)


def _silu_slope(h: Array) -> Array:
    gate = jax.nn.sigmoid(h)
    return gate + h * _sigmoid_slope(h)


def _elu(h: Array) -> Array:
    return jnp.where(h > 0, h, jnp.expm1(jnp.minimum(h, 0)))


def _elu_slope(h: Array) -> Array:
    return jnp.where(h > 0, jnp.ones_like(h), jnp.exp(jnp.minimum(h, 0)))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _selu(h: Array) -> Array:
    return SELU_SCALE * jnp.where(h > 0, h, SELU_ALPHA * jnp.expm1(jnp.minimum(h, 0)))


def _selu_slope(h: Array) -> Array:
    return SELU_SCALE * jnp.where(h > 0, jnp.ones_like(h), SELU_ALPHA * jnp.exp(jnp.minimum(h, 0)))


def _hard_tanh(h: Array) -> Array:
    return jnp.clip(h, -1, 1)


def _box(h: Array) -> Array:
    return jnp.where(jnp.abs(h) < 1, jnp.ones_like(h), jnp.zeros_like(h))


ACTIVATIONS: dict[str, Activation] = {
    entry.name: entry
    for entry in (
        Activation("linear", _linear, _one, (), 1.0),
        Activation("relu", jax.nn.relu, _step, (0.0,), 1.0),
        Activation("leaky_relu", _leaky_relu, _leaky_step, (0.0,), 1.0),
        Activation("tanh", jnp.tanh, _tanh_slope, (), 1.0),
        Activation("erf", jax.scipy.special.erf, _erf_slope, (), 1.1283791670955126),
        Activation("sigmoid", jax.nn.sigmoid, _sigmoid_slope, (), 0.25),
        Activation("gelu", _gelu, _gelu_slope, (), 1.1289041451851547),
        Activation("silu", jax.nn.silu, _silu_slope, (), 1.099839320128867),
        Activation("softplus", jax.nn.softplus, jax.nn.sigmoid, (), 1.0),
        Activation("elu", _elu, _elu_slope, (0.0,), 1.0),
        Activation("selu", _selu, _selu_slope, (0.0,), SELU_SCALE * SELU_ALPHA),
        Activation("sin", jnp.sin, jnp.cos, (), 1.0),
        Activation("hard_tanh", _hard_tanh, _box, (-1.0, 1.0), 1.0),
    )
}
"""The activations known by name; ``leaky_relu`` has slope 0.01, ``elu`` alpha 1, ``gelu`` is the exact one (by erf)."""


def as_activation(activation: "str | Activation | Pointwise") -> Activation:
    """Look up an activation: a name in the table, an ``Activation``, or a user's own callable.

    Parameters
    ----------
    activation
        A key of ``ACTIVATIONS``, an ``Activation`` (returned as it is), or an elementwise JAX function (wrapped; it is
        taken to have no kinks, so give an ``Activation`` if it has).

    Raises
    ------
    ValueError
        If the name is not in the table; the message names the nearest.
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        expect_one_of(ACTIVATIONS, "Activation", activation=activation)
        return ACTIVATIONS[activation]
    expect(callable(activation), "Activation", "a name, an Activation or a callable", activation=activation)
    return Activation(getattr(activation, "__name__", "custom"), activation)
