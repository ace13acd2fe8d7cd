"""The noun ``Activation`` and the table ``ACTIVATIONS``."""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from vgtheory.cusp import with_cusps
from vgtheory.elementwise import arctan, arctan_slope, by_name, expect_elementwise, from_name
from vgtheory.expect import (
    Check,
    expect,
    expect_flag,
    expect_function,
    expect_number,
    expect_one_of,
    expect_text,
    plain_name,
)
from vgtheory.kinks import Pointwise, derivative, found_kinks

INF = float("inf")
ACTIVATIONS: dict[str, "Activation"] = {}
"""The activations known by name. ``leaky_relu`` has slope 0.01, ``elu`` alpha 1; ``gelu`` is the exact one (by erf),
``gelu_tanh`` the approximation by tanh; ``gaussian`` is exp(-h^2). The slopes of ``relu_squared`` and ``cube`` have no bound.
In a name, case, ``-``, ``_`` and spaces do not matter; ``swish``, ``identity``, ``logistic``, ``atan`` and ``sine`` are known too."""
_ALIASES = {"swish": "silu", "identity": "linear", "logistic": "sigmoid", "atan": "arctan", "sine": "sin"}
_FIELDS: dict[str, Check] = {
    **{"name": expect_text, "phi": expect_function, "dphi": expect_function, "bounded": expect_flag},
    "sup_dphi": functools.partial(expect_number, interval="[0, inf]", ndim=0),
    **{"kinks": functools.partial(expect_number, ndim=1), "degree": functools.partial(expect_number, ndim=0)},
    "period": functools.partial(expect_number, interval="(0, inf)", ndim=0),
}


@dataclass(frozen=True, repr=False)
class Activation:
    r"""A pointwise nonlinearity :math:`\phi` with what theory must know of it.

    Attributes
    ----------
    name
        A word for tables and figures.
    phi
        Elementwise JAX function: phi([a, b]) = [phi(a), phi(b)].
    dphi
        Its derivative, elementwise; by automatic differentiation if not given. Where it grows without bound at a kink it is
        held within a hair of it, at what has the integral of its square.
    kinks
        Points where ``phi`` or its first or second derivative jumps, in units of ``h``; integrals are split there.
        Found by ``found_kinks`` if not given; ``()`` declares that there are none.
    sup_dphi
        :math:`\sup_h |\phi'(h)|`, which may be inf; searched for numerically if not given (``theory.layers.sup_dphi``).
    bounded
        Whether :math:`\sup_h |\phi(h)|` is finite; None if unknown.
    degree
        The k with :math:`\phi(a h) = a^k \phi(h)` for all a > 0; None if there is none, or unknown.
    period
        The smallest P > 0 with :math:`\phi(h + P) = \phi(h)`, in units of ``h``; None if there is none, or unknown.

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
    kinks: tuple[float, ...] = None  # type: ignore[assignment]  # filled in below
    sup_dphi: float | None = None
    bounded: bool | None = None
    degree: float | None = None
    period: float | None = None

    def __post_init__(self) -> None:
        """Fill in the derivative and the kinks."""
        for name, check in _FIELDS.items():
            if name in ("name", "phi") or getattr(self, name) is not None:
                check("Activation", **{name: getattr(self, name)})
        if ACTIVATIONS:  # its own entries, made while it is empty, are tested
            expect_elementwise("Activation", phi=self.phi)
            if self.dphi is not None:
                expect_elementwise("Activation", dphi=self.dphi)
        if self.dphi is None:
            object.__setattr__(self, "dphi", derivative(self.phi))
        object.__setattr__(self, "kinks", found_kinks(self.phi) if self.kinks is None else tuple(self.kinks))
        smooth = self.sup_dphi is not None and (self.sup_dphi < INF or (self.degree or 0) >= 1)
        if self.kinks and not smooth:
            dphi, kinks, unbounded = with_cusps(self.dphi, self.kinks)
            found = {"dphi": dphi, "kinks": kinks, "sup_dphi": INF if unbounded else self.sup_dphi}
            for name, value in found.items():
                object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle an entry of the table as its name, and what JAX wraps by its own."""
        if ACTIVATIONS.get(self.name) is self:
            return as_activation, (self.name,)
        own = getattr(self.dphi, "args", (self.dphi,))[0] is derivative(self.phi)  # held beside cusps, or not
        given = ("phi",) if own else ("phi", "dphi")
        functions = {name: by_name(getattr(self, name)) for name in given}
        facts = {name: getattr(self, name) for name in _FIELDS if name not in ("phi", "dphi")}
        return _restored, (functions, facts)


def _restored(functions: dict[str, Any], facts: dict[str, Any]) -> Activation:
    """Undo ``Activation.__reduce__``."""
    return Activation(**{name: from_name(function) for name, function in functions.items()}, **facts)


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


def _hard_sigmoid_slope(h: Array) -> Array:
    return jnp.where(jnp.abs(h) < 3, jnp.full_like(h, 1 / 6), jnp.zeros_like(h))


def _hard_swish_slope(h: Array) -> Array:
    return jnp.where(jnp.abs(h) < 3, (2 * h + 3) / 6, _step(h))


def _mish_slope(h: Array) -> Array:
    e = jnp.exp(-jnp.abs(h))
    right = e**2 * (1 + e) / (1 + 2 * e + 2 * e**2) ** 2
    left = e * (1 + e) / (2 + 2 * e + e**2) ** 2
    return jnp.tanh(jax.nn.softplus(h)) + 4 * h * jnp.where(h > 0, right, left)


