"""Bad input: every public function refuses it in one sentence, or answers; no traceback, no silent NaN, no hang."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.bad_input import FAULTS, NEVER_RIGHT, PLAUSIBLE, RAW, REFUSED, SILENT, Case, Fuzz, Outcome, cases, run
from tests.good_calls import GOOD, KEY, RUN, TANH, public
from vgtheory import Estimate, Law, compare, measure, theory

SEED, NUM, NUM_SLOW = 16, 300, 5_000


pytestmark = pytest.mark.filterwarnings("ignore::tests.annotations.WrongType")
"""A user does not have the annotation checker."""


def test_the_table_of_good_calls_is_complete() -> None:
    assert set(GOOD) == set(public())


def _drawn(among: list[Case], num: int) -> list[Case]:
    return sorted(random.Random(SEED).sample(among, num))


def _told(bad: list[tuple[Case, Outcome]], counts: Counter) -> str:
    lines = [f"{found.kind}: {case.name}({case.argument} = {case.label}): {found.said}" for case, found in bad]
    return "\n".join([f"{dict(counts)}", *lines])


def test_a_fuzz_of_bad_input() -> None:
    counts, bad = run(_drawn([case for case in cases() if case.label in NEVER_RIGHT], NUM))
    assert not bad, _told(bad, counts)
    assert sum(counts.values()) == NUM


@pytest.mark.slow
def test_a_long_fuzz_of_bad_input() -> None:
    counts, bad = run(_drawn(cases(), NUM_SLOW))
    assert not bad, _told(bad, counts)
    print(dict(counts))


def _faulty(name: str, function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, label: str) -> str:
    """What the judge says of a function of our own in the place of a public one."""
    monkeypatch.setitem(GOOD, name, {"q": 1.0})
    monkeypatch.setattr("tests.good_calls.public", lambda: {name: function})
    return Fuzz().outcome(Case(name, "q", label)).kind


def test_the_judge_has_teeth(monkeypatch: pytest.MonkeyPatch) -> None:
    def house(text: str) -> Callable[..., Any]:
        def refuse(q: Any) -> None:
            raise ValueError(text)

        return refuse

    judged = lambda function, label="NaN": _faulty("theory.law", function, monkeypatch, label)
    assert judged(house("law: expected a number q, got q=nan.")) == REFUSED
    assert judged(house("other: expected a number q, got q=nan.")) == RAW
    assert judged(house("law: expected a number q, got q=array([1., 2.]).")) == RAW
    assert judged(house("law: expected a number q,\ngot q=nan.")) == RAW
    assert judged(lambda q: {}[q]) == RAW
    assert judged(lambda q: np.float64(1.0)) == PLAUSIBLE
    assert judged(lambda q: Law(0.0, q * 0), "inf") == SILENT
    assert set(FAULTS) >= {RAW, PLAUSIBLE, SILENT}


@pytest.mark.parametrize("key", [0, np.zeros(2, np.int64), jax.random.split(KEY)], ids=["0", "integers", "two"])
def test_a_key_is_one_key(key: Any, refused: Callable[..., Any]) -> None:
    with refused("log_grad_layers", "key", r"jax\.random\.key\(0\)"):
        measure.log_grad_layers(**(RUN | {"key": key}))


def test_the_key_comes_first(refused: Callable[..., Any]) -> None:
    sizes = {"depth": 3, "width": 4, "num_nets": 2}
    with refused("log_grad_layers", "key", "The key comes first"):
        measure.log_grad_layers(TANH, KEY, **sizes)
    with refused("c_layers", "key", "The key comes first"):
        measure.layers.c_layers(TANH, KEY, **sizes)
    with refused("plan", "net", "The key comes first"):
        measure.plan(KEY, **sizes)


def test_a_refusal_bears_the_name_of_what_was_called(refused: Callable[..., Any]) -> None:
    with refused("log_q_layers", "sampler", "Did you mean 'networks'"):
        measure.log_q_layers(**RUN, sampler="network")
    with refused("log_grad_variance", "c_0"):
        measure.log_grad_variance(**RUN, c_0=1.5)


@pytest.mark.parametrize("dtype", [jnp.float64, np.dtype("float64"), "float64"], ids=["type", "dtype", "name"])
def test_a_format_is_a_name_or_a_dtype(dtype: Any) -> None:
    logs = measure.samples(**(RUN | {"dtype": dtype}))
    assert np.array_equal(logs.log_grad, measure.samples(**(RUN | {"dtype": "float64"})).log_grad)


def test_counts_of_numpy_are_counts() -> None:
    small = measure.layers.c_layers(**(RUN | {"depth": np.int8(3), "width": np.int16(4)}))
    assert np.array_equal(small.value, measure.layers.c_layers(**RUN).value)


def test_a_scale_beyond_the_format_is_refused(refused: Callable[..., Any]) -> None:
    with refused("samples", "sigma_w"):
        measure.samples(**(RUN | {"net": type(TANH)("tanh", 1e100)}))


@pytest.mark.parametrize("measured", [1.05, Law(1.05, 0.1), (1.05, 0.1)], ids=["number", "Law", "tuple"])
def test_a_verdict_is_of_an_estimate(measured: Any, refused: Callable[..., Any]) -> None:
    for judge in (compare.verdict, compare.z_score):
        with refused(judge.__name__, "measured", "Estimate holds a value and its standard error"):
            judge(measured, 1.0)


def test_a_law_is_not_two_numbers(refused: Callable[..., Any]) -> None:
    with refused("verdict", "predicted", "Give one of its fields"):
        compare.verdict(Estimate(1.0, 0.1), Law(1.0, 0.1))
    with refused("chi_1", "net"):
        theory.chi_1(Law(1.0, 0.1))


def test_nan_in_is_no_number_out(refused: Callable[..., Any]) -> None:
    nan = float("nan")
    assert compare.verdict(Estimate(nan, 0.1), 1.0).startswith("broken")
    recurrence = GOOD["measure.gradient_steps"]
    with refused("gradient_steps", "state"):
        measure.recurrent.gradient_steps(**(recurrence | {"state": np.array([nan, 1.0])}))
    with refused("chain_flow", "change"):
        measure.training.chain_flow([0.2, 0.5], [0.0], change=1e-320)
    with refused("log_escape_time", "w0"):
        measure.training.log_escape_time(1000, 0.1)
