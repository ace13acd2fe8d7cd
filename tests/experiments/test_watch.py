"""Watching: events as lines of JSON and in charts."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from experiments.__main__ import main
from experiments.corridor import watch
from tests.experiments import tiny


def test_events_are_lines_of_json_appended_as_they_happen(install: tiny.Install, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    seen: list[int] = []

    def run(config: tiny.Config) -> dict[str, Any]:
        seen.append(len(tiny.events(log)))
        return tiny.unhappy(config)

    install(run)
    words = ["tiny", "--b", "0", "--out", str(tmp_path), "--log", str(log)]
    assert main(words) == 1
    assert seen == [2, 4, 6, 8]  # each cell finds the lines before it on the disk
    told = tiny.events(log)
    assert [each["event"] for each in told] == [
        *("start", "begun", "finished", "begun", "finished", "begun", "failed", "begun", "finished", "end")
    ]
    assert told[0]["cells"] == told[0]["missing"] == 4
    assert Path(told[2]["path"]).exists()
    assert told[2]["seconds"] >= 0
    assert told[6]["error"] == "RuntimeError: out of luck"
    assert Path(told[6]["file"]).exists()
    assert told[-1]["status"] == 1
    assert main(words) == 1
    assert tiny.events(log)[: len(told)] == told
    assert [each.get("reason") for each in tiny.events(log) if each["event"] == "skipped"] == ["already there"] * 3


def test_a_log_that_cannot_be_written_is_refused(
    install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tiny", "--out", str(tmp_path), "--log", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("watch: expected a log that can be written, got log=")
    assert not tiny.results(tmp_path)


def test_a_log_on_a_full_disk_stops_the_sweep(
    install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, a disk that is always full: Linux has it, macOS does not")
    assert main(["tiny", "--out", str(tmp_path), "--log", "/dev/full"]) == 1
    assert "got log='/dev/full' (No space left on device)" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["wandb", "tensorboard"])
def test_a_watcher_that_is_not_installed_is_named_before_any_computing(
    flag: str,
    install: tiny.Install,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert main(["tiny", "--out", str(tmp_path), f"--{flag}", "x"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("watch: expected ")
    assert f"pip install -e '.[{flag}]'" in said
    assert not tiny.results(tmp_path)


def test_charts_get_counts_and_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[Any] = []

    class Run:
        def log(self, numbers: dict[str, float]) -> None:
            drawn.append(numbers)

        def finish(self) -> None:
            drawn.append("finish")

    class Writer:
        def __init__(self, folder: str) -> None: ...

        def add_scalar(self, name: str, value: float, step: int) -> None:
            drawn.append({name: value})

        def close(self) -> None:
            drawn.append("close")

    monkeypatch.setattr(
        watch, "_installed", lambda package, extra, name: Writer if name != "init" else lambda **_: Run()
    )
    facts = [{"event": "start"}, {"event": "finished", "experiment": "tiny", "seconds": 2.0}, {"event": "end"}]
    for watcher in (watch.Wandb("p", tmp_path), watch.TensorBoard(tmp_path)):
        for each in facts:
            watcher.event(each)
    numbers = {"cells/finished": 1, "seconds/tiny": 2.0}
    assert drawn == [numbers, "finish", *({name: value} for name, value in numbers.items()), "close"]


def test_off_a_terminal_a_long_run_says_how_far_it_is(
    install: tiny.Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch.Minutes.__init__, "__defaults__", (0.05,))
    assert main(["tiny", "--out", str(tmp_path), "--a", "0", "1", "--b", "0", "--pause", "0.3"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("experiments: ")]
    assert any(line.startswith("experiments: 0 of 2 cells (tiny), ") for line in lines)
    assert any(" so far, about " in line and line.startswith("experiments: 1 of 2 cells (tiny)") for line in lines)
    time.sleep(0.15)
    assert not capsys.readouterr().err


def test_a_run_says_nothing_between_two_minutes(
    install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tiny", "--out", str(tmp_path), "--a", "0", "--b", "0", "--pause", "0.1"]) == 0
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("cells", "expected"), [(0, "the first cell takes its time"), (2, "about 3 min left")])
def test_the_time_left_is_that_of_the_cells_so_far(cells: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock[0])
    minutes = watch.Minutes(every=1e6)
    minutes.event({"event": "start", "cells": 9, "missing": 5})
    for _ in range(cells):
        minutes.event({"event": "finished", "done": 1})
    clock[0] = 120.0
    assert minutes.line() == f"experiments: {4 + cells} of 9 cells, 2 min so far, {expected}."
    minutes.event({"event": "end"})
