"""Dispatch of laws by network; each is registered in its own file, imported on demand."""

import functools
import importlib
from typing import Any, NamedTuple

from vgtheory.estimate import Law
from vgtheory.networks.blocks import Normed, Residual
from vgtheory.networks.conv import Conv
from vgtheory.networks.dense import Dense
from vgtheory.networks.recurrent import Recurrent
from vgtheory.networks.transformer import Transformer

_HOMES: dict[type, str] = {
    Dense: "layers.dense",
    Recurrent: "layers.dense",
    Conv: "blocks.convolution",
    Residual: "blocks.residual",
    Normed: "blocks.normed",
    Transformer: "blocks.transformer",
}


class Question(NamedTuple):
    """A question about a network.

    Attributes
    ----------
    where
        Name of the public function that was called, for errors only.
    depth, width, positions
        As in ``log_grad_layers``.
    """

    where: str
    depth: int
    width: int | None = None
    positions: int | tuple[int, ...] | None = None


def _meet(net: Any) -> None:
    """Import the file in which this noun's laws are registered."""
    home = next(_HOMES[kind] for kind in type(net).__mro__ if kind in _HOMES)
    importlib.import_module(f"{__package__}.{home}")


@functools.singledispatch
def grad_law(net: Any, question: Question) -> Law:
    """Log-norm of the gradient of every layer's pre-activations relative to the top, by network."""
    _meet(net)
    return grad_law.dispatch(type(net))(net, question)


@functools.singledispatch
def q_law(net: Any, question: Question) -> Law:
    """Log of the mean square of every layer's pre-activations, by network."""
    _meet(net)
    return q_law.dispatch(type(net))(net, question)


def halved(law: Law) -> Law:
    """Law of the log of a norm from the law of the log of its square."""
    return Law(law.mean / 2, law.std / 2)


__all__ = ["Question", "grad_law", "halved", "q_law"]
