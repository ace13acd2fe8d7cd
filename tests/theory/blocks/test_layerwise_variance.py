"""Residual blocks whose variances fall as powers of their number l: how the gradient grows, and the lines where its law changes.

The laws are those of Yang and Schoenholz (2018), openreview rJGY8GbR-, derived anew for our blocks. Let the variances of what block l adds be

    alpha_l^2 sigma_w^2 = v l^-b (weights),    alpha_l^2 sigma_b^2 = a l^-c (biases),

so that ``q`` gains v l^-b E phi^2 + a l^-c in block l, and the squared gradient grows by 1 + x, x = v l^-b E phi'^2.

ReLU: E phi'^2 is 1/2, whatever q is. The log of the growth is the sum of ln(1 + delta l^-b), delta = v / 2: it goes as L^(1-b) below the line
b = 1, on it as delta ln L, and beyond it has a limit. A block is off the leading term by the share x / 2 = delta l^-b / 2. The weights alone let
ln q grow by as much. Beyond the line q gains what the biases add: it goes as L^(1-c), ln L, or has a limit.

tanh: E tanh^2 = 1 - B / sqrt(q) and E tanh'^2 = C / sqrt(q) but for shares of order 1/q, with B = sqrt(2 / pi), C = 2 B / 3. Hence
q = 1 + v T(b) + a T(c) - (B / C) ln(growth), where T(s) is the sum of l^-s: q goes as L^(1 - U) with U = min(b, c), or as ln L with U = 1. The
log of the growth is the sum of C v l^-b / sqrt(q), and goes as L^(W/2) with W = 1 + U - 2b: the line is W = 0, on which it goes as ln L. At the
corner U = 1, b = 1 it goes as sqrt(ln L). A block's relative deviation from a leading power is half of that of q, and x / 2.

With ReLU these are the paper's blocks (V_r = b, U_r = c). With tanh they are its blocks of constant sigma_w = 1 without inner biases (U_t = U,
W_t = W). The exponent is that of decades: the log to base ten of the quotient of what the second and the first of two decades gain. It is exact for
any power, also a negative one, and for a logarithm. A relative deviation of at most r moves it by less than r / ln 10. All deviations here shrink
with l, so that r is their size where the decades start.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from vgtheory import Dense, Residual, theory

NEAR, FAR = 10**2, 10**3
"""Where the two decades start."""
B, C = (2 / np.pi) ** 0.5, 2 / 3 * (2 / np.pi) ** 0.5
ROUNDING = 1e-3
"""A sum against an integral from l = 10^3 on: half of the first term, whose share of its decade is of order 1/1000; from 10^2 on ten times more."""


class Decay(NamedTuple):
    """Variances v l^-b of the weights and a l^-c of the biases, times alpha^2."""

    activation: str
    v: float
    b: float
    a: float = 0.0
    c: float = 0.0

    @property
    def terms(self) -> list[tuple[float, float]]:
        """Sizes and exponents of what blocks add."""
        return [(self.v, self.b)] + ([(self.a, self.c)] if self.a else [])

    @property
    def u(self) -> float:
        return min(s for _, s in self.terms)

    def net(self, depth: int) -> Residual:
        blocks = np.arange(1.0, depth + 1)
        biases = tuple(self.a**0.5 * blocks ** ((self.b - self.c) / 2)) if self.a else 0.0
        return Residual(self.activation, self.v**0.5, biases, alpha=tuple(blocks ** (-self.b / 2)))


def decades(start: int) -> list[int]:
    return [start, 10 * start, 100 * start]


@cache
def log_growth(decay: Decay, start: int) -> np.ndarray:
    """Log of the growth of the squared gradient from block l to block 1."""
    log_grad = 2 * theory.log_grad_layers(decay.net(100 * start)).mean
    return np.array([log_grad[0] - log_grad[depth - 1] for depth in decades(start)])


def q_of(decay: Decay, start: int) -> np.ndarray:
    """Mean squares of the stream."""
    log_q = theory.log_q_layers(decay.net(100 * start)).mean
    return np.exp([log_q[depth - 1] for depth in decades(start)])


def exponent(of_decades: np.ndarray) -> float:
    """Exponent of a power of the depth, from what two decades gain."""
    first, second = np.diff(of_decades)
    return float(np.log10(second / first))


def off(relative: float, start: int) -> float:
    """By how much an exponent of decades is off where the leading term is off by this share at their start."""
    return (abs(relative) + ROUNDING * FAR / start) / np.log(10)


def power_sum(s: float, depth: float) -> float:
    """Leading term of T(s), s < 1; it is off by less than 1 / (1 - s)."""
    return float(depth ** (1 - s) / (1 - s))


# ReLU

RELU_SIDES = (0.0, 0.5, 0.9, 1.0, 1.1, 1.5)
V = 0.5
STARTS = [NEAR, pytest.param(FAR, marks=pytest.mark.slow)]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("b", RELU_SIDES)
def test_relu_changes_its_law_at_b_of_1(b: float, start: int) -> None:
    """Exponential in L (b = 0), exp(L^(1-b)), a power of L (b = 1), bounded."""
    found, allowed = exponent(log_growth(Decay("relu", V, b), start)), off(V / 4 * start**-b if b else 0.0, start)
    assert abs(found - (1 - b)) < allowed
    assert all(abs(found - (1 - other)) > allowed for other in RELU_SIDES if other != b)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("b", [0.9, 1.0, 1.1])
def test_relu_s_constant_lies_between_two_integrals(b: float, start: int) -> None:
    """x - x^2/2 < ln(1 + x) < x for every block, and the sum of a falling power between two integrals."""
    delta, (low, _, high) = V / 2, decades(start)
    integral = lambda s, first, last: float(
        np.log(last / first) if s == 1 else (last ** (1 - s) - first ** (1 - s)) / (1 - s)
    )
    most = delta * integral(b, low, high)
    least = delta * integral(b, low + 1, high + 1) - delta**2 / 2 * integral(2 * b, low, high)
    grown = log_growth(Decay("relu", V, b), start)
    assert least < grown[-1] - grown[0] < most
    assert most / least < 1 + 2 * ROUNDING * FAR / start


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("c", [0.5, 1.0, 1.5])
def test_what_biases_add_is_relu_s_stream_beyond_the_line(c: float, start: int) -> None:
    """Weights multiply what is there by at most exp(delta l^(1-b) / (b - 1)) from l on, and add delta q l^-b themselves, against l^-c."""
    b = 1.6
    q = q_of(Decay("relu", V, b, 1.0, c), start)
    later, own = V / 2 * start ** (1 - b) / (b - 1), V / 2 * q[-1] * start ** (c - b)
    found, allowed = exponent(q), off(later + own, start)
    assert abs(found - (1 - c)) < allowed
    assert all(abs(found - (1 - other)) > allowed for other in (0.5, 1.0, 1.5) if other != c)


# tanh


def leading_q(decay: Decay, depth: float) -> tuple[float, float]:
    """Leading power of q, and all by which q is off: the smaller sum, the start, the sums' own constants, and what tanh falls short of 1."""
    lead = sum(size * power_sum(s, depth) for size, s in decay.terms if s == decay.u)
    rest = sum(size * power_sum(s, depth) for size, s in decay.terms if s != decay.u)
    constants = 1 + sum(size / (1 - s) for size, s in decay.terms)
    half = (1 + decay.u - 2 * decay.b) / 2
    per_log = C * decay.v * depth ** (1 - decay.b) * lead**-0.5
    log_growth = per_log * (np.log(depth) if half == 0 else (1 - depth**-half) / half)
    return lead, rest + constants + B / C * log_growth


