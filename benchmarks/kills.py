"""What ``kill -9`` costs a sweep: ``python -m benchmarks.kills [--kills 50] [--seed 0]``.

A cheap sweep is run once undisturbed, then again and again, each run killed at a moment drawn uniformly from its start to a
little beyond its first finished cells, and every fifth while it writes a result, which chance would seldom hit. After every
kill each result must be whole, and those seen before must be untouched, to the byte and the time stamp; at the end the table
must be that of the undisturbed run. Exit status 1 if anything is not so.
"""

import argparse
import contextlib
import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor import catalogue, disk

EVERY, NEXT, WITHIN = 5, 20, 0.001
"""Each so many-th kill is aimed at the writing of one of so many next results, at most so many seconds into it."""
EARLIEST = 0.2
"""Seconds after its start at which a run may be killed."""
STD = np.linspace(0.0, 1.0, 400).round(4)
SWEEP = ["scalar_chain", "--num-nets", "200", "--std", *map(str, STD), "--depth", "10", "30"]
"""800 cells: two that compile, seconds each, and the rest within hundredths, so that kills fall into writes too."""
COMMAND = [sys.executable, "-m", "experiments", *SWEEP]


Process = subprocess.Popen
Wait = Callable[[Path, Process], None]


@dataclasses.dataclass
class Report:
    """What was done and what was found."""

    where: Counter[str] = dataclasses.field(default_factory=Counter)
    kills: int = 0
    aimed: int = 0
    cells: int = 0
    sweeps: int = 0
    left: int = 0
    swept_up: int = 0
    lost: int = 0
    changed: int = 0
    unreadable: int = 0
    leftovers: int = 0
    equal: bool = True

    @property
    def passed(self) -> bool:
        """Whether nothing at all went wrong."""
        wrong = self.lost + self.changed + self.unreadable + self.leftovers
        return self.equal and not wrong and self.left == self.swept_up

    def __str__(self) -> str:
        where = ", ".join(f"{count} {where}" for where, count in sorted(self.where.items()))
        return (
            f"{self.kills} kills, {self.aimed} of them aimed at a write ({where}), {self.cells} cells, {self.sweeps} sweeps completed; temporary files left {self.left}, "
            f"swept up {self.swept_up}; finished cells lost {self.lost}, changed {self.changed}, unreadable {self.unreadable}; "
            f"files left over at the end {self.leftovers}; table equal {self.equal}"
        )


def results(out: Path) -> list[Path]:
    """Every result under its final name."""
    return sorted(out.rglob("[!._]*.parquet"))


def stamps(out: Path) -> dict[Path, tuple[int, bytes]]:
    """When each result was last written, and its bytes."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in results(out)}


def frames(out: Path) -> dict[str, pd.DataFrame]:
    """The data columns of every result."""
    return {path.name: catalogue.load_cell(path)[0] for path in results(out)}


def events(log: Path) -> list[dict[str, Any]]:
    """The log's events, none if there is no log yet."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _unreadable(paths: Sequence[Path]) -> int:
    count = 0
    for path in paths:
        try:
            catalogue.load_cell(path)
        except ValueError as error:
            print(error, file=sys.stderr)
            count += 1
    return count