def _softsign_slope(h: Array) -> Array:
    return 1 / (1 + jnp.abs(h)) ** 2


def _relu_squared(h: Array) -> Array:
    return jax.nn.relu(h) ** 2


def _relu_squared_slope(h: Array) -> Array:
    return 2 * jax.nn.relu(h)


def _relu6_slope(h: Array) -> Array:
    return jnp.where((h > 0) & (h < 6), jnp.ones_like(h), jnp.zeros_like(h))


def _gaussian(h: Array) -> Array:
    return jnp.exp(-(h**2))


def _gaussian_slope(h: Array) -> Array:
    return -2 * h * jnp.exp(-(h**2))


GELU_TANH_RATE, GELU_TANH_CUBIC = 1.5957691216057308, 0.044715  # 2 sqrt(2 / pi)


def _gelu_tanh(h: Array) -> Array:
    return h * jax.nn.sigmoid(GELU_TANH_RATE * (h + GELU_TANH_CUBIC * h**3))


def _gelu_tanh_slope(h: Array) -> Array:
    inner, inner_slope = h + GELU_TANH_CUBIC * h**3, 1 + 3 * GELU_TANH_CUBIC * h**2
    gate = jax.nn.sigmoid(GELU_TANH_RATE * inner)
    return gate + GELU_TANH_RATE * h * inner_slope * _sigmoid_slope(GELU_TANH_RATE * inner)


def _cube(h: Array) -> Array:
    return h**3


def _cube_slope(h: Array) -> Array:
    return 3 * h**2


TAU = 6.283185307179586

ACTIVATIONS |= {
    entry.name: entry
    for entry in (
        Activation("linear", _linear, _one, (), 1.0, bounded=False, degree=1.0),
        Activation("relu", jax.nn.relu, _step, (0.0,), 1.0, bounded=False, degree=1.0),
        Activation("leaky_relu", _leaky_relu, _leaky_step, (0.0,), 1.0, bounded=False, degree=1.0),
        Activation("tanh", jnp.tanh, _tanh_slope, (), 1.0, bounded=True),
        Activation("erf", jax.scipy.special.erf, _erf_slope, (), 1.1283791670955126, bounded=True),
        Activation("sigmoid", jax.nn.sigmoid, _sigmoid_slope, (), 0.25, bounded=True),
        Activation("gelu", _gelu, _gelu_slope, (), 1.1289041451851547, bounded=False),
        Activation("silu", jax.nn.silu, _silu_slope, (), 1.099839320128867, bounded=False),
        Activation("softplus", jax.nn.softplus, jax.nn.sigmoid, (), 1.0, bounded=False),
        Activation("elu", _elu, _elu_slope, (0.0,), 1.0, bounded=False),
        Activation("selu", _selu, _selu_slope, (0.0,), SELU_SCALE * SELU_ALPHA, bounded=False),
        Activation("sin", jnp.sin, jnp.cos, (), 1.0, bounded=True, period=TAU),
        Activation("hard_tanh", _hard_tanh, _box, (-1.0, 1.0), 1.0, bounded=True),
        Activation("hard_sigmoid", jax.nn.hard_sigmoid, _hard_sigmoid_slope, (-3.0, 3.0), 1 / 6, bounded=True),
        Activation("hard_swish", jax.nn.hard_swish, _hard_swish_slope, (-3.0, 3.0), 1.5, bounded=False),
        Activation("mish", jax.nn.mish, _mish_slope, (), 1.088498161251728, bounded=False),
        Activation("softsign", jax.nn.soft_sign, _softsign_slope, (0.0,), 1.0, bounded=True),
        Activation("arctan", arctan, arctan_slope, (), 1.0, bounded=True),
        Activation("relu_squared", _relu_squared, _relu_squared_slope, (0.0,), INF, bounded=False, degree=2.0),
        Activation("relu6", jax.nn.relu6, _relu6_slope, (0.0, 6.0), 1.0, bounded=True),
        Activation("abs", jnp.abs, jnp.sign, (0.0,), 1.0, bounded=False, degree=1.0),
        Activation("gaussian", _gaussian, _gaussian_slope, (), 0.8577638849607068, bounded=True),
        Activation("gelu_tanh", _gelu_tanh, _gelu_tanh_slope, (), 1.1289930686587717, bounded=False),
        Activation("cube", _cube, _cube_slope, (), INF, bounded=False, degree=3.0),
    )
}


def as_activation(activation: "str | Activation | Pointwise", where: str = "Activation") -> Activation:
    """Look up an activation: a name in the table, an ``Activation``, or a user's own callable.

    Parameters
    ----------
    activation
        A key of ``ACTIVATIONS`` or another name for one, an ``Activation`` (returned as it is), or an elementwise JAX function (wrapped; its
        kinks are searched for).
    where
        Name of the public function or class that was asked.

    Raises
    ------
    ValueError
        If the name is not in the table; the message names the nearest. If a function is not elementwise.
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        known = {**{plain_name(name): name for name in ACTIVATIONS}, **_ALIASES}
        name = activation if activation in ACTIVATIONS else known.get(plain_name(activation), activation)
        expect_one_of(ACTIVATIONS, where, activation=name)
        return ACTIVATIONS[name]
    is_function = callable(activation) and not isinstance(activation, type)
    expect(is_function, where, "a name, an Activation or a function", activation=activation)
    expect_elementwise(where, activation=activation)
    return Activation(getattr(activation, "__name__", "custom"), activation)


__all__ = ["ACTIVATIONS", "Activation", "Pointwise", "as_activation"]
