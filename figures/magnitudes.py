"""Shares of depth, units and minibatches in the variance of log|g|: at the start, and what optimisers leave."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("magnitudes",)
SEEN = (
    "Minibatches make nearly all of the variance in tanh networks, depth that of sigmoid networks, and of deep tanh networks "
    "above the edge. What RMSProp and Adam leave lies at the minibatches' share, but for Adam in ReLU networks, which leaves nine times as much as SGD."
)
"""What one sees."""
PARTS = {"layers": "layers (depth)", "entries": "entries (units)", "draws": "minibatches"}
NETS = ("tanh critical", "tanh above", "relu critical", "sigmoid")
SHOWN = ("tanh critical", "relu critical", "sigmoid")
"""Networks whose updates are shown."""
DECLINED = ("relu critical", "Adam")
"""For them the law of momentum declines."""
RULES = ("SGD", "RMSProp", "Adam")
"""Rules that leave a variance; sign updates leave none."""
HALF = 0.24
"""Half of the length of a predicted stroke."""


def _pair(axes: Axes, x: float, law: float, seen: tuple[float, float], index: int) -> None:
    """What is predicted as a stroke, what is measured as a marker on it."""
    axes.plot([x - HALF, x + HALF], [law, law], color=style.COLOURS[index], linewidth=1.6, zorder=2)
    style.measured(axes, x, *seen, index)


def _corrected(rows: pd.DataFrame, column: str, part: str) -> float:
    """A part of the variance, less what few minibatches seem to differ between entries by their own noise alone."""
    values = rows.set_index("part")[column]
    noise = values["draws"] / (rows.num_draws.iloc[0] - 1)
    return values[part] + {"layers": 0.0, "entries": -noise, "draws": noise}[part]


def _parts(axes: Axes, rows: pd.DataFrame) -> None:
    """Every part of the variance of one kind of network, by depth."""
    depths = sorted(rows.depth.unique())
    for place, depth in enumerate(depths):
        at = rows[rows.depth == depth]
        errs = at.set_index("part").share_hat_err
        for index, part in enumerate(PARTS):
            seen = (_corrected(at, "share_hat", part), errs[part])
            _pair(axes, place + 0.22 * (index - 1), _corrected(at, "share", part), seen, index)
    axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    axes.set(ylim=(-0.04, 1.08), yticks=np.arange(0, 1.1, 0.25), xlabel="layers")


def _rules(axes: Axes, rows: pd.DataFrame, net: str) -> None:
    """What every optimiser leaves of the whole variance of one kind of network, beside the part that minibatches had."""
    share = _corrected(rows[rows.rule == "SGD"], "share", "draws")
    axes.axhline(share, color=style.COLOURS[2], linewidth=1.1, dashes=style.DASHES[1], zorder=1)
    for place, rule in enumerate(RULES):
        chosen = rows[rows.rule == rule]
        seen = (chosen.share_hat.sum(), (chosen.share_hat_err**2).sum() ** 0.5)
        if (net, rule) == DECLINED:
            look = {"markerfacecolor": "white", "markeredgewidth": 0.8, "elinewidth": 0.8, "color": "0.45"}
            axes.errorbar(place, seen[0], yerr=seen[1], fmt=style.MARKERS[3], zorder=3, **look)
        else:
            _pair(axes, place, chosen.share.sum(), seen, 3)
    axes.set_xticks(range(len(RULES)), RULES, rotation=90)
    axes.set(xlim=(-0.6, len(RULES) - 0.4), yscale="log", ylim=(0.07, 14))
    axes.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])


def _explained(figure: Figure, axes: Axes) -> None:
    """Two lines below all panels that say what each mark is."""
    axes.plot([], [], color="0.3", linewidth=1.6, label="law")
    axes.plot([], [], color=style.COLOURS[2], linewidth=1.1, dashes=style.DASHES[1], label="law: share of minibatches")
    for index, name in enumerate((*PARTS.values(), "all parts, of updates")):
        style.measured(axes, [], [], [], index, name)
    look = {"markerfacecolor": "white", "markeredgewidth": 0.8, "linestyle": "none"}
    axes.plot([], [], style.MARKERS[3], color="0.45", label="the same, law declines", **look)
    by_label = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    lines, parts = ("law", "law: share of minibatches"), tuple(PARTS.values())
    names = (*lines, parts[0], "all parts, of updates", parts[1], "the same, law declines", parts[2])
    look = {"columnspacing": 1.6, "handletextpad": 0.5, "handlelength": 1.8}
    figure.legend([by_label[name] for name in names], names, loc="outside lower center", ncols=4, **look)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["magnitudes"]
    split, updates = frame[(frame.kind == "split") & (frame.batch == 32)], frame[frame.kind == "updates"]
    nets, shown = ([net for net in names if (split.net == net).any()] for names in (NETS, SHOWN))
    ratios = [1.0] * len(nets) + [0.85] * len(shown)
    size = {"height": 2.35, "width": style.PAGE, "squeeze": False, "gridspec_kw": {"width_ratios": ratios}}
    figure, axes = style.canvas(1, len(nets) + len(shown), **size)
    for axis, net in zip(axes[0], nets, strict=False):
        _parts(axis, split[split.net == net])
        axis.set(title=style.shown(net))
    for axis, net in zip(axes[0][len(nets) :], shown, strict=True):
        _rules(axis, updates[updates.net == net], net)
        axis.set(title=style.shown(net.split(" ")[0]))
    for k, axis in enumerate(axes[0]):
        if k not in (0, len(nets)):
            axis.tick_params(labelleft=False)
    axes[0][0].set_ylabel(r"share of Var $\ln|g|$")
    axes[0][len(nets)].set_ylabel("variance of updates\nover that of SGD's", labelpad=1)
    _explained(figure, axes[0][0])
    return figure
