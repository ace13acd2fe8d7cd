"""Laws of a ``Dense`` whose layers are listed: sizes, scales and activations differ from layer to layer."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.listed import Listing, listing
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.laws import Question, halved
from vgtheory.theory.precision import Values, floats
from vgtheory.theory.width import expansion, varying
from vgtheory.theory.width.accumulation import MOST_HELD, Sums
from vgtheory.theory.width.chi_square import log_chi_square_law, sides


class _Walk(NamedTuple):
    """The trajectory at infinite width, each of shape (depth,); ``log_x`` is of the layer's input."""

    log_q: Values
    log_chi: Values
    log_x: Values


class _Asked(NamedTuple):
    """A question's network, and its scales as arrays of shape (depth,)."""

    layers: Listing
    sigma_w: Values
    sigma_b: Values

    @property
    def depth(self) -> int:
        return len(self.layers.activations)


def _asked(net: Any, question: Question) -> _Asked:
    where, depth, width, _, input_square = question
    layers = listing(where, net, depth, width, input_square)
    if not layers.is_infinite:
        remedy = "Measure it, or ask for width=np.inf."
        expect(net.weights == "gaussian", where, "Gaussian weights of listed layers", remedy, weights=net.weights)
    numbers = (layers.sigma_w, layers.sigma_b)
    if library(numbers) is np:
        return _Asked(layers, *(np.asarray(each, float) for each in numbers))
    return _Asked(layers, *(jnp.stack(floats(*each)) for each in numbers))


@compiled("activations")
def _walk(sigma_w: Values, sigma_b: Values, activations: tuple[Any, ...]) -> tuple[Values, Values]:
    """Ln q and ln chi of every layer; the last chi has no meaning."""
    xp = library(sigma_w, sigma_b)
    kinds = list(dict.fromkeys(activations))
    steps: list[Callable[..., Any]] = [
        functools.partial(expansion.layer_of, activation=kind, orthogonal=False) for kind in kinds
    ]
    places = xp.asarray([kinds.index(each) for each in activations])

    def step(log_q: Values, row: tuple[Values, Values, Any]) -> tuple[Values, tuple[Values, Values]]:
        here, index = row[:2], row[2]
        if xp is np or len(steps) == 1:
            following, layer = steps[int(index) if xp is np else 0](log_q, *here)
        else:
            following, layer = lax.switch(index, steps, log_q, *here)
        return following, (log_q, layer.log_chi)

    above = [xp.concatenate([each[1:], each[-1:]]) for each in (sigma_w, sigma_b)]
    return scan(step, xp.log(sigma_w[0] ** 2 + sigma_b[0] ** 2), (*above, places))[1]


def _trajectory(asked: _Asked, input_square: Any) -> _Walk:
    log_q, log_chi = _walk(asked.sigma_w, asked.sigma_b, asked.layers.activations)
    xp = library(log_q)
    share = -xp.expm1(xp.minimum(2 * xp.log(xp.maximum(asked.sigma_b[1:], 1e-300)) - log_q[1:], 0.0))
    log_x = log_q[1:] + xp.log(share) - 2 * xp.log(asked.sigma_w[1:])
    first = xp.reshape(xp.log(xp.asarray(input_square, log_q.dtype)), (1,))
    return _Walk(log_q, log_chi, xp.concatenate([first, log_x]))


def _from_top(steps: Values) -> Values:
    """Sums of steps l ... depth - 1, and 0 at the top."""
    xp = library(steps)
    return xp.concatenate([xp.cumsum(steps[::-1])[::-1], xp.zeros_like(steps[:1] if len(steps) else xp.zeros(1))])


def _is_straight(asked: _Asked) -> bool:
    """Whether the activations below the last layer are straight on either side of 0."""
    return all(sides(each) is not None for each in asked.layers.activations[:-1])


def _factors(asked: _Asked) -> Law:
    """Exact law of the log of the squared factor between neighbouring straight layers, of shape (depth - 1,)."""
    activations, sizes = asked.layers.activations[:-1], asked.layers.sizes[1:-1]
    slopes = [sides(each) or (1.0, 1.0) for each in activations]
    laws = [log_chi_square_law(size, pair) for size, pair in zip(sizes, slopes, strict=True)]
    xp = library(asked.sigma_w)
    mean, std = (xp.asarray(np.array([law[k] for law in laws]), asked.sigma_w.dtype) for k in (0, 1))
    return Law(mean + 2 * xp.log(asked.sigma_w[1:]), std)


