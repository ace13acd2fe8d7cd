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
from vgtheory.theory.width.accumulation import Answer, Reward, State, Sums, answer, descended
from vgtheory.theory.width.links import LOG_M, NODES, POINTS, RULE, Step, plain_units, stencil, step_of
from vgtheory.theory.width.masked import Masks, masked

_AHEAD = Reward(1.0, 1.0, 0.0)


class Row(NamedTuple):
    """One layer: its scales, its activation and its number of units."""

    sigma_w: float
    sigma_b: float
    activation: Activation
    width: int


class _Link(NamedTuple):
    """From one layer to the next: the step at finite width, and at infinite width.

    ``log_x`` is ln M of the layer, shape (points, nodes) or (points, 1).
    """

    step: Step
    normal: Answer
    log_x: Arrays
    certain: tuple[Arrays, Arrays]
    grown: Arrays
    certain_x: Arrays


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
    points, weights = stencil(_log_q(log_x, sigma_w, sigma_b))
    step = step._replace(omega=share, points=points, share=weights, size=0 * log_x, q=0 * log_x)
    return _Link(step, normal, log_x, stencil(_log_q(log_f, sigma_w, sigma_b)), log_g, log_f)


def _log_q(log_x: Any, sigma_w: float, sigma_b: float) -> Arrays:
    with np.errstate(all="ignore"):
        return np.logaddexp(2 * np.log(sigma_w) + log_x, 2 * np.log(sigma_b))


def _moved(place: Arrays, points: Arrays, share: Arrays) -> Arrays:
    """A distribution over the grid, one layer on; ``share`` includes the nodes' weights."""
    weight = place.reshape(-1, *(1,) * (share.ndim - 1)) * share
    return np.bincount(points.ravel(), weight.ravel(), POINTS)


class _Chain(NamedTuple):
    """Links, and distributions over ln Q of every layer, shape (depth, points), at finite and at infinite width.

    ``first`` has places, shares and ln M of an input behind dropout, shape (1, nodes) but for the stencil.
    """

    links: list[_Link]
    visits: Arrays
    certain: Arrays
    first: tuple[Arrays, Arrays, Arrays] | None


def _chain(rows: list[Row], masks: Masks | None) -> _Chain:
    links = [
        _link(here.activation, here.width, above.sigma_w, above.sigma_b, masks)
        for here, above in itertools.pairwise(rows)
    ]
    at = lambda log_x: stencil(_log_q(log_x, rows[0].sigma_w, rows[0].sigma_b))
    start = _moved(np.ones(1), *at(np.zeros(1)))
    visits, certain, first = [start], [start], None
    if masks is not None:
        log_x = (masks.first.mean + masks.first.std * NODES)[None]
        first = (*at(log_x), log_x)
        visits = [_moved(np.ones(1), first[0], first[1] * RULE[:, None])]
    for link in links:
        visits.append(_moved(visits[-1], link.step.points, link.step.share * RULE[:, None]))
        certain.append(_moved(certain[-1], *link.certain))
    return _Chain(links, np.stack(visits), np.stack(certain), first)


def q_sums(rows: list[Row], masks: Masks | None = None) -> Sums:
    """Law of ln Q of every layer, less its value at infinite width; ``own_*`` have no meaning."""
    visits, certain = _chain(rows, masks)[1:3]
    found, sure = (place @ LOG_M for place in (visits, certain))
    var, error = (
        np.sum(place * (LOG_M - mean[:, None]) ** 2, axis=1) for place, mean in ((visits, found), (certain, sure))
    )
    zero, lost = np.zeros(len(rows)), np.zeros(len(rows))
    rough = [place @ _units(row.activation, row.width, masks)[0].rough for place, row in zip(visits, rows, strict=True)]
    lost[1:] = np.maximum.accumulate(np.abs(rough))[:-1]
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
    links, visits, certain, first = chain
    zero, one = np.zeros(POINTS), np.ones(POINTS)
    state, sure = State(zero, zero, one, 3 * one, zero, zero), np.zeros(POINTS)
    out = np.zeros((5, depth))
    found: tuple[Arrays, ...]
    exact: tuple[Arrays, ...]
    for index in reversed(range(depth)):
        if index < depth - 1:
            link = links[index]
            is_last = with_inputs and index == depth - 2
            step = link.step._replace(size=-link.log_x) if is_last else link.step
            state, alone, alone_var = descended(step, link.normal, np.asarray(_AHEAD), state)
            sure = np.asarray(_at(sure, *link.certain) + link.grown - (link.certain_x if is_last else 0.0))
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
            found = _joined(visits[index - 1], below.step.points, below.step.share, below.log_x, state)
            exact = _joined_certain(certain[index - 1], below, sure)
        (mean, var), (sure_mean, sure_var) = _moments(*found), _moments(*exact)
        out[0, index], out[1, index] = mean - sure_mean, var - sure_var
        out[4, index] = visits[index] @ state.held
    held = np.maximum.accumulate(out[4, ::-1])[::-1]
    return Sums(out[0], np.maximum(out[1], 0.0), out[2], np.maximum(out[3], 0.0), held)


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
    return place, link.certain_x + _at(sure, *link.certain), np.zeros(POINTS)


__all__ = ["Row", "grad_sums", "q_sums"]
