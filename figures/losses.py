"""Size of the first layer's gradient under a real loss: measured over predicted, against its size, by loss and activation."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style

SOURCES = ("losses",)
SEEN = (
    "Where the law gives an error, for digits and Gaussian inputs alike, the ratios of measured and predicted sizes scatter about one within their bars; "
    "where it declines, for squared errors, most of ReLU and GELU lie below one, down to two thirds."
)
"""What one sees."""
INPUTS = {"digits": "digits", "normal": "Gaussian inputs"}
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3}
"""Colours of activations, the same as in the other figures."""
LOSSES = {"cross_entropy": "cross-entropy", "squared": "squared errors"}
TICKS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
BESIDE = 1.12
"""Markers of the two kinds of input stand so much apart."""


def _ratios(axes: Axes, rows: pd.DataFrame, colour: object, ends: tuple[float, float]) -> None:
    """Ratios of one loss and activation against the predicted size; hollow, with measured bars, where the law declines."""
    axes.axhline(1, color="0.25", linewidth=0.8, zorder=1)
    for shape, data in enumerate(INPUTS):
        few = rows[rows.data == data]
        x = np.exp(few.predicted) * BESIDE ** (2 * shape - 1)
        ratio, known = np.exp(few.measured - few.predicted), np.isfinite(few.predicted_err)
        err = ratio * few.predicted_err.where(known, few.measured_err)
        for those, face in ((known, colour), (~known, "white")):
            look = {"color": colour, "markerfacecolor": face, "markeredgewidth": 0.8, "elinewidth": 0.7, "zorder": 3}
            axes.errorbar(x[those], ratio[those], err[those], fmt=style.MARKERS[shape], **look)
    axes.set(xscale="log", xlim=ends, yscale="log", ylim=(0.56, 1.27))
    axes.set_xticks(ticks := [tick for tick in (1, 10, 100) if ends[0] < tick < ends[1]], [f"{tick}" for tick in ticks])
    axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.minorticks_off()


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    pairs = [(loss, name) for loss in LOSSES for name in LOOKS if ((frame.loss == loss) & (frame.net == name)).any()]
    figure, panels = style.canvas(1, len(pairs), height=1.9, width=style.PAGE, squeeze=False)
    for axes, (loss, name) in zip(panels[0], pairs, strict=True):
        sizes = np.exp(frame.predicted[frame.loss == loss])
        ends = (sizes.min() / 1.6, sizes.max() * 1.6)
        _ratios(axes, frame[(frame.loss == loss) & (frame.net == name)], style.COLOURS[LOOKS[name]], ends)
        axes.set_title(f"{style.shown(name)},\n{LOSSES[loss]}")
        axes.tick_params(labelleft=axes is panels[0][0])
        axes.set_xlabel(r"predicted $|\partial\mathcal{L}/\partial W_1|$")
    panels[0][0].set_ylabel("measured / law")
    look = {"color": "0.3", "linestyle": "none"}
    handles = {name: Line2D([], [], marker=style.MARKERS[shape], **look) for shape, name in enumerate(INPUTS.values())}
    handles["hollow: the law declines (bars: measured)"] = Line2D(
        [], [], marker=style.MARKERS[0], markerfacecolor="white", markeredgewidth=0.8, **look
    )
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, columnspacing=2.4)
    return figure
