"""Sweeps: what fails is written down and the rest goes on; processes share the cells; nothing finished is lost."""

import errno
import fcntl
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.kills import Campaign
from experiments.__main__ import main
from experiments.corridor import catalogue, disk, sweep
from tests.experiments import tiny


def test_a_failing_cell_is_recorded_and_the_sweep_goes_on(
    install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tiny.unhappy)
    assert main(["tiny", "--out", str(tmp_path)]) == 1
    assert len(tiny.results(tmp_path)) == 9
    assert [(each["config"]["a"], each["type"], each["message"]) for each in tiny.errors(tmp_path)] == [
        ([2], "RuntimeError", "out of luck\nin two lines")
    ] * 3
    assert all("in unhappy" in each["traceback"] and each["time"] for each in tiny.errors(tmp_path))
    said = capsys.readouterr()
    assert said.err.splitlines().count("RuntimeError: out of luck") == 1
    assert "3 of 12 cells failed" in said.err
    assert "tiny a=2 b=1: RuntimeError: out of luck" in said.err
    assert "Traceback" not in said.err
    assert said.out.splitlines()[1].split()[:7] == ["tiny", "12", "9", "0", "0", "3", "0"]
    assert len(pd.read_parquet(tmp_path / "tiny")) == 18  # an error file is no part of the table


