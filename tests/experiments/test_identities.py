"""Identities are tests and no comparisons: they hold in the committed results, and none of their labels is counted."""

import numpy as np
import pandas as pd
import pytest

from experiments import unbounded
from experiments.corridor import catalogue
from experiments.corridor.summary import compared_rows

IDENTITY = [name for name in catalogue.EXPERIMENTS if getattr(catalogue.module(name), "IDENTITY", "")]
IDENTITIES = [name for name in catalogue.EXPERIMENTS if hasattr(catalogue.module(name), "IDENTITIES")]


def stated(name: str) -> pd.DataFrame:
    """Rows that are identities, one each."""
    script, frame = catalogue.module(name), catalogue.load(name)
    rows = frame.dropna(subset="label").drop_duplicates(["cell", "label"])
    return rows if name in IDENTITY else rows[rows.label.str.contains(script.IDENTITIES)]


@pytest.mark.parametrize("name", [*IDENTITY, *IDENTITIES])
def test_identities_hold_to_rounding(name: str) -> None:
    rows = stated(name)
    assert len(rows)
    off = (rows.measured - rows.predicted).abs()
    known = np.isfinite(rows.predicted_err)
    if name == "memory":
        # Without noise the present input is told wholly; float32's own rounding is the readout's noise.
        assert (off <= 3e-5).all()
    elif name == "unbounded":
        assert (off == 0).all()
    else:
        assert (off[known] <= 5 * rows.predicted_err[known]).all()


@pytest.mark.parametrize("name", [*IDENTITY, *IDENTITIES])
def test_identities_are_not_counted(name: str) -> None:
    rows = compared_rows(catalogue.module(name), catalogue.load(name))
    assert not len(rows) if name in IDENTITY else not set(rows.label) & set(stated(name).label)


def test_a_mistaken_power_would_not_pass_as_an_identity() -> None:
    rows = stated("overshoot")
    wrong = rows.predicted - np.log(rows.steps) + np.log(rows.steps - 1)  # T - 1 in place of T equal terms
    assert ((rows.measured - wrong).abs() > 5 * rows.predicted_err).all()


def test_the_layer_of_a_forward_limit_is_the_predicted_one() -> None:
    net = unbounded.NETS["cube, sigma_w=0.5"]
    assert unbounded._first_lost(net, 256) == stated("unbounded").set_index("net").measured["cube, sigma_w=0.5"]


def test_formats_forget_at_the_predicted_step_itself() -> None:
    frame = catalogue.load("state_space")
    rows = frame[(frame.subject == "formats") & frame.size_hat.notna()]
    assert len(rows) > 10
    assert (rows.size_hat == rows["size"]).all()
