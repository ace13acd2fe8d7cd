"""A made-up experiment that needs no JAX, and a command line that knows it: for tests of how sweeps are run.

``python -m tests.experiments.tiny tiny --out DIR ...`` is ``python -m experiments`` with it.
"""

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from experiments.corridor import catalogue

NAME = "tiny"
COMMAND = [sys.executable, "-m", "tests.experiments.tiny", NAME]
ROOT = Path(__file__).resolve().parent.parent.parent


Install = Callable[..., None]


@dataclass(frozen=True)
class Config:
    a: tuple[int, ...] = (0, 1, 2, 3)
    b: tuple[int, ...] = (0, 1, 2)
    pause: float = 0.0
    rounds: int = 1


def run(config: Config) -> dict[str, Any]:
    (a,), (b,) = config.a, config.b
    time.sleep(config.pause)
    hashlib.pbkdf2_hmac("sha256", b"", b"", config.rounds)  # like a compiled program, deaf to signals until it is done
    return {"sum": [a + b, a - b], "product": a * b}


def record(name: str, cell: Any, seconds: float) -> dict[str, Any]:
    """A record without the versions' numbers, whose import takes seconds."""
    facts = {"format": catalogue.FORMAT, "experiment": name, "config": dataclasses.asdict(cell), "seconds": seconds}
    return facts | {"versions": {}, "device": "none"}


def module(run: Callable[[Config], dict[str, Any]] = run) -> ModuleType:
    """The experiment as a module, or with another ``run``."""
    made = ModuleType(f"experiments.{NAME}", "Q0. Does it run?")
    made.Config, made.SMOKE, made.run = Config, Config(a=(0, 1), b=(0, 1)), run  # type: ignore[attr-defined]
    return made


def send(number: signal.Signals) -> None:
    """A signal to this very process."""
    os.kill(os.getpid(), number)


def results(out: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(out.rglob("[!._]*.parquet"))}


def errors(out: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(out.rglob("_*.error.json"))]


def leftovers(out: Path) -> list[Path]:
    return [*out.rglob("*.tmp"), *out.rglob("*.lock")]


def events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def cell_path(out: Path, a: int = 0, b: int = 0) -> Path:
    return catalogue.path_of(NAME, Config(a=(a,), b=(b,)), out)


def unhappy(config: Config) -> dict[str, Any]:
    if config.a == (2,):
        raise RuntimeError("out of luck\nin two lines")
    return run(config)


def started(out: Path, *words: str) -> "subprocess.Popen[str]":
    """A sweep of the made-up experiment in another process, logging to ``out/log``."""
    command = [*COMMAND, "--out", str(out), "--log", str(out / "log"), *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], Any]) -> None:
    """Wait until the condition holds, for at most a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


if __name__ == "__main__":
    from experiments.__main__ import main

    catalogue.EXPERIMENTS = (NAME,)
    catalogue.record = record
    sys.modules[f"experiments.{NAME}"] = module()
    sys.exit(main(sys.argv[1:]))
