"""Run experiments: ``python -m experiments NAME [--smoke] [--out DIR] [--width 1024 ...]``, ``list``, ``all`` or ``report``."""

import gc
import importlib
import os
import sys

# Steps on stderr would be lost among compiler chatter.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Tracing makes objects by the million and few cycles: at Python's own thresholds a tenth of a small run is the search for them.
gc.set_threshold(100_000, 50, 100)


ELSEWHERE = {"report": "report.page", "compare": "corridor.difference", "submit": "corridor.submit"}
"""Commands that are no experiments' names, and the modules that answer them."""


def _answered(words: list[str]) -> int:
    from experiments.corridor import command  # within, for an interrupt may fall into these seconds too

    if not words or words[0] not in ELSEWHERE:
        return command.main(words)
    return importlib.import_module(f"experiments.{ELSEWHERE[words[0]]}").main(words[1:])


def main(words: list[str]) -> int:
    """The command line; returns the exit status."""
    from experiments.corridor import stop

    return stop.status_of(lambda: _answered(words))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
