r"""Fluctuations along a chain of unlike layers for Gaussian weights: ``accumulation``, layer by layer.

The chain's variable is ln Q of a layer instead of ln M of its input: all moments of one unit at a
given Q depend on the activation alone, so that layers of any scales and sizes share one table. With
N_l the number of units of layer l, the step from layer l to l + 1 is

.. math:: \ln Q_{l+1} = \ln(\sigma_{w,l+1}^2 M_l + \sigma_{b,l+1}^2), \qquad
    M_l = \tfrac{1}{N_l} \sum_{i=1}^{N_l} \phi_l(h_i)^2

and the gradient's factor is :math:`\sigma_{w,l+1}^2` times a mean over the same N_l units. Hence
N_l is the fan-out of a layer's weights forward, and the fan-in of the next layer's weights backward.
The input's size and that of the last layer do not enter.
"""

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np

from vgtheory.activation import Activation
from vgtheory.theory.precision import Arrays
from vgtheory.theory.width.accumulation import SMEARED, Answer, Reward, State, Sums, answer, descended
from vgtheory.theory.width.links import LOG_M, NODES, POINTS, RULE, Step, plain_units, stencil, step_of
from vgtheory.theory.width.masked import Masks, masked

_AHEAD = Reward(1.0, 1.0, 0.0)
_LEAST = -1e3
"""Ln Q of a layer of zeros."""


class Row(NamedTuple):
    """One layer: its scales, its activation and its number of units."""

    sigma_w: float
    sigma_b: float
    activation: Activation
    width: int


class _Link(NamedTuple):
    """From one layer to the next: the step at finite width, and at infinite width (``certain`` and what follows).

    ``log_x`` is ln M of the layer, and ``beyond`` what the stencil misses of ln Q of the next, which
    is much beyond an end of the grid; shapes (points, nodes), and (points,) at infinite width.
    There phi is taken to be homogeneous of degree one, or constant, so that only ln Q and ln M know.
    """

    step: Step
    normal: Answer
    log_x: Arrays
    beyond: Arrays
    certain: tuple[Arrays, Arrays]
    grown: Arrays
    certain_x: Arrays
    certain_beyond: Arrays


@functools.lru_cache(maxsize=64)
def _units(activation: Activation, width: int, masks: Masks | None) -> tuple[Step, Answer, Arrays, Arrays, Arrays]:
    """What of a link does not depend on scales."""
    moments, unknown = plain_units(1.0, 0.0, activation)
    moments = moments if masks is None else masked(moments, masks.second, masks.third)
    one = np.ones(())
    step = step_of(moments, unknown, one, 0 * one, width)
    normal = answer(step, np.ones_like(step.pull), 3 * np.ones_like(step.pull))
    return step, normal, step.size + LOG_M[:, None], moments.log_g, moments.log_f


@functools.lru_cache(maxsize=1024)
def _link(activation: Activation, width: int, sigma_w: float, sigma_b: float, masks: Masks | None) -> _Link:
    """From a layer of this activation and size to one of these scales."""
    step, normal, log_x, log_g, log_f = _units(activation, width, masks)
    with np.errstate(all="ignore"):
        share = np.clip(-np.expm1(2 * np.log(sigma_b) - LOG_M), 0.0, 1.0)
    (points, weights, beyond), (*certain, certain_beyond) = (_placed(each, sigma_w, sigma_b) for each in (log_x, log_f))
    step = step._replace(omega=share, points=points, share=weights, size=0 * log_x, q=0 * log_x)
    return _Link(step, normal, log_x, beyond, (certain[0], certain[1]), log_g, log_f, certain_beyond)


def _placed(log_x: Any, sigma_w: float, sigma_b: float) -> tuple[Arrays, Arrays, Arrays]:
    """Places and shares on the grid of ln Q above inputs of these ln M, and what the stencil misses of it."""
    with np.errstate(all="ignore"):
        log_q = np.maximum(np.logaddexp(2 * np.log(sigma_w) + log_x, 2 * np.log(sigma_b)), _LEAST)
    points, share = stencil(log_q)
    return points, share, log_q - np.sum(LOG_M[points] * share, axis=-1)


