"""Laws of ``Dense`` and ``Recurrent``: profiles over depth, at infinite and finite width."""

from collections import Counter
from typing import Any

import numpy as np

from vgtheory.activations.units import fan_of, is_unit
from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.conv import expect_positions
from vgtheory.networks.dense import Dense
from vgtheory.networks.ensemble import Ensemble, expect_matrices
from vgtheory.networks.listed import is_listed
from vgtheory.networks.noise import added_square, dropconnect_of, is_noisy, lone_scales
from vgtheory.networks.recurrent import Recurrent
from vgtheory.theory.arrays import library
from vgtheory.theory.integrals.squares import log_resolved
from vgtheory.theory.laws import Question, grad_law, halved, is_one, q_law
from vgtheory.theory.layers import listed
from vgtheory.theory.precision import Values, floats
from vgtheory.theory.width import accumulation, cumulants, expansion, orthogonal
from vgtheory.theory.width.accumulation import Reward
from vgtheory.theory.width.chi_square import is_exact, log_chi_square_law, sides
from vgtheory.theory.width.masked import expect_known_noise, log_factor_law, masks_of
from vgtheory.weights import expect_light_tails

_LOOPED, _LOOPED_INFINITE = 64, 512
"""Depths, at finite and at infinite width, up to which NumPy computes plain numbers however often it is asked."""
_AFFORDED = 10_000
"""Layers that NumPy walks for one question about deeper networks of finite width: the time that compiling costs."""
_walked: Counter[tuple[Any, ...]] = Counter()


def scales_of(net: Ensemble, depth: int, is_infinite: bool = False) -> tuple[Values, Values]:
    """``sigma_w`` and ``sigma_b``, as one input sees them, as arrays of the library that is to compute."""
    given = lone_scales(net)
    plain = library(given) is np and log_resolved(net.activation) == np.inf
    looped = plain and (depth <= _LOOPED_INFINITE if is_infinite else _is_looped(net, depth))
    sigma_w, sigma_b = (np.asarray(each, float) for each in given) if looped else floats(*given)
    return sigma_w, sigma_b


def _is_looped(net: Ensemble, depth: int) -> bool:
    """Tell whether NumPy computes a profile at finite width: a deep one until a compiled program would have paid."""
    if depth <= _LOOPED:
        return True
    program = net.activation, net.weights, depth
    _walked[program] += depth
    return _walked[program] <= _AFFORDED


def _expect_known_unit(where: str, net: Ensemble) -> None:
    """Raise unless the law of units that are no activation is known at finite width: for Gaussian weights alone."""
    known = not is_unit(net) or (net.weights == "gaussian" and not is_noisy(net))
    expect(known, where, "Gaussian weights without noise below such units", "Infinite width is known.", net=net)


def _check(where: str, net: Ensemble, width: int | None) -> None:
    """Raise unless the law of the ensemble is known."""
    expect_matrices(where, net)
    if width is not None:
        _expect_known_unit(where, net)
        expect_light_tails(where, net)
        expect_known_noise(where, net, width)
    scalar = np.ndim(net.sigma_w) == np.ndim(net.sigma_b) == 0
    remedy = "Give a tuple for a scale in every layer of a profile. For many networks: Use jax.vmap."
    expect(scalar, where, "scalar sigma_w and sigma_b", remedy, sigma_w=net.sigma_w, sigma_b=net.sigma_b)


def is_by_layer(net: Ensemble, question: Question) -> bool:
    """Whether a question is about layers that differ, or about an input of another mean square than theirs."""
    by_input = not is_one(question.input_square)
    known = not (is_unit(net) and by_input)
    expect(known, question.where, "input_square=1 of such units", net=net)
    return is_listed(net) or by_input


def layers_of(where: str, net: Ensemble, depth: int, width: int | None = None) -> expansion.Layers:
    """The trajectory at infinite width with each layer's noise; it raises if the law is unknown."""
    _check(where, net, width)
    return _layers(net, depth, width)


def _layers(net: Ensemble, depth: int, width: int | None) -> expansion.Layers:
    return expansion.trajectory(
        *scales_of(net, depth, width is None), net.activation, net.weights == "orthogonal", depth
    )


def _infinite_grad(layers: expansion.Layers) -> Values:
    """ln |g_l|^2 relative to the top at infinite width."""
    xp = library(layers)
    return xp.concatenate([xp.cumsum(layers.log_chi[:-1][::-1])[::-1], xp.zeros_like(layers.log_chi[:1])])


def _certain(mean: Values) -> Law:
    return Law(mean, library(mean).zeros_like(mean))


def _sums(
    net: Ensemble, depth: int, width: int, reward: Reward, mean: Values, layers: expansion.Layers
) -> accumulation.Sums:
    """Law of a sum along the chain that has this mean at infinite width."""
    sigma_w, sigma_b = scales_of(net, depth)
    xp = library(mean)
    start = mean[:1] if reward == accumulation.Q else xp.arange(depth - 1, -1, -1) * 2 * xp.log(sigma_w)
    exact = mean - start, layers.log_chi - 2 * xp.log(sigma_w)
    return accumulation.sums(sigma_w, sigma_b, net.activation, width, depth, reward, exact, masks_of(net, width))


def _accumulated(sums: accumulation.Sums, mean: Values, noise_var: Values) -> Law:
    """Law of a sum along the chain with this mean at infinite width; ``std`` is inf if unknown."""
    xp = library(sums, mean)
    std = xp.where(sums.held > accumulation.MOST_HELD, xp.inf, orthogonal.root(sums.var + noise_var))
    return Law(mean + sums.mean, std)


