r"""Law of the entries of every layer's weight gradient in a network of ``Dense`` layers.

For one input an entry is a product of three independent factors, z a_i x_j:

======  ======================================================  ==========================
symbol  meaning                                                 law
======  ======================================================  ==========================
``z``   gradient of the output of unit i                        normal, of random size
``a``   slope phi'(h_i) of this unit; 1 in the last layer       h normal of variance q_l
``x``   input phi(h_j) of the layer; an entry of the network's  h normal of variance q_l-1
======  ======================================================  ==========================

The logarithms of the sizes of z and of q are normal over networks of finite width.
"""

import functools
from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss
from scipy.special import erf, erfc

from vgtheory.activation import Activation
from vgtheory.estimate import Law
from vgtheory.expect import expect
from vgtheory.networks.dense import Dense
from vgtheory.networks.listed import Listing, listing
from vgtheory.theory.integrals.rules import values
from vgtheory.theory.laws import Question, grad_law, q_law, question_of
from vgtheory.theory.layers.dense import is_by_layer
from vgtheory.theory.magnitudes.scaled import Block, gathered
from vgtheory.theory.magnitudes.tensors import WHOLE, Asked, Tensor, tensors_of
from vgtheory.theory.width.chi_square import is_exact, log_chi_square_law
from vgtheory.theory.width.joint import seen_layers

_ENDS = np.concatenate([[-46.0, -36.0, -27.0, -20.0], np.arange(-14.0, -1.9, 1.0), np.arange(-1.2, 2.3, 0.15)])
"""Ends of panels in ln |z|, z standard normal."""
_ORDER, _SIZES, _STEP, _DEEP, _FAR = 6, 5, 0.1, 120.0, 8.0
_TINY = 1e-300
_GRADED = np.concatenate([-(3.0 ** -np.arange(1, 20)), [0.0], 3.0 ** -np.arange(1, 20)])
"""Ends of panels next to a zero, relative to its distance from 0."""


class _Factor(NamedTuple):
    """Logs of the modulus of a factor at nodes, with probabilities, which lack that of exact zeros."""

    log: np.ndarray
    weight: np.ndarray


_ONE = _Factor(np.zeros(1), np.ones(1))


