"""Draw every figure: ``python -m figures [--results DIR] [--out DIR] [NAME ...]``; PDF and PNG each."""

import argparse
import importlib
import os
import sys
from pathlib import Path

os.environ.setdefault("SOURCE_DATE_EPOCH", "0")

from matplotlib import pyplot as plt

from experiments.corridor.catalogue import RESULTS, ROOT, ResultError, load
from figures import style

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
    "magnitudes",
    "outcomes",
    "remedies",
)
OUT = ROOT / "figures" / "out"


def draw(name: str, results: Path, out: Path) -> None:
    """Draw one figure and save it in both formats, the same bytes each time."""
    script = importlib.import_module(f"figures.{name}")
    frames = {source: load(source, results) for source in script.SOURCES}
    figure = script.draw(frames)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / f"{name}.pdf", metadata={"Creator": "vgtheory", "Producer": None})
    figure.savefig(out / f"{name}.png", metadata={"Software": None})
    plt.close(figure)


def main(words: list[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="figures", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(FIGURES)}; all of them if none is given"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(words)
    unknown = sorted(set(options.names) - set(FIGURES))
    if unknown:
        print(f"figures: expected names of {sorted(FIGURES)}, got name={unknown[0]!r}.", file=sys.stderr)
        return 2
    style.use()
    try:
        for name in options.names or FIGURES:
            draw(name, options.results, options.out)
    except ResultError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(options.names or FIGURES)} figures in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
