"""Run experiments: ``python -m experiments NAME [--smoke] [--out DIR] [--width 1024 ...]``, ``list``, ``all`` or ``report``."""

import gc
import os
import sys

# Steps on stderr would be lost among compiler chatter.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Tracing makes objects by the million and few cycles: at Python's own thresholds a tenth of a small run is the search for them.
gc.set_threshold(100_000, 50, 100)


def main(words: list[str]) -> int:
    """The command line; returns the exit status."""
    from experiments.corridor import stop

    try:
        from experiments.corridor import command  # within, for an interrupt may fall into these seconds too

        return command.main(words)
    except KeyboardInterrupt:
        print(f"\n{stop.INTERRUPTION}", file=sys.stderr)
        return stop.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
