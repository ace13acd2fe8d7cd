"""Loss and scatter of the log-gradient against depth over width, over seven powers of ten: the law, two simpler laws, and networks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("aspect",)
SEEN = (
    "Markers lie on the law's lines, up to 554 powers of ten lost. Means stay within two to three standard errors of the law, but for GELU and softplus "
    "at 64 units; there the simpler laws are off by tens to thousands. Divided by the root of depth over width the scatter is nearly the same at all sizes."
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
LOST = ("linear", "relu", "tanh", "gelu")
"""Critical networks: at infinite width they lose no gradient."""
DEEP = 0.5
"""Losses are shown from this depth over width on: below it they are smaller than their scatter."""
FIRST = 0.1
"""Least loss, in powers of ten, that is shown."""


def _symmetric(axes: Axes) -> None:
    """A linear scale between -SMALL and SMALL and a logarithmic one beyond, with a line where it changes."""
    axes.set_yscale("symlog", linthresh=SMALL, linscale=1.8)
    axes.set_yticks([-10, -5, -2, 0, 2, 5, 10, 20], ["$-$10", "$-$5", "$-$2", "0", "2", "5", "10", "20"])
    axes.axhspan(-2, 2, color="0.9", zorder=0, linewidth=0)
    axes.axhline(0, color="0.25", zorder=1, linewidth=0.8)
    for end in (-SMALL, SMALL):
        axes.axhline(end, color="0.75", zorder=0, linewidth=0.5)


def _net(panels: tuple[Axes, ...], name: str, rows: pd.DataFrame, shift: float) -> None:
    """One network at every size: what it loses, its mean less the law's, how far simpler laws are off, and its scatter."""
    lost, mean, simpler, spread = panels
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
    if name in LOST:
        deep = ratio > DEEP
        lost.plot(ratio[deep], -rows["mean"][deep] / style.DECADE, zorder=1, **look)
        lost.errorbar(ratio[deep], -rows.mean_hat[deep] / style.DECADE, err[deep] / style.DECADE, **hollow)
    spread.plot(x, rows["std"] / unit, zorder=1, **look)
    spread.errorbar(x, rows.std_hat / unit, rows.std_hat_err / unit, label=style.shown(name), **hollow)
    mean.errorbar(x, (rows.mean_hat - rows["mean"]) / err, 1.0, **hollow)
    for law, face in SIMPLER.items():
        away = np.abs(rows.mean_hat - rows[f"mean_{law}"]) / err
        filled = hollow | {"markerfacecolor": look["color"] if face == "full" else "white"}
        simpler.errorbar(x, away, **filled)


def _losses(axes: Axes, rows: pd.DataFrame) -> None:
    """Scales and words of the first panel."""
    axes.set(yscale="log", ylim=(FIRST, 3e3), xlim=(0.6, 2500), ylabel="powers of ten lost", title="gradient lost")
    axes.text(0.98, 0.02, "infinite width: none", ha="right", va="bottom", fontsize=7.5, transform=axes.transAxes)
    deepest = rows[rows.net == "relu"].sort_values("depth").iloc[-1]
    seen, law = (-deepest[each] / style.DECADE for each in ("mean_hat", "mean"))
    axes.annotate(
        f"{deepest.width:.0f} units,\n{deepest.depth:,.0f} layers:\n{seen:.0f} lost,\n{law:.0f} predicted",
        (deepest.depth / deepest.width, seen),
        xytext=(0.05, 0.98),
        textcoords="axes fraction",
        fontsize=7.5,
        va="top",
        arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": "0.4", "shrinkB": 4, "relpos": (1, 0.8)},
    )
    axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    axes.set_yticks([0.1, 1, 10, 100, 1000], ["0.1", "1", "10", "100", "1,000"])


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["aspect"]
    size = {"height": 2.3, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1.1, 1, 1, 1]}}
    figure, panels = style.canvas(1, 4, **size)
    names = [name for name in LOOKS if (frame.net == name).any()]
    for index, name in enumerate(names):
        rows = frame[frame.net == name].assign(ratio=lambda few: few.depth / few.width).sort_values("ratio")
        _net(tuple(panels), name, rows, BESIDE ** (index - (len(names) - 1) / 2))
    lost, mean, simpler, spread = panels
    spread.set(ylabel=r"std of $\gamma_1\;/\,\sqrt{L/N}$", title="scatter", ylim=(0.3, 2.45))
    mean.set(ylabel="(mean $-$ law) / s.e.", title="mean, this law", ylim=(-14, 30))
    _symmetric(mean)
    simpler.set_yscale("symlog", linthresh=CLOSE, linscale=0.8)
    simpler.set(ylim=(0, MOST), ylabel="|mean $-$ simpler law| / s.e.", title="mean, simpler laws")
    simpler.set_yticks([0, 2, 10, 100, 1000], ["0", "2", "10", "100", "1,000"])
    simpler.axhspan(0, CLOSE, color="0.9", zorder=0, linewidth=0)
    for axes in panels:
        axes.set(xscale="log", xlabel="depth over width, $L/N$")
        axes.minorticks_off()
    for axes in panels[1:]:
        axes.set_xticks([1e-4, 1e-2, 1, 100], ["$10^{-4}$", "$10^{-2}$", "1", "100"])
    _losses(lost, frame)
    for axes in panels:
        axes.minorticks_off()
    spread.plot([], [], color="0.3", label="this law (a, d)")
    for law, face in SIMPLER.items():
        colour = "0.3" if face == "full" else "white"
        look = {"color": "0.3", "markerfacecolor": colour, "markeredgewidth": 0.8, "linewidth": 0}
        spread.plot([], [], style.MARKERS[0], label=f"{NAMES[law]} (c)", **look)
    look = {"columnspacing": 1.2, "handletextpad": 0.4, "handlelength": 1.8}
    figure.legend(*spread.get_legend_handles_labels(), loc="outside lower center", ncols=8, **look)
    return figure
