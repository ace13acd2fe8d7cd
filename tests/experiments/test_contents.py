"""A result file that is not what its name says is told by the sweep and on loading, in one sentence with its path, and kept."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.__main__ import main
from experiments.corridor import catalogue, contents
from tests.experiments import tiny

FIRST, SECOND = (0, 0), (1, 2)


def run(config: tiny.Config) -> dict[str, Any]:
    """Integers, a label, and two columns of real numbers, one of which may well be all NaN."""
    (a,), (b,) = config.a, config.b
    return {"step": np.arange(3), "sum": np.linspace(a, b, 3) + 0.5, "limit": np.nan, "label": f"{a}, {b}"}


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table] = lambda table: table, **facts: Any) -> None:
    """The same file with changed columns or a changed record, None for a field without."""
    table = pq.read_table(path)
    kept = json.loads(table.schema.metadata[b"vgtheory"]) | facts
    kept = {field: value for field, value in kept.items() if value is not None}
    pq.write_table(change(table).replace_schema_metadata({b"vgtheory": json.dumps(kept)}), path)


def _swapped(path: Path, other: Path) -> None:
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


def _all_nan(table: pa.Table) -> pa.Table:
    for name in ("sum", "limit"):
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(np.full(3, np.nan)))
    return table


def _torn_record(path: Path, other: Path) -> None:
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"vgtheory": b'{"format": 1, '}), path)


CORRUPTIONS: dict[str, tuple[Callable[[Path, Path], Any], str]] = {
    "two files swapped": (_swapped, "the configuration that the file is named for, got that of"),
    "one copied over another": (
        lambda path, other: path.write_bytes(other.read_bytes()),
        "the configuration that the file is named for, got that of",
    ),
    "an edited configuration": (
        lambda path, other: rewritten(path, config={"a": [0], "b": [0], "pause": 0.5, "rounds": 1}),
        "the configuration that the file is named for, got that of",
    ),
    "a missing column": (
        lambda path, other: rewritten(path, lambda table: table.drop_columns("step")),
        "column 'step'",
    ),
    "no rows": (lambda path, other: rewritten(path, lambda table: table.slice(0, 0)), "rows, got rows=0"),
    "all NaN": (lambda path, other: rewritten(path, _all_nan), "a number other than NaN, got only NaN"),
    "a torn record": (_torn_record, "a record in JSON, got path="),
    "a record without its versions": (
        lambda path, other: rewritten(path, versions=None),
        "a record with its versions, got versions=None",
    ),
    "a record that is a list": (
        lambda path, other: pq.write_table(pq.read_table(path).replace_schema_metadata({b"vgtheory": b"[1]"}), path),
        "a result of format 1, got format=None",
    ),
    "no record": (
        lambda path, other: pq.read_table(path).to_pandas().to_parquet(path),
        "a result of format 1, got format=None",
    ),
    "a torn file": (lambda path, other: path.write_bytes(path.read_bytes()[:-9]), "a whole Parquet file, got path="),
}
ONLY_NEW: dict[str, tuple[Callable[[Path, Path], Any], str]] = {
    "rows lost": (lambda path, other: rewritten(path, lambda table: table.slice(1)), "3 rows, got rows=2"),
    "a column of another type": (
        lambda path, other: rewritten(
            path, lambda table: table.set_column(1, "sum", table.column("sum").cast(pa.float32()))
        ),
        "double column 'sum', got float in",
    ),
    "a column too many": (
        lambda path, other: rewritten(path, lambda table: table.append_column("x", table.column("sum"))),
        "no column 'x', got double in",
    ),
    "a list of columns that is none": (
        lambda path, other: rewritten(path, columns=["sum"]),
        "a record with its columns, got columns=['sum']",
    ),
}
CASES = [(name, age) for name in CORRUPTIONS for age in ("new", "old")] + [(name, "new") for name in ONLY_NEW]


@pytest.fixture
def swept(install: tiny.Install, tmp_path: Path) -> Path:
    """A finished sweep's folder."""
    install(run)
    assert main(["tiny", "--out", str(tmp_path)]) == 0
    return tmp_path


@pytest.mark.parametrize(("name", "age"), CASES)
def test_a_result_that_is_not_what_its_name_says_is_told(
    name: str, age: str, swept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Old results say less of themselves: their record lists neither rows nor columns."""
    if age == "old":
        for path in tiny.results(swept):
            rewritten(path, rows=None, columns=None)
    assert len(catalogue.load("tiny", swept)) == 36
    assert main(["tiny", "--out", str(swept)]) == 0
    path, other = tiny.cell_path(swept, *FIRST), tiny.cell_path(swept, *SECOND)
    corrupt, expected = (CORRUPTIONS | ONLY_NEW)[name]
    corrupt(path, other)
    before = tiny.results(swept)

    with pytest.raises(catalogue.ResultError) as refused:
        catalogue.load("tiny", swept)
    said = str(refused.value)
    assert expected in said
    assert re.fullmatch(r"load: expected [^\n]*'[^\n]*\.parquet'\. Delete it and run the experiment again\.", said)
    assert str(path) in said or (name == "two files swapped" and str(other) in said)
    with pytest.raises(catalogue.ResultError):
        catalogue.records("tiny", swept)

    capsys.readouterr()
    assert main(["tiny", "--out", str(swept)]) == 1
    assert said in capsys.readouterr().err.splitlines()
    assert tiny.results(swept) == before
    assert len(tiny.errors(swept)) == (2 if name == "two files swapped" else 1)


def test_bits_that_rot_within_a_column_are_told(swept: Path) -> None:
    path = tiny.cell_path(swept, *FIRST)
    whole = path.read_bytes()
    start = whole.index(b"PAR1") + 4
    told = 0
    for place in range(start, start + 400, 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            frame, _ = catalogue.load_cell(path)
        except catalogue.ResultError:
            told += 1
        else:
            pd.testing.assert_frame_equal(frame, pd.DataFrame(run(tiny.Config(a=(0,), b=(0,)))), check_dtype=False)
    assert told > 50


def test_results_that_say_nothing_are_not_written(
    install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(lambda config: {"step": np.arange(2), "x": np.full(2, np.nan if config.a == (1,) else 1.0), "y": np.nan})
    assert main(["tiny", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines().count("save: expected a number other than NaN, got only NaN.") == 1
    assert len(tiny.errors(tmp_path)) == 3
    install(lambda config: {"x": np.zeros(0), "label": "none"})
    assert main(["tiny", "--out", str(tmp_path / "rows")]) == 1
    assert "save: expected at least one row, got rows=0." in capsys.readouterr().err
    assert not tiny.results(tmp_path / "rows")


def test_no_committed_result_is_refused() -> None:
    paths = sorted(catalogue.RESULTS.rglob("[!._]*.parquet"))
    assert len(paths) > 300
    assert not [str(flaw) for _, flaw in contents.flaws(paths)]


def test_cells_of_different_columns_may_lie_side_by_side(install: tiny.Install, tmp_path: Path) -> None:
    """Half of the cells compare a number, the other half none; old ones too."""
    install(lambda config: {"x": 1.0} | ({"z": 0.5, "label": "a"} if config.a[0] % 2 else {}))
    assert main(["tiny", "--out", str(tmp_path)]) == 0
    for path in tiny.results(tmp_path):
        rewritten(path, rows=None, columns=None)
    assert len(catalogue.load("tiny", tmp_path)) == 12
