"""Transformer blocks: the gradient of the stream and of each group of matrices against depth, by law and in networks, and their ratio."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("attention",)
SEEN = (
    "Lines of the law run through the markers of networks, for the stream and for the matrices of attention and of the perceptron; at logits of scale one "
    "the largest deviation is four per cent, and gradients of pre-norm matrices lie about two per cent above the law."
)
"""What one sees."""
MIDDLE = 1.0
"""The scale of the logits that is shown."""
GROUPS = {
    "log_grad": "stream",
    "query": "$W_q$ (and $W_k$)",
    "value": "$W_v$ (and $W_o$)",
    "mlp_out": r"$W_{\mathrm{p}}$ (and $W_1$)",
}
"""Gradients that are shown against depth: the stream's, and those of matrices, with those that have the same."""
NAMES = {
    "log_grad": "stream",
    "query": "$W_q$",
    "key": "$W_k$",
    "value": "$W_v$",
    "output": "$W_o$",
    "mlp_in": "$W_1$",
    "mlp_out": r"$W_{\mathrm{p}}$",
}
"""All gradients, in the order in which their distances from the law stand."""
COLOURS = {"log_grad": 0, "query": 3, "key": 3, "value": 4, "output": 4, "mlp_in": 2, "mlp_out": 2}
MARKS = {"log_grad": 0, "query": 3, "key": 3, "value": 4, "output": 4, "mlp_in": 5, "mlp_out": 5}
BESIDE = 0.18
"""Markers of different gradients stand so much apart, in blocks."""
RANGE = (-7, 9)
"""Per cent shown."""


def _look(column: str) -> dict[str, object]:
    look = {"color": style.COLOURS[COLOURS[column]], "fmt": style.MARKERS[MARKS[column]], "zorder": 3}
    return look | {"markerfacecolor": "white", "markeredgewidth": 0.8, "elinewidth": 0.5, "capsize": 0}


def _sizes(axes: Axes, rows: pd.DataFrame) -> None:
    """Gradients against depth: the law's lines and the networks' markers."""
    for column, name in GROUPS.items():
        law, seen, err = (rows[f"{column}{end}"] / style.DECADE for end in ("", "_hat", "_hat_err"))
        axes.plot(rows.block, law, color=style.COLOURS[COLOURS[column]], zorder=2)
        axes.errorbar(rows.block, seen, yerr=err, label=name, **_look(column))
    axes.set(xlabel="block", xticks=range(2, int(rows.block.max()) + 1, 2), ylim=(-2.05, 0.6))


def _off(axes: Axes, rows: pd.DataFrame) -> None:
    """Distance of every gradient from the law in per cent, with the mean of all matrices."""
    axes.axhline(0, color="0.25", linewidth=0.8, zorder=1)
    for end in (-4, 4):
        axes.axhline(end, color="0.7", linewidth=0.6, dashes=style.DASHES[1], zorder=0)
    for place, column in enumerate(GROUPS):
        free = (rows[column] != 0).to_numpy()  # all else is relative to this, so that it is 0 by construction
        ratio = np.exp(rows[f"{column}_hat"] - rows[column])[free]
        x = rows.block[free] + BESIDE * (place - (len(GROUPS) - 1) / 2)
        axes.errorbar(x, 100 * (ratio - 1), 100 * ratio * rows[f"{column}_hat_err"][free], **_look(column))
    told = f"mean of all matrices: {_mean_off(rows):+.1f} %"
    axes.text(0.02, 0.98, told, va="top", fontsize=7.5, transform=axes.transAxes)
    axes.set(xlabel="block", xticks=range(1, int(rows.block.max()) + 1), ylim=RANGE, yticks=(-4, 0, 4))


def _mean_off(rows: pd.DataFrame) -> float:
    """By how many per cent the gradients of matrices exceed the law, on average over blocks and matrices."""
    shown = [name for name in NAMES if name in rows and name != "log_grad"]
    ratios = np.concatenate([np.exp(rows[f"{name}_hat"] - rows[name])[rows[name] != 0] for name in shown])
    return float(100 * (ratios.mean() - 1))


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["attention"].sort_values("block")
    frame = frame[frame.sigma_qk == MIDDLE]
    places = sorted(frame.place.unique(), reverse=True)
    widths = [1] * len(places) + [1.55] * len(places)
    size = {"height": 1.9, "width": style.PAGE, "gridspec_kw": {"width_ratios": widths}}
    figure, panels = style.canvas(1, 2 * len(places), **size)
    for index, place in enumerate(places):
        rows, left, right = frame[frame.place == place], panels[index], panels[len(places) + index]
        _sizes(left, rows)
        _off(right, rows)
        left.set_title(f"{place}-norm")
        right.set_title(f"{place}-norm, measured over law")
        for axes in (left, right):
            axes.tick_params(labelleft=not index)
    panels[0].set_ylabel(r"$\log_{10}$ of the gradient")
    panels[len(places)].set_ylabel("excess (%)")
    panels[0].plot([], [], color="0.3", label="law")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, columnspacing=1.6)
    return figure
