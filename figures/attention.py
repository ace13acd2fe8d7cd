"""Transformer blocks: the stream's gradient, and each group of matrices', against depth; law and networks, and their ratio."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("attention",)
SEEN = (
    "Lines of the law run through the markers of networks, for the stream and for all groups of matrices; ratios lie within four "
    "per cent of one, but for the largest logits in post-norm blocks, where the law is an eighth too large."
)
"""What one sees."""
SCALES = (0.1, 1.0, 2.0)
"""Scales of the logits that are shown, of those that were run."""
MIDDLE = 1.0
"""The scale at which matrices are shown."""
GROUPS = {"query": "$W_q$ (and $W_k$)", "value": "$W_v$ (and $W_o$)", "mlp_out": "$W_2$"}
"""Matrices that are shown, with those that have the same gradient."""
FIRST = 3
"""Matrices have colours of their own, from this one on."""


def _pair(panels: tuple[Axes, Axes], rows: pd.DataFrame, column: str, index: int, label: str) -> None:
    """A law with its markers above, and below how far these lie from it in per cent."""
    law, seen, err = (rows[f"{column}{end}"] for end in ("", "_hat", "_hat_err"))
    panels[0].plot(rows.block, law / style.DECADE, color=style.COLOURS[index], zorder=2)
    style.measured(panels[0], rows.block, seen / style.DECADE, err / style.DECADE, index, label)
    ratio, beside = np.exp(seen - law), 0.2 * (index % FIRST - 1)
    free = law != 0  # all else is relative to this, so that it is 0 by construction
    style.measured(panels[1], (rows.block + beside)[free], 100 * (ratio - 1)[free], 100 * (ratio * err)[free], index)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["attention"].sort_values("block")
    places = sorted(frame.place.unique(), reverse=True)
    size = {"height": 3.1, "width": style.PAGE, "squeeze": False, "gridspec_kw": {"height_ratios": [1.45, 1]}}
    figure, axes = style.canvas(2, 2 * len(places), sharex=True, sharey="row", **size)
    scales = [scale for scale in SCALES if (frame.sigma_qk == scale).any()]
    for column, place in enumerate(places):
        rows = frame[frame.place == place]
        stream, matrix = axes[:, column], axes[:, len(places) + column]
        for index, scale in enumerate(scales):
            _pair(tuple(stream), rows[rows.sigma_qk == scale], "log_grad", index, rf"$\sigma_{{qk}}={scale:g}$")
        for index, (group, name) in enumerate(GROUPS.items()):
            _pair(tuple(matrix), rows[rows.sigma_qk == MIDDLE], group, FIRST + index, name)
        stream[0].set_title(f"{place}-norm, stream")
        matrix[0].set_title(f"{place}-norm, matrices")
        for panel in (stream, matrix):
            panel[1].set_title("residual")
    for axis in axes[1]:
        axis.axhline(0, color="0.25", linewidth=0.8, zorder=1)
        axis.set(xlabel="block", xticks=range(2, int(frame.block.max()) + 1, 2), ylim=(-16, 9))
    axes[0][0].set_ylabel(r"$\log_{10}$ of the gradient")
    axes[1][0].set_ylabel("measured over\npredicted, less 1 (%)")
    for axis in axes[0]:
        axis.tick_params(labelbottom=False)
    axes[0][0].plot([], [], color="0.3", label="law")
    for panel, side, columns in ((axes[0][0], "left", 4), (axes[0][len(places)], "right", 4)):
        look = {"ncols": columns, "columnspacing": 1.2, "handletextpad": 0.6, "handlelength": 1.6, "borderaxespad": 0.6}
        figure.legend(*panel.get_legend_handles_labels(), loc=f"outside lower {side}", **look)
    return figure
