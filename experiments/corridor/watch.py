"""Watching a run: whoever wants to know is told each event as a dictionary, and does with it what it likes."""

import importlib
import json
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from experiments.corridor import disk


class Watcher(Protocol):
    """``facts["event"]`` is start, begun, finished, failed, skipped, waiting or end."""

    def event(self, facts: dict[str, Any]) -> None: ...


def say(line: str) -> None:
    """A line on stderr, above the bar if there is one."""
    tqdm.write(line, file=sys.stderr)


class Screen:
    """One bar over the run, and each error's sentence the first time it is met."""

    def __init__(self) -> None:
        self._bar = tqdm(disable=True)
        self._said: set[str] = set()

    def event(self, facts: dict[str, Any]) -> None:
        match facts["event"]:
            case "start":
                there = facts["cells"] - facts["missing"]
                look = {"unit": "cell", "leave": False, "disable": None, "file": sys.stderr, "dynamic_ncols": True}
                self._bar = tqdm(total=facts["cells"], initial=there, **look)
            case "begun":
                self._bar.set_postfix_str(facts["experiment"])
            case "failed" if facts["error"] not in self._said:
                self._said.add(facts["error"])
                say(facts["error"])
            case "waiting":
                say(f"experiments: waiting for {facts['cells']} cells that other processes have in hand.")
            case "end":
                self._bar.close()
        self._bar.update(facts.get("done", 0))


MINUTE = 60.0
"""Seconds between two lines of a run whose screen is no terminal."""


def _span(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )


class Minutes:
    """A line a minute on stderr, for a run whose screen is a file: cells done, the one in hand, the time so far and the time left."""

    def __init__(self, every: float = MINUTE) -> None:
        self._every, self._over = every, threading.Event()
        self._cells = self._before = self._done = 0
        self._name, self._start = "", time.monotonic()

    def event(self, facts: dict[str, Any]) -> None:
        match facts["event"]:
            case "start":
                self._cells, self._start = facts["cells"], time.monotonic()
                self._before = facts["cells"] - facts["missing"]
                threading.Thread(target=self._tell, daemon=True).start()
            case "begun":
                self._name = facts["experiment"]
            case "end":
                self._over.set()
        self._done += facts.get("done", 0)

    def line(self) -> str:
        """How far the run has come."""
        passed = time.monotonic() - self._start
        left = self._cells - self._before - self._done
        rest = f"about {_span(passed * left / self._done)} left" if self._done else "the first cell takes its time"
        name = f" ({self._name})" if self._name else ""
        return f"experiments: {self._before + self._done} of {self._cells} cells{name}, {_span(passed)} so far, {rest}."

    def _tell(self) -> None:
        while not self._over.wait(self._every):
            print(self.line(), file=sys.stderr, flush=True)


class Lines:
    """JSON lines, appended to a file that several processes may share."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> disk.WriteError:
        return disk.WriteError(
            f"watch: expected a log that can be written, got log={str(self._path)!r} ({error.strerror})."
        )

    def event(self, facts: dict[str, Any]) -> None:
        line = json.dumps({name: value for name, value in facts.items() if name != "done"}) + "\n"
        try:
            os.write(self._file, line.encode())  # in one piece, or the lines of two processes would mix
        except OSError as error:
            raise self._refusal(error) from error
        if facts["event"] == "end":
            os.close(self._file)


class _Numbers:
    """What a chart can show of the events: cells so far by outcome, and each cell's seconds."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def of(self, facts: dict[str, Any]) -> dict[str, float]:
        if facts["event"] not in ("finished", "failed", "skipped"):
            return {}
        self._counts[facts["event"]] += 1
        numbers: dict[str, float] = {f"cells/{facts['event']}": self._counts[facts["event"]]}
        if facts["event"] == "finished":
            numbers[f"seconds/{facts['experiment']}"] = facts["seconds"]
        return numbers


def _installed(package: str, extra: str, name: str) -> Any:
    """An optional package's attribute; one sentence if it is not there."""
    try:
        return getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError):
        message = f"watch: expected {package} to be installed, got --{extra} without it."
        raise ValueError(f"{message} Install it: `pip install -e '.[{extra}]'`.") from None


class Wandb:
    """Weights & Biases."""

    def __init__(self, project: str, folder: Path) -> None:
        init = _installed("wandb", "wandb", "init")
        folder.mkdir(parents=True, exist_ok=True)
        self._run, self._numbers = init(project=project, dir=str(folder)), _Numbers()

    def event(self, facts: dict[str, Any]) -> None:
        if numbers := self._numbers.of(facts):
            self._run.log(numbers)
        if facts["event"] == "end":
            self._run.finish()


class TensorBoard:
    """TensorBoard's event files."""

    def __init__(self, folder: Path) -> None:
        self._writer = _installed("tensorboardX", "tensorboard", "SummaryWriter")(str(folder))
        self._numbers, self._step = _Numbers(), 0

    def event(self, facts: dict[str, Any]) -> None:
        self._step += 1
        for name, value in self._numbers.of(facts).items():
            self._writer.add_scalar(name, value, self._step)
        if facts["event"] == "end":
            self._writer.close()