TANH = {
    # no biases: U = b, W = 1 - b
    Decay("tanh", 1.0, 0.0): 0.5,
    Decay("tanh", 1.0, 0.3): 0.35,
    # biases of constant variance: U = 0, W = 1 - 2b
    Decay("tanh", 1.0, 0.3, 1.0, 0.0): 0.2,
    Decay("tanh", 1.0, 0.5, 1.0, 0.0): 0.0,
    Decay("tanh", 1.0, 0.7, 1.0, 0.0): -0.2,
    # biases that decay as well: U = 0.4, W = 1.4 - 2b
    Decay("tanh", 1.0, 0.5, 1.0, 0.4): 0.2,
    Decay("tanh", 1.0, 0.7, 1.0, 0.4): 0.0,
    Decay("tanh", 1.0, 0.9, 1.0, 0.4): -0.2,
    # the weights lead: U = b, W = 1 - b
    Decay("tanh", 1.0, 0.5, 1.0, 0.7): 0.25,
}
CASES = [pytest.param(each, FAR, marks=pytest.mark.slow) for each in TANH]
CASES += [pytest.param(each, NEAR) for each in TANH if each.a and not each.c]


@pytest.mark.parametrize(("decay", "start"), CASES)
def test_tanh_changes_its_law_at_w_of_0(decay: Decay, start: int) -> None:
    """exp(L^(W/2)), a power of L (W = 0), bounded: one formula on either side of the line."""
    half = (1 + decay.u - 2 * decay.b) / 2
    assert half == pytest.approx(TANH[decay])
    lead, rest = leading_q(decay, start)
    allowed = off(rest / lead / 2 + C * decay.v * start**-decay.b * lead**-0.5 / 2, start)
    found = exponent(log_growth(decay, start))
    assert abs(found - half) < allowed
    for moved in (-0.2, 0.2):
        assert abs(found - half - moved) > allowed


