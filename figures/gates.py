"""Recurrent cells: rate per step, predicted against measured, without and with sharing of weights over time."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("gates",)
SEEN = (
    "With new weights at every step all cells lie on the diagonal; with shared weights they lie on it by the law "
    "of sharing, and the grey dots of the law without sharing lie above."
)
"""What one sees."""
NAMES = {"LSTM": "LSTM", "GRU": "GRU", "MGU": "MGU", "leaky": "leaky tanh", "skip": "tanh with a skip"}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["gates"]
    figure, axes = style.canvas(1, 2, height=2.5, sharey=True)
    _panel(axes[0], frame, "own", "own")
    _panel(axes[1], frame, "one", "one")
    axes[1].scatter(frame.own, frame.one_hat, s=5, color="0.72", linewidths=0, zorder=0, label="law of the left panel")
    axes[0].set_title("weights of their own")
    axes[1].set_title("one set (Flax cells)")
    axes[0].set_ylabel("measured log-factor per step")
    for axis in axes:
        axis.set_xlabel("predicted")
    style.lettered(figure)
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _panel(axis: object, frame: pd.DataFrame, law: str, seen: str) -> None:
    ends = np.array(
        [min(frame.own.min(), frame.one_hat.min()) - 0.05, max(frame.own.max(), frame.one_hat.max()) + 0.05]
    )
    axis.plot(ends, ends, color="0.4", linewidth=0.8, zorder=1)
    for index, (kind, name) in enumerate(NAMES.items()):
        rows = frame[frame.kind == kind]
        if len(rows):
            style.measured(axis, rows[law], rows[f"{seen}_hat"], rows[f"{seen}_hat_err"], index, name)
    axis.set_xlim(ends)
    axis.set_ylim(ends)
    axis.set_xticks([-1, -0.5, 0])
    axis.set_yticks([-1, -0.5, 0])
