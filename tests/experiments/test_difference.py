"""Two folders of results: the same numbers pass, a prediction that moves fails, a measurement may move within its error bar."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.__main__ import main
from experiments.corridor import catalogue, difference
from tests.experiments import tiny

ARRAYS = {
    "rate": np.array([0.5, -2.0, 0.0, np.nan, np.inf]),
    "rate_hat": np.array([0.6, -2.1, 0.0, np.nan, 1.0]),
    "rate_hat_err": np.full(5, 0.1),
    "predicted": 0.5,
    "predicted_err": 0.05,
    "measured": 0.6,
    "measured_err": 0.1,
    "barless_hat": np.array([0.6, -2.1, 0.0, np.nan, np.inf]),
    "verdict": "agrees (z = +0.1)",
    "label": "tiny",
}


def cell(folder: Path, a: int = 0, **changes: Any) -> Path:
    """A result in the folder, with some of its columns changed."""
    config = tiny.Config(a=(a,), b=(0,))
    facts = tiny.record(tiny.NAME, config, 0.0) | {"config": dataclasses.asdict(config)}
    path = catalogue.path_of(tiny.NAME, config, folder)
    catalogue.save(ARRAYS | changes, facts, path)
    return path


def moved(name: str, by: float) -> dict[str, Any]:
    """The named column, its first number moved."""
    values = np.array(ARRAYS[name], dtype=float)
    values.flat[0] += by
    return {name: values}


def fails(tmp_path: Path, **changes: Any) -> list[str]:
    """Names of the columns that fail between a cell and its changed copy."""
    cell(tmp_path / "first")
    cell(tmp_path / "second", **changes)
    found = difference.compared(tmp_path / "first", tmp_path / "second")
    assert main(["compare", str(tmp_path / "first"), str(tmp_path / "second")]) == int(bool(found.failures))
    return [column.name for column in found.failures]


def test_equal_folders_pass_with_nan_and_infinity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not fails(tmp_path)
    assert "0 of 10 columns differ" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "by", "failing"),
    [
        ("rate", 1e-11, False),
        ("rate", 1e-8, True),
        ("predicted", 1e-8, True),
        ("predicted_err", 1e-8, True),
        ("rate_hat", 0.09, False),
        ("rate_hat", 0.11, True),
        ("measured", 0.09, False),
        ("measured", -0.11, True),
        ("barless_hat", 10.0, False),
    ],
)
def test_predictions_must_not_move_and_measurements_not_beyond_their_error(
    name: str, by: float, failing: bool, tmp_path: Path
) -> None:
    assert fails(tmp_path, **moved(name, by)) == [name] * failing


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": np.array([0.5, -2.0, 0.0, 0.0, np.inf])},
        {"rate": np.array([0.5, -2.0, 0.0, np.nan, -np.inf])},
        {"rate": np.array([0.5, -2.0, 1e-12, np.nan, np.inf])},
        {"rate_hat": np.full(5, np.nan) + np.array([0, np.nan, 0, 0, 0])},
        {"barless_hat": np.array([0.6, np.nan, 0.0, np.nan, np.inf])},
        {"barless_hat": np.array([0.6, -2.1, np.inf, np.nan, np.inf])},
        {"barless_hat": np.array([0.6, -2.1, 0.0, 1.0, np.inf])},
        {"barless_hat": np.array([0.6, -2.1, 0.0, np.nan, -np.inf])},
        {"label": "other"},
    ],
    ids=[
        *("NaN lost", "infinity turned", "zero left", "measured NaN", "NaN without bars", "infinite without bars"),
        *("finite without bars", "infinity turned without bars", "text"),
    ],
)
def test_what_is_no_small_number_counts_too(changes: dict[str, Any], tmp_path: Path) -> None:
    assert fails(tmp_path, **changes) == list(changes)


def test_a_measured_word_may_change_and_what_is_left_of_zero(tmp_path: Path) -> None:
    left = np.array([0.5, -2.0, 5e-14, np.nan, np.inf])
    assert not fails(tmp_path, verdict="disagrees (z = +9.9)", rate=left)


def test_a_measurement_that_became_nan_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(tmp_path, measured=np.nan) == ["measured"]
    assert "measured is measured, and NaN or infinite in one of the folders only." in capsys.readouterr().err


def test_a_lost_column_and_a_lost_cell_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(tmp_path, new=1.0) == ["new"]
    path = cell(tmp_path / "first", a=1)
    cell(tmp_path / "second")
    capsys.readouterr()
    assert main(["compare", str(tmp_path / "first"), str(tmp_path / "second")]) == 1
    assert f"{tiny.NAME}/{path.name}: in one of the folders only." in capsys.readouterr().err


def test_folders_without_an_experiment_in_common_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell(tmp_path / "first")
    assert main(["compare", str(tmp_path / "first"), str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("compare: expected two folders with an experiment in common, got ")


def test_every_listed_column_is_one_of_the_committed_results() -> None:
    for experiment in set(difference.MEASURED) - {""}:
        cells = (catalogue.RESULTS / experiment).glob("[!._]*.parquet")
        there = {name for path in cells for name in catalogue.load_cell(path)[0]}
        assert set(difference.MEASURED[experiment].split()) <= there, experiment
