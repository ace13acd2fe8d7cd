"""Dispatch by network of drawing weight gradients entry by entry; each is in its own file."""

import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.expect import expect_noun
from vgtheory.measure.engine.averages import averaged
from vgtheory.networks.dense import Dense
from vgtheory.networks.transformer import Transformer

WHOLE = ""
"""Name of a layer's only matrix."""
_HOMES: dict[type, str] = {Dense: "layers", Transformer: "matrices"}


class Asked(NamedTuple):
    """A question: arguments of ``underflow_share``."""

    where: str
    depth: int | None
    width: int | None
    num_nets: int
    positions: int | None
    c_0: Any
    input_square: float
    dtype: str


class Piece(NamedTuple):
    """Gradient of one matrix of one layer in some of the networks.

    Attributes
    ----------
    name, layer
        Which.
    entries
        Float64, shape (networks, outputs, inputs).
    """

    name: str
    layer: int
    entries: np.ndarray


@functools.singledispatch
def pieces_of(net: Any, key: Array, asked: Asked) -> Iterator[Piece]:
    """Weight gradients of all networks, piece by piece.

    Parameters
    ----------
    net
        The network.
    key
        A JAX key.
    asked
        The question.
    """
    expect_noun(asked.where, tuple(_HOMES), net=net)
    home = next(_HOMES[kind] for kind in type(net).__mro__ if kind in _HOMES)
    importlib.import_module(f"{__package__}.{home}")
    return pieces_of.dispatch(type(net))(net, key, asked)


def shares(
    net: Any, key: Array, asked: Asked, *counted: Callable[[np.ndarray], np.ndarray]
) -> dict[str, list[Estimate]]:
    """By matrix, the shares of entries for which each condition holds, each an estimate of shape (depth,).

    Parameters
    ----------
    net, key, asked
        As in ``pieces_of``.
    counted
        Conditions.
    """
    found: dict[str, dict[int, list[np.ndarray]]] = {}
    for name, layer, entries in pieces_of(net, key, asked):
        seen = np.array([each(entries).mean(axis=(1, 2)) for each in counted])
        found.setdefault(name, {}).setdefault(layer, []).append(seen)
    samples = {
        name: np.array([np.concatenate(layers[layer], axis=1) for layer in sorted(layers)])
        for name, layers in found.items()
    }
    return {
        name: [averaged(each.T, 0, asked.dtype) for each in np.moveaxis(several, 1, 0)]
        for name, several in samples.items()
    }


__all__ = ["WHOLE", "Asked", "Piece", "pieces_of", "shares"]
