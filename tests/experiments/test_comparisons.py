"""What is compared of a cell: its own rows where a script makes them, reasons where a law declines, and statistics that can fail."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments import (
    attention,
    bands,
    echo_state,
    minimum,
    outcomes,
    outcomes_large,
    plateau,
    sequence_length,
    spectra,
    twins,
)
from experiments.corridor import catalogue
from experiments.corridor.summary import compared_rows, comparison
from vgtheory import Estimate
from vgtheory.compare import SIGMAS


def row(label: str, predicted_err: float, reason: str = "") -> dict[str, object]:
    return {"cell": label} | comparison(label, "any", Estimate(1.2, 0.1), 1.0, predicted_err, reason=reason)


def test_reasons_are_told_where_a_law_declines_and_nowhere_else() -> None:
    frame = pd.DataFrame([row("known", 0.1), row("declined", np.inf), row("its own", np.inf, "too hot"), row("x", 1.0)])
    rows = compared_rows(SimpleNamespace(OUTSIDE="too deep", IDENTITIES="^x"), frame)
    assert rows.reason.tolist() == ["", "too deep", "too hot"]


def test_a_script_of_identities_compares_nothing() -> None:
    assert not len(compared_rows(SimpleNamespace(IDENTITY="arithmetic"), pd.DataFrame([row("known", 0.1)])))


@pytest.mark.parametrize("script", [twins, attention])
def test_every_layer_and_every_group_is_compared(script: object) -> None:
    frame = catalogue.load(script.__name__.split(".")[-1])
    rows = script.comparisons(frame)
    if script is twins:
        assert len(rows) == len(frame)
        assert rows.z.abs().max() < SIGMAS
    else:
        twin = rows[rows.label.str.endswith("twin")]
        assert len(twin) == len(attention.GROUPS) * len(frame) - frame.cell.nunique()
        assert np.isinf(rows.predicted_err).sum() == 24  # beyond its range the law is shown for the lowest block
        law = rows[rows.label.str.endswith("law") & np.isfinite(rows.predicted_err)]
        assert len(law) == 2 * (2 * len(attention.GROUPS) * 8 - 2)
        assert law.z.abs().max() < SIGMAS
    wrong = (rows.measured - rows.predicted - np.log(1.1)) / rows.predicted_err
    assert (wrong.abs() > SIGMAS).any()


def test_bands_of_every_architecture_hold_what_they_say() -> None:
    frame = catalogue.load("bands")
    by_model = bands._coverage(frame, "model")
    assert len(by_model) == 12
    assert by_model.between(100 * bands.LEAST, 100 * bands.MOST).all()
    assert bands.comparisons(frame).z.abs().max() < SIGMAS


def test_the_coverage_of_bands_is_what_was_counted() -> None:
    """Counted here from every quantity of every cell, and in the guide as counted."""
    frame = catalogue.load("bands")
    share = lambda rows: 100 * (rows.coverage_hat * rows.num_nets).sum() / rows.num_nets.sum()
    cells = {place: share(rows) for place, rows in frame.groupby(["model", "width"], sort=False)}
    assert len(cells) == len(bands.Config().model) * len(bands.Config().width)
    outside = [place for place, value in sorted(cells.items(), key=lambda item: item[1]) if not 93 <= value <= 97]
    numbers = bands.findings(frame).numbers
    assert [numbers[key] for key in ("cells", "cells_held")] == [str(len(cells)), str(len(cells) - len(outside))]
    named = ", ".join(f"{name} at width {width:,} with {cells[name, width]:.2f}" for name, width in outside)
    assert numbers["outside"] == named
    by_width = [share(rows) for _, rows in frame.groupby("width")]
    by_model = [share(rows) for _, rows in frame.groupby("model")]
    assert all(
        f"{value:.1f}" in (numbers["width_low"], numbers["width_high"]) for value in (min(by_width), max(by_width))
    )
    guide = " ".join((catalogue.ROOT / "docs" / "guides" / "diagnose.md").read_text("utf-8").split())
    for least, most in ((min(by_model), max(by_model)), (min(by_width), max(by_width))):
        assert f"between {least:.1f} and {most:.1f} %" in guide
    assert (
        f"Of the {len(cells)} architectures at single widths {len(cells) - len(outside)} are within 93 to 97 %. Outside are: {named} %."
        in guide
    )


def test_a_band_a_tenth_too_narrow_or_too_wide_would_be_seen() -> None:
    """In the share over all architectures: 1.96 standard deviations times 0.9 hold 92.2 %, times 1.1 hold 96.9 %."""
    frame = catalogue.load("bands")
    by_width = bands._coverage(frame, "width")
    wrong = [100 * (2 * stats.norm.cdf(1.96 * factor) - 1) for factor in (0.9, 1.1)]
    for other in wrong:
        assert (abs(by_width - 95) < abs(by_width - other)).all()


def test_singular_values_uniform_in_their_law_have_moments_one_half_and_one() -> None:
    share = np.tile((np.arange(2000) + 0.5) / 2000, (3, 1))
    found = spectra._moments(np.zeros_like(share), share)
    np.testing.assert_allclose([found["place_hat"], found["width_share_hat"]], [0.5, 1.0], atol=1e-6)
    without = spectra._moments(np.where(share < 0.5, -np.inf, 0.0), share)
    np.testing.assert_allclose(without["place_hat"], 0.75, atol=1e-3)


def test_a_law_of_singular_values_three_per_cent_off_fails() -> None:
    frame = catalogue.load("spectra")
    seen, num = spectra._power(frame)
    assert num == 27
    assert seen >= 20
    cells = frame[frame.net == "linear"].drop_duplicates("cell")
    cells = cells[cells.weights == "gaussian"]
    assert ((cells.place_off - 0.5).abs() > SIGMAS * cells.place_hat_err).all()


def test_second_moments_of_a_driven_reservoir_grow_as_simulated() -> None:
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(12, 12)) * 0.7 / 12**0.5
    linear = echo_state._mean_square_rate(matrix * 1e-3, 0.0) - np.log(1e-3)
    np.testing.assert_allclose(linear, np.log(np.abs(np.linalg.eigvals(matrix)).max()), rtol=2e-2)
    sigma_in, num = 0.8, 40_000
    x, apart = np.zeros((num, 12)), rng.normal(size=(num, 12))
    logs = []
    for _ in range(24):
        x = np.tanh(x @ matrix.T + sigma_in * rng.normal(size=x.shape))
        apart = (1 - x**2) * (apart @ matrix.T)
        size = np.sqrt(np.mean(np.sum(apart**2, axis=1)))
        logs.append(np.log(size))
        apart /= size
    rate, infinite = np.mean(logs[8:]), np.log(0.7)
    law = echo_state._mean_square_rate(matrix, sigma_in)
    assert abs(rate - law) < 0.03  # its slopes are taken as independent from step to step
    assert abs(rate - infinite) > 0.1


def test_untuned_points_are_named_and_said_to_say_nothing() -> None:
    found = sequence_length.findings(catalogue.load("sequence_length"))
    assert "GRU at 50 and 200" in found.numbers["untuned"]
    assert "small tanh at 20 and 50 and 200" in found.numbers["ends"]
    assert "No rate let a pilot succeed" in found.verdict


def test_plateaus_are_told_to_a_factor_of_two_with_a_trend() -> None:
    found = plateau.findings(catalogue.load("plateau"))
    assert "about a factor of two, with a trend in the activation" in found.verdict
    assert found.numbers["beyond"] == "31"


def test_shares_of_outcomes_a_fifth_off_disagree() -> None:
    rows = outcomes.comparisons(catalogue.load("outcomes"))
    vanish = rows[rows.label.str.contains("vanish")]
    assert (vanish.z.abs() <= SIGMAS).all()
    assert ((vanish.z.abs() + 0.2 / vanish.predicted_err) > SIGMAS).all()
    oscillates = rows[rows.label == "SGD, rate 0.1, gradients explode: oscillates"]
    assert oscillates.verdict.str.startswith("disagrees").all()


def test_relu_networks_diverge_where_their_kernel_learns_and_the_borders_tell_less_than_for_tanh() -> None:
    frame = catalogue.load("outcomes_large")
    rows = outcomes_large.comparisons(frame)
    explode = rows[rows.label.str.fullmatch("relu, SGD, rate .*, gradients explode: learned")]
    assert (explode.predicted == 1).all()
    assert (explode.z < -SIGMAS).all()
    vanish = rows[rows.label.str.contains("relu, .* vanish")]
    assert (vanish.z.abs() <= SIGMAS).all()
    numbers = outcomes_large.findings(frame).numbers
    assert int(numbers["agree/both"]) < int(outcomes.findings(catalogue.load("outcomes")).numbers["agree/both"])


def test_tilts_agree_and_powers_near_a_minimum_do_not() -> None:
    rows = minimum.comparisons(catalogue.load("minimum"))
    tilts = rows[rows.label.str.endswith("tilt")]
    assert len(tilts) == 10
    assert (tilts.z.abs() <= SIGMAS).all()
    assert (rows[rows.label.str.endswith("power")].z.abs() > SIGMAS).all()
