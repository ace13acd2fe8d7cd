"""A made-up experiment that needs no JAX, and a command line that knows it: for tests of how sweeps are run.

``python -m tests.tiny tiny --out DIR ...`` is ``python -m experiments`` with it.
"""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from experiments import corridor

NAME = "tiny"


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
    """A record without the versions, whose import takes seconds."""
    return {"format": corridor.FORMAT, "experiment": name, "config": {"a": cell.a, "b": cell.b}, "seconds": seconds}


def module(run: Callable[[Config], dict[str, Any]] = run) -> ModuleType:
    """The experiment as a module, or with another ``run``."""
    made = ModuleType(f"experiments.{NAME}", "Q0. Does it run?")
    made.Config, made.SMOKE, made.run = Config, Config(a=(0, 1), b=(0, 1)), run  # type: ignore[attr-defined]
    return made


def send(number: signal.Signals) -> None:
    """A signal to this very process."""
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    from experiments.__main__ import main

    corridor.EXPERIMENTS = (NAME,)
    corridor.record = record
    sys.modules[f"experiments.{NAME}"] = module()
    sys.exit(main(sys.argv[1:]))
