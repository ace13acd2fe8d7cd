"""Dispatch by network of the laws of single entries of weight gradients; each is in its own file."""

import functools
import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from vgtheory.expect import expect_noun
from vgtheory.networks.dense import Dense
from vgtheory.networks.transformer import Transformer
from vgtheory.theory.magnitudes.scaled import Block

WHOLE = ""
"""Name of a layer's only matrix."""
_HOMES: dict[type, str] = {Dense: "entries", Transformer: "matrices"}
NETWORKS = tuple(_HOMES)
"""Networks with such a law."""


class Entry(Protocol):
    """Law of the entries of one matrix, below a cotangent of entries of unit mean square."""

    @property
    def zero(self) -> float:
        """Share of exact zeros."""

    @property
    def log_typical(self) -> float:
        """Log of a typical modulus; -inf where all entries are zero."""

    def beyond(self, log_bounds: np.ndarray, above: bool) -> np.ndarray:
        """Shares of entries, zeros left out, whose modulus is below or above each bound."""

    def blocks(self) -> list[Block]:
        """What the entries of one unit's inputs share, and their distribution given that."""


class Tensor(NamedTuple):
    """Laws of one matrix in every layer, and its numbers of outputs and inputs there.

    At infinite width these are infinite, or relative to the width.
    """

    rows: Sequence[Entry]
    outputs: np.ndarray
    inputs: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Numbers of entries."""
        return self.outputs * self.inputs


class Asked(NamedTuple):
    """A question: arguments of ``underflow_share``."""

    where: str
    depth: int | None
    width: Any
    positions: int | None
    c_0: Any
    input_square: Any


@functools.singledispatch
def tensors_of(net: Any, asked: Asked) -> dict[str, Tensor]:
    """Laws of all matrices by name.

    Parameters
    ----------
    net
        The network.
    asked
        The question.
    """
    expect_noun(asked.where, NETWORKS, net=net)
    home = next(_HOMES[kind] for kind in type(net).__mro__ if kind in _HOMES)
    importlib.import_module(f"{__package__}.{home}")
    return tensors_of.dispatch(type(net))(net, asked)


__all__ = ["NETWORKS", "WHOLE", "Asked", "Entry", "Tensor", "tensors_of"]
