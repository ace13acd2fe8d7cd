"""A sweep: every cell run once by whichever process comes first, what went wrong written beside it, and a table at the end.

A cell that fails is written down (``_HASH.error.json``) and the sweep goes on; a disk that fails stops it.
"""

import contextlib
import dataclasses
import json
import os
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from experiments.corridor import catalogue, contents, disk
from experiments.corridor.stop import STOPPED, Stop
from experiments.corridor.watch import Watcher

RUN, THERE, OTHERS, FAILED = "run", "already there", "left to others", "failed"
EVENTS = {RUN: "finished", THERE: "skipped", OTHERS: "skipped", FAILED: "failed"}
POLL = 0.2
"""Seconds between two looks at a cell that another process has in hand."""
MOST_MAPS = 30_000
"""Memory maps of this process beyond which compiled programs are let go: each takes some hundred and fifty, and Linux allows 65,530."""
MOST_NAMED = 20
MOST_LETTERS = 300
"""Of an error that is not ours, on the screen; its file has the rest."""


class Task(NamedTuple):
    """One cell of one experiment and where its result goes."""

    name: str
    cell: Any
    path: Path


class Outcome(NamedTuple):
    """What became of a task: run, already there, left to others or failed."""

    task: Task
    what: str
    seconds: float = 0.0
    error: str = ""


def tasks_of(configs: dict[str, Any], results: Path) -> list[Task]:
    """Every cell of the experiments' configurations, once."""
    tasks = (
        Task(name, cell, catalogue.path_of(name, cell, results))
        for name, config in configs.items()
        for cell in catalogue.cells(config)
    )
    return list({task.path: task for task in tasks}.values())


def error_path(path: Path) -> Path:
    """Where a failed cell's error lies; the underscore keeps it out of ``pandas.read_parquet(folder)``."""
    return path.with_name(f"_{path.stem}.error.json")


def shortened(line: str, most: int = MOST_LETTERS) -> str:
    """The line, or as much of it as fits."""
    return line if len(line) <= most else f"{line[:most]} ..."


def sentence(error: Exception) -> str:
    """The error in one line: the library's own sentence as it is, anything else with its type."""
    said = str(error).strip().splitlines() or [""]
    if isinstance(error, ValueError) and said[0]:
        return said[0]
    return shortened(f"{type(error).__name__}: {said[0]}")


def _write_error(task: Task, error: Exception) -> None:
    facts = {
        "experiment": task.name,
        "config": dataclasses.asdict(task.cell),
        "type": type(error).__name__,
        "message": str(error),
        "sentence": sentence(error),
        "traceback": "".join(traceback.format_exception(error)),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "host": disk.HOST,
    }
    disk.write_whole(error_path(task.path), (json.dumps(facts, indent=1, default=str) + "\n").encode())


def _told(task: Task, error: Exception) -> Exception:
    """An unknown name on one of the axes as a sentence that tells the known ones; any other error as it is."""
    if not isinstance(error, KeyError):
        return error
    known = catalogue.module(task.name).Config()
    for axis, values in dataclasses.asdict(task.cell).items():
        names = getattr(known, axis)
        if isinstance(values, tuple) and error.args[0] in values and error.args[0] not in names:
            said = ValueError(f"{task.name}: expected --{axis} from {names}, got {error.args[0]!r}.")
            said.__cause__ = error
            return said
    return error


def _failed(task: Task, error: Exception, seconds: float = 0.0) -> Outcome:
    error = _told(task, error)
    _write_error(task, error)
    return Outcome(task, FAILED, seconds, sentence(error))


def found(tasks: Iterable[Task]) -> dict[Path, Outcome]:
    """What lies where results would: whole ones, or something else, which is never overwritten; nothing is left out."""
    there = {task.path: task for task in tasks if task.path.exists()}
    outcomes = {path: _failed(there[path], flaw) for path, flaw in contents.flaws(there)}
    for path in there.keys() - outcomes.keys():
        outcomes[path] = Outcome(there[path], THERE)
        with contextlib.suppress(OSError):
            error_path(path).unlink(missing_ok=True)
    return {path: outcomes[path] for path in there}


def relieve(maps: Path = Path("/proc/self/maps")) -> bool:
    """Let go of JAX's compiled programs before a long sweep has so many that the next cannot be loaded; tell whether it did."""
    try:
        count = maps.read_bytes().count(b"\n")
    except OSError:
        return False
    if count > MOST_MAPS:
        import jax

        jax.clear_caches()
    return count > MOST_MAPS


def computed(task: Task) -> Outcome:
    """Run the cell and write its result, or its error."""
    relieve()
    start = time.perf_counter()
    try:
        arrays = catalogue.module(task.name).run(task.cell)
        content = catalogue.sealed(arrays, catalogue.record(task.name, task.cell, time.perf_counter() - start))
    except Exception as error:
        return _failed(task, error, time.perf_counter() - start)
    disk.write_whole(task.path, content)
    with contextlib.suppress(OSError):
        error_path(task.path).unlink(missing_ok=True)
    return Outcome(task, RUN, time.perf_counter() - start)


