"""Scatter and loss of the log-gradient against depth over width, over seven powers of ten: the law, two simpler laws, and networks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("aspect",)
SEEN = (
    "Divided by the root of depth over width the scatter is nearly the same at all sizes, and markers lie on the lines. Means stay within "
    "two to three standard errors of the law, but for GELU and softplus at 64 units; there the simpler laws are off by tens to thousands."
)
"""What one sees."""
BESIDE = 1.33
"""Line and markers of different networks stand so much apart."""
SMALL = 5.0
"""Residuals up to this size stand on a linear scale, larger ones on a logarithmic one."""
MOST = 6e3
"""Largest distance of simpler laws that is shown."""
SIMPLER = {"infinite": "none", "leading": "full"}
"""Simpler laws, with how their markers are filled."""
NAMES = {"infinite": "infinite width", "leading": "order $1/N$"}
CLOSE = 2.0
"""Distances of simpler laws up to this size stand on a linear scale."""
LOOKS = {"linear": 0, "relu": 1, "tanh": 2, "gelu": 3, "softplus": 9}
"""Colours of activations, the same as in the other figures."""


def _ratio(ratio: float) -> str:
    """A ratio as a power of ten, with one figure before it where it is none."""
    power = int(np.floor(np.log10(ratio) + 0.02))
    first = round(ratio / 10.0**power)
    return rf"${first}\cdot 10^{{{power}}}$" if first > 1 else f"$10^{{{power}}}$"


def _symmetric(axes: Axes) -> None:
    """A linear scale between -SMALL and SMALL and a logarithmic one beyond, with a line where it changes."""
    axes.set_yscale("symlog", linthresh=SMALL, linscale=1.8)
    axes.set_yticks([-10, -5, -2, 0, 2, 5, 10, 20], ["$-$10", "$-$5", "$-$2", "0", "2", "5", "10", "20"])
    axes.axhspan(-2, 2, color="0.9", zorder=0, linewidth=0)
    axes.axhline(0, color="0.25", zorder=1, linewidth=0.8)
    for end in (-SMALL, SMALL):
        axes.axhline(end, color="0.75", zorder=0, linewidth=0.5)


def _net(panels: tuple[Axes, Axes, Axes], name: str, rows: pd.DataFrame, shift: float) -> None:
    """One network at every size: its scatter, its mean less the law's, and how far simpler laws are off."""
    spread, mean, simpler = panels
    ratio = rows.depth / rows.width
    x, err, unit = ratio * shift, rows["std"] / rows.num_nets**0.5, ratio**0.5
    mark, look = list(LOOKS).index(name), {"color": style.COLOURS[LOOKS[name]]}
    hollow = look | {
        "fmt": style.MARKERS[mark],
        "markerfacecolor": "white",
        "markeredgewidth": 0.8,
        "elinewidth": 0.8,
        "zorder": 3,
    }
    spread.plot(x, rows["std"] / unit, zorder=1, **look)
    spread.errorbar(x, rows.std_hat / unit, rows.std_hat_err / unit, label=style.shown(name), **hollow)
    mean.errorbar(x, (rows.mean_hat - rows["mean"]) / err, 1.0, **hollow)
    for law, face in SIMPLER.items():
        away = np.abs(rows.mean_hat - rows[f"mean_{law}"]) / err
        filled = hollow | {"markerfacecolor": look["color"] if face == "full" else "white"}
        simpler.errorbar(x, away, **filled)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["aspect"]
    size = {"height": 2.3, "width": style.PAGE}
    figure, panels = style.canvas(1, 3, **size)
    names = [name for name in LOOKS if (frame.net == name).any()]
    for index, name in enumerate(names):
        rows = frame[frame.net == name].assign(ratio=lambda few: few.depth / few.width).sort_values("ratio")
        _net(tuple(panels), name, rows, BESIDE ** (index - (len(names) - 1) / 2))
    spread, mean, simpler = panels
    spread.set(ylabel=r"std of $\gamma_1\;/\,\sqrt{L/N}$", title="spread", ylim=(0.3, 2.45))
    mean.set(ylabel="(mean $-$ law) / s.e.", title="mean, this law", ylim=(-14, 30))
    _symmetric(mean)
    simpler.set_yscale("symlog", linthresh=CLOSE, linscale=0.8)
    simpler.set(ylim=(0, MOST), ylabel="|mean $-$ simpler law| / s.e.", title="mean, two simpler laws")
    simpler.set_yticks([0, 2, 10, 100, 1000], ["0", "2", "10", "100", "1,000"])
    simpler.axhspan(0, CLOSE, color="0.9", zorder=0, linewidth=0)
    ratios = sorted({row.depth / row.width for row in frame.itertuples()})
    for axes in panels:
        axes.set(xscale="log", xlabel="depth over width, $L/N$")
        axes.set_xticks(ratios, [_ratio(ratio) for ratio in ratios], fontsize=6.5)
        axes.minorticks_off()
    spread.plot([], [], color="0.3", label="this law (a)")
    for law, face in SIMPLER.items():
        colour = "0.3" if face == "full" else "white"
        look = {"color": "0.3", "markerfacecolor": colour, "markeredgewidth": 0.8, "linewidth": 0}
        spread.plot([], [], style.MARKERS[0], label=f"{NAMES[law]} (c)", **look)
    look = {"columnspacing": 1.2, "handletextpad": 0.4, "handlelength": 1.8}
    figure.legend(*spread.get_legend_handles_labels(), loc="outside lower center", ncols=8, **look)
    return figure
