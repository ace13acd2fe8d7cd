"""Size of the first layer's gradient under a real loss against depth, and measured over predicted sizes under two losses."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures import style

SOURCES = ("losses",)
SEEN = (
    "Over a thousand layers of 64 units the gradient of cross-entropy on digits falls by six to fourteen powers of ten along the law's lines, where infinite width predicts hardly "
    "any loss. Measured over predicted sizes are one within the predicted errors, but for GELU in deep networks; with squared errors the law declines for shallow ReLU and GELU."
)
"""What one sees."""
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3}
"""Colours of activations, the same as in the other figures."""
MARKS = {"relu": "s", "tanh": "^", "gelu": "D"}
LOSSES = {"cross_entropy": "cross-entropy", "squared": "squared errors"}
SHOWN = {"loss": "cross_entropy", "data": "digits", "sigma_head": 1.0}
"""Ensembles whose sizes are shown; the ratios are those of all."""
TICKS = (0.3, 0.5, 0.7, 1.0, 1.5)
BESIDE = 0.27
"""Activations stand so much apart, in places of depths."""
WIDE = 0.115
"""Half the width of the bands, in places of depths."""
GREY = "0.55"
HOLLOW = {"markerfacecolor": "white", "markeredgewidth": 0.9}


def _sizes(axes: Axes, rows: pd.DataFrame) -> None:
    """Absolute sizes against depth: the law's line and one network's scatter, networks, and infinite width."""
    ends, deepest = {}, rows.depth.max()
    for name in (each for each in LOOKS if (rows.net == each).any()):
        few = rows[rows.net == name].sort_values("depth")
        colour, x = style.COLOURS[LOOKS[name]], few.depth
        law, seen, wide = (few[each] / style.DECADE for each in ("predicted", "measured", "infinite"))
        spread = few.predicted_err * few.num_nets**0.5 / style.DECADE
        axes.fill_between(x, law - spread, law + spread, color=colour, alpha=0.16, linewidth=0, zorder=1)
        axes.plot(x, wide, color=GREY, linewidth=1.4, zorder=1.5)
        axes.plot(x, law, color=colour, linewidth=1.4, zorder=2)
        look = {"color": colour, "fmt": MARKS[name], "markersize": 4.2, "elinewidth": 0.9, "markeredgewidth": 0.5}
        axes.errorbar(x, seen, few.measured_err / style.DECADE, markeredgecolor="white", zorder=3, **look)
        ends[name] = (seen.iloc[-1], wide.iloc[-1])
    for name, (low, _) in ends.items():
        told = f"{style.shown(name)}  $10^{{{low:.0f}}}$".replace("-", "−")
        axes.annotate(
            told, (deepest, low), (7, 0), textcoords="offset points", va="center", color=style.COLOURS[LOOKS[name]]
        )
    axes.annotate(
        "infinite width",
        (deepest, 0.3),
        (7, 1),
        textcoords="offset points",
        va="center",
        color="0.4",
        annotation_clip=False,
    )
    axes.set(xlabel="depth", ylabel=r"$|\partial\mathcal{L}/\partial W_1|$", xlim=(0, 1.02 * deepest))
    lowest = int(rows.predicted.min() / style.DECADE - 2) // 5 * 5
    powers = range(0, min(lowest, -4), -5)
    axes.set_yticks(list(powers), ["1" if not power else f"$10^{{{power}}}$" for power in powers])
    axes.set_xticks(places := [0, deepest // 2, deepest], [f"{place:,}" for place in places])
    axes.set_title("cross-entropy on digits: the size itself")


def _pooled(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Weighted mean of measured over predicted sizes, its measured error in logs, and the predicted one."""
    known = np.isfinite(rows.predicted_err).all()
    weight = 1 / (rows.predicted_err if known else rows.measured_err) ** 2
    share = weight / weight.sum()
    mean = float(np.exp((share * (rows.measured - rows.predicted)).sum()))
    errs = (float(((share * err) ** 2).sum() ** 0.5) for err in (rows.measured_err, rows.predicted_err))
    return mean, *errs


def _ratios(axes: Axes, rows: pd.DataFrame) -> None:
    """Measured over predicted sizes under one loss, hollow where the law declines."""
    depths, nets = sorted(rows.depth.unique()), [name for name in LOOKS if (rows.net == name).any()]
    for (name, depth), group in rows.groupby(["net", "depth"]):
        place = depths.index(depth) + BESIDE * (nets.index(name) - (len(nets) - 1) / 2)
        colour, known = style.COLOURS[LOOKS[name]], np.isfinite(group.predicted_err)
        for gives in sorted(known.unique()):
            mean, err, band = _pooled(group[known == gives])
            if gives:
                edges = np.exp([-2 * band, 2 * band])
                axes.fill_between([place - WIDE, place + WIDE], *edges, color="0.87", linewidth=0, zorder=0)
            look = {"color": colour, "fmt": MARKS[name], "markersize": 4, "elinewidth": 0.8} | ({} if gives else HOLLOW)
            axes.errorbar(place, mean, [[mean - mean * np.exp(-err)], [mean * np.exp(err) - mean]], zorder=3, **look)
    for index, name in enumerate(nets):
        place = {"transform": axes.transAxes, "color": style.COLOURS[LOOKS[name]], "fontsize": 7.5}
        axes.text(0.03, 0.04 + 0.13 * index, style.shown(name), **place)
    axes.axhline(1, color="0.25", linewidth=1, zorder=1)
    axes.set(yscale="log", xlim=(-0.5, len(depths) - 0.5), ylim=(0.27, 1.9), xlabel="depth")
    axes.set_xticks(range(len(depths)), [f"{depth:,}" for depth in depths])
    axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.tick_params(axis="x", length=0)
    axes.minorticks_off()


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    losses = [loss for loss in LOSSES if (frame.loss == loss).any()]
    ratios = {"width_ratios": (1.45, *(1 for _ in losses))}
    figure, panels = style.canvas(1, 1 + len(losses), height=1.8, width=style.PAGE, gridspec_kw=ratios)
    shown = frame[np.logical_and.reduce([frame[axis] == value for axis, value in SHOWN.items()])]
    _sizes(panels[0], shown)
    for axes, loss in zip(panels[1:], losses, strict=True):
        _ratios(axes, frame[frame.loss == loss])
        axes.set_title(f"{LOSSES[loss]}: measured / law")
        axes.tick_params(labelleft=axes is panels[1])
    look = {"color": "0.3", "linestyle": "none", "marker": "o"}
    handles = {
        "law": Line2D([], [], color="0.3", linewidth=1.4),
        "one network (a)": Patch(color="0.3", alpha=0.2, linewidth=0),
        r"$\pm2$ predicted s.e. (b, c)": Patch(color="0.87", linewidth=0),
        "networks": Line2D([], [], markersize=4.2, **look),
        "networks, the law declines": Line2D([], [], markersize=4, **HOLLOW, **look),
    }
    look = {"handlelength": 1.4, "columnspacing": 1.6, "handletextpad": 0.4}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=5, **look)
    return figure
