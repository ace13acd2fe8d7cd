"""Job arrays: every share once, asked for as told, queued anew when its time is up."""

import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.__main__ import main
from experiments.corridor import catalogue
from experiments.corridor.submit import Job
from tests.experiments import tiny

CHEAP = "scalar_chain"


@pytest.fixture(autouse=True)
def _logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """submitit configures logging when first imported; absl's handler then closes the stream that pytest reads."""
    monkeypatch.setenv("SUBMITIT_LOG_LEVEL", "NOCONFIG")


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for SLURM's commands that keeps the script it is given; returns where."""
    kept = tmp_path / "script.sh"
    for name, body in {"srun": "true", "sbatch": f'cp "$1" {kept}; echo Submitted batch job 77'}.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return kept


def test_an_array_is_asked_for_as_told(queue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = tmp_path / "logs"
    words = ["--jobs", "3", "--partition", "short", "--minutes", "90", "--smoke", "--out", str(tmp_path / "out")]
    assert main(["submit", CHEAP, *words, "--logs", str(logs), "--", "--std", "0.1", "0.2"]) == 0
    script = queue.read_text()
    for line in ("--array=0-2", "--partition=short", "--time=90", f"--job-name=experiments-{CHEAP}", "--signal=USR2@"):
        assert f"#SBATCH {line}" in script
    delayed = [pickle.loads(path.read_bytes()) for path in logs.glob("*submitted.pkl")]
    assert sorted(each.function.words for each in delayed) == [
        (CHEAP, "--smoke", "--out", str(tmp_path / "out"), "--shard", f"{i}/3", "--std", "0.1", "0.2") for i in range(3)
    ]
    assert "3 shares of scalar_chain: 77_0 77_1 77_2" in capsys.readouterr().out


def test_a_task_whose_time_is_up_is_queued_anew_as_it_was() -> None:
    job = Job((CHEAP, "--shard", "0/2"))
    again = job.checkpoint()
    assert again.function == job
    assert not again.args


def test_a_task_that_is_not_queued_anew_ends_without_a_failed_cell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def run(config: tiny.Config) -> dict[str, Any]:
        tiny.send(signal.SIGUSR2)
        return tiny.run(config)

    def too_often(*_: Any) -> None:
        raise RuntimeError("timed out too many times")

    monkeypatch.setattr(catalogue, "EXPERIMENTS", ("tiny",))
    monkeypatch.setitem(sys.modules, "experiments.tiny", tiny.module(run))
    before = signal.signal(signal.SIGUSR2, too_often)
    try:
        with pytest.raises(SystemExit, match="timed out too many times"):
            Job(("tiny", "--out", str(tmp_path)))()
        assert signal.getsignal(signal.SIGUSR2) == too_often
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert not list((tmp_path / "tiny").iterdir())


def test_a_task_that_fails_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"^submit: expected exit status 0, got status=1 of 'rats'\.$"):
        Job(("rats",))()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([CHEAP], "expected|required"),
        ([CHEAP, "--jobs", "0"], "expected a share i/n"),
        ([CHEAP, "--jobs", "2", "--cluster", "cloud"], "invalid choice: 'cloud'"),
        (["rats", "--jobs", "2"], "expected one of"),
        (["all", "--jobs", "2", "--", "--width", "3"], "expected no axes"),
    ],
)
def test_wrong_submissions_are_refused_before_they_queue(
    words: list[str], said: str, queue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", *words]) == 1
    told = capsys.readouterr().err
    assert any(each in told for each in said.split("|"))
    assert len(told.splitlines()) == 1
    assert not queue.exists()


def test_without_submitit_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert main(["submit", CHEAP, "--jobs", "2"]) == 1
    assert capsys.readouterr().err == (
        "submit: expected submitit to be installed, got submit without it. Install it: `pip install -e '.[slurm]'`.\n"
    )


@pytest.mark.slow
def test_an_array_on_this_machine_does_every_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--jobs", "2", "--cluster", "local", "--smoke", "--out", str(tmp_path), "--logs", str(tmp_path / "logs")]
    assert main(["submit", CHEAP, *words, "--", "--num-nets", "100"]) == 0
    assert capsys.readouterr().out.count("finished") == 2
    assert len(list((tmp_path / CHEAP).glob("*.parquet"))) == 4
    assert all(catalogue.load_cell(path)[1]["config"]["num_nets"] == 100 for path in tmp_path.rglob("*.parquet"))
    assert main(["submit", CHEAP, *words, "--", "--num-nets", "-1"]) == 1
    assert "failed, see" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