def _rows(where: str, asked: _Asked) -> list[varying.Row]:
    """The layers as plain numbers."""
    traced = any(isinstance(each, jax.core.Tracer) for each in (asked.sigma_w, asked.sigma_b))
    remedy = "Ask for width=np.inf: of listed layers only that, and straight activations, can be traced."
    expect(not traced, where, "numbers that are not traced", remedy, sigma_w=asked.sigma_w)
    numbers = (np.asarray(each, float).tolist() for each in (asked.sigma_w, asked.sigma_b))
    return [varying.Row(*each) for each in zip(*numbers, asked.layers.activations, asked.layers.sizes[1:], strict=True)]


def _spread(var: Any, held: Any) -> Any:
    """Standard deviation; inf where one component of the gradient makes it unknown."""
    return np.where(held > MOST_HELD, np.inf, np.sqrt(np.maximum(var, 0.0)))


def _with(mean: Values, sums: Sums, std: Any) -> Law:
    """A law of this mean at infinite width."""
    xp = library(mean)
    return Law(mean + xp.asarray(sums.mean, mean.dtype), xp.asarray(std, mean.dtype))


def _certain(mean: Values) -> Law:
    return Law(mean, library(mean).zeros_like(mean))


def grad(net: Any, question: Question) -> Law:
    """Gradient of every layer's pre-activations: exact for straight activations at finite width."""
    asked = _asked(net, question)
    if not asked.layers.is_infinite and _is_straight(asked):
        factors = _factors(asked)
        return halved(Law(_from_top(factors.mean), library(factors.std).sqrt(_from_top(factors.std**2))))
    mean = _from_top(_trajectory(asked, question.input_square).log_chi[:-1])
    if asked.layers.is_infinite:
        return _certain(mean / 2)
    sums = varying.grad_sums(_rows(question.where, asked))
    return halved(_with(mean, sums, _spread(sums.var, sums.held)))


def chi(net: Any, question: Question) -> Law:
    """Growth of the squared gradient in every single layer."""
    asked = _asked(net, question)
    if not asked.layers.is_infinite and _is_straight(asked):
        return _factors(asked)
    mean = _trajectory(asked, question.input_square).log_chi[:-1]
    if asked.layers.is_infinite:
        return _certain(mean)
    sums = varying.grad_sums(_rows(question.where, asked))
    own = sums._replace(mean=sums.own_mean[:-1])
    return _with(mean, own, _spread(sums.own_var, sums.held)[:-1])


def grad_weight(net: Any, question: Question) -> Law:
    """Gradient of every layer's weights: the sizes of the layers' inputs enter."""
    asked = _asked(net, question)
    walk = _trajectory(asked, question.input_square)
    xp = library(walk)
    log_input = walk.log_x + xp.log(xp.asarray(asked.layers.sizes[:-1], walk.log_q.dtype))
    mean = _from_top(walk.log_chi[:-1]) + log_input - log_input[-1]
    if asked.layers.is_infinite:
        return _certain(mean / 2)
    sums = varying.grad_sums(_rows(question.where, asked), with_inputs=True)
    return halved(_with(mean, sums, _spread(sums.var, sums.held)))


def q(net: Any, question: Question) -> Law:
    """Mean square of every layer's pre-activations: exact for straight activations without biases."""
    asked = _asked(net, question)
    if asked.layers.is_infinite:
        return _certain(_trajectory(asked, question.input_square).log_q)
    own = [log_chi_square_law(size) for size in asked.layers.sizes[1:]]
    noise = Law(*(np.array([law[k] for law in own]) for k in (0, 1)))
    biased = any(not isinstance(each, float | int) or each != 0 for each in asked.layers.sigma_b)
    if _is_straight(asked) and not biased:
        return _counted_q(asked, noise)
    sums = varying.q_sums(_rows(question.where, asked))
    mean = _trajectory(asked, question.input_square).log_q
    return _with(mean + noise.mean, sums, _spread(sums.var + noise.std**2, sums.held))


def _counted_q(asked: _Asked, noise: Law) -> Law:
    """Exact law without biases: the layer's own chi-square, and those of the layers below."""
    factors, xp = _factors(asked), library(asked.sigma_w)
    below = lambda steps: xp.concatenate([xp.zeros(1, asked.sigma_w.dtype), xp.cumsum(steps)])
    mean = 2 * xp.log(asked.sigma_w[0]) + below(factors.mean) + xp.asarray(noise.mean, asked.sigma_w.dtype)
    return Law(mean, xp.sqrt(below(factors.std**2) + xp.asarray(noise.std**2, asked.sigma_w.dtype)))


__all__ = ["chi", "grad", "grad_weight", "q"]
