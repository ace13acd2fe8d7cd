"""The noun ``Activation`` and the table ``ACTIVATIONS``."""

import functools
import re
from dataclasses import dataclass
from typing import Any, cast

from vgtheory.activations import families
from vgtheory.activations.cusp import with_cusps
from vgtheory.activations.elementwise import by_name, expect_elementwise, from_name
from vgtheory.activations.kinks import Pointwise, derivative, found_kinks
from vgtheory.activations.nonlinearities import FUNCTIONS, SELU_ALPHA, SELU_SCALE, in_numpy
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

INF = float("inf")
ACTIVATIONS: dict[str, "Activation"] = {}
"""The activations known by name.

``leaky_relu`` has slope 0.01, and ``elu`` has alpha 1. ``gelu`` is exact (by erf), ``gelu_tanh``
its approximation by tanh, and ``gaussian`` is exp(-h^2). The slopes of ``relu_squared`` and
``cube`` are unbounded. In a name, case, ``-``, ``_`` and spaces do not matter; ``swish``,
``identity``, ``logistic``, ``atan`` and ``sine`` are aliases.

Some take a parameter: ``leaky_relu(0.2)`` (or ``prelu``; slope below 0), ``elu(0.5)`` and ``celu(2)``
(alpha), ``swish(1.702)``, ``softplus(2)`` and ``snake(1)`` (beta), ``tanh(0.7)`` and ``sin(30)``
(factor of the argument), ``hard_tanh(2)`` (limit). A shell takes ``leaky_relu:0.2``.
"""
_ALIASES = {"swish": "silu", "identity": "linear", "logistic": "sigmoid", "atan": "arctan", "sine": "sin"}
_UNITS = "Layers of such units are for Dense."
_FIELDS: dict[str, Check] = {
    **{"name": expect_text, "phi": expect_function, "dphi": expect_function, "bounded": expect_flag},
    "sup_dphi": functools.partial(expect_number, interval="[0, inf]", ndim=0),
    **{"kinks": functools.partial(expect_number, ndim=1), "degree": functools.partial(expect_number, ndim=0)},
    "period": functools.partial(expect_number, interval="(0, inf)", ndim=0),
}


