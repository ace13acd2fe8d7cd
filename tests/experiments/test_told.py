"""The paper's table of statements: each rests on a claim, a comparison and, where it cites, a paper of the bibliography."""

import dataclasses
import re

import pandas as pd
import pytest

from experiments.corridor import catalogue
from experiments.report import claims, told

BIBLIOGRAPHY = (catalogue.ROOT / "paper" / "refs.bib").read_text()
BY_NAME = {claim.name: claim for claim in claims.CLAIMS}


def _table(**changes: object) -> pd.DataFrame:
    row = {"experiment": "published", "label": "tanh-gain: gain five thirds", "unit": "decades", "outcome": "agrees"}
    numbers = {"predicted": 2.2058, "measured": 2.2232, "measured_err": 0.0625, "z": 0.293}
    return pd.DataFrame([row | numbers | changes])


@pytest.mark.parametrize("each", told.TOLD, ids=lambda each: each.claim)
def test_every_statement_rests_on_a_claim_and_cites_what_there_is(each: told.Told) -> None:
    assert each.claim in BY_NAME
    assert each.sense in ("", r"\ge", r"\le")
    assert BY_NAME[each.claim].verdict != ("Wrong" if each.when else "Depends")
    for key in re.findall(r"\\citep\{(\w+)\}", each.statement):
        assert f"{{{key}," in BIBLIOGRAPHY


def test_a_row_shows_what_is_said_predicted_and_measured() -> None:
    text, numbers = told.rows(_table())
    assert r"& $0$ & $2.21$ & $2.22 \pm 0.06$ & $0.3$ & $2.2$ &  \\" in text
    assert numbers["told/rows"] == numbers["told/agree"] == numbers["told/missed"] == "1"
    assert [title in text for title in told.GROUPS] == [False, True, False]
    assert told.rows(_table(outcome="disagrees"))[1]["told/agree"] == "0"


def test_rates_become_powers_of_ten_of_the_whole() -> None:
    row = {"experiment": "scalar_chain", "label": "scalar chain, s=0.3, n=1000", "unit": "per layer"}
    text, _ = told.rows(_table(**row, predicted=-0.077653, measured=-0.077558, measured_err=8.4e-5, z=1.1))
    assert r"& $-8.8$ & $-33.72$ & $-33.68 \pm 0.04$ & $1.1$ & $24.9$ & if all equal \\" in text


def test_what_holds_misses_nothing() -> None:
    row = {"experiment": "published", "label": "pre-norm-bottom: perceptron", "unit": "decades"}
    text, numbers = told.rows(_table(**row, predicted=0.5, measured=0.484, measured_err=0.008, z=-1.6))
    assert r"& $-1.6$ & -- &  \\" in text
    assert (numbers["told/holds"], numbers["told/missed"]) == ("1", "0")


def test_a_number_that_was_not_measured_is_left_out() -> None:
    counts = {
        f"told/{key}": "0"
        for key in (
            "rows",
            "agree",
            "within/3",
            "chi_square",
            "holds",
            "missed",
            "elsewhere",
            "missed/most",
        )
    }
    assert told.rows(_table(label="other")) == ("", counts | {"told/largest": "0.0", "told/missed/least": "0.0"})


def test_a_bound_is_missed_on_one_side_only() -> None:
    above, below = (dataclasses.replace(told.TOLD[0], links=1, factor=10.0, sense=sense) for sense in (r"\ge", r"\le"))
    assert (above.missed(3.0), above.missed(-1.0)) == (0.0, 2.0)
    assert (below.missed(3.0), below.missed(-1.0)) == (2.0, 0.0)
    exact = dataclasses.replace(above, sense="")
    assert (exact.missed(3.0), exact.missed(-1.0)) == (2.0, 2.0)


def test_twenty_statements_in_their_order() -> None:
    numbers = {
        key: {BY_NAME[name].key: "7"} for name, key in (("unbounded-slopes", "unbounded"), ("balance", "balance"))
    }
    text, counts = told.twenty({name: catalogue.Findings("", found) for name, found in numbers.items()})
    assert [line.split(" & ")[0] for line in text.splitlines()] == ["Q3", "Q20"]
    assert counts == {"twenty/Right": "1", "twenty/Wrong": "1", "twenty/Depends": "0"}