def _counted(net: Ensemble, depth: int, width: int, counts: np.ndarray) -> Law:
    """Law of half the log of products of independent chi-square factors, ``counts`` of them."""
    factor = log_factor_law(net, width, sides(net.activation) or (1.0, 1.0))
    sigma_w = scales_of(net, depth)[0]
    xp = library(sigma_w)
    counts = xp.asarray(counts, sigma_w.dtype)
    mean = xp.where(counts > 0, counts * (factor.mean + 2 * xp.log(sigma_w)) / 2, 0.0)
    return Law(mean, xp.sqrt(counts) * factor.std / 2)


@grad_law.register(Dense | Recurrent)
@np.errstate(all="ignore")
def _grad(net: Dense | Recurrent, question: Question) -> Law:
    """Gradient of a chain of square layers.

    Notes
    -----
    Accuracy:

    - 1e-13 per layer at infinite width.
    - Gaussian weights at finite width: exact for an activation that is straight on either side of
      0, and as ``accumulation.sums`` for any other.
    - Orthogonal weights: to order 1/N. Other light-tailed weights: as Gaussian ones, with
      ``cumulants.change`` added.

    Assumes: a cotangent independent of the weights; for ``Recurrent``, new weights at every step.
    """
    where, depth, width, positions, _ = question
    expect_positions(where, net, positions)
    if is_by_layer(net, question):
        return listed.grad(net, question)
    _check(where, net, width)
    if width is not None and is_exact(net):
        return _counted(net, depth, width, np.arange(depth - 1, -1, -1))
    layers = _layers(net, depth, width)
    mean = _infinite_grad(layers)
    if width is None:
        return _certain(mean / 2)
    if net.weights == "orthogonal":
        return halved(orthogonal.grad(layers, mean, width))
    more = cumulants.change(layers, net.weights, width, dropconnect_of(net))
    return halved(
        _accumulated(_sums(net, depth, width, accumulation.GRAD, mean, layers), mean + more.grad, more.grad_var)
    )


@q_law.register(Dense | Recurrent)
@np.errstate(all="ignore")
def _q(net: Dense | Recurrent, question: Question) -> Law:
    """Mean square of the pre-activations of a chain of square layers.

    Notes
    -----
    Accuracy: as of the gradient; exact at finite width where the gradient is and ``sigma_b`` is the
    plain number 0.
    Assumes: an input independent of the weights.
    """
    where, depth, width, positions, _ = question
    expect_positions(where, net, positions)
    if is_by_layer(net, question):
        return listed.q(net, question)
    _check(where, net, width)
    no_bias = isinstance(net.sigma_b, float | int) and net.sigma_b == 0 and added_square(net) == 0
    if width is not None and is_exact(net) and no_bias:
        return _counted_q(net, depth, width)
    layers = _layers(net, depth, width)
    if width is None:
        return _certain(layers.log_q)
    if net.weights == "orthogonal":
        return orthogonal.q(layers, width)
    noise, more = (
        log_chi_square_law(fan_of(net) * width),
        cumulants.change(layers, net.weights, width, dropconnect_of(net)),
    )
    mean, var = layers.log_q + noise.mean + more.q, noise.std**2 + more.q_var
    return _accumulated(_sums(net, depth, width, accumulation.Q, layers.log_q, layers), mean, var)


def _counted_q(net: Ensemble, depth: int, width: int) -> Law:
    """Exact forward law without biases: one full chi-square, then those of the active units."""
    full, below = log_chi_square_law(width), _counted(net, depth, width, np.arange(depth))
    masks = masks_of(net, width)
    first = Law(0.0, 0.0) if masks is None else masks.first
    sigma_w = scales_of(net, depth)[0]
    xp = library(sigma_w)
    mean = full.mean + first.mean + 2 * xp.log(sigma_w) + 2 * below.mean
    return Law(mean, xp.sqrt(full.std**2 + first.std**2 + 4 * below.std**2))


@np.errstate(all="ignore")
def chi_law(net: Ensemble, question: Question) -> Law:
    """``log_chi_layers`` of a chain of layers."""
    where, depth, width, *_ = question
    if is_by_layer(net, question):
        return listed.chi(net, question)
    _check(where, net, width)
    if width is not None and is_exact(net):
        half = _counted(net, depth, width, np.ones(depth - 1))
        return Law(2 * half.mean, 2 * half.std)
    layers = _layers(net, depth, width)
    mean = layers.log_chi[:-1]
    if width is None:
        return _certain(mean)
    if net.weights == "orthogonal":
        return orthogonal.chi(layers, width)
    sums, more = (
        _sums(net, depth, width, accumulation.GRAD, _infinite_grad(layers), layers),
        cumulants.change(layers, net.weights, width, dropconnect_of(net)),
    )
    return Law(mean + (sums.own_mean + more.factor)[:-1], orthogonal.root((sums.own_var + more.factor_var)[:-1]))


@np.errstate(all="ignore")
def grad_weight_law(net: Ensemble, question: Question) -> Law:
    """``log_grad_weight_layers`` of a chain of layers."""
    where, depth, width, *_ = question
    if is_by_layer(net, question):
        return listed.grad_weight(net, question)
    layers = layers_of(where, net, depth, width)
    log_input = layers.log_q + library(layers).log(layers.rho)
    mean = _infinite_grad(layers) + log_input - log_input[-1]
    if width is None:
        return _certain(mean / 2)
    if net.weights == "orthogonal":
        return halved(orthogonal.grad(layers, mean, width, with_inputs=True))
    more = cumulants.change(layers, net.weights, width, dropconnect_of(net))
    sums = _sums(net, depth, width, accumulation.GRAD_WEIGHT, mean, layers)
    mean = mean + more.grad + more.size - more.size[-1]
    return halved(_accumulated(sums, mean, more.grad_var))
