"""Layers as a list: sizes, scales and activations of every layer of a ``Dense``."""

import dataclasses
import itertools
import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from vgtheory.activation import Activation, as_activation
from vgtheory.expect import expect, expect_count, expect_one_of

FANS = ("in", "out", "avg")
"""Fans of a layer over which the variance of its weights may be taken."""
LOSSES = ("cross_entropy", "squared")
"""Losses over classes, of which the last layer's ``h`` are the logits."""
_SCALES = ("sigma_w", "sigma_b")
_NUMBERS = (*_SCALES, "alpha")
_LIKE = "Only profiles over depth, such as log_grad_layers, take layers as a list: ask about one of the layers."


class Listing(NamedTuple):
    """A network, layer by layer.

    Attributes
    ----------
    sigma_w
        Standard deviation of ``sqrt(inputs of the layer) * W`` in each of the layers, whatever the
        fan convention; a tuple of ``depth`` numbers.
    sigma_b
        Standard deviation of the biases of each layer.
    activations
        What is applied to the ``h`` of each layer.
    sizes
        Sizes of the input and of every layer, ``depth + 1`` numbers; all 1 if none are given. At
        infinite width only their ratios matter.
    is_infinite
        Whether the width is infinite.
    """

    sigma_w: tuple[Any, ...]
    sigma_b: tuple[Any, ...]
    activations: tuple[Activation, ...]
    sizes: tuple[int, ...]
    is_infinite: bool

    @property
    def kinds(self) -> list[Activation]:
        """The different activations among the layers'."""
        return list(dict.fromkeys(self.activations))


def is_listed(net: Any) -> bool:
    """Whether the layers of a network differ, or may differ, from each other."""
    return is_mixed(net) or any(isinstance(getattr(net, name, None), tuple) for name in _NUMBERS)


def is_mixed(net: Any) -> bool:
    """Whether a network has sizes of its own, or activations by layer."""
    return getattr(net, "widths", None) is not None or isinstance(getattr(net, "activation", None), tuple)


def expect_alike(where: str, **got: Any) -> None:
    """Raise if the named network has sizes of its own, or activations by layer."""
    for name, net in got.items():
        expect(not is_mixed(net), where, f"a {name} of like layers", _LIKE, **{name: net})


def expect_unlisted(where: str, **got: Any) -> None:
    """Raise if the layers of the named network are given as a list."""
    for name, net in got.items():
        expect(not is_listed(net), where, f"a {name} of like layers", _LIKE, **{name: net})


def resolve_layers(net: Any) -> None:
    """Resolve the fields of a network that may have an entry for every layer, and check their number."""
    where = type(net).__name__
    if isinstance(net.activation, tuple):
        expect(len(net.activation) > 0, where, "an activation for every layer", activation=net.activation)
        object.__setattr__(net, "activation", tuple(as_activation(each, where) for each in net.activation))
    if net.widths is not None:
        listed = isinstance(net.widths, tuple | list | np.ndarray) and len(net.widths) > 1
        words = "widths as a tuple: the size of the input and of every layer"
        expect(listed, where, words, "None stands for square layers.", widths=net.widths)
        for size in net.widths:
            expect_count(where, widths=size)
        object.__setattr__(net, "widths", tuple(int(size) for size in net.widths))
    expect_one_of(FANS, where, fan=net.fan)
    expect_one_length(net)


def expect_one_length(net: Any) -> None:
    """Raise unless all fields that are listed by layer have as many entries."""
    counts = _counts(net)
    remedy = "A scale for all layers is a single number."
    remedy = f"The first of widths is the input's size. {remedy}" if "widths" in counts else remedy
    unlike = len(set(counts.values())) > 1
    expect(not unlike, type(net).__name__, "as many entries as layers in each list", remedy, **counts)


def _counts(net: Any) -> dict[str, int]:
    """Numbers of layers that the fields of a network speak of, by the fields' names."""
    widths = getattr(net, "widths", None)
    counts = {} if widths is None else {"widths": len(widths) - 1}
    for name in ("activation", *_NUMBERS):
        value: Any = getattr(net, name, None)
        listed = isinstance(value, tuple) or (widths is not None and np.ndim(value) == 1)
        counts |= {name: len(value)} if listed else {}
    return counts


