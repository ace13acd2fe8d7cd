"""Size of the first layer's gradient under a real loss, measured over predicted, beside the errors that the law predicts."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures import style

SOURCES = ("losses",)
SEEN = (
    "With cross-entropy, for digits and Gaussian inputs alike, measured sizes lie within two or three standard errors of the law; "
    "with squared errors it declines for ReLU and GELU, most of which lie below it, down to two thirds."
)
"""What one sees."""
INPUTS = {"digits": "digits", "normal": "Gaussian inputs"}
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3}
"""Colours of activations, the same as in the other figures."""
LOSSES = {"cross_entropy": "cross-entropy", "squared": "squared errors"}
TICKS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
BESIDE = 0.095
"""Markers of the two kinds of input stand so much apart, in places of depths; those of different heads thrice as much."""
GAP = 0.35
"""Between activations, in places of depths."""
BAND = {"color": "0.88", "linewidth": 0, "zorder": 0}
HOLLOW = {"markerfacecolor": "white", "markeredgewidth": 0.8}


def _group(axes: Axes, rows: pd.DataFrame, name: str, place: float) -> None:
    """All heads and inputs of one activation at one depth; hollow where the law declines."""
    heads = sorted(rows.sigma_head.unique())
    for (head, data), at in rows.groupby(["sigma_head", "data"]):
        row, shape = at.iloc[0], list(INPUTS).index(data)
        x = place + BESIDE * (3 * (heads.index(head) - (len(heads) - 1) / 2) + shape - 0.5)
        known, ratio = np.isfinite(row.predicted_err), np.exp(row.measured - row.predicted)
        if known:
            side = [x - 0.8 * BESIDE, x + 0.8 * BESIDE]
            axes.fill_between(side, *(np.exp(2 * sign * row.predicted_err) for sign in (-1, 1)), **BAND)
        look = {"color": style.COLOURS[LOOKS[name]], "fmt": style.MARKERS[shape], "elinewidth": 0.6, "capsize": 0}
        axes.errorbar(x, ratio, ratio * row.measured_err, zorder=3, **look, **({} if known else HOLLOW))


def _ratios(axes: Axes, rows: pd.DataFrame) -> None:
    """Measured over predicted sizes under one loss."""
    nets, depths = [name for name in LOOKS if (rows.net == name).any()], sorted(rows.depth.unique())
    ticks = {}
    for index, name in enumerate(nets):
        for place, depth in enumerate(depths):
            at = index * (len(depths) + GAP) + place
            few = rows[(rows.net == name) & (rows.depth == depth)]
            ticks[at] = "  ".join(f"{head:g}" for head in sorted(few.sigma_head.unique())) + f"\n{depth} layers"
            _group(axes, few, name, at)
        middle = index * (len(depths) + GAP) + (len(depths) - 1) / 2
        look = {"ha": "center", "va": "top", "linespacing": 1.2}
        axes.text(middle, 1.53, style.shown(name), color=style.COLOURS[LOOKS[name]], **look)
        if np.isinf(rows.predicted_err[rows.net == name]).all():
            axes.text(middle, 1.38, "the law gives no error", fontsize=7.5, color="0.35", **look)
        known = rows[(rows.net == name) & np.isfinite(rows.predicted_err)]
        if len(known) > 6:
            weight = 1 / known.predicted_err**2
            shift = np.average(known.measured - known.predicted, weights=weight)
            told = rf"mean ${100 * shift:+.1f} \pm {100 / weight.sum() ** 0.5:.1f}$ %"
            axes.text(middle, 1.38, told, fontsize=7.5, color="0.35", **look)
    axes.axhline(1, color="0.25", linewidth=0.8, zorder=1)
    axes.set(yscale="log", ylim=(0.6, 1.55))
    axes.set_xticks(list(ticks), list(ticks.values()), linespacing=1.2)
    axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.tick_params(axis="x", length=0)
    axes.minorticks_off()


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    losses = [loss for loss in LOSSES if (frame.loss == loss).any()]
    figure, panels = style.canvas(1, len(losses), height=1.9, width=style.PAGE, squeeze=False, sharey=True)
    for axes, loss in zip(panels[0], losses, strict=True):
        _ratios(axes, frame[frame.loss == loss])
        axes.set_title(LOSSES[loss])
    for axes in panels[0]:
        axes.annotate(
            "head:", (0, 0), (-3, -9.5), "axes fraction", "offset points", fontsize=7.5, ha="right", va="center"
        )
    panels[0][0].set_ylabel(r"$|\partial\mathcal{L}/\partial W_1|$, measured / law")
    look = {"color": "0.3", "linestyle": "none"}
    handles = {"law": Line2D([], [], color="0.25", linewidth=0.8)}
    handles[r"$\pm2$ predicted s.e."] = Patch(**{each: BAND[each] for each in ("color", "linewidth")})
    handles |= {name: Line2D([], [], marker=style.MARKERS[shape], **look) for shape, name in enumerate(INPUTS.values())}
    for shape, name in enumerate(INPUTS.values()):
        handles[f"{name}, law declines"] = Line2D([], [], marker=style.MARKERS[shape], **HOLLOW, **look)
    look = {"handlelength": 1.4, "columnspacing": 1.6, "handletextpad": 0.4}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=6, **look)
    return figure
