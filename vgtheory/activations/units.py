"""Units that are no function of one pre-activation: gated ones, maxout, and leaky ReLU of random slopes."""

import difflib
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from vgtheory.activation import ACTIVATIONS, Activation, Pointwise, as_activation
from vgtheory.activations.families import UNITS
from vgtheory.expect import expect, expect_count, expect_number, plain_name

_WRITTEN = re.compile(r"\s*([\w \-]+?)\s*(?:\(\s*([^()]*?(?:\([^()]*\))?)\s*\)|:(.+))?\s*")
_GATES = {"glu": "sigmoid", "reglu": "relu", "geglu": "gelu", "swiglu": "silu", "bilinear": "linear"}
_MOST_PIECES = 1024
_REMEDY = (
    "Units of several pre-activations, or of random slopes, are for q_star, chi_1, log_q_layers and log_grad_layers."
)


class Unit:
    """What a layer applies to its pre-activations where this is no ``Activation``.

    Attributes
    ----------
    fan
        Number k of pre-activations per unit, each with weights and a bias of its own. A layer of N
        units has ``h`` of k N entries: the first of every unit, then the second of every unit.
    """

    fan: int = 1
    degree: ClassVar[float | None] = None

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        raise NotImplementedError

    @property
    def parts(self) -> tuple[Activation, ...]:
        """The activations that it is made of."""
        return ()

    def phi(self, h: Array, shares: Array | None = None) -> Array:
        """Outputs, shape ``(..., N)``, of pre-activations, shape ``(..., k N)``.

        ``shares`` are uniform on (0, 1], one for each entry of ``h``, where a unit is random.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class GLU(Unit):
    """Gated linear unit, x = gate(h_1) h_2."""

    gate: Activation
    fan: ClassVar[int] = 2  # type: ignore[misc]  # one number for all

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        known = {gate: name for name, gate in _GATES.items()}
        return known.get(self.gate.name, f"glu({self.gate.name})")

    @property
    def parts(self) -> tuple[Activation, ...]:
        """The gate."""
        return (self.gate,)

    def phi(self, h: Array, shares: Array | None = None) -> Array:
        """Outputs of pre-activations."""
        del shares
        gates, values = jnp.split(h, 2, axis=-1)
        return self.gate.phi(gates) * values


@dataclass(frozen=True)
class Maxout(Unit):
    """Maxout unit, the largest of k pre-activations."""

    fan: int

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        return f"maxout({self.fan})"

    def phi(self, h: Array, shares: Array | None = None) -> Array:
        """Outputs of pre-activations."""
        del shares
        return jnp.max(h.reshape(*h.shape[:-1], self.fan, -1), axis=-2)


@dataclass(frozen=True)
class RReLU(Unit):
    """Leaky ReLU whose slope below 0 is uniform on [low, high], drawn for every input, unit and pass."""

    low: float
    high: float
    fan: ClassVar[int] = 1  # type: ignore[misc]  # one number for all

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        return f"rrelu({self.low:.15g}, {self.high:.15g})"

    def phi(self, h: Array, shares: Array | None = None) -> Array:
        """Outputs of pre-activations."""
        slopes = self.low + (self.high - self.low) * (0.5 if shares is None else shares)
        return jnp.where(h > 0, h, slopes * h)


def _numbers(where: str, written: str, words: list[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        expect(False, where, "numbers in the brackets", activation=written)
        raise


def _maxout(where: str, written: str, inside: str) -> Unit:
    (pieces,) = _numbers(where, written, [inside or "2"])
    expect(pieces == int(pieces), where, "a whole number of pieces", activation=written)
    expect_count(where, 2, _MOST_PIECES, pieces=int(pieces))
    return Maxout(int(pieces))


def _rrelu(where: str, written: str, inside: str) -> Unit:
    found = _numbers(where, written, re.split("[,:]", inside) if inside else ["0.125", f"{1 / 3!r}"])
    expect(len(found) == 2, where, "two slopes, as in rrelu(0.125, 0.333)", activation=written)
    low, high = found
    expect_number(where, "(-inf, inf)", ndim=0, low=low, high=high)
    expect(low <= high, where, "slopes in ascending order", activation=written)
    return RReLU(low, high)


def _named(where: str, written: str) -> Unit | None:
    """The unit of this name; None if there is none."""
    found = _WRITTEN.fullmatch(written)
    name = plain_name(found[1]) if found else ""
    if found is None or name not in UNITS:
        return None
    inside = (found[2] or found[3] or "").strip()
    if name in ("maxout", "rrelu"):
        return (_maxout if name == "maxout" else _rrelu)(where, written, inside)
    expect(not inside or name == "glu", where, "a gate in the brackets of glu only", activation=written)
    return GLU(as_activation(inside or _GATES[name], where))


def as_unit(activation: "str | Unit | Activation | Pointwise", where: str) -> "Unit | Activation":
    """Look up a unit or an activation.

    Parameters
    ----------
    activation
        ``"glu"``, ``"reglu"``, ``"geglu"``, ``"swiglu"``, ``"bilinear"``, ``"glu(tanh)"`` with any
        gate by name, ``"maxout(3)"``, ``"rrelu(0.125, 0.333)"``, a ``Unit``, or what
        ``as_activation`` takes.
    where
        Name of the public function or class, for error messages.
    """
    found = _named(where, activation) if isinstance(activation, str) else activation
    if isinstance(found, Unit):
        return found
    try:
        return as_activation(activation, where)  # type: ignore[arg-type]
    except ValueError:
        written = activation if isinstance(activation, str) else ""
        near = difflib.get_close_matches(plain_name(written), [*ACTIVATIONS, *UNITS], n=2, cutoff=0.5)
        if near and near[0] in UNITS:
            remedy = f"Did you mean {' or '.join(map(repr, near))}?"
            expect(False, where, "a known activation", remedy, activation=activation)
        raise


def is_unit(net: Any) -> bool:
    """Whether a network's layers consist of units."""
    return isinstance(getattr(net, "activation", None), Unit)


def fan_of(net: Any) -> int:
    """Number of pre-activations per unit of any network."""
    return net.activation.fan if is_unit(net) else 1


def expect_no_unit(where: str, net: Any) -> None:
    """Raise if a network's layers consist of units."""
    expect(not is_unit(net), where, "an activation of one pre-activation", _REMEDY, net=net)


__all__ = ["GLU", "Maxout", "RReLU", "Unit", "as_unit", "expect_no_unit", "fan_of", "is_unit"]