def _normal(marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes z > 0 and weights for an average over both signs, resolved in ln z, with panels split at marks."""
    ends = np.unique(np.append(_ENDS, np.log(marks)))
    ends = ends[(ends >= _ENDS[0]) & (ends <= _ENDS[-1])]
    places, weights = leggauss(_ORDER)
    z = np.exp((ends[:-1, None] + ends[1:, None]) / 2 + np.diff(ends)[:, None] / 2 * places)
    weight = np.diff(ends)[:, None] / 2 * weights * z * np.exp(-(z**2) / 2)
    return z.ravel(), weight.ravel() / weight.sum()


def _factor(activation: Activation, log_q: Law, is_slope: bool) -> _Factor:
    """A function of h, whose variance is log-normal."""
    spread = float(log_q.std)
    places, shares = hermegauss(_SIZES if spread > 0 else 1)
    found = [_at(activation, float(np.exp((log_q.mean + place * spread) / 2)), is_slope) for place in places]
    shares = shares / shares.sum()
    weights = [share * each.weight for share, each in zip(shares, found, strict=True)]
    return _Factor(np.concatenate([each.log for each in found]), np.concatenate(weights))


@functools.lru_cache(maxsize=64)
def _marks(activation: Activation, is_slope: bool) -> np.ndarray:
    """Moduli of h at which phi or phi' bends, and a graded row of them on either side of its zeros."""
    function = lambda h: np.broadcast_to(np.asarray(values(activation, h)[is_slope], float), h.shape)
    grid = np.geomspace(1e-3, 40.0, 4000)
    rows = [np.abs([kink for kink in activation.kinks if kink != 0])]
    for side in (grid, -grid):
        sign = np.sign(function(side))
        changes = sign[1:] * sign[:-1] < 0
        low, high = side[:-1][changes], side[1:][changes]
        for _ in range(60):
            middle = (low + high) / 2
            same = function(middle) * function(low) > 0
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        rows += [abs(low[:, None] * (1 + _GRADED)).ravel()]
    return np.concatenate(rows)


def _at(activation: Activation, root_q: float, is_slope: bool) -> _Factor:
    z, weight = _normal(_marks(activation, is_slope) / root_q)
    both = [np.abs(np.asarray(values(activation, sign * root_q * z)[is_slope], float)) for sign in (1, -1)]
    both = [np.broadcast_to(each, z.shape) for each in both]
    if np.allclose(both[0], both[1], rtol=1e-12, atol=0):
        size, weight = both[0], weight
    else:
        size, weight = np.concatenate(both), np.concatenate([weight, weight]) / 2
    there = size > _TINY
    return _Factor(np.log(size[there]), weight[there])


class Entries(NamedTuple):
    """Law of one layer's entries: log-size of z, its skewness and excess kurtosis, and the other two factors."""

    log_size: Law
    slope: _Factor
    signal: _Factor
    skew: float = 0.0
    excess: float = 0.0

    @property
    def sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Log-sizes that stand for all, and their probabilities: the Gauss rule of Meixner's law of four moments."""
        count = np.arange(1, _SIZES if self.log_size.std > 0 else 1)
        bend = max((self.excess - self.skew**2) / 2, -1.0)
        squares = count * (1 + (count - 1) * bend)
        beside = np.sqrt(np.where(np.cumprod(squares > 0), squares, 0.0))
        places, vectors = np.linalg.eigh(
            np.diag(np.append(0, count) * self.skew) + np.diag(beside, 1) + np.diag(beside, -1)
        )
        spread = self.log_size.std if np.isfinite(self.log_size.std) else np.nan  # unknown, not wide
        return self.log_size.mean + places * spread, vectors[0] ** 2

    @property
    def zero(self) -> float:
        """Share of exact zeros."""
        share = 1 - self.slope.weight.sum() * self.signal.weight.sum()
        return float(share) if share > 1e-13 else 0.0

    @property
    def log_typical(self) -> float:
        """Mean of the log-size of z."""
        return float(self.log_size.mean)

    def beyond(self, log_bounds: np.ndarray, above: bool) -> np.ndarray:
        """Shares of entries, zeros left out, whose modulus is below or above each bound."""
        sizes, shares = self.sizes
        ratio = log_bounds[:, None, None] - self.signal.log[:, None] - sizes
        return np.asarray(np.exp(_log_share(self.slope, ratio, above)) @ shares @ self.signal.weight)

    def blocks(self) -> list[Block]:
        """Along a unit's inputs, its z and its slope are shared."""
        sizes, shares = self.sizes
        z, weight = _normal(np.ones(0))
        logs, chances = (sizes, self.slope.log, np.log(z)), (shares, self.slope.weight, weight)
        whole, each = _summed(logs[0], chances[0], logs[1], chances[1])
        shared, each = _summed(whole, each, logs[2], chances[2])
        order = np.argsort(self.signal.log)
        log, sizes = self.signal.log[order], self.signal.weight[order]
        share = np.log(np.cumsum(sizes) - sizes / 2)

        def below(log_bounds: np.ndarray) -> np.ndarray:
            inside = np.exp(np.interp(log_bounds, log, share))
            ended = np.where(log_bounds > log[-1], sizes.sum(), inside)
            return np.asarray(ended * np.exp(np.minimum(log_bounds - log[0], 0.0)))

        return [Block(shared, each, below, max(1 - float(sizes.sum()), 0.0))]


def _summed(
    log: np.ndarray, weight: np.ndarray, other: np.ndarray, chance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logs of a product of two factors, and their probabilities, on a grid."""
    return gathered(np.add.outer(log, other).ravel(), np.multiply.outer(weight, chance).ravel())


def _log_share(slope: _Factor, log_bounds: np.ndarray, above: bool) -> np.ndarray:
    """Log of the probability that |z a|, z standard normal, is below or above a bound, from a table."""
    top = slope.log.max(initial=-_DEEP)
    start = max(slope.log.min(initial=top), top - _DEEP) - _FAR
    table_at = np.arange(start, top + 3.6, _STEP)
    share = (erfc if above else erf)(np.exp(table_at[:, None] - slope.log) / np.sqrt(2)) @ slope.weight
    logs = np.log(np.maximum(share, _TINY))
    # Far below, a share is in proportion to the bound; far above, nothing is left.
    last = table_at[-3]
    outside = np.where(log_bounds > last, -np.inf, 0.0) if above else np.minimum(log_bounds - start, 0.0)
    return _cubic(logs, (np.clip(log_bounds, start, last) - start) / _STEP) + outside


def _cubic(table: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Cubic through the four entries around a place, in units of the table's step."""
    first = np.clip(np.floor(place).astype(int) - 1, 0, len(table) - 4)
    t = place - first
    a, b, c, d = t, t - 1, t - 2, t - 3
    y = [table[first + k] for k in range(4)]
    return np.asarray(-b * c * d / 6 * y[0] + a * c * d / 2 * y[1] - a * b * d / 2 * y[2] + a * b * c / 6 * y[3])


def _input(input_square: float) -> _Factor:
    z, weight = _normal(np.ones(0))
    return _Factor(np.log(z) + np.log(input_square) / 2, weight)


@tensors_of.register(Dense)
def _entries(net: Dense, asked: Asked) -> dict[str, Tensor]:
    """Law of every layer's entries below a standard normal cotangent."""
    where, depth, width, positions, c_0, input_square = asked
    expect(positions is None, where, "no positions of a Dense", positions=positions)
    expect(bool(np.all(np.asarray(c_0) == 0)), where, "no c_0 of a Dense", c_0=c_0)
    question = question_of(where, net, depth, width, None, input_square)
    known = listing(where, net, question.depth, question.width, input_square)
    rows = _joint(net, question) if _is_joint(net, question) else _apart(net, question, known)
    return {WHOLE: Tensor(rows, np.array(known.sizes[1:], float), np.array(known.sizes[:-1], float))}


class Networks(NamedTuple):
    """Law of one layer's entries over networks that stand for all, each with a law of its own."""

    weight: np.ndarray
    each: list[Entries]

    @property
    def zero(self) -> float:
        """Share of exact zeros."""
        return float(self.weight @ [one.zero for one in self.each])

    @property
    def log_typical(self) -> float:
        """Mean of the log-size of z."""
        return float(self.weight @ [one.log_typical for one in self.each])

    def beyond(self, log_bounds: np.ndarray, above: bool) -> np.ndarray:
        """Shares of entries, zeros left out, whose modulus is below or above each bound."""
        return np.asarray(self.weight @ [one.beyond(log_bounds, above) for one in self.each])

    def blocks(self) -> list[Block]:
        """As those of ``Entries``."""
        pairs = zip(self.weight, self.each, strict=True)
        return [block._replace(weight=share * block.weight) for share, one in pairs for block in one.blocks()]


def _is_joint(net: Dense, question: Question) -> bool:
    """Whether signals and gradients are known together: in networks that are neither straight nor infinite."""
    plain = question.width is not None and not is_by_layer(net, question) and net.weights == "gaussian"
    return plain and not is_exact(net) and bool(np.isfinite(grad_law(net, question).std).all())


def _joint(net: Dense, question: Question) -> list[Networks]:
    """Laws of all layers where signals and gradients vary together."""
    depth, width = question.depth, int(question.width or 0)
    own = log_chi_square_law(width)
    rows = []
    for layer, seen in enumerate(seen_layers(float(net.sigma_w), float(net.sigma_b), net.activation, width, depth)):
        each = []
        for log_q, below, grad, std, third, fourth in zip(
            seen.log_q, seen.log_q_below, *seen.log_grad, seen.third, seen.fourth, strict=True
        ):
            signal = _factor(net.activation, Law(below, 0.0), False) if layer else _input(1.0)
            if layer == depth - 1:
                each.append(Entries(Law(0.0, 0.0), _ONE, signal))
                continue
            spread = float(np.hypot(std, own.std))
            size = Law(float(grad + own.mean) / 2 + np.log(net.sigma_w), spread / 2)
            slope = _factor(net.activation, Law(log_q, 0.0), True)
            each.append(Entries(size, slope, signal, float(third / spread**3), float(fourth / spread**4)))
        rows.append(Networks(seen.weight, each))
    return rows


def _apart(net: Dense, question: Question, known: Listing) -> list[Entries]:
    """Laws of all layers, with signals and gradients that vary independently."""
    sizes = known.sizes[1:]
    own = _own(known)
    grad, square = grad_law(net, question), q_law(net, question)
    drawn = 0.0 if net.weights == "orthogonal" else 1.0  # Orthogonal weights add nothing of their own to q.
    log_q = Law(square.mean - drawn * own.mean, np.sqrt(np.maximum(square.std**2 - drawn * own.std**2, 0.0)))
    log_g = Law(
        grad.mean + (own.mean[-1] + np.log(sizes[-1])) / 2,
        np.sqrt(grad.std**2 + own.std[-1] ** 2 / 4),
    )
    at = lambda law, layer: Law(float(law.mean[layer]), float(law.std[layer]))
    rows = []
    for layer, (size, activation) in enumerate(zip(sizes, known.activations, strict=True)):
        below = known.activations[layer - 1]
        signal = _factor(below, at(log_q, layer - 1), False) if layer else _input(question.input_square)
        if layer == len(sizes) - 1:
            rows.append(Entries(Law(0.0, 0.0), _ONE, signal))
            continue
        grown = at(log_g, layer + 1)
        mean = grown.mean + np.log(known.sigma_w[layer + 1]) - np.log(size) / 2
        rows.append(Entries(Law(mean, grown.std), _factor(activation, at(log_q, layer), True), signal))
    return rows


def _own(known: Listing) -> Law:
    """Law of the log of each layer's own chi-square over its mean."""
    if known.is_infinite:
        return Law(np.zeros(len(known.sizes) - 1), np.zeros(len(known.sizes) - 1))
    laws = [log_chi_square_law(size) for size in known.sizes[1:]]
    return Law(*(np.array([law[k] for law in laws]) for k in (0, 1)))


__all__ = ["Entries", "Networks"]
