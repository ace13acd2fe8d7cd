"""Signals: the cell in hand is finished, or left, as asked."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from experiments.__main__ import main
from tests.experiments import tiny


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_asked_to_stop_it_finishes_the_cell_in_hand(
    number: signal.Signals, install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)

    def run(config: tiny.Config) -> dict[str, Any]:
        if config.a + config.b == (1, 1):
            tiny.send(number)
        return tiny.run(config)

    install(run)
    assert main(["tiny", "--out", str(tmp_path)]) == 143
    assert len(tiny.results(tmp_path)) == 5
    assert capsys.readouterr().out.splitlines()[1].split()[:7] == ["tiny", "12", "5", "0", "0", "0", "7"]
    assert not tiny.leftovers(tmp_path)
    assert signal.getsignal(number) == before


def test_an_interrupt_is_one_line(install: tiny.Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert len(tiny.results(tmp_path)) == 4
    assert not tiny.leftovers(tmp_path)
    assert tiny.events(log)[-1]["status"] == 130


@pytest.mark.parametrize(
    ("numbers", "status", "run"), [(["SIGTERM"], 143, 1), (["SIGTERM", "SIGTERM"], 143, 0), (["SIGINT"], 130, 0)]
)
def test_a_process_in_a_long_cell_hears_signals(numbers: list[str], status: int, run: int, tmp_path: Path) -> None:
    """A cell that is to be finished takes a second; one that is to be left, a minute within one call."""
    process = tiny.started(tmp_path, *(("--pause", "1") if run else ("--rounds", "100000000")))
    tiny.until(lambda: (tmp_path / "log").exists() and "begun" in (tmp_path / "log").read_text())
    for name in numbers:
        process.send_signal(signal.Signals[name])
        time.sleep(0.1)
    _, said = process.communicate(timeout=20)
    assert process.returncode == status
    assert len(tiny.results(tmp_path)) == run
    assert "Traceback" not in said
