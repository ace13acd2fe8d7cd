"""One layer of the law, drawn; lengths that wander, the factor of a layer that follows them, and the gradient that results."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures import style

SOURCES = ("lengths",)
SEEN = (
    "A sketch: on the way up the length gives the variance of a layer's units, on the way down the same units give the gradient's factor. Lengths of GELU networks scatter widely about "
    "a mean below that of infinite width. A layer's factor depends on the length and lies below infinite width, on the law's line. Log-gradients fall by five powers of ten and scatter."
)
"""What one sees."""
LOOKS = {"relu": (1, "s"), "tanh": (2, "^"), "gelu": (3, "D")}
"""Colours and markers of activations, the same as in the other figures."""
WANDER = ("tanh", "gelu")
"""Networks whose lengths are shown: those of ReLU have no scale of their own, and its factor does not depend on them."""
INFINITE = {"color": "0.5", "linewidth": 0.9, "dashes": (3, 1.5), "zorder": 1}
SINGLE = 3
NAMED = {"fontsize": 7.5}
REACH = 2.6
"""Factors are shown at lengths within this many standard deviations of those of the networks."""


def _look(name: str) -> dict[str, object]:
    colour, marker = LOOKS[name]
    look = {"color": style.COLOURS[colour], "fmt": marker, "markerfacecolor": "white", "markeredgewidth": 0.8}
    return look | {"elinewidth": 0.6, "capsize": 0, "zorder": 3, "linestyle": "none"}


def _sketch(axes: Axes) -> None:
    """What goes up and what comes down through one layer."""
    axes.set(xlim=(0, 1), ylim=(0, 1), title="one layer of the law")
    axes.axis("off")
    box = {"boxstyle": "round,pad=0.35", "facecolor": "0.94", "edgecolor": "0.5", "linewidth": 0.6}
    arrow = {"arrowstyle": "->", "color": "0.25", "linewidth": 0.9, "shrinkA": 1, "shrinkB": 1}
    up, down, middle = 0.25, 0.80, 0.50
    words = {"ha": "center", "va": "center", **NAMED}
    axes.text(up, middle, "$N$ units $h_l$\nof variance $Q_l$", bbox=box, **words)
    axes.text(down, middle, "normals $\\eta$, but\n$c$ along $x_l$", bbox=box, **words)
    for x, y, said in (
        (up, 0.0, "length $M_l$"),
        (up, 0.97, "length $M_{l+1}$"),
        (down, 0.97, "$|g_{l+1}|$, $t$"),
        (down, 0.0, "$|g_l|$, $t$"),
    ):
        axes.text(x, y, said, **words)
    axes.annotate("", (up, 0.35), (up, 0.06), arrowprops=arrow)
    axes.annotate("", (up, 0.92), (up, 0.65), arrowprops=arrow)
    axes.annotate("", (down, 0.65), (down, 0.92), arrowprops=arrow)
    axes.annotate("", (down, 0.06), (down, 0.35), arrowprops=arrow)
    axes.annotate("", (down - 0.21, middle), (up + 0.20, middle), arrowprops=arrow)
    beside = {"va": "center", "fontsize": 7.5, "color": "0.35"}
    axes.text(up - 0.03, 0.21, "weights", ha="right", **beside)
    axes.text(up - 0.03, 0.80, "mean $\\phi^2$", ha="right", **beside)
    axes.text(down + 0.03, 0.80, "$h_{l+1}$", ha="left", **beside)
    axes.text(down + 0.03, 0.21, "$\\phi'(h_l)$", ha="left", **beside)
    axes.text((up + down) / 2, 0.73, "same\nunits", ha="center", **beside)


def _course(axes: Axes, rows: pd.DataFrame, name: str, quantity: str, scale: float, singles: bool) -> None:
    """Mean and scatter of a quantity by layer: law, infinite width, networks, and three networks of their own."""
    colour = style.COLOURS[LOOKS[name][0]]
    x, law, spread = rows.layer, rows[quantity] / scale, rows[f"{quantity}_std"] / scale
    axes.plot(x, law, color=colour, zorder=2)
    axes.fill_between(x, law - spread, law + spread, color=colour, alpha=0.22, linewidth=0, zorder=0)
    axes.plot(x, rows[f"{quantity}_infinite"] / scale, **INFINITE)
    for index in range(SINGLE if singles else 0):
        axes.plot(
            x, rows[f"{quantity}_{index}"] / scale, ".", color=colour, markersize=3.2, markeredgewidth=0, zorder=1
        )


def _means(axes: Axes, rows: pd.DataFrame, name: str, quantity: str, scale: float) -> None:
    """Means of networks."""
    err = rows[f"{quantity}_hat_std"] / rows.num_nets**0.5 / scale
    axes.errorbar(rows.layer, rows[f"{quantity}_hat"] / scale, err, **_look(name))


def _factor(axes: Axes, rows: pd.DataFrame, name: str, middle: float, reach: float) -> None:
    """Mean log of a layer's factor by the log of its variance, where networks are."""
    rows = rows[np.abs(np.log(rows.variance) - middle) < reach].sort_values("variance")
    length = np.log(rows.variance)
    axes.plot(length, rows.factor_infinite, **INFINITE)
    axes.plot(length, rows.factor, color=style.COLOURS[LOOKS[name][0]], zorder=2)
    some = rows if name == "tanh" else rows.iloc[::2]
    axes.errorbar(np.log(some.variance), some.factor_hat, some.factor_hat_std / some.num_pairs**0.5, **_look(name))


