"""Initialisers: factor of the gradient per layer, for each activation, predicted and measured."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("initialisers",)
SEEN = (
    "PyTorch's default lies lowest, between 0.1 and 0.8 for every activation, Glorot's and He's above it; only the "
    "critical scale lies at 1 for all."
)
"""What one sees."""
NAMES = {"pytorch": "PyTorch, Equinox", "flax": "Flax, Keras, Glorot", "he": "He", "critical": "critical scale"}
STEP = 0.18
"""Between initialisers of one activation, in units of the distance between activations."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    cells = frames["initialisers"].drop_duplicates("cell")
    activations = list(dict.fromkeys(cells.activation))
    figure, axes = style.canvas(height=2.9)
    axes.axhline(1, color="0.75", linewidth=0.6, zorder=0)
    names = [name for name in NAMES if name in set(cells.initialiser)]
    for index, name in enumerate(names):
        rows = cells[cells.initialiser == name].set_index("activation").reindex(activations)
        at = np.arange(len(activations)) + STEP * (index - (len(names) - 1) / 2)
        predicted, hat = np.exp(rows.predicted), np.exp(rows.measured)
        axes.hlines(predicted, at - STEP / 1.6, at + STEP / 1.6, color=style.COLOURS[index], linewidth=1.4, zorder=2)
        style.measured(axes, at, hat, hat * rows.measured_err, index, NAMES[name])
    axes.plot([], [], color="0.3", marker="_", markersize=9, markeredgewidth=1.4, linestyle="", label="predicted")
    axes.set(yscale="log", ylabel=r"factor of $|g_l|$ per layer")
    axes.set_yticks([0.1, 0.2, 0.3, 0.5, 0.7, 1], ["0.1", "0.2", "0.3", "0.5", "0.7", "1"])
    axes.set_yticks([], minor=True)
    axes.set_xticks(np.arange(len(activations)), [style.shown(name) for name in activations])
    axes.set_xlabel("activation")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
