"""Sweeps: what fails is written down, nothing finished is lost, processes share, signals are heard, events are told."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.kills import Campaign
from experiments import corridor, disk, shard, sweep, watch
from experiments.__main__ import main
from tests import tiny

ROOT = Path(__file__).resolve().parent.parent
Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """The made-up experiment, or one with another ``run``, in place of all others."""

    def put(run: Callable[[tiny.Config], dict[str, Any]] = tiny.run) -> None:
        monkeypatch.setitem(sys.modules, "experiments.tiny", tiny.module(run))

    monkeypatch.setattr(corridor, "EXPERIMENTS", ("tiny",))
    monkeypatch.setattr(corridor, "record", tiny.record)
    put()
    return put


def results(out: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(out.rglob("[!._]*.parquet"))}


def errors(out: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(out.rglob("_*.error.json"))]


def leftovers(out: Path) -> list[Path]:
    return [*out.rglob("*.tmp"), *out.rglob("*.lock")]


def events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def cell_path(out: Path, a: int = 0, b: int = 0) -> Path:
    return corridor.path_of("tiny", tiny.Config(a=(a,), b=(b,)), out)


def unhappy(config: tiny.Config) -> dict[str, Any]:
    if config.a == (2,):
        raise RuntimeError("out of luck\nin two lines")
    return tiny.run(config)


# What fails


def test_a_failing_cell_is_recorded_and_the_sweep_goes_on(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(unhappy)
    assert main(["tiny", "--out", str(tmp_path)]) == 1
    assert len(results(tmp_path)) == 9
    assert [(each["config"]["a"], each["type"], each["message"]) for each in errors(tmp_path)] == [
        ([2], "RuntimeError", "out of luck\nin two lines")
    ] * 3
    assert all("in unhappy" in each["traceback"] and each["time"] for each in errors(tmp_path))
    said = capsys.readouterr()
    assert said.err.splitlines().count("RuntimeError: out of luck") == 1
    assert "3 of 12 cells failed" in said.err
    assert "tiny a=2 b=1: RuntimeError: out of luck" in said.err
    assert "Traceback" not in said.err
    assert said.out.splitlines()[1].split()[:7] == ["tiny", "12", "9", "0", "0", "3", "0"]
    assert len(pd.read_parquet(tmp_path / "tiny")) == 18  # an error file is no part of the table


def test_a_cell_that_later_succeeds_has_no_error_any_more(install: Install, tmp_path: Path) -> None:
    install(unhappy)
    main(["tiny", "--out", str(tmp_path)])
    before = results(tmp_path)
    install()
    assert main(["tiny", "--out", str(tmp_path)]) == 0
    assert not errors(tmp_path)
    assert len(results(tmp_path)) == 12
    assert before.items() <= results(tmp_path).items()


def test_arrays_that_cannot_be_stored_fail_their_cell(install: Install, tmp_path: Path) -> None:
    install(lambda config: {"x": [1.0] * (1 + config.a[0]), "y": [1.0, 2.0]})
    assert main(["tiny", "--a", "1", "2", "--b", "0", "--out", str(tmp_path)]) == 1
    assert len(results(tmp_path)) == len(errors(tmp_path)) == 1


@pytest.mark.parametrize("content", ["torn", "format"])
def test_a_result_that_cannot_be_read_is_named_and_kept(
    content: str, install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cell_path(tmp_path)
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
    assert len(results(tmp_path)) == 12
    assert [each["type"] for each in errors(tmp_path)] == ["ResultError"]
    path.unlink()
    assert main(["tiny", "--out", str(tmp_path)]) == 0
    assert not errors(tmp_path)


# The disk


def check_stopped(out: Path, before: int, reason: str, said: Any) -> None:
    """One sentence, what was there is whole, nothing half-written lies about."""
    assert said.err.count("save: expected a file that can be written, got path=") == 1
    assert reason in said.err
    assert "Traceback" not in said.err
    assert len(results(out)) == before
    assert all(len(corridor.load_cell(path)[0]) == 2 for path in results(out))
    assert not leftovers(out)
    assert not errors(out)


def test_a_full_disk_stops_the_sweep(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synced = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["tiny", "--out", str(tmp_path)]) == 1
    assert len(synced) == 6  # at once: no seventh cell was tried
    check_stopped(tmp_path, 5, "No space left on device", capsys.readouterr())
    monkeypatch.undo()


def test_a_write_that_the_system_cuts_short_stops_the_sweep(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real limit, on the size of files, that the second cell exceeds."""
    install(lambda config: {"x": [f"{config.a[0]}"] * 2 if config.b == (0,) else [os.urandom(60_000).hex()] * 2})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        assert main(["tiny", "--out", str(tmp_path)]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    check_stopped(tmp_path, 1, "File too large", capsys.readouterr())


@pytest.mark.parametrize("out", ["a file", "/proc/nowhere", "readonly"])
def test_a_folder_that_cannot_be_written_is_said_before_any_computing(
    out: str,
    install: Install,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a file").write_text("")
    install(lambda config: pytest.fail("computed"))
    if out == "readonly":

        def refuse(self: Path, content: bytes) -> int:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(Path, "write_bytes", refuse)
    assert main(["tiny", "--out", str(tmp_path / out)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("run: expected a folder that can be written, got out=")
    assert len(said.err.splitlines()) == 1
    assert not said.out


def test_a_finished_sweep_needs_no_folder_that_can_be_written(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["tiny", "--out", str(tmp_path)])
    monkeypatch.setattr(disk, "check_folder", lambda folder: pytest.fail("written"))
    assert main(["tiny", "--out", str(tmp_path)]) == 0


def test_what_the_dead_left_is_swept_up_and_nothing_of_the_living(install: Install, tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = tmp_path / "tiny"
    folder.mkdir()
    here, elsewhere = f".x.parquet.{disk.HOST}", ".x.parquet.other-host"
    names = [f"{here}.{dead.pid}.tmp", f"{here}.{os.getppid()}.tmp", f"{elsewhere}.{dead.pid}.tmp", ".x.lock"]
    for name in names:
        (folder / name).write_text("")
    log = tmp_path / "log"
    assert main(["tiny", "--out", str(tmp_path), "--log", str(log)]) == 0
    assert {path.name for path in leftovers(folder)} == {names[1], names[2]}
    assert events(log)[0]["swept_up"] == 1


# Several processes


def test_a_cell_is_one_processes_at_a_time_and_no_lock_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with disk.claim(path) as ours:
        assert ours
        with disk.claim(path) as again:
            assert not again
        assert disk.lock_path(path).exists()
    assert not leftovers(tmp_path)
    with disk.claim(path) as ours:
        assert ours


def test_a_lock_removed_between_opening_and_locking_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

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


def test_cells_in_other_hands_are_waited_for_or_taken_over(install: Install, tmp_path: Path) -> None:
    """Of two cells held elsewhere, one is finished there, one is let go unfinished, as by a death."""
    (tmp_path / "tiny").mkdir()
    first, second = cell_path(tmp_path, 0, 0), cell_path(tmp_path, 0, 1)
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
                corridor.save({"x": 1.0}, tiny.record("tiny", tiny.Config(), 0.0), first)
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
    assert not leftovers(tmp_path)


def test_a_cell_that_just_failed_elsewhere_is_not_run_again(install: Install, tmp_path: Path) -> None:
    """While this sweep is under way, another process fails at its last cell."""
    last = sweep.Task("tiny", tiny.Config(a=(3,), b=(2,)), cell_path(tmp_path, 3, 2))

    def run(config: tiny.Config) -> dict[str, Any]:
        assert config.a + config.b != (3, 2)
        if config.a + config.b == (3, 1):
            time.sleep(0.02)  # a tick of the folder's clock
            sweep._failed(last, RuntimeError("elsewhere"))
        return tiny.run(config)

    install(run)
    assert main(["tiny", "--out", str(tmp_path)]) == 1
    assert [each["message"] for each in errors(tmp_path)] == ["elsewhere"]
    install()
    assert main(["tiny", "--out", str(tmp_path)]) == 0


def started(out: Path, *words: str) -> "subprocess.Popen[str]":
    """A sweep of the made-up experiment in another process, logging to ``out/log``."""
    command = [sys.executable, "-m", "tests.tiny", "tiny", "--out", str(out), "--log", str(out / "log"), *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], Any]) -> None:
    """Wait until the condition holds, for at most a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_two_processes_share_the_cells(tmp_path: Path) -> None:
    words = ("--pause", "0.05", "--b", *map(str, range(10)))
    both = [started(tmp_path, *words) for _ in range(2)]
    tables = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], tables
    told = events(tmp_path / "log")
    run = Counter(each["path"] for each in told if each["event"] == "finished")
    assert set(run) == {str(path) for path in results(tmp_path)}
    assert set(run.values()) == {1}
    assert len(run) == 40
    assert {each["pid"] for each in told if each["event"] == "finished"} == {process.pid for process in both}
    assert not leftovers(tmp_path)


def test_kills_cost_nothing_that_was_finished(tmp_path: Path) -> None:
    """The small sister of ``python -m benchmarks.kills``."""
    command = [sys.executable, "-m", "tests.tiny", "tiny", "--pause", "0.02", "--b", *map(str, range(10))]
    report = Campaign(command, tmp_path, seed=0).run(kills=3)
    assert report.passed, report
    assert (report.kills, report.cells) == (3, 40)


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_asked_to_stop_it_finishes_the_cell_in_hand(
    number: signal.Signals, install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)

    def run(config: tiny.Config) -> dict[str, Any]:
        if config.a + config.b == (1, 1):
            tiny.send(number)
        return tiny.run(config)

    install(run)
    assert main(["tiny", "--out", str(tmp_path)]) == 143
    assert len(results(tmp_path)) == 5
    assert capsys.readouterr().out.splitlines()[1].split()[:7] == ["tiny", "12", "5", "0", "0", "0", "7"]
    assert not leftovers(tmp_path)
    assert signal.getsignal(number) == before


def test_an_interrupt_is_one_line(install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(config: tiny.Config) -> dict[str, Any]:
        if config.a + config.b == (1, 1):
            tiny.send(signal.SIGINT)
            time.sleep(10)
        return tiny.run(config)

    install(run)
    log = tmp_path / "log"
    assert main(["tiny", "--out", str(tmp_path), "--log", str(log)]) == 130
    said = capsys.readouterr()
    assert said.err.strip() == "experiments: interrupted. Finished cells are kept; the same command goes on from here."
    assert not said.out
    assert len(results(tmp_path)) == 4
    assert not leftovers(tmp_path)
    assert events(log)[-1]["status"] == 130


@pytest.mark.parametrize(
    ("numbers", "status", "run"), [(["SIGTERM"], 143, 1), (["SIGTERM", "SIGTERM"], 143, 0), (["SIGINT"], 130, 0)]
)
def test_a_process_in_a_long_cell_hears_signals(numbers: list[str], status: int, run: int, tmp_path: Path) -> None:
    """A cell that is to be finished takes a second; one that is to be left, a minute within one call."""
    process = started(tmp_path, *(("--pause", "1") if run else ("--rounds", "100000000")))
    until(lambda: (tmp_path / "log").exists() and "begun" in (tmp_path / "log").read_text())
    for name in numbers:
        process.send_signal(signal.Signals[name])
        time.sleep(0.1)
    _, said = process.communicate(timeout=20)
    assert process.returncode == status
    assert len(results(tmp_path)) == run
    assert "Traceback" not in said


# Shards


@pytest.mark.parametrize("count", [1, 2, 5, 12, 20])
def test_shards_are_disjoint_and_together_everything(count: int, tmp_path: Path) -> None:
    tasks = sweep.tasks_of({"tiny": tiny.Config()}, tmp_path)
    shares = [shard.Shard(index, count).of(tasks) for index in range(count)]
    assert sorted(task.path for share in shares for task in share) == sorted(task.path for task in tasks)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_shard_does_not_follow_an_axis(tmp_path: Path) -> None:
    """Were cells dealt in their order, each of two shares would have half of b's values only."""
    tasks = sweep.tasks_of({"tiny": tiny.Config(a=tuple(range(50)), b=(0, 1))}, tmp_path)
    counts = Counter(task.cell.b for task in shard.Shard(0, 2).of(tasks))
    assert min(counts[(0,)], counts[(1,)]) > 10


def test_shards_run_one_by_one_do_the_whole(install: Install, tmp_path: Path) -> None:
    for name in ("tiny", "all"):
        for index in range(14):
            assert main([name, "--shard", f"{index}/14", "--out", str(tmp_path / name)]) == 0
        assert len(results(tmp_path / name)) == 12


@pytest.mark.parametrize("text", ["3/3", "a/b", "-1/4", "1/0", "1", "", "0/2/4"])
def test_wrong_shards_get_one_sentence(
    text: str, install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tiny", "--shard", text, "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (f"experiments: expected a share i/n with 0 <= i < n, got shard={text!r}.\n")


@pytest.mark.parametrize("words", [[], ["--shard", "auto"]])
def test_a_job_array_says_which_share(
    words: list[str],
    install: Install,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {"ID": "4", "COUNT": "3", "MIN": "2"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert main(["tiny", *words, "--out", str(tmp_path)]) == 0
    assert len(results(tmp_path)) == 4
    assert "share 2/3, from SLURM_ARRAY_TASK_ID: 4 of 12 cells" in capsys.readouterr().err


def test_job_arrays_that_make_no_shares_are_refused() -> None:
    assert shard.chosen(None, {}) == shard.WHOLE
    assert shard.chosen("1/2", {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "9"}) == (1, 2)
    steps = {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "3", "SLURM_ARRAY_TASK_COUNT": "4"}
    assert [shard.array_shard(steps | {"SLURM_ARRAY_TASK_ID": str(i)}) for i in (1, 4, 7, 10)] == [
        (i, 4) for i in range(4)
    ]
    with pytest.raises(ValueError, match=r"^experiments: expected an array of ids without gaps, got .*'9' of 2 from 5"):
        shard.array_shard({"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "5"})
    with pytest.raises(ValueError, match=r"^experiments: expected a job array around this process, got shard='auto'"):
        shard.chosen("auto", {})


# Watching


def test_events_are_lines_of_json_appended_as_they_happen(install: Install, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "log"
    seen: list[int] = []

    def run(config: tiny.Config) -> dict[str, Any]:
        seen.append(len(events(log)))
        return unhappy(config)

    install(run)
    words = ["tiny", "--b", "0", "--out", str(tmp_path), "--log", str(log)]
    assert main(words) == 1
    assert seen == [2, 4, 6, 8]  # each cell finds the lines before it on the disk
    told = events(log)
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
    assert [each.get("reason") for each in events(log) if each["event"] == "skipped"] == ["already there"] * 3


def test_a_log_that_cannot_be_written_is_refused(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tiny", "--out", str(tmp_path), "--log", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("watch: expected a log that can be written, got log=")
    assert not results(tmp_path)


def test_a_log_on_a_full_disk_stops_the_sweep(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, a disk that is always full")
    assert main(["tiny", "--out", str(tmp_path), "--log", "/dev/full"]) == 1
    assert "got log='/dev/full' (No space left on device)" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["wandb", "tensorboard"])
def test_a_watcher_that_is_not_installed_is_named_before_any_computing(
    flag: str,
    install: Install,
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
    assert not results(tmp_path)


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
