"""Size of the first layer's gradient under a real loss, measured and predicted: in standard errors where there is one, else their ratio."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style

SOURCES = ("losses",)
SEEN = (
    "With cross-entropy, for digits and Gaussian inputs alike, measured sizes lie within three standard errors of the law; "
    "with squared errors it declines for ReLU and GELU, most of which lie below it, down to two thirds."
)
"""What one sees."""
INPUTS = {"digits": "digits", "normal": "Gaussian inputs"}
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3}
"""Colours of activations, the same as in the other figures."""
LOSSES = {"cross_entropy": "cross-entropy", "squared": "squared errors"}
TICKS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
BESIDE = 1.035
"""Markers of the two kinds of input stand so much apart."""


def _shown(axes: Axes, rows: pd.DataFrame, y: pd.Series, err: pd.Series | float) -> None:
    """Numbers of one loss against the predicted size; hollow where the law declines."""
    known = np.isfinite(rows.predicted_err)
    errs = pd.Series(err, rows.index)
    for name, colour in LOOKS.items():
        for shape, data in enumerate(INPUTS):
            x = np.exp(rows.predicted) * BESIDE ** (2 * shape - 1)
            for gives, face in ((True, style.COLOURS[colour]), (False, "white")):
                few = (rows.net == name) & (rows.data == data) & (known == gives)
                look = {"color": style.COLOURS[colour], "markerfacecolor": face, "markeredgewidth": 0.8}
                look |= {"fmt": style.MARKERS[shape], "elinewidth": 0.6, "capsize": 0, "zorder": 3}
                axes.errorbar(x[few], y[few], errs[few], **look)
    sizes = np.exp(rows.predicted)
    axes.set(
        xscale="log",
        xlim=(sizes.min() / 1.2, sizes.max() * 1.2),
        xlabel=r"predicted $|\partial\mathcal{L}/\partial W_1|$",
    )
    axes.set_xticks(
        ticks := [tick for tick in (1, 3, 10, 30, 100) if tick < sizes.max()], [f"{tick}" for tick in ticks]
    )


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    losses = [loss for loss in LOSSES if (frame.loss == loss).any()]
    figure, panels = style.canvas(1, len(losses), height=1.85, width=style.PAGE, squeeze=False)
    for axes, loss in zip(panels[0], losses, strict=True):
        rows = frame[frame.loss == loss]
        known, ratio = np.isfinite(rows.predicted_err), np.exp(rows.measured - rows.predicted)
        if known.all():  # in standard errors
            axes.axhspan(-2, 2, color="0.93", linewidth=0, zorder=0)
            axes.axhline(0, color="0.25", linewidth=0.8, zorder=1)
            _shown(axes, rows, rows.z, 1.0)
            axes.set(ylim=(-4.3, 4.3), yticks=(-3, -2, 0, 2, 3), ylabel="(log measured $-$ law) / s.e.")
        else:
            axes.axhline(1, color="0.25", linewidth=0.8, zorder=1)
            _shown(axes, rows, ratio, ratio * rows.predicted_err.where(known, rows.measured_err))
            axes.set(yscale="log", ylim=(0.56, 1.27), ylabel="measured / law")
            axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.minorticks_off()
        axes.set_title(LOSSES[loss])
    look = {"color": "0.3", "linestyle": "none"}
    handles = {
        style.shown(name): Line2D([], [], color=style.COLOURS[colour], linewidth=4) for name, colour in LOOKS.items()
    }
    handles |= {name: Line2D([], [], marker=style.MARKERS[shape], **look) for shape, name in enumerate(INPUTS.values())}
    hollow = {"marker": style.MARKERS[0], "markerfacecolor": "white", "markeredgewidth": 0.8} | look
    handles["the law declines (bars: measured)"] = Line2D([], [], **hollow)
    look = {"handlelength": 1.2, "columnspacing": 1.8}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=6, **look)
    return figure
