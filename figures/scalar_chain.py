"""The scalar chain: log of the product against its length, typical and mean, for several spreads of the weights."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("scalar_chain",)
SEEN = (
    "The more the weights vary, the steeper the typical product falls, while the mean product rises: markers lie on "
    "the lines of the typical product."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["scalar_chain"]
    figure, axes = style.canvas(height=2.5)
    for index, (std, rows) in enumerate(frame.groupby("std")):
        rows = rows.sort_values("depth")
        typical, spread, hat, err = (rows["typical" + part] / style.DECADE for part in ("", "_std", "_hat", "_hat_err"))
        style.theory(axes, rows.depth, typical, spread, index, f"spread $s={std:g}$")
        style.measured(axes, rows.depth, hat, err, index)
        if std == frame["std"].max():
            average = rows.average / style.DECADE
            axes.plot(rows.depth, average, color=style.COLOURS[index], linewidth=0.9, linestyle=":")
            axes.annotate(
                rf"mean product, $s={std:g}$: $n\,\ln\,\mathrm{{E}}|w|$", (rows.depth.iloc[-1], average.iloc[-1]),
                xytext=(0, 4), textcoords="offset points", ha="right", fontsize=7,
            )  # fmt: skip
    axes.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    axes.set(xlabel="number of weights $n$", ylabel=r"$\log_{10}\,|w_1\cdots w_n|$")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.25)
    axes.legend(loc="lower left", title=r"typical: $n\,\mathrm{E}\,\ln|w|$", title_fontsize=7.5)
    return figure
