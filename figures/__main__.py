"""Draw every figure: ``python -m figures [--results DIR] [--out DIR] [--pdf] [--png] [--svg] [NAME ...]``; in all three formats if none is named."""

import argparse
import sys
from pathlib import Path

from figures.workers import drawn

FIGURES = (
    "cover",
    "hero",
    "deep_linear",
    "sigmoid_bound",
    "linear_recurrence",
    "scalar_chain",
    "state_space",
    "tied_exponent",
    "overflow",
    "rounding",
    "initialisers",
    "saturation",
    "unbounded",
    "phase_diagram",
    "weights",
    "convolution",
    "finite_width",
    "shapes",
    "aspect",
    "aspect_spread",
    "lengths",
    "narrow",
    "held_out",
    "dropout",
    "losses",
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
    "designs",
    "twins",
    "bands",
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
    "magnitude_training",
    "outcomes",
    "outcomes_large",
    "remedies",
    "published",
)
FORMATS = ("pdf", "png", "svg")
ROOT = Path(__file__).resolve().parent


def main(words: list[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="figures", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(FIGURES)}; all of them if none is given"
    )
    parser.add_argument("--results", type=Path, default=ROOT.parent / "experiments" / "results")
    parser.add_argument("--out", type=Path, default=ROOT / "out")
    for each in FORMATS:
        parser.add_argument(
            f"--{each}", action="append_const", const=each, dest="formats", help=f"save as {each.upper()}"
        )
    options = parser.parse_args(words)
    formats = tuple(options.formats or FORMATS)
    unknown = sorted(set(options.names) - set(FIGURES))
    if unknown:
        print(f"figures: expected names of {sorted(FIGURES)}, got name={unknown[0]!r}.", file=sys.stderr)
        return 2
    names = options.names or list(FIGURES)
    if wrong := drawn(names, options.results, options.out, formats):
        print("\n".join(wrong), file=sys.stderr)
        return 1
    print(f"{len(names)} figures in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
