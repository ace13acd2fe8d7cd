"""Scatter and loss of the log-gradient against depth over width, over seven powers of ten: the law, two simpler laws, and networks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("aspect",)
SEEN = (
    "Divided by the root of depth over width the scatter is nearly the same at all sizes, and markers lie on the lines; "
    "means stay within three standard errors of the law, which infinite width leaves by hundreds and order 1/N by seven."
)
"""What one sees."""
BESIDE = 1.5
"""Line and markers of different networks stand so much apart."""
SMALL = 5.0
"""Residuals up to this size stand on a linear scale, larger ones on a logarithmic one."""
SIMPLER = {"infinite": ("infinite width", (1, 1)), "leading": ("order $1/N$", (4, 1.5))}
"""Simpler laws, with their dashes."""


def _shapes(axes: Axes, frame: pd.DataFrame) -> None:
    """Ticks at the ratios of depth to width, each with the width and the depth."""
    shapes = frame.drop_duplicates(["width", "depth"]).assign(ratio=lambda rows: rows.depth / rows.width)
    said = [f"{row.width:,.0f}\n{row.depth:,.0f}" for row in shapes.itertuples()]
    axes.set(xscale="log")
    axes.set_xticks(shapes.ratio, [_ratio(ratio) + "\n" + each for ratio, each in zip(shapes.ratio, said, strict=True)])
    axes.minorticks_off()
    axes.set_xlabel("from above: $L/N$, width $N$, depth $L$")


def _ratio(ratio: float) -> str:
    """A ratio as a power of ten, with one figure before it where it is none."""
    power = int(np.floor(np.log10(ratio) + 0.02))
    first = round(ratio / 10.0**power)
    return rf"${first} \times 10^{{{power}}}$" if first > 1 else f"$10^{{{power}}}$"


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["aspect"]
    size = {"height": 2.6, "width": style.PAGE}
    figure, (spread, mean) = style.canvas(1, 2, **size)
    for index, (name, rows) in enumerate(frame.groupby("net", sort=False)):
        rows = rows.assign(ratio=rows.depth / rows.width).sort_values("ratio")
        x, err, unit = rows.ratio * BESIDE ** (index - 1), rows["std"] / rows.num_nets**0.5, rows.ratio**0.5
        look = {"color": style.COLOURS[index], "zorder": 1}
        spread.plot(x, rows["std"] / unit, **look)
        style.measured(spread, x, rows.std_hat / unit, rows.std_hat_err / unit, index, style.shown(name))
        for law, (_, dashes) in SIMPLER.items():
            mean.plot(x, (rows[f"mean_{law}"] - rows["mean"]) / err, dashes=dashes, linewidth=0.9, **look)
        style.measured(mean, x, (rows.mean_hat - rows["mean"]) / err, np.ones(len(rows)), index)
    spread.set(ylabel=r"std of $\ln(|g_1|\,/\,|g_L|)\;/\,\sqrt{L/N}$", title="spread", ylim=(0.3, 1.7))
    mean.set(ylabel="(mean $-$ law) / predicted s.e.", title="mean", ylim=(-4, 400))
    mean.set_yscale("symlog", linthresh=SMALL, linscale=2.2)
    mean.set_yticks([-2, 0, 2, 5, 20, 100], ["$-$2", "0", "2", "5", "20", "100"])
    mean.axhspan(-2, 2, color="0.9", zorder=0, linewidth=0)
    mean.axhline(0, color="0.25", zorder=1, linewidth=0.8)
    mean.axhline(SMALL, color="0.75", zorder=0, linewidth=0.5)
    for axes in (spread, mean):
        _shapes(axes, frame)
    spread.plot([], [], color="0.3", label="this law")
    for label, dashes in SIMPLER.values():
        spread.plot([], [], color="0.3", linewidth=0.9, dashes=dashes, label=f"{label} (b)")
    figure.legend(*spread.get_legend_handles_labels(), loc="outside lower center", ncols=6, columnspacing=1.5)
    return figure