class _Walk(NamedTuple):
    """Distribution over the grid of ln Q at every layer, and means of what it misses of ln Q and of its square.

    Each has the shape (depth, points); entries of ``beyond`` and ``square`` are weighted by the place.
    """

    place: Arrays
    beyond: Arrays
    square: Arrays

    def moments(self) -> tuple[Arrays, Arrays]:
        """Mean and variance of ln Q of every layer, shape (depth,)."""
        mean = self.place @ LOG_M + self.beyond.sum(axis=1)
        apart = LOG_M - mean[:, None]
        return mean, np.sum(self.place * apart**2 + 2 * apart * self.beyond + self.square, axis=1)


Move = tuple[Arrays, Arrays, Arrays]
"""Places and shares of the stencil, and what it misses, as ``_placed`` gives them."""


def _walk(moves: list[tuple[Move, Arrays]]) -> _Walk:
    """From a certain ln M of the input up: one move for every layer, with the weights of its nodes."""
    place: Arrays
    beyond: Arrays
    square: Arrays
    place, beyond, square = np.ones(1), np.zeros(1), np.zeros(1)
    rows = []
    for (points, share, missed), rule in moves:
        at = LOG_M[points]
        spread = np.sum(share * at**2, axis=-1) - np.sum(share * at, axis=-1) ** 2
        p, b, s = (each.reshape(-1, *(1,) * (missed.ndim - 1)) for each in (place, beyond, square))
        after = p + 0 * missed, b + p * missed, s + 2 * b * missed + p * (missed**2 - spread)
        place, beyond, square = (_moved(each * rule, points, share) for each in after)
        rows.append((place, beyond, square))
    return _Walk(*(np.stack(each) for each in zip(*rows, strict=True)))


def _moved(values: Arrays, points: Arrays, share: Arrays) -> Arrays:
    """Weights at the places below and their nodes, as weights over the grid."""
    return np.bincount(points.ravel(), (values[..., None] * share).ravel(), POINTS)


class _Chain(NamedTuple):
    """Links, and what the walk makes of ln Q of every layer, at finite and at infinite width.

    ``first`` has places, shares and ln M of an input behind dropout, shape (1, nodes) but for the stencil.
    """

    links: list[_Link]
    visits: _Walk
    certain: _Walk
    first: tuple[Arrays, Arrays, Arrays] | None


def _chain(rows: list[Row], masks: Masks | None) -> _Chain:
    links = [
        _link(here.activation, here.width, above.sigma_w, above.sigma_b, masks)
        for here, above in itertools.pairwise(rows)
    ]
    at = lambda log_x: _placed(log_x, rows[0].sigma_w, rows[0].sigma_b)
    start = at(np.zeros(1))
    one = np.ones(1)
    begin, first = (start, one), None
    if masks is not None:
        log_x = (masks.first.mean + masks.first.std * NODES)[None]
        points, share, beyond = at(log_x)
        first = points, share, log_x - beyond + start[2]
        begin = (points, share, beyond), RULE
    up = [((link.step.points, link.step.share, link.beyond), RULE) for link in links]
    sure = [((*link.certain, link.certain_beyond), one) for link in links]
    return _Chain(links, _walk([begin, *up]), _walk([(start, one), *sure]), first)


def q_sums(rows: list[Row], masks: Masks | None = None) -> Sums:
    """Law of ln Q of every layer, less its value at infinite width; ``own_*`` have no meaning."""
    visits, certain = _chain(rows, masks)[1:3]
    (found, var), (sure, error) = visits.moments(), certain.moments()
    zero, lost = np.zeros(len(rows)), np.zeros(len(rows))
    units = [_units(row.activation, row.width, masks)[0] for row in rows]
    rough = [place @ unit.rough for place, unit in zip(visits.place, units, strict=True)]
    lost[1:] = np.maximum.accumulate(np.abs(rough))[:-1]
    lost = np.where(np.maximum.accumulate(error) > SMEARED * np.maximum.accumulate(var) + 1e-6, np.inf, lost)
    return Sums(found - sure, np.maximum(var - error, 0.0), zero, zero, lost)


