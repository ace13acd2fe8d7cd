"""In the browser every number that the explorer computes equals the library's."""

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from tests.docs.explorer.states import (
    ALL,
    CORNERS,
    FEW,
    FORMATS,
    OVERFLOWN,
    RELATIVE,
    TINY_STD,
    ask,
    net_of,
    show,
    shown,
)
from vgtheory import Dense, theory
from vgtheory.activation import ACTIVATIONS

pytestmark = pytest.mark.site


def few_or_all(few: list[dict[str, Any]], whole: list[dict[str, Any]]) -> pytest.MarkDecorator:
    """Some networks, which have every activation, and, slow, all of the same draw."""
    cases = [pytest.param(few, id="few"), pytest.param(whole, id="all", marks=pytest.mark.slow)]
    return pytest.mark.parametrize("chosen", cases)


def assert_close(found: Any, wanted: Any, about: Any, *, log: bool = False) -> None:
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    scale = np.maximum(np.abs(wanted), 1) if log else np.abs(wanted)
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        assert np.all(same | (np.abs(found - wanted) <= RELATIVE * scale)), (about, found, wanted)


def test_settled_numbers_equal_the_library(explorer: Any) -> None:
    found = ask(
        explorer,
        "fixed_points",
        "return argument.map((s) => [m.chi1, m.qStar, m.phase].map((f) => f(s.activation, s.sigmaW, s.sigmaB)))",
        ALL,
    )
    critical = ask(explorer, "critical", "return argument.map((s) => m.critical(s.activation, s.sigmaB))", ALL)
    for name in ACTIVATIONS:
        chosen = [index for index, state in enumerate(ALL) if state["activation"] == name]
        sigma_w, sigma_b = (np.array([ALL[index][key] for index in chosen]) for key in ("sigmaW", "sigmaB"))
        net = Dense(name, sigma_w, sigma_b)
        chi, q, phase = np.array([found[index] for index in chosen]).T
        assert_close(chi, theory.chi_1(net), name)
        assert_close(q, theory.q_star(net), name)
        assert np.array_equal(phase, theory.phase(net)), name
        wanted = theory.critical(name, sigma_b=sigma_b)
        for row, index in enumerate(chosen):
            lines, size = critical[index], int(np.sum(~np.isnan(wanted.sigma_w[row])))
            assert len(lines) == size, ALL[index]
            assert_close([each["sigmaW"] for each in lines], wanted.sigma_w[row, :size], ALL[index])
            assert_close([each["q"] for each in lines], wanted.q_star[row, :size], ALL[index])
            assert [each["stable"] for each in lines] == wanted.is_stable[row, :size].tolist(), ALL[index]


@few_or_all(ALL[::7] + FEW, ALL + CORNERS)
def test_profiles_and_probabilities_equal_the_library(explorer: Any, chosen: list[dict[str, Any]]) -> None:
    body = """return argument.map((s) => {
        const { mean, std, infinite } = m.lawsOf(s, s.depth, s.width);
        return { mean: [...mean], std: [...std], infinite: [...infinite], kept: m.keptProbability(mean[0], std[0]) };
    })"""
    compared = declined = 0
    for state, found in zip(chosen, ask(explorer, "laws", body, chosen), strict=True):
        net, size = net_of(state), {"depth": state["depth"], "width": state["width"]}
        law, infinite = theory.log_grad_layers(net, **size), theory.log_grad_layers(net, depth=state["depth"]).mean
        tame = np.abs(infinite) < OVERFLOWN
        assert_close(np.array(found["infinite"])[tame], infinite[tame], state, log=True)
        held = np.isfinite(law.std) & np.isfinite(law.mean) & tame
        std, mean = np.array(found["std"]), np.array(found["mean"])
        assert np.array_equal(np.isfinite(std)[tame], held[tame]), state
        assert_close(mean[held], law.mean[held], state, log=True)
        assert np.all(np.abs(std[held] - law.std[held]) <= np.maximum(RELATIVE * law.std[held], TINY_STD)), state
        if held.all():
            assert found["kept"] == pytest.approx(kept(law.mean[0], law.std[0]), abs=RELATIVE), state
        else:
            declined += 1
        compared += int(held.sum())
    assert compared > 10 * len(chosen)
    assert declined > len(chosen) / 100