class Campaign:
    """One sweep's command, killed many times over."""

    def __init__(self, command: Sequence[str], folder: Path, seed: int) -> None:
        self.report, self._command, self._folder = Report(), list(command), folder
        self._rng = np.random.default_rng(seed)
        self._firsts: list[float] = []
        self._seen: dict[Path, tuple[int, bytes]] = {}

    def run(self, kills: int) -> Report:
        """All of it."""
        self._undisturbed()
        out = self._new_sweep()
        while self.report.kills < kills:
            if self.report.kills % EVERY == EVERY - 1:
                self._killed(out, self._until_writing)
            else:
                self._killed(out, self._until(self._moment(kills)))
            if len(results(out)) == self.report.cells:
                self._completed(out)
                out = self._new_sweep()
        self._completed(out)
        return self.report

    def _start(self, out: Path) -> Process:
        command = [*self._command, "--out", str(out), "--log", f"{out}.log"]
        return subprocess.Popen(command, cwd=catalogue.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _undisturbed(self) -> None:
        out, start = self._folder / "undisturbed", time.time()
        if self._start(out).wait():
            raise RuntimeError("kills: expected the undisturbed run to succeed, got another exit status.")
        self._whole = frames(out)
        self.report.cells = len(self._whole)
        finished = [Path(each["path"]) for each in events(Path(f"{out}.log")) if each["event"] == "finished"]
        self._order, self._experiment = [path.name for path in finished], finished[0].parent.name
        last = self._note_first(f"{out}.log", start)
        self._pace = (last - self._firsts[0]) / (self.report.cells - 1)

    def _note_first(self, log: str, start: float) -> float:
        """Keep when a run's first cell was finished; returns when its last was, in seconds from its start."""
        told = (each for each in events(Path(log)) if each["event"] == "finished")
        times = [datetime.fromisoformat(each["time"]).timestamp() - start for each in told]
        times = [seconds for seconds in times if seconds > 0]
        self._firsts += times[:1]
        return times[-1] if times else 0.0

    def _moment(self, kills: int) -> float:
        """Uniform, up to as late that the cells last for about all kills."""
        first, share = float(np.median(self._firsts)), self._pace * self.report.cells / kills
        beyond = share + (share**2 + 2 * share * (first - EARLIEST)) ** 0.5
        return float(self._rng.uniform(EARLIEST, first + beyond))

    def _until(self, moment: float) -> Wait:
        def wait(out: Path, process: Process) -> None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moment)

        return wait

    def _until_writing(self, out: Path, process: Process) -> None:
        """Wait for the temporary file of one of the next results, and a little longer."""
        there = {path.name for path in results(out)}
        missing = [name for name in self._order if name not in there][:NEXT]
        name, delay = self._rng.choice(missing), self._rng.uniform(0, WITHIN)
        temporary = out / self._experiment / f".{name}.{disk.HOST}.{process.pid}.tmp"
        while not temporary.exists() and process.poll() is None:
            pass
        self.report.aimed += 1
        time.sleep(delay)

    def _new_sweep(self) -> Path:
        self._seen = {}
        return self._folder / f"sweep-{self.report.sweeps}"

    def _killed(self, out: Path, wait: Wait) -> None:
        start, process = time.time(), self._start(out)
        wait(out, process)
        process.kill()
        if status := process.wait():
            self._classify(out, process.pid)
            self.report.kills += status == -signal.SIGKILL
            self.report.equal &= status == -signal.SIGKILL
        self._note_first(f"{out}.log", start)
        self._check(out)

    def _classify(self, out: Path, pid: int) -> None:
        own = [each for each in events(Path(f"{out}.log")) if each["pid"] == pid]
        self.report.swept_up += sum(each.get("swept_up", 0) for each in own)
        writing = [path for path in out.rglob("*.tmp") if path.name.endswith(f".{pid}.tmp")]
        self.report.left += len(writing)
        last = own[-1]["event"] if own else "start"
        places = {"start": "before the first cell", "begun": "in a cell", "finished": "between cells"}
        self.report.where["in a write" if writing else places.get(last, "between cells")] += 1

    def _check(self, out: Path) -> None:
        """Compare what lies there with what was seen before."""
        now = stamps(out)
        self.report.unreadable += _unreadable(list(now))
        self.report.lost += len(self._seen.keys() - now.keys())
        self.report.changed += sum(now[path] != stamp for path, stamp in self._seen.items() if path in now)
        self._seen = now

    def _completed(self, out: Path) -> None:
        """Run to the end, and compare the whole."""
        process = self._start(out)
        self.report.equal &= process.wait() == 0
        self._check(out)
        told = [each for each in events(Path(f"{out}.log")) if each["pid"] == process.pid]
        self.report.swept_up += sum(each.get("swept_up", 0) for each in told)
        self.report.leftovers += sum(1 for pattern in ("*.tmp", "*.lock", "_*") for _ in out.rglob(pattern))
        again = frames(out)
        self.report.equal &= again.keys() == self._whole.keys()
        self.report.equal &= all(frame.equals(again[name]) for name, frame in self._whole.items() if name in again)
        self.report.sweeps += 1


def main(words: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        report = Campaign(COMMAND, Path(folder), options.seed).run(options.kills)
    print(f"{report}; {time.perf_counter() - start:.0f} s")
    return int(not report.passed)


if __name__ == "__main__":
    sys.exit(main())
