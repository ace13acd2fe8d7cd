"""Rows of the page "What can be described": a network with one thing changed."""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp

from vgtheory import ACTIVATIONS, Activation
from vgtheory.networks.noise import MASKS

STRAIGHT = ("linear", "relu", "leaky_relu", "abs")
"""Activations that are straight on either side of 0, whose laws differ from those of others."""


@dataclass
class Row:
    """What a person draws, how it is written, the networks that stand for it, and further arguments."""

    words: str
    written: str
    nets: list[Any]
    own: dict[str, Any] = field(default_factory=dict)


@dataclass
class Section:
    """A kind of network: its heading, the network from which its rows start, the rows, and a word on the columns."""

    title: str
    base: Any
    rows: list[Row]
    note: str = ""


def _value(value: Any) -> str:
    name = value.name if isinstance(value, Activation) else value
    return repr(name).replace("'", '"')


def changed(base: Any, words: str, **changes: Any) -> Row:
    """The base with some fields changed."""
    written = ", ".join(f"{name}={_value(value)}" for name, value in changes.items())
    return Row(words, written, [base.replace(**changes)])


def each(base: Any, words: str, name: str, choices: Any, **changes: Any) -> list[Row]:
    """A row for every choice of a field but the base's own; in ``words``, {} stands for the choice."""
    others = [choice for choice in choices if choice != getattr(base, name)]
    return [changed(base, words.format(choice.replace("_", " ")), **{name: choice}, **changes) for choice in others]


def families(base: Any) -> list[Row]:
    """All activations known by name, straight ones apart, one with a parameter, and a function of one's own."""
    others = [name for name in ACTIVATIONS if name not in STRAIGHT]
    return [
        Row(
            "straight on either side of 0",
            ", ".join(f'"{name}"' for name in STRAIGHT),
            [base.replace(activation=name) for name in STRAIGHT],
        ),
        Row(
            f"any of {len(others)} other activations by name",
            "ACTIVATIONS",
            [base.replace(activation=name) for name in others],
        ),
        changed(base, "an activation with a parameter", activation="leaky_relu(0.2)"),
        Row("an elementwise function of your own", "activation=f", [base.replace(activation=jnp.arctan)]),
    ]


def noises(base: Any) -> list[Row]:
    """Every kind of noise."""
    return [
        changed(base, "dropout", dropout=0.2),
        *(changed(base, f"{mask} dropout", dropout=0.2, mask=mask) for mask in MASKS if mask != base.mask),
        changed(base, "DropConnect", dropconnect=0.2),
        changed(base, "noise added to every h", sigma_noise=0.1),
    ]
