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
from vgtheory.networks.noise import added_square, dropconnect_of, factor_square, is_noisy
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.integrals.moments_1d import curves, value_and_slope
from vgtheory.theory.laws import Question, halved
from vgtheory.theory.precision import Values, floats
from vgtheory.theory.width import cumulants, expansion, orthogonal, varying
from vgtheory.theory.width.accumulation import MOST_HELD, Sums
from vgtheory.theory.width.chi_square import log_chi_square_law, sides
from vgtheory.theory.width.masked import Masks, expect_known_noise, log_factor_law, masks_of
from vgtheory.weights import expect_light_tails

_RULED = 1e-3
"""Share of the weights in q below which the mean square of a layer's input is read from a table (to 1e-12)."""


class _Asked(NamedTuple):
    """A question's network, and its scales as arrays of shape (depth,)."""

    layers: Listing
    sigma_w: Values
    sigma_b: Values

    @property
    def depth(self) -> int:
        return len(self.layers.activations)


def _alone(net: Any, layers: Listing) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Scales of every layer as one input sees them behind noise."""
    if not is_noisy(net):
        return layers.sigma_w, layers.sigma_b
    factor, added = factor_square(net) ** 0.5, added_square(net)
    biases = layers.sigma_b if added == 0 else tuple((each**2 + added) ** 0.5 for each in layers.sigma_b)
    return tuple(each * factor for each in layers.sigma_w), biases


def _asked(net: Any, question: Question) -> _Asked:
    where, depth, width, _, input_square = question
    layers = listing(where, net, depth, width, input_square)
    if not layers.is_infinite:
        expect_light_tails(where, net)
        square = net.weights != "orthogonal" or len(set(layers.sizes)) == 1
        remedy = "Ask for width=np.inf, or take independent weights."
        expect(square, where, "square layers of orthogonal weights", remedy, widths=layers.sizes)
        expect_known_noise(where, net, None)
    scale_w, scale_b = _alone(net, layers)
    layers = layers._replace(sigma_w=scale_w, sigma_b=scale_b)
    numbers = (layers.sigma_w, layers.sigma_b)
    if library(numbers) is np:
        return _Asked(layers, *(np.asarray(each, float) for each in numbers))
    return _Asked(layers, *(jnp.stack(floats(*each)) for each in numbers))


@compiled("activations", "is_orthogonal")
def _walk(sigma_w: Values, sigma_b: Values, activations: tuple[Any, ...], is_orthogonal: bool) -> expansion.Layers:
    """Every layer at infinite width, with its noise; what concerns the layer above the last has no meaning."""
    xp = library(sigma_w, sigma_b)
    kinds = list(dict.fromkeys(activations))
    steps: list[Callable[..., Any]] = [
        functools.partial(expansion.layer_of, activation=kind, orthogonal=is_orthogonal) for kind in kinds
    ]
    places = xp.asarray([kinds.index(each) for each in activations])

    def step(log_q: Values, row: tuple[Any, ...]) -> tuple[Values, expansion.Layers]:
        above_w, above_b, own_b, place = row
        if xp is np or len(steps) == 1:
            return steps[int(place) if xp is np else 0](log_q, above_w, above_b, own_b=own_b)
        branches = [lambda *given, step=step: step(*given[:3], own_b=given[3]) for step in steps]
        return lax.switch(place, branches, log_q, above_w, above_b, own_b)

    above = [xp.concatenate([each[1:], each[-1:]]) for each in (sigma_w, sigma_b)]
    return scan(step, xp.log(sigma_w[0] ** 2 + sigma_b[0] ** 2), (*above, sigma_b, places))[1]


def trajectory_of(net: Any, question: Question) -> expansion.Layers:
    """Every layer at infinite width, with its noise."""
    return _trajectory(net, _asked(net, question))


def _trajectory(net: Any, asked: _Asked) -> expansion.Layers:
    return _walk(asked.sigma_w, asked.sigma_b, asked.layers.activations, net.weights == "orthogonal")


def _log_inputs(asked: _Asked, layers: expansion.Layers, input_square: Any) -> Values:
    """Log of the squared norm of every layer's input, over a number that is the same for all layers."""
    xp = library(layers)
    ruled = layers.rho < _RULED
    log_x = layers.log_q + xp.log(xp.where(ruled, 1.0, layers.rho)) - 2 * xp.log(asked.sigma_w)
    kinds, activations = asked.layers.kinds, asked.layers.activations[:-1]
    read = [value_and_slope(curves(kind).log_f, layers.log_q[:-1])[0] for kind in kinds]
    below = xp.stack([read[kinds.index(each)][layer] for layer, each in enumerate(activations)] or [log_x[0]])
    # Where the bias rules q, little of the input is left in it.
    log_x = xp.where(ruled, xp.concatenate([log_x[:1], below])[: len(log_x)], log_x)
    first = xp.reshape(xp.log(xp.asarray(input_square, log_x.dtype)), (1,))
    return xp.concatenate([first, log_x[1:]]) + xp.log(xp.asarray(asked.layers.sizes[:-1], log_x.dtype))


def _from_top(steps: Values) -> Values:
    """Sums of steps l ... depth - 1, and 0 at the top."""
    xp = library(steps)
    return xp.concatenate([xp.cumsum(steps[::-1])[::-1], xp.zeros_like(steps[:1] if len(steps) else xp.zeros(1))])


