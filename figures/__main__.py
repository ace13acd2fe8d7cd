"""Draw every figure: ``python -m figures [--results DIR] [--out DIR] [--pdf] [--png] [--svg] [NAME ...]``; in all three formats if none is named."""

import argparse
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from experiments.corridor.catalogue import RESULTS, ROOT, ResultError
from figures.drawing import SAVED, draw

FIGURES = (
    "cover",
    "hero",
    "deep_linear",
    "sigmoid_bound",
    "linear_recurrence",
    "scalar_chain",
    "overflow",
    "initialisers",
    "saturation",
    "unbounded",
    "phase_diagram",
    "weights",
    "convolution",
    "finite_width",
    "aspect",
    "spectra",
    "isometry",
    "bounded_forward",
    "balance",
    "gates",
    "lyapunov",
    "tied",
    "autoregression",
    "transients",
    "overshoot",
    "memory",
    "echo_state",
    "sequence_length",
    "clipping",
    "attention",
    "twins",
    "skips",
    "norms",
    "escape",
    "healing",
    "plateau",
    "minimum",
    "weight_decay",
    "cliffs",
    "input_gradient",
    "layer_eigenvalues",
    "biases",
    "one_sided",
    "update_size",
    "nan_step",
    "magnitudes",
    "outcomes",
    "remedies",
    "published",
)
OUT = ROOT / "figures" / "out"


def _drawn(names: list[str], results: Path, out: Path, formats: tuple[str, ...]) -> None:
    """Draw many figures, in as many processes as there are cores."""
    workers = min(len(names), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(draw, names, repeat(results), repeat(out), repeat(formats)))


def main(words: list[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="figures", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(FIGURES)}; all of them if none is given"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=OUT)
    for each in SAVED:
        parser.add_argument(
            f"--{each}", action="append_const", const=each, dest="formats", help=f"save as {each.upper()}"
        )
    options = parser.parse_args(words)
    formats = tuple(options.formats or SAVED)
    unknown = sorted(set(options.names) - set(FIGURES))
    if unknown:
        print(f"figures: expected names of {sorted(FIGURES)}, got name={unknown[0]!r}.", file=sys.stderr)
        return 2
    names = options.names or list(FIGURES)
    try:
        if len(names) == 1:
            draw(names[0], options.results, options.out, formats)
        else:
            _drawn(names, options.results, options.out, formats)
    except ResultError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(names)} figures in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
