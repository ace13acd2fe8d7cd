"""Bounded signals with exploding gradients, and large or growing signals with gradients that vanish or stay."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("bounded_forward",)
SEEN = (
    "Signals of tanh networks stay flat while their gradients rise steeply towards the input; where the signal is "
    "large or grows, gradients fall or stay."
)
"""What one sees."""
EVERY = 3
"""One marker for so many stored layers."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["bounded_forward"]
    figure, panels = style.canvas(1, 2, height=2.7, width=style.PAGE)
    for index, (name, rows) in enumerate(frame.groupby("net", sort=False)):
        rows = rows.sort_values("layer")
        some = rows.iloc[index % EVERY :: EVERY]
        for axes, column, banded in zip(panels, ("log_q", "log_grad"), (False, True), strict=True):
            mean, spread = (rows[column + part] / style.DECADE for part in ("", "_std"))
            style.theory(axes, rows.layer, mean, spread if banded else None, index)
            value, err = (some[f"{column}_hat{part}"] / style.DECADE for part in ("", "_err"))
            label = (
                style.shown(name)
                .replace("sigma_w", r"$\sigma_w$")
                .replace("sigma_b", r"$\sigma_b$")
                .replace("sqrt(2)", r"$\sqrt{2}$")
            )
            style.measured(axes, some.layer, value, err, index, label)
    left, right = panels
    left.set(xlabel="layer $l$", ylabel=r"$\log_{10}$ mean square of $h_l$", title="forward: the signal")
    right.set(xlabel="layer $l$", ylabel=r"$\log_{10}\,|g_l|\,/\,|g_L|$", title="backward: the gradient")
    right.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
