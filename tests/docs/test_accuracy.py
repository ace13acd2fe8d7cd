"""The page Accuracy says what the committed results say, and its plot holds every comparison."""

import re

import accuracy
import numpy as np
import pytest
import residuals

from experiments.corridor import catalogue
from experiments.report import evidence

pytestmark = pytest.mark.site


@pytest.fixture(scope="module")
def found() -> evidence.Evidence:
    return evidence.gathered(catalogue.RESULTS)


def test_the_page_is_that_of_the_committed_results(found: evidence.Evidence) -> None:
    """After a change of results: ``python docs/_ext/accuracy.py``."""
    committed = (catalogue.ROOT / "docs" / "accuracy.md").read_text()
    assert committed == accuracy.page(found)
    assert not re.search(r"\{[{%]|None|nan", committed)


def test_every_comparison_is_a_point_the_furthest_first(found: evidence.Evidence) -> None:
    table = accuracy.comparisons(found)
    names = list(dict.fromkeys(table.experiment))
    points = residuals.points(table, names)
    assert sorted(points.label) == sorted(found.table.label)
    assert (np.diff(points.x.abs()) <= 0).all()
    assert points.x.abs().max() <= residuals.LIMIT
    at = points.y.round().astype(int)
    assert (points.experiment == [names[len(names) - each] for each in at]).all()


def test_a_point_tells_what_it_is(found: evidence.Evidence) -> None:
    table = accuracy.comparisons(found)
    points = residuals.points(table, list(dict.fromkeys(table.experiment))).set_index(["experiment", "label"])
    row = found.rows("aspect").iloc[0]
    point = points.loc[("aspect", row.label)]
    assert point.outcome == row.outcome == "agrees"
    assert float(point.predicted.replace("−", "-")) == pytest.approx(row.predicted, rel=1e-4)
    assert float(point.measured.split(" ± ")[0].replace("−", "-")) == pytest.approx(row.measured, rel=1e-4)
    assert float(point.z.replace("−", "-")) == pytest.approx(row.z, abs=0.005)
    assert point.command == found.command("aspect", row.cell)
    assert "the law declines" in points[points.outcome == "outside"].z.iloc[0]


def test_outcomes_differ_in_marker_and_colour() -> None:
    markers, colours = zip(*residuals.LOOK.values(), strict=True)
    assert len(set(markers)) == len(set(colours)) == len(residuals.LOOK)
