"""Checks of a noun's fields, and the objects that their names stand for."""

from collections.abc import Iterable
from typing import Any

from vgtheory.activation import as_activation
from vgtheory.activations.units import as_unit
from vgtheory.expect import expect_one_of, expect_scale
from vgtheory.networks.noise import Dropped, Noisy, resolve_noise
from vgtheory.weights import WEIGHTS, as_weights

PLACES = ("pre", "post")


def resolve(net: Any, *scales: str, places: Iterable[str] = PLACES, units: bool = False) -> None:
    """Resolve a network's activation, and check its scales, its noise and the place of its norm.

    ``scales`` names the fields that hold standard deviations. ``units`` tells whether the activation
    may be a ``Unit``.
    """
    where, fields = type(net).__name__, vars(net)
    if "activation" in fields and not ("widths" in fields and isinstance(net.activation, tuple)):
        object.__setattr__(net, "activation", (as_unit if units else as_activation)(net.activation, where))
    if "place" in fields:
        expect_one_of(places, where, place=net.place)
    for name in scales:
        expect_scale(where, **{name: fields[name]})
    if isinstance(net, Noisy | Dropped):
        resolve_noise(net, where)


def resolve_weights(net: Any, choices: Iterable[str] = WEIGHTS) -> None:
    """Resolve the name of a network's kind of weights, one of ``choices``."""
    object.__setattr__(net, "weights", as_weights(choices, type(net).__name__, net.weights))


__all__ = ["PLACES", "resolve", "resolve_weights"]