def _is_straight(asked: _Asked) -> bool:
    """Whether the activations below the last layer are straight on either side of 0."""
    return all(sides(each) is not None for each in asked.layers.activations[:-1])


def _factors(net: Any, asked: _Asked) -> Law:
    """Exact law of the log of the squared factor between neighbouring straight layers, of shape (depth - 1,)."""
    activations, sizes = asked.layers.activations[:-1], asked.layers.sizes[1:-1]
    slopes = [sides(each) or (1.0, 1.0) for each in activations]
    laws = [log_factor_law(net, size, pair) for size, pair in zip(sizes, slopes, strict=True)]
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


def _change(net: Any, asked: _Asked, layers: expansion.Layers) -> cumulants.Change:
    """What weights that are not Gaussian add."""
    return cumulants.varying_change(layers, net.weights, asked.layers.sizes, dropconnect_of(net))


def _masks(net: Any, asked: _Asked) -> Masks | None:
    return masks_of(net, asked.layers.sizes[0])


def _is_exact(net: Any, asked: _Asked) -> bool:
    return not asked.layers.is_infinite and net.weights == "gaussian" and _is_straight(asked)


def grad(net: Any, question: Question) -> Law:
    """Gradient of every layer's pre-activations: exact for straight activations at finite width."""
    asked = _asked(net, question)
    if _is_exact(net, asked):
        factors = _factors(net, asked)
        return halved(Law(_from_top(factors.mean), library(factors.std).sqrt(_from_top(factors.std**2))))
    layers = _trajectory(net, asked)
    mean = _from_top(layers.log_chi[:-1])
    if asked.layers.is_infinite:
        return _certain(mean / 2)
    if net.weights == "orthogonal":
        return halved(orthogonal.grad(layers, mean, asked.layers.sizes[0]))
    sums, more = varying.grad_sums(_rows(question.where, asked), _masks(net, asked)), _change(net, asked, layers)
    return halved(_with(mean + more.grad, sums, _spread(sums.var + more.grad_var, sums.held)))


def chi(net: Any, question: Question) -> Law:
    """Growth of the squared gradient in every single layer."""
    asked = _asked(net, question)
    if _is_exact(net, asked):
        return _factors(net, asked)
    layers = _trajectory(net, asked)
    if asked.layers.is_infinite:
        return _certain(layers.log_chi[:-1])
    if net.weights == "orthogonal":
        return orthogonal.chi(layers, asked.layers.sizes[0])
    sums, more = varying.grad_sums(_rows(question.where, asked), _masks(net, asked)), _change(net, asked, layers)
    own = sums._replace(mean=sums.own_mean[:-1])
    return _with((layers.log_chi + more.factor)[:-1], own, _spread(sums.own_var + more.factor_var, sums.held)[:-1])


def grad_weight(net: Any, question: Question) -> Law:
    """Gradient of every layer's weights: the sizes of the layers' inputs enter."""
    asked = _asked(net, question)
    layers = _trajectory(net, asked)
    log_input = _log_inputs(asked, layers, question.input_square)
    mean = _from_top(layers.log_chi[:-1]) + log_input - log_input[-1]
    if asked.layers.is_infinite:
        return _certain(mean / 2)
    if net.weights == "orthogonal":
        return halved(orthogonal.grad(layers, mean, asked.layers.sizes[0], with_inputs=True))
    sums = varying.grad_sums(_rows(question.where, asked), _masks(net, asked), with_inputs=True)
    more = _change(net, asked, layers)
    mean = mean + more.grad + more.size - more.size[-1]
    return halved(_with(mean, sums, _spread(sums.var + more.grad_var, sums.held)))


def q(net: Any, question: Question) -> Law:
    """Mean square of every layer's pre-activations: exact for straight activations without biases."""
    asked = _asked(net, question)
    if asked.layers.is_infinite:
        return _certain(_trajectory(net, asked).log_q)
    if net.weights == "orthogonal":
        return orthogonal.q(_trajectory(net, asked), asked.layers.sizes[0])
    own = [log_chi_square_law(size) for size in asked.layers.sizes[1:]]
    noise = Law(*(np.array([law[k] for law in own]) for k in (0, 1)))
    biased = any(not isinstance(each, float | int) or each != 0 for each in asked.layers.sigma_b)
    if _is_exact(net, asked) and not biased:
        return _counted_q(net, asked, noise)
    layers, sums = _trajectory(net, asked), varying.q_sums(_rows(question.where, asked), _masks(net, asked))
    more = _change(net, asked, layers)
    return _with(layers.log_q + noise.mean + more.q, sums, _spread(sums.var + noise.std**2 + more.q_var, sums.held))


def _counted_q(net: Any, asked: _Asked, noise: Law) -> Law:
    """Exact law without biases: the layer's own chi-square, and those of the layers below."""
    factors, xp = _factors(net, asked), library(asked.sigma_w)
    below = lambda steps: xp.concatenate([xp.zeros(1, asked.sigma_w.dtype), xp.cumsum(steps)])
    masks = _masks(net, asked)
    first = Law(0.0, 0.0) if masks is None else masks.first
    mean = first.mean + 2 * xp.log(asked.sigma_w[0]) + below(factors.mean) + xp.asarray(noise.mean, asked.sigma_w.dtype)
    return Law(mean, xp.sqrt(first.std**2 + below(factors.std**2) + xp.asarray(noise.std**2, asked.sigma_w.dtype)))


__all__ = ["chi", "grad", "grad_weight", "q", "trajectory_of"]
