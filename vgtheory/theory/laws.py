"""Which law answers for which network: each noun's is registered in a file of its own, imported when the noun is first met."""

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
    """What is asked about a network.

    Attributes
    ----------
    where
        Name of the public function that was called, for errors only.
    depth, width, positions
        As ``log_grad_layers`` takes them.
    """

    where: str
    depth: int
    width: int | None = None
    positions: Any = None


def _meet(net: Any) -> None:
    """Import the file in which this noun's laws are registered."""
    home = next(_HOMES[kind] for kind in type(net).__mro__ if kind in _HOMES)
    importlib.import_module(f"{__package__}.{home}")


@functools.singledispatch
def grad_law(net: Any, question: Question) -> Law:
    """Log-norm of the gradient with respect to every layer's pre-activations, relative to the top.

    Parameters
    ----------
    net
        Any ensemble.
    question
        What is asked about it.
    """
    _meet(net)
    return grad_law.dispatch(type(net))(net, question)


@functools.singledispatch
def q_law(net: Any, question: Question) -> Law:
    """Log of the mean square of every layer's pre-activations.

    Parameters
    ----------
    net
        Any ensemble.
    question
        What is asked about it.
    """
    _meet(net)
    return q_law.dispatch(type(net))(net, question)


def halved(law: Law) -> Law:
    """From the log of a square to that of a norm.

    Parameters
    ----------
    law
        Of the square.
    """
    return Law(law.mean / 2, law.std / 2)


__all__ = ["Question", "grad_law", "halved", "q_law"]
