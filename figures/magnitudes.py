"""Shares of depth, units and minibatches in the variance of log|g|: at the start, and what optimisers leave."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("magnitudes",)
SEEN = (
    "Minibatches make nearly all of the variance in tanh networks, depth that of sigmoid networks, and of deep tanh networks "
    "above the edge; RMSProp and Adam leave a tenth of the variance in sigmoid networks and nearly all of it in tanh networks."
)
"""What one sees."""
PARTS = {"layers": "layers (depth)", "entries": "entries (units)", "draws": "minibatches"}
NETS = ("tanh critical", "tanh above", "relu critical", "sigmoid")
SHOWN = ("tanh critical", "relu critical", "sigmoid")
"""Networks whose updates are shown."""
DECLINED = ("relu critical", "Adam")
"""For them the law of momentum declines."""
RULES = ("SGD", "RMSProp", "Adam", "sign")
HALF = 0.24
"""Half of the length of a predicted stroke."""


def _pair(axes: Axes, x: float, law: float, seen: tuple[float, float], index: int, label: str | None = None) -> None:
    """What is predicted as a stroke, what is measured as a marker on it."""
    axes.plot([x - HALF, x + HALF], [law, law], color=style.COLOURS[index], linewidth=1.6, zorder=2)
    style.measured(axes, x, *seen, index, label)


def _parts(axes: Axes, rows: pd.DataFrame) -> None:
    """Every part of the variance of one kind of network, by depth."""
    depths = sorted(rows.depth.unique())
    for index, (part, name) in enumerate(PARTS.items()):
        for place, depth in enumerate(depths):
            row = rows[(rows.part == part) & (rows.depth == depth)].iloc[0]
            seen = (row.share_hat, row.share_hat_err)
            _pair(axes, place + 0.22 * (index - 1), row.share, seen, index, None if place else name)
    axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])


def _rules(axes: Axes, rows: pd.DataFrame, net: str) -> None:
    """What every optimiser leaves of the whole variance of one kind of network."""
    for place, rule in enumerate(RULES):
        chosen = rows[rows.rule == rule]
        if (net, rule) == DECLINED:
            told = f"no law;\nmeasured {chosen.share_hat.sum():.1f}"
            axes.text(place, 0.05, told, ha="center", va="bottom", rotation=90, fontsize=7)
        else:
            seen = (chosen.share_hat.sum(), (chosen.share_hat_err**2).sum() ** 0.5)
            _pair(axes, place, chosen.share.sum(), seen, 3)
    axes.set_xticks(range(len(RULES)), RULES, rotation=90)
    axes.set(xlim=(-0.6, len(RULES) - 0.4))


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["magnitudes"]
    split, updates = frame[(frame.kind == "split") & (frame.batch == 32)], frame[frame.kind == "updates"]
    nets, shown = ([net for net in names if (split.net == net).any()] for names in (NETS, SHOWN))
    size = {"height": 2.35, "width": style.PAGE, "squeeze": False, "sharey": True}
    figure, axes = style.canvas(1, len(nets) + len(shown), **size)
    for axis, net in zip(axes[0], nets, strict=False):
        _parts(axis, split[split.net == net])
        axis.set(title=style.shown(net), xlabel="layers")
    for axis, net in zip(axes[0][len(nets) :], shown, strict=True):
        _rules(axis, updates[updates.net == net], net)
        axis.set(title=style.shown(net))
    for axis in axes[0]:
        axis.set(ylim=(-0.04, 1.08), yticks=np.arange(0, 1.1, 0.25))
    axes[0][0].set_ylabel(r"share of Var $\ln|g|$")
    axes[0][len(nets)].set_ylabel("variance left, over SGD's")
    first = axes[0][0]
    style.measured(first, [], [], [], 3, "all parts, of updates")
    first.plot([], [], color="0.3", linewidth=1.6, label="law")
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure
