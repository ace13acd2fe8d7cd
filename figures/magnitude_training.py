"""Parts of depth, units and minibatches in the variance of log|g| while a network learns; measured, no law."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("magnitude_training",)
SEEN = (
    "The minibatches' part grows with the updates, more with Adam than with SGD; those of depth and units stay small."
)
"""What one sees."""
PARTS = {"layers": "layers (depth)", "entries": "entries (units)", "draws": "minibatches"}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["magnitude_training"]
    figure, axes = style.canvas(height=2.2)
    for line, rule in enumerate(("sgd", "adam")):
        rows = frame[frame.rule == rule].sort_values("update")
        for index, (part, name) in enumerate(PARTS.items()):
            look = {"color": style.COLOURS[index], "marker": style.MARKERS[line], "dashes": style.DASHES[line]}
            label = f"{name}, {'SGD' if rule == 'sgd' else 'Adam'}"
            axes.plot(rows["update"], rows[f"{part}_hat"], label=label, markerfacecolor="white", **look)
            axes.errorbar(
                rows["update"],
                rows[f"{part}_hat"],
                rows[f"{part}_hat_err"],
                color=style.COLOURS[index],
                fmt="none",
                elinewidth=0.8,
            )
    axes.set(xlabel="updates", ylabel=r"part of Var $\ln|g|$", ylim=(0, 4))
    figure.legend(loc="outside lower center", ncols=2, fontsize=7)
    return figure
