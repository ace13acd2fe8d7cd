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
TICKS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
WIDE = 0.42
"""Half the width of the bands, in places of depths."""
BESIDE = 0.2
"""Markers stand so much apart, in places of depths."""
GAP = 0.35
"""Between activations, in places of depths."""
BAND = {"color": "0.88", "linewidth": 0, "zorder": 0}
HOLLOW = {"markerfacecolor": "white", "markeredgewidth": 0.8}


def _pooled(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Weighted mean over heads of measured over predicted, its measured error, and the predicted one."""
    known = np.isfinite(rows.predicted_err).all()
    weight = 1 / (rows.predicted_err if known else rows.measured_err) ** 2
    share = weight / weight.sum()
    mean = float(np.exp((share * (rows.measured - rows.predicted)).sum()))
    errs = (float(((share * err) ** 2).sum() ** 0.5) for err in (rows.measured_err, rows.predicted_err))
    return mean, *errs


def _group(axes: Axes, rows: pd.DataFrame, name: str, place: float) -> None:
    """One activation at one depth: a marker for each kind of input, hollow where the law declines."""
    known = np.isfinite(rows.predicted_err)
    kinds = [
        (data, gives) for data in INPUTS for gives in (True, False) if ((rows.data == data) & (known == gives)).any()
    ]
    for index, (data, gives) in enumerate(kinds):
        mean, err, band = _pooled(rows[(rows.data == data) & (known == gives)])
        x = place + BESIDE * (index - (len(kinds) - 1) / 2)
        if gives:
            axes.fill_between([place - WIDE, place + WIDE], *(np.exp(2 * sign * band) for sign in (-1, 1)), **BAND)
        look = {"color": style.COLOURS[LOOKS[name]], "fmt": style.MARKERS[list(INPUTS).index(data)], "elinewidth": 0.8}
        axes.errorbar(x, mean, mean * err, markersize=4.5, zorder=3, **look, **({} if gives else HOLLOW))


def _ratios(axes: Axes, rows: pd.DataFrame) -> None:
    """Measured over predicted sizes under one loss."""
    nets, depths = [name for name in LOOKS if (rows.net == name).any()], sorted(rows.depth.unique())
    ticks = {}
    for index, name in enumerate(nets):
        for place, depth in enumerate(depths):
            at = index * (len(depths) + GAP) + place
            few = rows[(rows.net == name) & (rows.depth == depth)]
            ticks[at] = f"{depth} layers"
            _group(axes, few, name, at)
        middle = index * (len(depths) + GAP) + (len(depths) - 1) / 2
        look = {"ha": "center", "va": "top", "linespacing": 1.2}
        axes.text(middle, 1.48, style.shown(name), color=style.COLOURS[LOOKS[name]], **look)
        few = rows[rows.net == name]
        known = np.isfinite(few.predicted_err)
        chosen, err = (few[known], "predicted_err") if known.any() else (few, "measured_err")
        weight = 1 / chosen[err] ** 2
        shift = 100 * np.average(chosen.measured - chosen.predicted, weights=weight)
        told = rf"{'mean' if known.any() else 'declines,'} ${shift:+.1f} \pm {100 / weight.sum() ** 0.5:.1f}$ %"
        axes.text(middle, 1.35, told, fontsize=7.5, color="0.35", **look)
    axes.axhline(1, color="0.25", linewidth=0.8, zorder=1)
    axes.set(yscale="log", xlim=(-0.6, max(ticks) + 0.6), ylim=(0.68, 1.5))
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.tick_params(axis="x", length=0)
    axes.minorticks_off()


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    losses = [loss for loss in LOSSES if (frame.loss == loss).any()]
    figure, panels = style.canvas(1, len(losses), height=1.8, width=style.PAGE, squeeze=False, sharey=True)
    for axes, loss in zip(panels[0], losses, strict=True):
        _ratios(axes, frame[frame.loss == loss])
        axes.set_title(LOSSES[loss])
    panels[0][0].set_ylabel(r"$|\partial\mathcal{L}/\partial W_1|$, measured / law")
    look = {"color": "0.3", "linestyle": "none"}
    handles = {"law": Line2D([], [], color="0.25", linewidth=0.8)}
    handles[r"$\pm2$ predicted s.e."] = Patch(**{each: BAND[each] for each in ("color", "linewidth")})
    handles |= {name: Line2D([], [], marker=style.MARKERS[shape], **look) for shape, name in enumerate(INPUTS.values())}
    handles["the law declines"] = Line2D([], [], marker=style.MARKERS[0], **HOLLOW, **look)
    look = {"handlelength": 1.4, "columnspacing": 1.6, "handletextpad": 0.4}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=6, **look)
    return figure