def depth_of(where: str, net: Any, depth: int | None) -> int:
    """Number of layers: the one that is given, which agrees with the network's own."""
    counts = _counts(net) if is_listed(net) else {}
    for name, count in counts.items():
        expect(depth in (None, count), where, f"depth={count}, as {name} has it", "Leave depth out.", depth=depth)
    found = next(iter(counts.values()), depth)
    expect(found is not None, where, "a number of layers", "Give depth=, or widths= of a Dense.", depth=depth)
    return int(found)  # type: ignore[arg-type]  # not None


def width_of(where: str, net: Any, width: Any) -> Any:
    """Number of units as it is given, which agrees with the network's own sizes; None and inf are let pass."""
    sizes = getattr(net, "widths", None)
    if sizes is None or width is None or width == math.inf:
        return width
    expect(set(sizes) == {width}, where, f"the sizes of widths, {sizes}", "Leave width out.", width=width)
    return width


def known_width(where: str, width: int | None) -> int:
    """Number of units, which a network without sizes of its own needs."""
    expect(width is not None, where, "a number of units", "Give width=, or widths= of a Dense.", width=width)
    return width  # type: ignore[return-value]  # not None


def listing(where: str, net: Any, depth: int, width: Any = None, input_square: Any = 1.0) -> Listing:
    """The network layer by layer, as seen from the first one's mean square of 1.

    Parameters
    ----------
    where
        Name of the public function, for errors.
    net
        The ensemble.
    depth
        Number of layers.
    width
        Number of units of every layer; None for the network's own ``widths``, or for infinite width
        if it has none; inf for infinite width.
    input_square
        Mean square of the input, which multiplies the square of the first layer's scale.
    """
    own = getattr(net, "widths", None)
    is_infinite = width == math.inf or (width is None and own is None)
    sizes = own or ((1,) if is_infinite else (int(width),)) * (depth + 1)
    scale_w, scale_b = (_by_layer(where, net, name, depth) for name in _SCALES)
    fans = (_fan(getattr(net, "fan", "in"), *pair) for pair in itertools.pairwise(sizes))
    scale_w = tuple(
        scale if fan == size else scale * (size / fan) ** 0.5
        for scale, fan, size in zip(scale_w, fans, sizes, strict=False)
    )
    if not (isinstance(input_square, float | int) and input_square == 1):
        scale_w = (scale_w[0] * input_square**0.5, *scale_w[1:])
    activations = net.activation if isinstance(net.activation, tuple) else (net.activation,) * depth
    return Listing(scale_w, scale_b, activations, sizes, is_infinite)


def at_layer(net: Any, layer: Any) -> Any:
    """A network whose listed numbers are those of one layer, or of one block, whose index from 1 may be traced."""
    lists = {name: getattr(net, name, None) for name in _NUMBERS}
    own = {name: jnp.stack(each)[layer - 1] for name, each in lists.items() if isinstance(each, tuple)}
    return dataclasses.replace(net, **own) if own else net


def _fan(fan: str, inputs: int, outputs: int) -> int | float:
    return {"in": inputs, "out": outputs, "avg": (inputs + outputs) / 2}[fan]


def _by_layer(where: str, net: Any, name: str, depth: int) -> tuple[Any, ...]:
    """A scale for every layer."""
    value = getattr(net, name)
    if isinstance(value, tuple) or (getattr(net, "widths", None) is not None and np.ndim(value) == 1):
        return tuple(value)
    words = f"a single {name}, or a tuple of one for every layer"
    expect(np.ndim(value) == 0, where, words, "An array is a grid of networks: use jax.vmap.", **{name: value})
    return (value,) * depth


__all__ = [
    "FANS",
    "LOSSES",
    "Listing",
    "at_layer",
    "depth_of",
    "expect_alike",
    "expect_one_length",
    "expect_unlisted",
    "is_listed",
    "is_mixed",
    "known_width",
    "listing",
    "resolve_layers",
    "width_of",
]
