"""One figure: drawn from its results, and saved."""

import importlib
import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("SOURCE_DATE_EPOCH", "0")

from matplotlib import pyplot as plt

from experiments.corridor.catalogue import load
from figures import style

SAVED = {"pdf": {"Creator": "vgtheory", "Producer": None}, "png": {"Software": None}}
"""Formats, and what their files say of their making: nothing that changes."""


def draw(name: str, results: Path, out: Path, formats: Sequence[str] = tuple(SAVED)) -> None:
    """Draw one figure and save it, the same bytes each time."""
    style.use()
    script = importlib.import_module(f"figures.{name}")
    frames = {source: load(source, results) for source in script.SOURCES}
    figure = script.draw(frames)
    out.mkdir(parents=True, exist_ok=True)
    for each in formats:
        figure.savefig(out / f"{name}.{each}", metadata=SAVED[each])
    plt.close(figure)
