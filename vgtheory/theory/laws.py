"""Dispatch of laws by network; each is registered in its own file, imported on demand."""

import functools
import importlib
import math
from typing import Any, NamedTuple

from vgtheory.estimate import Law
from vgtheory.expect import expect_noun
from vgtheory.networks.blocks import Normed, Residual
from vgtheory.networks.conv import Conv
from vgtheory.networks.dense import Dense
from vgtheory.networks.listed import depth_of, is_listed, width_of
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
    depth, width, positions, input_square
        As in ``log_grad_layers``.
    """

    where: str
    depth: int
    width: int | None = None
    positions: int | tuple[int, ...] | None = None
    input_square: Any = 1.0


def question_of(
    where: str,
    net: Any,
    depth: int | None,
    width: Any,
    positions: int | tuple[int, ...] | None = None,
    input_square: Any = 1.0,
) -> Question:
    """A question whose depth and width agree with the network's own."""
    if not is_one(input_square):
        expect_noun(where, (Dense,), "Only its input may have another mean square than 1.", net=net)
    listed = isinstance(net, Dense) and (is_listed(net) or not is_one(input_square))
    infinite = width == math.inf and not listed
    width = None if infinite else width_of(where, net, width)
    return Question(where, depth_of(where, net, depth), width, positions, input_square)


def is_one(input_square: Any) -> bool:
    """Whether an input's mean square is the plain number 1, so that layers that are alike need no list."""
    return isinstance(input_square, float | int) and input_square == 1


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


__all__ = ["Question", "grad_law", "halved", "is_one", "q_law", "question_of"]