class Sweep:
    """One process's part in a sweep; ``outcomes`` grows as cells are settled."""

    def __init__(self, tasks: Sequence[Task], watchers: Sequence[Watcher], stop: Stop, share: str = "0/1") -> None:
        self.tasks, self.outcomes = tasks, list[Outcome]()
        self._watchers, self._stop, self._share = watchers, stop, share
        self._since: dict[Path, float] = {}
        self._start = time.perf_counter()

    def run(self) -> None:
        """Settle every task, those that others have in hand last."""
        there = found(self.tasks)
        missing = [task for task in self.tasks if task.path not in there]
        self._since = {folder: disk.check_folder(folder) for folder in {task.path.parent for task in missing}}
        swept = sum(disk.sweep_up(folder) for folder in self._since)
        self._tell("start", cells=len(self.tasks), missing=len(missing), swept_up=swept, shard=self._share)
        for outcome in there.values():
            self._settle(outcome, done=0)
        waiting = [task for task in self._until_asked(missing) if not self._taken(task)]
        if waiting and not self._stop.asked:
            self._tell("waiting", cells=len(waiting))
        while waiting and not self._stop.asked:
            time.sleep(POLL)
            waiting = [task for task in waiting if self._stop.asked or not self._taken(task)]
        for task in waiting:
            self._settle(Outcome(task, OTHERS))
        for folder in self._since:  # again, for a process beside this one may have died meanwhile
            disk.sweep_up(folder)

    def end(self, status: int) -> None:
        """Say that it is over."""
        counts = Counter(outcome.what for outcome in self.outcomes)
        self._tell("end", status=status, seconds=round(time.perf_counter() - self._start, 3), **counts)

    @property
    def failures(self) -> list[Outcome]:
        """The cells that failed, here or, during this run, elsewhere."""
        return [outcome for outcome in self.outcomes if outcome.what == FAILED]

    @property
    def status(self) -> int:
        """The exit status, unless a disk or an interrupt decides it."""
        return STOPPED if self._stop.asked else int(bool(self.failures))

    def _until_asked(self, tasks: Iterable[Task]) -> Iterator[Task]:
        for task in tasks:
            if self._stop.asked:
                return
            yield task

    def _taken(self, task: Task) -> bool:
        """Settle the task, unless another process has it in hand."""
        with disk.claim(task.path) as ours:
            if not ours:
                return False
            outcome = self._by_others(task)
            if outcome is None:
                self._tell("begun", experiment=task.name, cell=task.path.stem)
                outcome = computed(task)
        self._settle(outcome)
        return True

    def _by_others(self, task: Task) -> Outcome | None:
        """What another process made of the task since this run began, if one did."""
        outcome = found([task]).get(task.path)
        if outcome is not None:
            return outcome._replace(what=OTHERS) if outcome.what == THERE else outcome
        with contextlib.suppress(OSError, ValueError):
            path = error_path(task.path)
            if path.stat().st_mtime > self._since[path.parent]:
                return Outcome(task, FAILED, error=json.loads(path.read_text())["sentence"])
        return None

    def _settle(self, outcome: Outcome, done: int = 1) -> None:
        self.outcomes.append(outcome)
        task, what, seconds, error = outcome
        facts: dict[str, Any] = {"experiment": task.name, "cell": task.path.stem, "path": str(task.path)}
        if what in (RUN, FAILED):
            facts["seconds"] = round(seconds, 3)
        facts |= {"error": error, "file": str(error_path(task.path))} if what == FAILED else {}
        facts |= {"reason": what} if EVENTS[what] == "skipped" else {}
        self._tell(EVENTS[what], done=done, **facts)

    def _tell(self, event: str, **facts: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for watcher in self._watchers:
            watcher.event({"event": event, "time": now, "host": disk.HOST, "pid": os.getpid(), **facts})


def table(sweep: Sweep) -> str:
    """Cells by experiment and outcome."""
    rows = []
    for name in dict.fromkeys(task.name for task in sweep.tasks):
        outcomes = [outcome for outcome in sweep.outcomes if outcome.task.name == name]
        total, counts = sum(task.name == name for task in sweep.tasks), Counter(each.what for each in outcomes)
        shown = [total, *(counts[what] for what in EVENTS), total - len(outcomes)]
        rows.append((name, shown, sum(each.seconds for each in outcomes)))
    if len(rows) != 1:
        sums = [sum(column) for column in zip(*(shown for _, shown, _ in rows), strict=True)]
        rows.append(("in all", sums or [0] * (2 + len(EVENTS)), sum(seconds for *_, seconds in rows)))
    heads = ("cells", *EVENTS, "not reached")
    lines = [f"{'experiment':18s}" + "".join(f"  {head}" for head in heads) + "  seconds"]
    for name, shown, seconds in rows:
        cells = "".join(f"  {count:{len(head)}d}" for head, count in zip(heads, shown, strict=True))
        lines.append(f"{name:18s}{cells}  {seconds:7.0f}")
    return "\n".join(lines)


def axes(cell: Any) -> str:
    """What tells the cell from its neighbours: its value on each swept axis."""
    values = {field.name: getattr(cell, field.name) for field in dataclasses.fields(cell)}
    return " ".join(f"{name}={value[0]}" for name, value in values.items() if isinstance(value, tuple))


def complaint(sweep: Sweep) -> str:
    """The failed cells by name; nothing if there are none."""
    failures = sweep.failures
    lines = [f"{len(failures)} of {len(sweep.tasks)} cells failed:"] if failures else []
    for task, _, _, error in failures[:MOST_NAMED]:
        lines += [f"  {task.name} {axes(task.cell)}: {shortened(error, 80)}", f"    {error_path(task.path)}"]
    if len(failures) > MOST_NAMED:
        lines.append(f"  and {len(failures) - MOST_NAMED} more, each with an _HASH.error.json.")
    return "\n".join(lines)