def _handles() -> list[Line2D]:
    """What lines and markers are."""
    plain = {"color": "0.3"}
    return [
        Line2D([], [], **plain, label="law"),
        Patch(facecolor="0.3", alpha=0.25, linewidth=0, label="law, one standard deviation of networks"),
        Line2D([], [], **plain, linestyle="none", marker="o", markerfacecolor="white", label="mean of networks"),
        Line2D([], [], **plain, linestyle="none", marker=".", markersize=3, label="single networks"),
        Line2D([], [], color="0.5", linewidth=0.9, dashes=(3, 1.5), label="infinite width"),
    ]


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["lengths"]
    size = {"height": 1.8, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1.4, 1, 1.05, 1]}}
    figure, (sketch, lengths, factors, course) = style.canvas(1, 4, **size)
    _sketch(sketch)
    for name in LOOKS:
        rows = frame[(frame.net == name) & (frame.part == "layers")].sort_values("layer")
        if rows.empty:
            continue
        top = rows.iloc[-1]
        reach = REACH * top.log_q_std if name in WANDER else np.inf
        _factor(factors, frame[(frame.net == name) & (frame.part == "one layer")], name, top.log_q, reach)
        if name in WANDER:
            early = rows[rows.layer.isin(np.geomspace(1, rows.layer.max(), 40).round().astype(int))]
            _course(lengths, early, name, "log_q", 1.0, name == "gelu")
            _means(lengths, early.iloc[::4], name, "log_q", 1.0)
        if name == "gelu":
            evenly = rows[rows.layer.isin(np.linspace(1, rows.layer.max(), 33).round().astype(int))]
            _course(course, evenly, name, "log_grad", style.DECADE, True)
            _means(course, evenly.iloc[::4], name, "log_grad", style.DECADE)
    shown = set(frame.net[frame.part == "layers"])
    for axes, x, y, name in (
        (lengths, 1.1, 3.6, "gelu"),
        (lengths, 60, -0.25, "tanh"),
        (factors, 0.9, -0.115, "gelu"),
        (factors, -2.4, -0.083, "relu"),
        (factors, -2.0, 0.06, "tanh"),
        (course, 430, -6.6, "gelu"),
    ):
        if name in shown:
            axes.text(x, y, style.shown(name), color=style.COLOURS[LOOKS[name][0]], **NAMED)
    lengths.set(xscale="log", xlim=(0.85, 800), xlabel="layer", ylabel="log of the length", title="lengths wander")
    lengths.set_xticks([1, 10, 100, 640], ["1", "10", "100", "640"])
    lengths.minorticks_off()
    factors.set(xlabel="log of the length", ylabel="log of the factor of $|g|^2$", ylim=(-0.16, 0.11))
    factors.set_title("factors lie lower")
    course.set(
        ylim=(-8, 1.5), xlabel="layer", ylabel=r"$\log_{10}$ of the gradient", title="gradients fall, and differ"
    )
    course.set_xticks([1, 320, 640])
    course.set_yticks([0, -2, -4, -6], ["0", *(f"\N{MINUS SIGN}{each}" for each in (2, 4, 6))])
    factors.set_xticks([-2, 0, 2], ["\N{MINUS SIGN}2", "0", "2"])
    figure.legend(handles=_handles(), loc="outside lower center", ncols=5, columnspacing=1.4, handlelength=1.8)
    return figure
