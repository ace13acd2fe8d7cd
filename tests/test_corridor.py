"""The corridor: cells are whole or absent, found again, and refused when they are not what they should be."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from experiments.__main__ import main
from experiments.corridor import catalogue

ROOT = Path(__file__).resolve().parent.parent
CHEAP = "scalar_chain"


def data(folder: Path) -> dict[str, pd.DataFrame]:
    """The data columns of every cell in a folder."""
    return {path.name: catalogue.load_cell(path)[0] for path in sorted(folder.rglob("[!.]*.parquet"))}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed small run of the cheapest experiment."""
    out = tmp_path_factory.mktemp("smoke")
    assert main([CHEAP, "--smoke", "--out", str(out)]) == 0
    return out


def test_cells_are_the_product_of_the_swept_axes() -> None:
    script = catalogue.module("orthogonal")
    config = script.Config(activation=("relu", "tanh"), sigma_w=(1.0, 2.0, 3.0))
    cells = list(catalogue.cells(config))
    assert len(cells) == 6
    assert {cell.activation + cell.sigma_w for cell in cells} == {
        (a, s) for a in ("relu", "tanh") for s in (1.0, 2.0, 3.0)
    }


def test_a_cells_file_is_named_by_all_of_its_configuration() -> None:
    script = catalogue.module(CHEAP)
    cell = next(catalogue.cells(script.SMOKE))
    paths = {catalogue.path_of(CHEAP, cell, Path("r"))}
    for field in dataclasses.fields(cell):
        value = getattr(cell, field.name)
        changed = (value[0] + 1,) if isinstance(value, tuple) else value + 1
        paths.add(catalogue.path_of(CHEAP, dataclasses.replace(cell, **{field.name: changed}), Path("r")))
    assert len(paths) == 1 + len(dataclasses.fields(cell))


def test_results_carry_their_record(smoke: Path) -> None:
    for facts in catalogue.records(CHEAP, smoke):
        assert set(facts) >= {"config", "versions", "device", "seconds", "commit", "code", "format", "matmul_precision"}
        assert facts["code"] == catalogue.code_hash(CHEAP)


def test_finished_cells_are_skipped(smoke: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in smoke.rglob("*.parquet")}
    assert main([CHEAP, "--smoke", "--out", str(smoke)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:6] == [CHEAP, "4", "0", "4", "0", "0"]
    assert before == {path: path.stat().st_mtime_ns for path in smoke.rglob("*.parquet")}


def test_other_cells_beside_the_reported_ones_are_left_out(smoke: Path, tmp_path: Path) -> None:
    for path in smoke.rglob("*.parquet"):
        (tmp_path / CHEAP).mkdir(exist_ok=True)
        (tmp_path / CHEAP / path.name).write_bytes(path.read_bytes())
    assert main([CHEAP, "--smoke", "--mean", "0.5", "--out", str(tmp_path)]) == 0
    assert len(list(tmp_path.rglob("*.parquet"))) == 8
    assert set(catalogue.load(CHEAP, tmp_path)["mean"].round(1)) != {0.5}
    assert len(catalogue.load(CHEAP, tmp_path).cell.unique()) == 4


@pytest.mark.slow
def test_a_killed_run_is_taken_up_where_it_stopped(smoke: Path, tmp_path: Path) -> None:
    """With JAX and all; ``tests/experiments`` kills a lighter sweep by default."""
    command = [sys.executable, "-m", "experiments", CHEAP, "--smoke", "--out", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("[!.]*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    survived = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("[!.]*.parquet")}
    assert 1 <= len(survived) < 4
    assert main([CHEAP, "--smoke", "--out", str(tmp_path)]) == 0
    whole, again = data(smoke), data(tmp_path)
    assert list(whole) == list(again)
    for name, frame in whole.items():
        pd.testing.assert_frame_equal(frame, again[name], check_exact=True)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in survived.items())


def test_a_truncated_result_is_named(smoke: Path, tmp_path: Path) -> None:
    path = next(smoke.rglob("*.parquet"))
    torn = tmp_path / path.name
    torn.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(catalogue.ResultError, match=r"^load: expected a whole Parquet file, got path=.*\. Delete it"):
        catalogue.load_cell(torn)


def test_a_result_of_another_version_is_named(smoke: Path, tmp_path: Path) -> None:
    path = next(smoke.rglob("*.parquet"))
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[b"vgtheory"]) | {"format": 0}
    old = tmp_path / "old.parquet"
    pq.write_table(table.replace_schema_metadata({b"vgtheory": json.dumps(facts)}), old)
    with pytest.raises(
        catalogue.ResultError, match=r"^load: expected a result of format 1, got format=0 in .*\. Delete it"
    ):
        catalogue.load_cell(old)
    foreign = tmp_path / "foreign.parquet"
    pd.DataFrame({"x": [1.0]}).to_parquet(foreign)
    with pytest.raises(catalogue.ResultError, match=r"got format=None"):
        catalogue.load_cell(foreign)


def test_missing_cells_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        catalogue.ResultError, match=r"expected every cell of rates's Config or SMOKE, got some missing"
    ):
        catalogue.load("rates", tmp_path)


