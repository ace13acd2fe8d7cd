"""Activations with one parameter, written by name: ``leaky_relu(0.2)``, or ``leaky_relu:0.2`` in a shell."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from vgtheory.activations.kinks import Pointwise
from vgtheory.expect import plain_name

_SILU_SLOPE = 1.099839320128867
_WRITTEN = re.compile(r"\s*([\w \-]+?)\s*(?:\((?:[a-z_]+=)?([^()=]+)\)|:([^()=:]+))\s*")


class Family(NamedTuple):
    """Activations phi(h; a), and what theory needs to know of each."""

    phi: Callable[[Array, float], Array]
    interval: str
    facts: Callable[[float], dict[str, Any]]
    usual: float | None = None
    """Parameter of the table's activation of the same name, or None."""


def _leaky_relu(h: Array, a: float) -> Array:
    return jnp.where(h > 0, h, a * h)


def _elu(h: Array, a: float) -> Array:
    return jnp.where(h > 0, h, a * jnp.expm1(jnp.minimum(h, 0.0)))


def _celu(h: Array, a: float) -> Array:
    return jnp.where(h > 0, h, a * jnp.expm1(jnp.minimum(h, 0.0) / a))


FAMILIES = {
    "leaky_relu": Family(
        *(_leaky_relu, "(-inf, inf)", lambda a: {"kinks": (0.0,), "sup_dphi": max(1.0, abs(a)), "degree": 1.0}, 0.01)
    ),
    "elu": Family(_elu, "(0, inf)", lambda a: {"kinks": (0.0,), "sup_dphi": max(1.0, a)}, 1.0),
    "celu": Family(_celu, "(0, inf)", lambda a: {"kinks": (0.0,), "sup_dphi": 1.0}),
    "silu": Family(lambda h, a: h * jax.nn.sigmoid(a * h), "(0, inf)", lambda a: {"sup_dphi": _SILU_SLOPE}, 1.0),
    "softplus": Family(lambda h, a: jax.nn.softplus(a * h) / a, "(0, inf)", lambda a: {"sup_dphi": 1.0}, 1.0),
    "snake": Family(lambda h, a: h + jnp.sin(a * h) ** 2 / a, "(0, inf)", lambda a: {"sup_dphi": 2.0}),
    "tanh": Family(lambda h, a: jnp.tanh(a * h), "(0, inf)", lambda a: {"sup_dphi": a, "bounded": True}, 1.0),
    "sin": Family(
        *(lambda h, a: jnp.sin(a * h), "(0, inf)"),
        *(lambda a: {"sup_dphi": a, "bounded": True, "period": 6.283185307179586 / a}, 1.0),
    ),
    "hard_tanh": Family(
        *(lambda h, a: jnp.clip(h, -a, a), "(0, inf)"),
        *(lambda a: {"kinks": (-a, a), "sup_dphi": 1.0, "bounded": True}, 1.0),
    ),
}
"""The families by name.

Their parameters: leaky ReLU's slope below 0, alpha of ELU and CELU, beta of SiLU (swish), softplus and
snake, the factor of the argument of tanh and sin, the limit of hard tanh.
"""
UNITS = ("glu", "reglu", "geglu", "swiglu", "bilinear", "maxout", "rrelu")
"""Names of units that are no function of one pre-activation (``units``)."""
ALIASES = {"prelu": "leaky_relu", "swish": "silu", "sine": "sin"}


def parted(written: str) -> tuple[str, float] | None:
    """Family and parameter of a name like ``leaky_relu(0.2)`` or ``leaky_relu:0.2``; None of another."""
    found = _WRITTEN.fullmatch(written)
    names = {plain_name(name): name for name in FAMILIES} | ALIASES
    if found is None or plain_name(found[1]) not in names:
        return None
    try:
        return names[plain_name(found[1])], float(found[2] or found[3])
    except ValueError:
        return None


def function(name: str, parameter: float) -> Pointwise:
    """Elementwise function of one member."""
    phi = FAMILIES[name].phi

    def member(h: Array) -> Array:
        return phi(h, parameter)

    member.__name__ = name
    return member


__all__ = ["FAMILIES", "UNITS", "function", "parted"]
