"""Scatter of the log-gradient against depth over width, over seven powers of ten: the law, and networks."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style
from figures.aspect import BESIDE, LOOKS, names_in, shown_rows

SOURCES = ("aspect",)
SEEN = (
    "Divided by the root of depth over width the scatter is nearly the same at all sizes for the critical networks, 0.7 for linear to 1.1 for ReLU and GELU. "
    "For softplus it has a maximum where depth is width, which markers exceed by up to two of their errors."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    rows = shown_rows(frames["aspect"])
    figure, axes = style.canvas(height=2.5)
    names = names_in(rows)
    for index, name in enumerate(names):
        few = rows[rows.net == name]
        x, unit = few.ratio * BESIDE ** (index - (len(names) - 1) / 2), few.ratio**0.5
        look = {
            "color": style.COLOURS[LOOKS[name]],
            "markerfacecolor": "white",
            "markeredgewidth": 0.8,
            "elinewidth": 0.8,
        }
        axes.plot(x, few["std"] / unit, color=look["color"], zorder=1)
        axes.errorbar(
            x,
            few.std_hat / unit,
            few.std_hat_err / unit,
            fmt=style.MARKERS[index],
            label=style.shown(name),
            zorder=3,
            **look,
        )
    axes.set(
        xscale="log", xlabel="depth over width, $L/N$", ylabel=r"std of $\gamma_1\;/\,\sqrt{L/N}$", ylim=(0.3, 2.45)
    )
    axes.minorticks_off()
    axes.plot([], [], color="0.3", label="law")
    style.below(axes, 3)
    return figure