@pytest.mark.parametrize(
    "words", [["rats"], ["all", "--width", "3"], ["rates", "--activation", "tahn", "--depth", "3", "--out", "OUT"]]
)
def test_wrong_commands_exit_with_one_sentence(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path) if word == "OUT" else word for word in words]) == 1
    assert "expected" in capsys.readouterr().err


def test_list_names_every_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in catalogue.EXPERIMENTS)


@pytest.mark.parametrize("name", catalogue.EXPERIMENTS)
def test_committed_results_are_those_of_the_scripts_config(name: str) -> None:
    script = catalogue.module(name)
    committed = {path.name for path in (catalogue.RESULTS / name).glob("*.parquet")}
    assert committed == {
        catalogue.path_of(name, cell, catalogue.RESULTS).name for cell in catalogue.cells(script.Config())
    }


def test_no_experiments_axis_is_named_like_a_flag() -> None:
    for name in catalogue.EXPERIMENTS:
        axes = set(catalogue.module(name).Config.__dataclass_fields__)
        assert not axes & {"smoke", "out", "shard", "backwards", "log", "wandb", "tensorboard"}, name


def test_sampled_rates_are_calibrated_where_the_baselines_are_not_and_small_errors_would_show() -> None:
    from experiments.report import baselines

    cells = catalogue.load("rates").drop_duplicates(["cell", "label"])
    found = baselines.headline(cells)
    law = found.law
    assert abs(law.mean) < 4 * law.mean_err
    assert abs(law.std - 1) < 4 * law.std_err
    assert law.p_value > 0.01
    assert max(found.infinite.p_value, found.leading.p_value, *(off.p_value for off in found.off.values())) < 0.01
    assert abs(found.sigma_w[0]) < 4 * found.sigma_w[1] < 0.001
    assert abs(found.spread[0] - 1) < 4 * found.spread[1] < 0.02


def test_the_pass_that_is_predicted_to_survive_does() -> None:
    cells = catalogue.load("overflow")
    for which in ("forward", "backward"):
        assert (np.isinf(cells[which]) == np.isinf(cells[f"{which}_hat"])).all()
        assert np.isinf(cells[which]).any()


def test_long_experiments_are_left_out_of_all_unless_small(capsys: pytest.CaptureFixture[str]) -> None:
    from experiments.corridor import command

    assert not set(command.configured("all", False, [])) & set(catalogue.LONG)
    assert set(command.configured("all", True, [])) == set(catalogue.EXPERIMENTS)
    assert set(catalogue.LONG) <= set(catalogue.EXPERIMENTS)
    for name in catalogue.LONG:
        assert list(command.configured(name, False, [])) == [name]
        assert command.left_out(name, False) == []


def test_committed_results_stand_for_long_experiments_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "LONG", (CHEAP,))
    assert {path.parent.parent for path in catalogue.finished(CHEAP, tmp_path)} == {catalogue.RESULTS}
    monkeypatch.setattr(catalogue, "LONG", ())
    with pytest.raises(catalogue.ResultError):
        catalogue.finished(CHEAP, tmp_path)


def test_results_of_ones_own_come_before_committed_ones(smoke: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "LONG", (CHEAP,))
    assert {path.parent.parent for path in catalogue.finished(CHEAP, smoke)} == {smoke}
