"""Signals that ask a run to stop: after the cell in hand, or at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, Self

GRACEFUL = (signal.SIGTERM, signal.SIGUSR1)
"""After the cell in hand: the first is what ``kill`` and schedulers send, the second what schedulers send ahead of it."""
STOPPED, INTERRUPTED = 143, 130
"""Exit statuses, as shells give them: 128 and the number of SIGTERM, of SIGINT."""
PATIENCE = 1.0
"""Seconds that an interrupt waits for a compiled program to come back before it leaves without it."""


class Stop:
    """Whether this run was asked to stop; within its ``with``, signals are heard.

    Python tells its main thread of a signal only between two of its own steps, and a compiled program may be minutes away
    from the next. So a second thread listens too: it answers at once, and leaves at once when asked twice.
    """

    def __init__(self) -> None:
        self.asked = False
        self._told = False
        self._terms = 0
        self._leave: threading.Timer | None = None

    def __enter__(self) -> Self:
        self._old = {number: signal.signal(number, self._note) for number in GRACEFUL}
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._old_writer = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._listener = threading.Thread(target=self._listen, args=(reader,), daemon=True)
        self._listener.start()
        return self

    def __exit__(self, *_: Any) -> None:
        signal.set_wakeup_fd(self._old_writer)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        os.close(self._writer)
        self._listener.join()
        if self._leave:
            self._leave.cancel()

    def _note(self, *_: Any) -> None:
        self.asked = True

    def _listen(self, reader: int) -> None:
        with open(reader, "rb", buffering=0) as numbers:
            while number := numbers.read(1):
                self._hear(signal.Signals(number[0]))

    def _hear(self, number: signal.Signals) -> None:
        if number == signal.SIGINT:
            self._leave = threading.Timer(PATIENCE, _leave_interrupted)
            self._leave.daemon = True
            self._leave.start()
        if number not in GRACEFUL:
            return
        self._terms += number == signal.SIGTERM
        if self._terms > 1:
            os._exit(STOPPED)
        if not self._told:
            _say(f"experiments: {number.name}: stopping after the cell in hand; SIGTERM again stops at once.")
        self._told = self.asked = True


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"\n{line}", file=sys.stderr, flush=True)


INTERRUPTION = "experiments: interrupted. Finished cells are kept; the same command goes on from here."


def status_of(command: Callable[[], int]) -> int:
    """The exit status of a command that an interrupt may end."""
    try:
        return command()
    except KeyboardInterrupt:
        print(f"\n{INTERRUPTION}", file=sys.stderr)
        return INTERRUPTED


def _leave_interrupted() -> None:
    _say(INTERRUPTION)
    os._exit(INTERRUPTED)