@pytest.mark.parametrize(("decay", "start"), CASES)
def test_tanh_s_stream_grows_as_a_power(decay: Decay, start: int) -> None:
    """Off by what the smaller sum adds and by what tanh falls short of 1: shares that fall by powers, so that a decade on some is left."""
    added = lambda smaller: sum(size * start**-s for size, s in decay.terms if (s > decay.u) is smaller)
    left = lambda power: float(10**-power)
    apart = max(s for _, s in decay.terms) - decay.u
    short = B * decay.v * start**-decay.b * leading_q(decay, start)[0] ** -0.5
    changes = added(True) * (1 - left(apart)) + short * (1 - left(decay.b - decay.u + (1 - decay.u) / 2))
    found, allowed = exponent(q_of(decay, start)), off(changes / added(False), start)
    assert abs(found - (1 - decay.u)) < allowed
    for moved in (-0.2, 0.2):
        assert abs(found - (1 - decay.u) - moved) > allowed


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("b", [1.0, pytest.param(1.5, marks=pytest.mark.slow)])
def test_at_the_corner_of_tanh_the_log_grows_as_the_root_of_a_logarithm(b: float, start: int) -> None:
    """q = 1 + v T(b) + a T(1) less what tanh falls short of 1, at most v B l^-b / sqrt(1 + a T(1)) in a block; beyond b = 1 a limit is near."""
    v, a = 1.0, 9.0
    blocks = np.arange(1.0, 100 * start + 1)
    from_biases = 1 + a * np.cumsum(1 / blocks)
    q = from_biases + v * np.cumsum(blocks**-b)
    steps = C * v * blocks[1:] ** -b * q[:-1] ** -0.5
    expected = [steps[: depth - 1].sum() for depth in decades(start)]
    short = B * v * np.sum(blocks**-b * np.append(1.0, from_biases[:-1]) ** -0.5)
    off_by = short / q[start] / 2 + ROUNDING * FAR / start
    grown = log_growth(Decay("tanh", v, b, a, 1.0), start)
    np.testing.assert_allclose(np.diff(grown), np.diff(expected), rtol=off_by)
    if b == 1:
        root = 2 * C * v / (v + a) * np.sqrt([q[depth - 1] for depth in decades(start)])
        np.testing.assert_allclose(np.diff(grown), np.diff(root), rtol=off_by)
    else:
        assert grown[-1] - grown[0] < C * v * start ** (1 - b) / (b - 1) * q[start - 1] ** -0.5


# Width


def test_widths_that_fall_leave_the_norm_of_the_gradient_to_fewer_units() -> None:
    """The other remedy of the paper, on a critical chain of ReLU: the mean square per unit goes as the inverse of the width, the norm stays.

    The log of a squared norm has the variance ``4 std**2``, half of which is what its mean falls short of the log of the mean, to order 1/N.
    """
    law = theory.log_grad_layers(Dense("relu", 2**0.5, widths=(1024, 512, 256, 128, 64)))
    var = 4 * law.std[:-1] ** 2
    log_mean_square = 2 * law.mean[:-1] + var / 2
    assert (np.abs(log_mean_square) < var**2).all()