def _at(values: Arrays, points: Arrays, share: Arrays) -> Arrays:
    return np.sum(values[points] * share, axis=-1)


def grad_sums(rows: list[Row], masks: Masks | None = None, with_inputs: bool = False) -> Sums:
    """Law of ln ``|g_l|^2`` relative to the top, less ln sigma_w^2 of the layers between and its infinite-width value.

    ``with_inputs`` adds ln M of layer l - 1, less that of layer L - 1. The fields are as of
    ``accumulation.Sums``, of shape (depth,).

    Notes
    -----
    Accuracy: as ``accumulation.sums``, from which it differs by 1e-9 for like layers (1e-5 at an end of the grid).
    Assumes: as ``accumulation.sums``.
    """
    depth, chain = len(rows), _chain(rows, masks)
    links, first, visits, certain = chain.links, chain.first, chain.visits.place, chain.certain.place
    zero, one = np.zeros(POINTS), np.ones(POINTS)
    state, sure = State(zero, zero, one, 3 * one, zero, zero), np.zeros(POINTS)
    out = np.zeros((5, depth))
    found: tuple[Arrays, ...]
    exact: tuple[Arrays, ...]
    for index in reversed(range(depth)):
        if index < depth - 1:
            link = links[index]
            size, sure_size = _sizes(link, index == depth - 2) if with_inputs else (0 * link.log_x, 0.0)
            step = link.step._replace(size=-size)
            state, alone, alone_var = descended(step, link.normal, np.asarray(_AHEAD), state)
            sure = np.asarray(_at(sure, *link.certain) + link.grown - sure_size)
            own, own_sure = visits[index] @ alone, certain[index] @ link.grown
            own_error = certain[index] @ (link.grown - own_sure) ** 2
            out[2, index] = own - own_sure
            out[3, index] = visits[index] @ (alone_var + (alone - own) ** 2) - own_error
        below = links[index - 1] if with_inputs and index else None
        if with_inputs and depth == 1:
            continue
        if below is None and with_inputs and first is not None:
            found, exact = _joined(np.ones(1), *first, state), (certain[index], sure, zero)
        elif below is None:
            found, exact = (visits[index], state.mean, state.var), (certain[index], sure, zero)
        elif index == depth - 1:
            continue
        else:
            found = _joined(visits[index - 1], below.step.points, below.step.share, below.log_x - below.beyond, state)
            exact = _joined_certain(certain[index - 1], below, sure)
        (mean, var), (sure_mean, sure_var) = _moments(*found), _moments(*exact)
        out[0, index], out[1, index] = mean - sure_mean, var - sure_var
        out[4, index] = visits[index] @ state.held if sure_var <= SMEARED * var + 1e-6 else np.inf
    held = np.maximum.accumulate(out[4, ::-1])[::-1]
    return Sums(out[0], np.maximum(out[1], 0.0), out[2], np.maximum(out[3], 0.0), held)


def _sizes(link: _Link, is_last: bool) -> tuple[Arrays, Arrays]:
    """What a step adds to ln M of the last input but one, at finite and infinite width: itself, or what is missed."""
    return (link.log_x, link.certain_x) if is_last else (link.beyond, link.certain_beyond)


def _moments(place: Arrays, mean: Arrays, var: Arrays) -> tuple[float, float]:
    """Mean and variance of a sum whose own are known at every place."""
    total = float(np.sum(place * mean))
    return total, float(np.sum(place * (var + (mean - total) ** 2)))


def _joined(place: Arrays, points: Arrays, share: Arrays, log_x: Arrays, state: State) -> tuple[Arrays, Arrays, Arrays]:
    """Weights, means and variances over the layer below and its nodes of the sum and ln M together."""
    weight = place[:, None] * RULE
    return weight, log_x + _at(state.mean, points, share), _at(state.var, points, share)


def _joined_certain(place: Arrays, link: _Link, sure: Arrays) -> tuple[Arrays, Arrays, Arrays]:
    """``_joined`` at infinite width."""
    return place, link.certain_x - link.certain_beyond + _at(sure, *link.certain), np.zeros(POINTS)


__all__ = ["Row", "grad_sums", "q_sums"]