@dataclass(frozen=True, repr=False)
class Activation:
    r"""A pointwise nonlinearity :math:`\phi`, with the facts that theory needs.

    Attributes
    ----------
    name
        Name in tables and figures.
    phi
        Elementwise JAX function: phi([a, b]) = [phi(a), phi(b)].
    dphi
        Derivative of phi, elementwise; default by automatic differentiation. Where it grows without
        bound at a kink, a constant replaces it near the kink, with the same integral of its square.
    kinks
        Points where ``phi`` or its first or second derivative jumps, in units of ``h``; integrals
        are split there. Default: found by ``found_kinks``. ``()`` declares that there are none.
    sup_dphi
        :math:`\sup_h |\phi'(h)|`, which may be inf; default: a numerical search
        (``theory.layers.sup_dphi``).
    bounded
        Whether :math:`\sup_h |\phi(h)|` is finite; None if unknown.
    degree
        The k with :math:`\phi(a h) = a^k \phi(h)` for all a > 0; None if there is none, or unknown.
    period
        The smallest P > 0 with :math:`\phi(h + P) = \phi(h)`, in units of ``h``; None if there is
        none, or unknown.

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
        if ACTIVATIONS:  # the table's own entries are made while it is empty, and tested elsewhere
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
        """Pickle an entry of the table as its name, and functions that JAX wraps by theirs."""
        if _named(self.name) is self:
            return as_activation, (self.name,)
        own = getattr(self.dphi, "args", (self.dphi,))[0] is derivative(self.phi)  # replaced near cusps or not
        given = ("phi",) if own else ("phi", "dphi")
        functions = {name: by_name(getattr(self, name)) for name in given}
        facts = {name: getattr(self, name) for name in _FIELDS if name not in ("phi", "dphi")}
        return _restored, (functions, facts)


def _restored(functions: dict[str, Any], facts: dict[str, Any]) -> Activation:
    """Undo ``Activation.__reduce__``."""
    return Activation(**{name: from_name(function) for name, function in functions.items()}, **facts)


TAU = 6.283185307179586

ACTIVATIONS |= {
    entry.name: entry
    for entry in (
        Activation("linear", *FUNCTIONS["linear"], (), 1.0, bounded=False, degree=1.0),
        Activation("relu", *FUNCTIONS["relu"], (0.0,), 1.0, bounded=False, degree=1.0),
        Activation("leaky_relu", *FUNCTIONS["leaky_relu"], (0.0,), 1.0, bounded=False, degree=1.0),
        Activation("tanh", *FUNCTIONS["tanh"], (), 1.0, bounded=True),
        Activation("erf", *FUNCTIONS["erf"], (), 1.1283791670955126, bounded=True),
        Activation("sigmoid", *FUNCTIONS["sigmoid"], (), 0.25, bounded=True),
        Activation("gelu", *FUNCTIONS["gelu"], (), 1.1289041451851547, bounded=False),
        Activation("silu", *FUNCTIONS["silu"], (), 1.099839320128867, bounded=False),
        Activation("softplus", *FUNCTIONS["softplus"], (), 1.0, bounded=False),
        Activation("elu", *FUNCTIONS["elu"], (0.0,), 1.0, bounded=False),
        Activation("selu", *FUNCTIONS["selu"], (0.0,), SELU_SCALE * SELU_ALPHA, bounded=False),
        Activation("sin", *FUNCTIONS["sin"], (), 1.0, bounded=True, period=TAU),
        Activation("hard_tanh", *FUNCTIONS["hard_tanh"], (-1.0, 1.0), 1.0, bounded=True),
        Activation("hard_sigmoid", *FUNCTIONS["hard_sigmoid"], (-3.0, 3.0), 1 / 6, bounded=True),
        Activation("hard_swish", *FUNCTIONS["hard_swish"], (-3.0, 3.0), 1.5, bounded=False),
        Activation("mish", *FUNCTIONS["mish"], (), 1.088498161251728, bounded=False),
        Activation("softsign", *FUNCTIONS["softsign"], (0.0,), 1.0, bounded=True),
        Activation("arctan", *FUNCTIONS["arctan"], (), 1.0, bounded=True),
        Activation("relu_squared", *FUNCTIONS["relu_squared"], (0.0,), INF, bounded=False, degree=2.0),
        Activation("relu6", *FUNCTIONS["relu6"], (0.0, 6.0), 1.0, bounded=True),
        Activation("abs", *FUNCTIONS["abs"], (0.0,), 1.0, bounded=False, degree=1.0),
        Activation("gaussian", *FUNCTIONS["gaussian"], (), 0.8577638849607068, bounded=True),
        Activation("gelu_tanh", *FUNCTIONS["gelu_tanh"], (), 1.1289930686587717, bounded=False),
        Activation("cube", *FUNCTIONS["cube"], (), INF, bounded=False, degree=3.0),
    )
}


@functools.cache
def _member(family: str, parameter: float) -> Activation:
    """An activation with a parameter: one object for each."""
    kind = families.FAMILIES[family]
    name = f"{family}({parameter:.15g})"
    if parameter == kind.usual:
        return ACTIVATIONS[family]
    expect_number(family, kind.interval, ndim=0, parameter=parameter)
    facts: dict[str, Any] = {"kinks": (), "bounded": False} | kind.facts(parameter)
    return Activation(name, families.function(family, parameter), **facts)


def _named(name: str) -> Activation | None:
    """The activation of this name, with or without a parameter; None if there is none."""
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    plain = {**{plain_name(known): known for known in ACTIVATIONS}, **_ALIASES}.get(plain_name(name))
    parts = None if plain else families.parted(name)
    return ACTIVATIONS[plain] if plain else _member(*parts) if parts else None


def as_activation(activation: "str | Activation | Pointwise", where: str = "Activation") -> Activation:
    """Look up an activation.

    Parameters
    ----------
    activation
        A name or alias in ``ACTIVATIONS``, with a parameter or not, an ``Activation`` (returned as it
        is), or an elementwise JAX function (wrapped, after a search for its kinks).
    where
        Name of the public function or class, for error messages.

    Raises
    ------
    ValueError
        If the name is not in the table (the message names the nearest), or a function is not
        elementwise.
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        found = _named(activation)
        beyond = found is None and plain_name(re.split("[(:]", activation)[0]) in families.UNITS
        expect(not beyond, where, "an activation of one pre-activation", _UNITS, activation=activation)
        expect_one_of(ACTIVATIONS if found is None else [activation], where, activation=activation)
        return cast("Activation", found)
    is_function = callable(activation) and not isinstance(activation, type)
    expect(is_function, where, "a name, an Activation or a function", activation=activation)
    expect_elementwise(where, activation=activation)
    return Activation(getattr(activation, "__name__", "custom"), activation)


def is_tabled(activation: Activation) -> bool:
    """Whether an activation is itself an entry of ``ACTIVATIONS``."""
    return ACTIVATIONS.get(activation.name) is activation


def both_in_numpy(activation: Activation, h: Any) -> tuple[Any, Any]:
    """Values of phi and phi' of an activation of the table, by NumPy and SciPy in float64."""
    return in_numpy(activation.phi)(h), in_numpy(activation.dphi)(h)


__all__ = ["ACTIVATIONS", "Activation", "Pointwise", "as_activation", "both_in_numpy", "is_tabled"]
