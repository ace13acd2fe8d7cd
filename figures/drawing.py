"""One figure: drawn from its results, and saved."""

import importlib
import os
from pathlib import Path

os.environ.setdefault("SOURCE_DATE_EPOCH", "0")

from matplotlib import pyplot as plt

from experiments.corridor.catalogue import load
from figures import style


def draw(name: str, results: Path, out: Path) -> None:
    """Draw one figure and save it in both formats, the same bytes each time."""
    style.use()
    script = importlib.import_module(f"figures.{name}")
    frames = {source: load(source, results) for source in script.SOURCES}
    figure = script.draw(frames)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / f"{name}.pdf", metadata={"Creator": "vgtheory", "Producer": None})
    figure.savefig(out / f"{name}.png", metadata={"Software": None})
    plt.close(figure)
