"""Gradients through layers whose eigenvalues are known: radius 0 explodes, radius 5 vanishes."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("layer_eigenvalues",)
SEEN = (
    "Nilpotent layers of spectral radius 0 explode and projectors of spectral radius 5 vanish: the order of the "
    "lines is not that of the radii."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["layer_eigenvalues"]
    figure, axes = style.canvas(height=3.0)
    for index, (name, rows) in enumerate(frame.groupby("matrix", sort=False)):
        mean, std, value, err = (rows["log_grad" + part] / style.DECADE for part in ("", "_std", "_hat", "_hat_err"))
        style.theory(axes, rows.below, mean, std, index)
        few = slice(len(rows) // 8 - 1, None, max(1, len(rows) // 8))
        label = f"{name}: radius {rows.radius.iloc[0]:g}"
        style.measured(axes, rows.below.iloc[few], value.iloc[few], err.iloc[few], index, label)
    axes.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    axes.set(xlabel="layers passed", ylabel=r"$\log_{10}$ of the gradient's norm")
    figure.legend(loc="outside lower center", ncols=2, title="spectral radius of every layer", title_fontsize=7.5)
    return figure