def test_an_unknown_name_on_an_axis_is_told_the_known_ones(
    install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(lambda config: {"sum": [{0: 1}[config.a[0]]]})
    assert main(["tiny", "--a", "9", "--b", "0", "--out", str(tmp_path)]) == 1
    assert "tiny: expected --a from (0, 1, 2, 3), got 9." in capsys.readouterr().err
    assert [each["type"] for each in tiny.errors(tmp_path)] == ["ValueError"]


def test_backwards_is_the_same_from_the_other_end(install: tiny.Install, tmp_path: Path) -> None:
    order: list[tuple[int, int]] = []

    def noted(config: tiny.Config) -> dict[str, Any]:
        order.append((config.a[0], config.b[0]))
        return tiny.run(config)

    install(noted)
    assert main(["tiny", "--out", str(tmp_path / "forwards")]) == 0
    assert main(["tiny", "--backwards", "--out", str(tmp_path / "backwards")]) == 0
    assert order[12:] == order[11::-1]
    assert len(tiny.results(tmp_path / "backwards")) == 12


def test_a_cell_that_later_succeeds_has_no_error_any_more(install: tiny.Install, tmp_path: Path) -> None:
    install(tiny.unhappy)
    main(["tiny", "--out", str(tmp_path)])
    before = tiny.results(tmp_path)
    install()
    assert main(["tiny", "--out", str(tmp_path)]) == 0
    assert not tiny.errors(tmp_path)
    assert len(tiny.results(tmp_path)) == 12
    assert before.items() <= tiny.results(tmp_path).items()


def test_arrays_that_cannot_be_stored_fail_their_cell(install: tiny.Install, tmp_path: Path) -> None:
    install(lambda config: {"x": [1.0] * (1 + config.a[0]), "y": [1.0, 2.0]})
    assert main(["tiny", "--a", "1", "2", "--b", "0", "--out", str(tmp_path)]) == 1
    assert len(tiny.results(tmp_path)) == len(tiny.errors(tmp_path)) == 1


@pytest.mark.parametrize("content", ["torn", "format"])
def test_a_result_that_cannot_be_read_is_named_and_kept(
    content: str, install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny.cell_path(tmp_path)
    path.parent.mkdir()
    if content == "torn":
        path.write_bytes(b"PAR1 and no more")
    else:
        pd.DataFrame({"x": [1.0]}).to_parquet(path)
    before = path.read_bytes()
    for _ in range(2):
        assert main(["tiny", "--out", str(tmp_path)]) == 1
        assert "Delete it and run the experiment again." in capsys.readouterr().err
    assert path.read_bytes() == before
    assert len(tiny.results(tmp_path)) == 12
    assert [each["type"] for each in tiny.errors(tmp_path)] == ["ResultError"]
    path.unlink()
    assert main(["tiny", "--out", str(tmp_path)]) == 0
    assert not tiny.errors(tmp_path)


def test_a_cell_is_one_processes_at_a_time_and_no_lock_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with disk.claim(path) as ours:
        assert ours
        with disk.claim(path) as again:
            assert not again
        assert disk.lock_path(path).exists()
    assert not tiny.leftovers(tmp_path)
    with disk.claim(path) as ours:
        assert ours


def test_a_lock_removed_between_opening_and_locking_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, opened = fcntl.flock, []

    def late(descriptor: int, how: int) -> None:
        opened.append(descriptor)
        if len(opened) == 1:
            disk.lock_path(tmp_path / "x.parquet").unlink()
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with disk.claim(tmp_path / "x.parquet") as ours:
        assert ours
        assert len(opened) == 2
        assert disk.lock_path(tmp_path / "x.parquet").exists()


def test_where_locks_are_unknown_cells_are_run_all_the_same(
    install: tiny.Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(fcntl, "flock", unknown)
    assert main(["tiny", "--out", str(tmp_path)]) == 0
    assert len(tiny.results(tmp_path)) == 12
    assert not tiny.leftovers(tmp_path)


def test_cells_in_other_hands_are_waited_for_or_taken_over(install: tiny.Install, tmp_path: Path) -> None:
    """Of two cells held elsewhere, one is finished there, one is let go unfinished, as by a death."""
    (tmp_path / "tiny").mkdir()
    first, second = tiny.cell_path(tmp_path, 0, 0), tiny.cell_path(tmp_path, 0, 1)
    finished_elsewhere, dying, order = disk.claim(first), disk.claim(second), []

    def run(config: tiny.Config) -> dict[str, Any]:
        order.append((*config.a, *config.b))
        return tiny.run(config)

    install(run)
    told: list[dict[str, Any]] = []

    class Other:
        def event(self, facts: dict[str, Any]) -> None:
            told.append(facts)
            if facts["event"] == "waiting":
                catalogue.save({"x": 1.0}, tiny.record("tiny", tiny.Config(a=(0,), b=(0,)), 0.0), first)
                finished_elsewhere.__exit__(None, None, None)
                dying.__exit__(None, None, None)

    assert finished_elsewhere.__enter__()
    assert dying.__enter__()
    tasks = sweep.tasks_of({"tiny": tiny.Config()}, tmp_path)
    with sweep.Stop() as stop:
        this = sweep.Sweep(tasks, [Other()], stop)
        this.run()
    assert order == [*[(a, b) for a in range(4) for b in range(3)][2:], (0, 1)]
    assert Counter(outcome.what for outcome in this.outcomes) == {"run": 11, "left to others": 1}
    assert this.status == 0
    assert not tiny.leftovers(tmp_path)


def test_a_cell_that_just_failed_elsewhere_is_not_run_again(install: tiny.Install, tmp_path: Path) -> None:
    """While this sweep is under way, another process fails at its last cell."""
    last = sweep.Task("tiny", tiny.Config(a=(3,), b=(2,)), tiny.cell_path(tmp_path, 3, 2))

    def run(config: tiny.Config) -> dict[str, Any]:
        assert config.a + config.b != (3, 2)
        if config.a + config.b == (3, 1):
            time.sleep(0.02)  # a tick of the folder's clock
            sweep._failed(last, RuntimeError("elsewhere"))
        return tiny.run(config)

    install(run)
    assert main(["tiny", "--out", str(tmp_path)]) == 1
    assert [each["message"] for each in tiny.errors(tmp_path)] == ["elsewhere"]
    install()
    assert main(["tiny", "--out", str(tmp_path)]) == 0


def test_two_processes_share_the_cells(tmp_path: Path) -> None:
    words = ("--pause", "0.05", "--b", *map(str, range(10)))
    both = [tiny.started(tmp_path, *words) for _ in range(2)]
    tables = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], tables
    told = tiny.events(tmp_path / "log")
    run = Counter(each["path"] for each in told if each["event"] == "finished")
    assert set(run) == {str(path) for path in tiny.results(tmp_path)}
    assert set(run.values()) == {1}
    assert len(run) == 40
    assert {each["pid"] for each in told if each["event"] == "finished"} == {process.pid for process in both}
    assert not tiny.leftovers(tmp_path)


def test_a_cell_whose_process_died_is_taken_over(install: tiny.Install, tmp_path: Path) -> None:
    words = ("--pause", "0.5", "--a", "0", "--b", "0", "1")
    doomed = tiny.started(tmp_path, *words)
    tiny.until(lambda: (tmp_path / "log").exists() and "begun" in (tmp_path / "log").read_text())
    doomed.kill()
    doomed.communicate()
    assert len(tiny.leftovers(tmp_path)) == 1  # its lock file, which no longer locks
    assert main(["tiny", "--out", str(tmp_path), *words]) == 0
    assert len(tiny.results(tmp_path)) == 2
    assert not tiny.leftovers(tmp_path)


@pytest.mark.slow
def test_kills_cost_nothing_that_was_finished(tmp_path: Path) -> None:
    """The small sister of ``python -m benchmarks.kills``."""
    command = [*tiny.COMMAND, "--pause", "0.02", "--b", *map(str, range(10))]
    report = Campaign(command, tmp_path, seed=0).run(kills=3)
    assert report.passed, report
    assert (report.kills, report.cells) == (3, 40)


def test_compiled_programs_are_let_go_before_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process whose memory maps run out cannot load another program, and dies of it."""
    cleared = []
    monkeypatch.setattr("jax.clear_caches", lambda: cleared.append(True))
    maps = tmp_path / "maps"
    maps.write_bytes(b"a map\n" * sweep.MOST_MAPS)
    assert not sweep.relieve(maps)
    maps.write_bytes(b"a map\n" * (sweep.MOST_MAPS + 1))
    assert sweep.relieve(maps)
    assert not sweep.relieve(tmp_path / "no such file")
    assert cleared == [True]
