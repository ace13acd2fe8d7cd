"""Size of the first layer's gradient under a real loss: measured against predicted, and what is left of the difference."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style

SOURCES = ("losses",)
SEEN = (
    "Over two and a half powers of ten measured sizes lie on the line where they are as predicted. Where the law gives an error, for digits and Gaussian "
    "inputs alike, they are within three of it; where it declines, for squared errors, most of ReLU and GELU lie below one, down to two thirds."
)
"""What one sees."""
INPUTS = {"digits": "digits", "normal": "Gaussian inputs"}
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3}
"""Colours of activations, the same as in the other figures."""
TICKS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1)


def _marked(axes: Axes, rows: pd.DataFrame, y: pd.Series, err: pd.Series | float) -> None:
    """Markers against the predicted size: a colour for each activation, a shape for each kind of input; hollow where the law declines."""
    x = np.exp(rows.predicted)
    for name, colour in LOOKS.items():
        for place, data in enumerate(INPUTS):
            for known in (True, False):
                few = (rows.net == name) & (rows.data == data) & (np.isfinite(rows.predicted_err) == known)
                face = style.COLOURS[colour] if known else "white"
                look = {
                    "color": style.COLOURS[colour],
                    "markerfacecolor": face,
                    "markeredgewidth": 0.8,
                    "elinewidth": 0.7,
                }
                errs = err[few] if isinstance(err, pd.Series) else err
                axes.errorbar(x[few], y[few], errs, fmt=style.MARKERS[place], zorder=3, **look)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    known = np.isfinite(frame.predicted_err)
    size = {"height": 2.1, "width": style.PAGE}
    figure, (sizes, residuals, ratios) = style.canvas(1, 3, gridspec_kw={"width_ratios": [0.8, 1.2, 1]}, **size)
    seen = np.exp(frame.measured)
    _marked(sizes, frame, seen, seen * frame.measured_err)
    ends = np.array([seen.min() / 1.5, seen.max() * 1.5])
    sizes.plot(ends, ends, color="0.25", linewidth=0.8, zorder=1)
    sizes.set(
        xscale="log",
        yscale="log",
        xlim=ends,
        ylim=ends,
        title="all",
        ylabel=r"measured $|\partial\mathcal{L}/\partial W_1|$",
    )
    _marked(residuals, frame[known], frame.z[known], 1.0)
    residuals.axhspan(-2, 2, color="0.92", linewidth=0, zorder=0)
    residuals.axhline(0, color="0.25", linewidth=0.8, zorder=1)
    residuals.set(
        xscale="log",
        xlim=(ends[0], np.exp(frame.predicted[known].max()) * 1.6),
        ylim=(-4.5, 4.5),
        yticks=(-4, -2, 0, 2, 4),
        title="where the law gives an error",
    )
    residuals.set_ylabel("(measured $-$ law) / s.e.")
    rest = frame[~known]
    ratio = np.exp(rest.measured - rest.predicted)
    _marked(ratios, rest, ratio, ratio * rest.measured_err)
    ratios.axhline(1, color="0.25", linewidth=0.8, zorder=1)
    ratios.set(
        xscale="log",
        yscale="log",
        xlim=ends,
        ylim=(0.54, 1.16),
        title="where it declines: squared errors",
        ylabel="measured / law",
    )
    ratios.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    ratios.minorticks_off()
    for axes in (sizes, residuals, ratios):
        axes.set_xlabel(r"predicted $|\partial\mathcal{L}/\partial W_1|$")
    handles = {
        style.shown(name): Line2D([], [], color=style.COLOURS[colour], linewidth=4) for name, colour in LOOKS.items()
    }
    look = {"color": "0.3", "linestyle": "none"}
    handles |= {name: Line2D([], [], marker=style.MARKERS[place], **look) for place, name in enumerate(INPUTS.values())}
    handles["law declines"] = Line2D(
        [], [], marker=style.MARKERS[0], markerfacecolor="white", markeredgewidth=0.8, **look
    )
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=6, handlelength=1.2, columnspacing=1.6
    )
    return figure
