"""Loss of the log-gradient against depth over width, and how far the law and two simpler ones are from it, over seven powers of ten."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("aspect", "lengths")
SEEN = (
    "The gradients of single critical networks lie hundreds of powers of ten below infinite width, spread as the law says. Means stay within two to three standard errors of the law, but for "
    "GELU and softplus at 64 units; there infinite width is off by hundreds of standard errors, and the expansion to order 1/N by tens to thousands."
)
"""What one sees."""
BESIDE = 1.33
"""Markers of different networks stand so much apart."""
MOST = 4e4
"""Largest distance from a law that is shown."""
LAWS = {"mean": "this law", "mean_leading": "order $1/N$", "mean_infinite": "infinite width"}
CLOSE = 5.0
"""Distances up to this size stand on a linear scale."""
LOOKS = {"linear": 0, "relu": 1, "tanh": 2, "gelu": 3, "softplus": 9}
"""Colours of activations, the same as in the other figures."""
BIN = 6.0
"""Powers of ten that share a stack of dots."""
HIGH = 0.053
"""Height of a dot, in rows."""
LOST = ("linear", "relu", "tanh", "gelu")
"""Critical networks: at infinite width they lose no gradient."""
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


def _singles(axes: Axes, rows: pd.DataFrame, singles: pd.DataFrame) -> None:
    """The gradient at the bottom of each of the deepest critical networks, a dot, over the law's distribution; one row an activation."""
    axes.plot([0, 0], [0, len(LOST)], color=style.COLOURS[7], linewidth=2.2, zorder=1, solid_capstyle="butt")
    axes.text(-12, len(LOST) - 0.38, "infinite width:\nall at 0", ha="right", va="center", fontsize=7.5, color="0.4")
    for index, name in enumerate(LOST):
        own = rows[(rows.net == name) & (rows.width == 64) & (rows.depth == 64_000)]
        few = singles[singles.net == name]
        if own.empty or few.empty:
            continue
        seen = np.sort(few.bottom_hat) / style.DECADE
        row, base, colour = own.iloc[0], len(LOST) - 1 - index, style.COLOURS[LOOKS[name]]
        dots = np.floor(seen / BIN) * BIN + BIN / 2
        heights = np.concatenate([np.arange(count) + 0.5 for count in np.unique(dots, return_counts=True)[1]])
        axes.plot(dots, base + heights * HIGH, ".", color=colour, markersize=2.6, markeredgewidth=0, zorder=3)
        laws = [("mean", "std", ())] + ([("mean_leading", "std_leading", style.DASHES[1])] if name == "gelu" else [])
        for mean, std, dashes in laws:
            centre, spread = row[mean] / style.DECADE, row[std] / style.DECADE
            x = np.linspace(centre - 3.5 * spread, centre + 3.5 * spread, 80)
            density = np.exp(-(((x - centre) / spread) ** 2) / 2) / (spread * (2 * np.pi) ** 0.5)
            axes.plot(x, base + density * len(seen) * BIN * HIGH, color=colour, dashes=dashes, linewidth=1.0, zorder=2)
        axes.axhline(base, color="0.8", linewidth=0.5, zorder=0)
        told = f"{style.shown(name)}: {seen.mean():.0f}\nlaw: {row['mean'] / style.DECADE:.0f}"
        side = -30 if name != "linear" else -290
        axes.text(
            side, base + 0.37, told.replace("-", "\N{MINUS SIGN}"), ha="right", va="center", fontsize=7.5, color=colour
        )
    axes.set(xlim=(-660, 12), ylim=(0, len(LOST)), title="single networks, $L/N = 1{,}000$")
    axes.set_xticks([-600, -400, -200, 0], ["\N{MINUS SIGN}600", "\N{MINUS SIGN}400", "\N{MINUS SIGN}200", "0"])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(r"$\log_{10}$ of the gradient at the bottom")


def _distances(axes: Axes, rows: pd.DataFrame, law: str) -> None:
    """How far every network's mean lies from a law's, in predicted standard errors."""
    names, beyond = names_in(rows), 0
    far = np.abs(rows.mean_hat - rows[law]) / (rows["std"] / rows.num_nets**0.5) > CLOSE
    counted = {"ha": "right", "va": "top", "transform": axes.transAxes, "fontsize": 7.5}
    axes.text(1, 0.98, f"beyond five: {far.sum()} of {len(far)}", **counted)
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
            colour = style.COLOURS[LOOKS[name]]
            axes.text(1, 0.85 - 0.12 * beyond, f"{style.shown(name)}: {told}", color=colour, **counted)
            beyond += 1
    axes.set_yscale("symlog", linthresh=CLOSE, linscale=1.4)
    axes.set(xscale="log", ylim=(0, MOST), title=LAWS[law])
    axes.set_yticks([0, 2, 5, 10, 100, 1000], ["0", "2", "5", "10", "100", "1,000"])
    axes.set_xticks([1e-4, 1e-2, 1, 100], ["$10^{-4}$", "$10^{-2}$", "1", "100"])


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    rows, singles = shown_rows(frames["aspect"]), frames["lengths"]
    singles = singles[singles.part == "bottom"]
    size = {"height": 2.4, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1.75, 1, 1, 1]}}
    figure, panels = style.canvas(1, 4, **size)
    _singles(panels[0], rows, singles)
    for axes, law in zip(panels[1:], LAWS, strict=True):
        _distances(axes, rows, law)
        axes.tick_params(labelleft=axes is panels[1])
        axes.set_xlabel("depth over width, $L/N$")
        axes.minorticks_off()
    panels[1].set_ylabel("|mean $-$ law| / s.e.")
    panels[1].plot([], [], ".", color="0.3", markersize=3, label="one network (a)")
    panels[1].plot([], [], color="0.3", label="this law (a)")
    panels[1].plot([], [], color="0.3", dashes=style.DASHES[1], linewidth=1.0, label="order $1/N$, GELU (a)")
    for name in names_in(rows):
        panels[1].errorbar([], [], [], label=style.shown(name), **_hollow(name))
    look = {"columnspacing": 1.1, "handletextpad": 0.4, "handlelength": 1.6}
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=8, **look)
    return figure
