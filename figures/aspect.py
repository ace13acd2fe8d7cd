"""Loss of the log-gradient against depth over width, and how far the law and two simpler ones are from it, over seven powers of ten."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("aspect",)
SEEN = (
    "Gradients of critical networks fall along the law's lines, by up to 554 powers of ten. Means stay within two to three standard errors of the law, but for "
    "GELU and softplus at 64 units; there infinite width is off by hundreds of standard errors, and the expansion to order 1/N by tens to thousands."
)
"""What one sees."""
BESIDE = 1.33
"""Markers of different networks stand so much apart."""
MOST = 6e3
"""Largest distance from a law that is shown."""
LAWS = {"mean": "this law", "mean_leading": "order $1/N$", "mean_infinite": "infinite width"}
CLOSE = 5.0
"""Distances up to this size stand on a linear scale."""
LOOKS = {"linear": 0, "relu": 1, "tanh": 2, "gelu": 3, "softplus": 9}
"""Colours of activations, the same as in the other figures."""
LOST = ("linear", "relu", "tanh", "gelu")
"""Critical networks: at infinite width they lose no gradient."""
AT = {"gelu": (-500, "center"), "relu": (-585, "center")}
"""Where names of lines stand that would lie on each other."""
DEEP = 0.5
"""Losses are shown from this depth over width on: below it they are smaller than their scatter."""
FREE = "dense, without matrices"
"""The family that is shown; the other are the same networks with their weights drawn."""


def shown_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Networks that are shown, by depth over width: those sampled without matrices, from 64 units on."""
    rows = frame[(frame.family == FREE) & (frame.width > 32)]
    return rows.assign(ratio=rows.depth / rows.width).sort_values("ratio")


def names_in(rows: pd.DataFrame) -> list[str]:
    """Networks there are, in the order of their colours."""
    return [name for name in LOOKS if (rows.net == name).any()]


def _hollow(name: str) -> dict[str, object]:
    """How a network's markers look."""
    look = {"color": style.COLOURS[LOOKS[name]], "fmt": style.MARKERS[list(LOOKS).index(name)], "zorder": 3}
    return look | {"markerfacecolor": "white", "markeredgewidth": 0.8, "elinewidth": 0.8}


def _losses(axes: Axes, rows: pd.DataFrame) -> None:
    """Log of what critical networks keep of the gradient, by the law, by its expansion and in networks, with the scatter of single networks."""
    for name in LOST:
        few = rows[(rows.net == name) & (rows.ratio > DEEP)]
        if few.empty:
            continue
        colour = style.COLOURS[LOOKS[name]]
        law, spread, seen = (few[each] / style.DECADE for each in ("mean", "std", "mean_hat"))
        axes.plot(few.ratio, law, color=colour, zorder=2)
        axes.fill_between(few.ratio, law - spread, law + spread, color=colour, alpha=0.25, linewidth=0, zorder=0)
        axes.errorbar(few.ratio, seen, spread / few.num_nets**0.5, label=style.shown(name), **_hollow(name))
        if name == "gelu":
            leading = few.mean_leading / style.DECADE
            axes.plot(few.ratio, leading, color=colour, dashes=style.DASHES[1], linewidth=0.8, zorder=1)
        told = f"{style.shown(name)} {seen.iloc[-1]:.0f} (law {law.iloc[-1]:.0f})".replace("-", "\N{MINUS SIGN}")
        place = (law.iloc[-1], "center") if name not in AT else AT[name]
        axes.text(1040, place[0], told, va=place[1], fontsize=7.5, color=colour)
    axes.plot([0, 1000], [0, 0], color=style.COLOURS[7], zorder=1)
    axes.text(1040, 0, "infinite width", va="center", fontsize=7.5, color="0.4")
    axes.set(xlim=(-30, 1900), ylim=(-690, 80), ylabel=r"$\log_{10}$ of the gradient", title="gradient at the bottom")
    axes.set_xticks([0, 500, 1000], ["0", "500", "1,000"])
    axes.set_yticks([0, -200, -400, -600], ["0", "\N{MINUS SIGN}200", "\N{MINUS SIGN}400", "\N{MINUS SIGN}600"])


def _distances(axes: Axes, rows: pd.DataFrame, law: str) -> None:
    """How far every network's mean lies from a law's, in predicted standard errors."""
    names, beyond = names_in(rows), 0
    axes.axhspan(0, 2, color="0.9", zorder=0, linewidth=0)
    axes.axhline(CLOSE, color="0.75", zorder=0, linewidth=0.5)
    for index, name in enumerate(names):
        few = rows[rows.net == name]
        away = np.abs(few.mean_hat - few[law]) / (few["std"] / few.num_nets**0.5)
        place = few.ratio * BESIDE ** (index - (len(names) - 1) / 2)
        axes.errorbar(place, away, clip_on=False, **_hollow(name))
        if law == "mean" and (away > CLOSE).any():
            percent = 100 * np.abs(few["mean"] / few.mean_hat - 1)[away > CLOSE].max()
            told = f"{percent:.1f} % off" if name in LOST else "near the limit"
            look = {"color": style.COLOURS[LOOKS[name]], "ha": "right", "va": "top", "transform": axes.transAxes}
            axes.text(1, 0.98 - 0.12 * beyond, f"{style.shown(name)}: {told}", fontsize=7.5, **look)
            beyond += 1
    axes.set_yscale("symlog", linthresh=CLOSE, linscale=1.4)
    axes.set(xscale="log", ylim=(0, MOST), title=LAWS[law])
    axes.set_yticks([0, 2, 5, 10, 100, 1000], ["0", "2", "5", "10", "100", "1,000"])
    axes.set_xticks([1e-4, 1e-2, 1, 100], ["$10^{-4}$", "$10^{-2}$", "1", "100"])


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    rows = shown_rows(frames["aspect"])
    size = {"height": 2.0, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1.75, 1, 1, 1]}}
    figure, panels = style.canvas(1, 4, **size)
    _losses(panels[0], rows)
    for axes, law in zip(panels[1:], LAWS, strict=True):
        _distances(axes, rows, law)
        axes.tick_params(labelleft=axes is panels[1])
    panels[1].set_ylabel("|mean $-$ law| / s.e.")
    for axes in panels:
        axes.set_xlabel("depth over width, $L/N$")
        axes.minorticks_off()
    panels[0].errorbar([], [], [], label="softplus", **_hollow("softplus"))
    panels[0].plot([], [], color="0.3", label="this law (a)")
    panels[0].fill_between([], [], [], color="0.3", alpha=0.25, linewidth=0, label="one network (a)")
    panels[0].plot([], [], color="0.3", dashes=style.DASHES[1], linewidth=0.8, label="order $1/N$, GELU (a)")
    look = {"columnspacing": 1.1, "handletextpad": 0.4, "handlelength": 1.6}
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=8, **look)
    return figure
