"""Size of the first layer's gradient under a real loss: measured against predicted, and their ratio by loss and activation."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style

SOURCES = ("losses",)
SEEN = (
    "Over two and a half powers of ten measured sizes lie on the line where they are as predicted. Where the law gives an error, for digits and Gaussian "
    "inputs alike, their ratios scatter about one; where it declines, for squared errors, most of ReLU and GELU lie below one, down to two thirds."
)
"""What one sees."""
INPUTS = {"digits": "digits", "normal": "Gaussian inputs"}
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3}
"""Colours of activations, the same as in the other figures."""
LOSSES = {"cross_entropy": "cross-entropy", "squared": "squared errors"}
TICKS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
HALF = 0.36
"""Half the width that the markers of one loss and activation take."""
APART = 3.3
"""Places from one loss to the next."""


def _mark(axes: Axes, x: pd.Series, y: pd.Series, err: pd.Series, rows: pd.DataFrame) -> None:
    """Markers with bars: a colour for each activation, a shape for each kind of input; hollow where the law declines."""
    for name, colour in LOOKS.items():
        for shape, data in enumerate(INPUTS):
            for known in (True, False):
                few = (rows.net == name) & (rows.data == data) & (np.isfinite(rows.predicted_err) == known)
                look = {"color": style.COLOURS[colour], "markeredgewidth": 0.8, "elinewidth": 0.7, "zorder": 3}
                face = style.COLOURS[colour] if known else "white"
                axes.errorbar(x[few], y[few], err[few], fmt=style.MARKERS[shape], markerfacecolor=face, **look)


def _sizes(axes: Axes, frame: pd.DataFrame) -> None:
    """Measured against predicted sizes."""
    seen = np.exp(frame.measured)
    ends = np.array([seen.min() / 1.5, seen.max() * 1.5])
    axes.plot(ends, ends, color="0.25", linewidth=0.8, zorder=1)
    _mark(axes, np.exp(frame.predicted), seen, seen * frame.measured_err, frame)
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title="all")
    axes.set(
        xlabel=r"predicted $|\partial\mathcal{L}/\partial W_1|$",
        ylabel=r"measured $|\partial\mathcal{L}/\partial W_1|$",
    )


def _places(frame: pd.DataFrame) -> pd.Series:
    """Where each ensemble stands from left to right: by loss, activation, input and predicted size."""
    places = pd.Series(0.0, frame.index)
    for number, loss in enumerate(LOSSES):
        for index, name in enumerate(LOOKS):
            rows = frame[(frame.loss == loss) & (frame.net == name)].sort_values(["data", "predicted"])
            beside = np.linspace(-HALF, HALF, len(rows)) if len(rows) > 1 else np.zeros(len(rows))
            places[rows.index] = APART * number + index + beside
    return places


def _ratios(axes: Axes, frame: pd.DataFrame) -> None:
    """Measured over predicted sizes, by loss and activation; bars are the law's errors where it gives them, else measured ones."""
    ratio = np.exp(frame.measured - frame.predicted)
    known = np.isfinite(frame.predicted_err)
    err = ratio * frame.predicted_err.where(known, frame.measured_err)
    axes.axhline(1, color="0.25", linewidth=0.8, zorder=1)
    axes.axvline((APART + len(LOOKS) - 1) / 2, color="0.8", linewidth=0.6, zorder=0)
    _mark(axes, _places(frame), ratio, err, frame)
    ticks = [(APART * number + index, name) for number in range(len(LOSSES)) for index, name in enumerate(LOOKS)]
    axes.set_xticks([place for place, _ in ticks], [style.shown(name) for _, name in ticks])
    axes.tick_params(axis="x", length=0)
    axes.set(yscale="log", ylim=(0.54, 1.32), ylabel="measured / law", title="by loss and activation")
    axes.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axes.minorticks_off()
    for number, loss in enumerate(LOSSES.values()):
        place = APART * number + (len(LOOKS) - 1) / 2
        axes.text(place, 1.0, loss, ha="center", va="top", fontsize=7.5, transform=axes.get_xaxis_transform())


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    figure, (sizes, ratios) = style.canvas(1, 2, gridspec_kw={"width_ratios": [1, 2.6]}, height=2.0, width=style.PAGE)
    _sizes(sizes, frame)
    _ratios(ratios, frame)
    look = {"color": "0.3", "linestyle": "none"}
    handles = {name: Line2D([], [], marker=style.MARKERS[shape], **look) for shape, name in enumerate(INPUTS.values())}
    hollow = {"markerfacecolor": "white", "markeredgewidth": 0.8} | look
    handles["the law declines"] = Line2D([], [], marker=style.MARKERS[0], **hollow)
    handles["measured = law"] = Line2D([], [], color="0.25", linewidth=0.8)
    handles |= {
        style.shown(name): Line2D([], [], color=style.COLOURS[colour], linewidth=4) for name, colour in LOOKS.items()
    }
    look = {"handlelength": 1.2, "columnspacing": 1.6}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=7, **look)
    return figure