def kept(mean: float, std: float) -> float:
    """Probability that a normal variable is within a factor of ten."""
    ends = (np.array([1, -1]) * np.log(10) - mean) / max(std, TINY_STD)
    return float(-np.diff(ndtr(ends))[0])


@few_or_all(ALL[::25] + ALL[19::400] + FEW, ALL + CORNERS)
def test_pass_limits_equal_the_library(explorer: Any, chosen: list[dict[str, Any]]) -> None:
    body = """const l = await import('explorer/laws.js');
    return argument.map((s) => {
        const limit = m.passLimit(s, l.lawsOf(s, s.depth, s.width), s.format, s.width);
        return [limit.forward, limit.backward];
    })"""
    lost = np.zeros(2, int)
    for state, found in zip(chosen, ask(explorer, "formats", body, chosen), strict=True):
        wanted = theory.pass_limit(net_of(state), state["format"], depth=state["depth"], width=state["width"])
        assert found == [wanted.forward, wanted.backward], state
        lost += [each is not None for each in found]
    assert (lost > len(chosen) / 50).all()  # in both directions
    factors = [[factor, dtype] for factor in (0.25, 0.9, 1.0, 1.0003, 1.7, 40.0) for dtype in FORMATS]
    for (factor, dtype), depth in zip(
        factors, ask(explorer, "formats", "return argument.map((each) => m.depthLimit(...each))", factors), strict=True
    ):
        limit = theory.depth_limit(factor, dtype)
        assert depth == (limit.zero if factor < 1 else limit.overflow), (factor, dtype)


def test_make_critical_does_as_the_library(explorer: Any) -> None:
    for name in ACTIVATIONS:
        show(explorer, {**ALL[0], "activation": name, "sigmaB": 0.1, "depth": 20, "width": 64})
        explorer.click("#critical")
        told, state = explorer.inner_text("#made"), shown(explorer)
        stable = theory.critical(name, sigma_b=np.linspace(0, 4, 401)).is_stable.any()
        assert told.startswith("No critical scale") != stable, (name, told)
        if stable:
            chi = theory.chi_1(Dense(name, state["sigmaW"], state["sigmaB"]))
            assert chi == pytest.approx(1, abs=1e-4), (name, told)


def test_measured_networks_follow_the_law(explorer: Any) -> None:
    body = """const t = await import('explorer/tables.js');
    const { scalable, degree } = t.activation(argument.activation);
    const of = (seed) => m.measured({ ...argument, scalable, degree, seed });
    return Array.from({ length: argument.runs }, (_, k) => of(k + 1)).map((run) => [run.logGrad[0], run.logQ.at(-1)]);"""
    for name, sigma_w, sigma_b, weights, runs in (  # as many as show six per cent of sigma_w
        ("tanh", 1.5, 0.1, "gaussian", 120),
        ("gelu", 2.0, 0.3, "orthogonal", 30),
        ("sigmoid", 3.0, 0.5, "truncated_normal", 40),
        ("selu", 1.0, 0.2, "uniform", 80),
        ("leaky_relu", 1.4, 0.0, "gaussian", 30),
    ):
        net, size = Dense(name, sigma_w, sigma_b, weights=weights), {"depth": 24, "width": 64}
        state = {"activation": name, "sigmaW": sigma_w, "sigmaB": sigma_b, "weights": weights, "runs": runs, **size}
        seen = np.array(ask(explorer, "network", body, state))
        mean, err = seen.mean(axis=0), seen.std(axis=0, ddof=1) / runs**0.5
        laws = [theory.log_grad_layers(net, **size).mean[0], theory.log_q_layers(net, **size).mean[-1]]
        assert np.all(np.abs(mean - laws) < 5 * err), (name, mean, err, laws)
        off = theory.log_grad_layers(Dense(name, 1.06 * sigma_w, sigma_b, weights=weights), **size).mean[0]
        assert abs(mean[0] - off) > 5 * err[0], name
