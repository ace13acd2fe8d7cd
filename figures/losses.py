"""Size of the first layer's gradient under a real loss, measured over predicted, on digits and on noise."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

from figures import style

SOURCES = ("losses",)
SEEN = (
    "Where the law gives an error (filled) the ratio of measured to predicted gradients is one within three predicted errors, for "
    "digits and noise alike; where it declines (shaded), for squared errors, most of ReLU and GELU lie below one, down to two thirds."
)
"""What one sees."""
TITLES = {"cross_entropy": "cross-entropy", "squared": "squared error"}
"""Losses."""
TICKS = (0.6, 0.8, 1.0, 1.2)
INPUTS = {"digits": "digits", "normal": "Gaussian inputs"}
DECLINED = "0.92"
"""Shade behind the markers for which the law gives no error."""
BESIDE = 0.22
"""Markers of one head stand so much apart."""
LOOKS = {"relu": 1, "tanh": 2, "gelu": 3}
"""Colours of activations, the same as in the other figures."""


def _panel(axes: Axes, rows: pd.DataFrame, heads: list[float], kinds: list[tuple[int, str]], colour: object) -> None:
    """One loss and activation: a group of markers for every scale of the head, within it one for every depth and input."""
    axes.axhline(1, color="0.25", linewidth=0.9, zorder=1)
    for place, (depth, data) in enumerate(kinds):
        few = rows[(rows.depth == depth) & (rows.data == data)]
        for row in few.itertuples():
            x, ratio = (
                heads.index(row.sigma_head) + BESIDE * (place - (len(kinds) - 1) / 2),
                np.exp(row.measured - row.predicted),
            )
            known = bool(np.isfinite(row.predicted_err))
            err = ratio * (row.predicted_err if known else row.measured_err)
            look = {"color": colour, "markerfacecolor": colour if known else "white", "elinewidth": 0.8, "zorder": 3}
            axes.errorbar(x, ratio, err, fmt=style.MARKERS[place], **look)
            if not known:
                axes.axvspan(x - BESIDE / 2, x + BESIDE / 2, color=DECLINED, linewidth=0, zorder=0)
    for head in range(1, len(heads)):
        axes.axvline(head - 0.5, color="0.8", linewidth=0.5, zorder=0)
    axes.set_xticks(range(len(heads)), [f"{head:g}" for head in heads])
    axes.set_xlim(-0.5, len(heads) - 0.5)


def _heading(first: Axes, last: Axes, said: str) -> None:
    """A loss's name above its panels, with a rule under it."""
    up = ScaledTranslation(0, 17 / 72, first.figure.dpi_scale_trans)
    line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0}
    ends = {"xycoords": first.transAxes + up, "textcoords": last.transAxes + up, "annotation_clip": False}
    first.annotate("", (0, 1), (1, 1), arrowprops=line, **ends)
    first.annotate(said, (0, 1), (0, 20), xycoords="axes fraction", textcoords="offset points", style="italic")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["losses"]
    nets, heads, depths = list(frame.net.unique()), sorted(frame.sigma_head.unique()), sorted(frame.depth.unique())
    kinds = [(depth, data) for depth in depths for data in INPUTS]
    shape = {"height": 2.0, "width": style.PAGE, "sharex": True, "sharey": True, "squeeze": False}
    figure, axes = style.canvas(1, len(TITLES) * len(nets), **shape)
    shown = [(loss, net) for loss in TITLES for net in nets]
    for axis, (loss, net) in zip(axes[0], shown, strict=True):
        few = frame[(frame.loss == loss) & (frame.net == net)]
        _panel(axis, few, heads, kinds, style.COLOURS[LOOKS[net]])
        axis.set(title=style.shown(net), xlabel=r"$\sigma_{\mathrm{head}}$")
    for place, said in enumerate(TITLES.values()):
        _heading(axes[0][place * len(nets)], axes[0][(place + 1) * len(nets) - 1], said)
    first = axes[0][0]
    first.set(yscale="log", ylim=(0.58, 1.28), ylabel="measured / predicted (log)")
    first.set_yticks(TICKS)
    first.yaxis.set_major_formatter("{x:g}")
    first.minorticks_off()
    for place, (depth, data) in enumerate(kinds):
        first.plot([], [], style.MARKERS[place], color="0.3", label=f"{depth} layers, {INPUTS[data]}")
    handles, labels = first.get_legend_handles_labels()
    look = {"loc": "outside lower center", "ncols": 5, "handletextpad": 0.4, "columnspacing": 1.6}
    shade = Patch(facecolor=DECLINED, linewidth=0)
    figure.legend([*handles, shade], [*labels, "hollow: no law"], **look)
    return figure
