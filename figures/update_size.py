"""Size of the first update, layer by layer, by optimiser, in a network whose gradient vanishes."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style

SOURCES = ("update_size",)
SEEN = (
    "Gradients fall by twelve powers of ten from the last layer to the first; Adam's and RMSProp's updates stay "
    "level down to the layer where epsilon takes over."
)
"""What one sees."""
LABELS = {"sgd": "SGD", "rmsprop": "RMSProp", "adam": "Adam"}
EVERY = 2
"""Markers drawn, one in so many layers."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    figure, axes = style.canvas(height=2.9)
    for index, (rule, rows) in enumerate(frames["update_size"].groupby("rule", sort=False)):
        rows = rows.sort_values("layer")
        mean, std, value, err = (rows["log_update" + part] / style.DECADE for part in ("", "_std", "_hat", "_hat_err"))
        few = slice(None, None, -EVERY)
        style.theory(axes, rows.layer, mean, std, index)
        style.measured(axes, rows.layer.iloc[few], value.iloc[few], err.iloc[few], index, LABELS[rule])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="layer", ylabel=r"$\log_{10}$ of first update / learning rate")
    figure.legend(loc="outside lower center", ncols=3)
    return figure
