"""Shares of depth, units and minibatches in the variance of log|g|: at the start, and what optimisers leave."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from figures import style

SOURCES = ("magnitudes",)
SEEN = (
    "Minibatches make nearly all of the variance in tanh networks, depth that of sigmoid networks, and of deep tanh networks above the edge. "
    "What RMSProp and Adam leave lies at the minibatches' share, but for Adam in ReLU networks, which leaves nine times as much as SGD."
)
"""What one sees."""
PARTS = {"layers": "layers", "entries": "entries", "draws": "minibatches"}
NETS = ("tanh critical", "tanh above", "relu critical", "sigmoid")
SHOWN = ("tanh critical", "tanh above", "relu critical", "sigmoid")
"""Networks whose updates are shown."""
NAMED = (("tanh critical", "draws", 0.55), ("relu critical", "entries", 0.25), ("sigmoid", "layers", 0.45))
"""Where the parts' names stand, in the panels where they are largest."""
RULES = ("RMSProp", "Adam")
"""Rules whose variance is shown: SGD's is what it is divided by, and sign updates leave none."""
GAP = 0.6
"""Between kinds of networks, in places of depths."""
PALE = 0.3
"""How strongly the parts between the law's lines are coloured."""
WIDE = 0.76
"""Width of the law's lines, in places of depths."""
LAW = {"color": "0.2", "linewidth": 1.3, "solid_capstyle": "butt", "zorder": 2}
BREAK, BEYOND = 1.2, 1.4
"""Where the axis is broken, and where what leaves more stands."""
TALL = 0.2
"""Half the height of the law's lines of updates, in places of networks."""
ASIDE = 0.21
"""How far RMSProp's marker stands above, and Adam's below, their network's line."""
HOLLOW = {"markerfacecolor": "white", "markeredgewidth": 0.8, "elinewidth": 0.8, "zorder": 3}


def _corrected(rows: pd.DataFrame, column: str, part: str) -> float:
    """A part of the variance, less what few minibatches seem to differ between entries by their own noise alone."""
    values = rows.set_index("part")[column]
    noise = values["draws"] / (rows.num_draws.iloc[0] - 1)
    return values[part] + {"layers": 0.0, "entries": -noise, "draws": noise}[part]


def _parts(axes: Axes, frame: pd.DataFrame, nets: list[str]) -> None:
    """Every part of the variance, by kind of network and depth: the law's lines between them, and where networks have theirs."""
    ticks = []
    for group, net in enumerate(nets):
        rows = frame[frame.net == net]
        depths = sorted(rows.depth.unique())
        first = group * (len(depths) + GAP)
        for index, depth in enumerate(depths):
            _bar(axes, rows[rows.depth == depth], first + index)
            ticks.append((first + index, str(depth)))
        axes.text(first + (len(depths) - 1) / 2, 1.07, style.shown(net), ha="center")
        for named, part, place in NAMED:
            if named == net:
                axes.text(first + (len(depths) - 1) / 2, place, PARTS[part], ha="center", va="center", fontsize=7.5)
    axes.set_xticks([place for place, _ in ticks], [label for _, label in ticks])
    axes.tick_params(axis="x", length=0)
    axes.set(ylim=(-0.03, 1.04), yticks=np.arange(0, 1.1, 0.25), xlabel="layers", ylabel=r"share of Var $\ln|e|$")


def _bar(axes: Axes, at: pd.DataFrame, place: float) -> None:
    """The parts of one network."""
    errs = at.set_index("part").share_hat_err
    law = seen = 0.0
    for index, part in enumerate(PARTS):
        share = _corrected(at, "share", part)
        axes.bar(place, share, bottom=law, width=WIDE, color=style.COLOURS[index], alpha=PALE, linewidth=0)
        law, seen = law + share, seen + _corrected(at, "share_hat", part)
        if part != "draws":  # the last top is one by construction
            axes.plot([place - WIDE / 2, place + WIDE / 2], [law, law], **LAW)
            err = errs["layers"] if part == "layers" else errs["draws"] * (1 + 1 / (at.num_draws.iloc[0] - 1))
            look = {"color": "0.1", "fmt": style.MARKERS[index]} | HOLLOW
            axes.errorbar(place + 0.18 * (2 * index - 1), seen, yerr=err, **look)


def _rules(axes: Axes, frame: pd.DataFrame, nets: list[str]) -> None:
    """What RMSProp and Adam leave of the variance of SGD's updates, one row for each kind of network, and the part that minibatches had."""
    beyond = 0.0
    for row, net in enumerate(nets):
        rows = frame[frame.net == net]
        share = _corrected(rows[rows.rule == "SGD"], "share", "draws")
        if row == 0:
            axes.text(0.03, row, "law: the minibatches' share", fontsize=7.5, va="center")
        axes.barh(row, share, height=2 * (ASIDE + TALL), color=style.COLOURS[2], alpha=PALE, linewidth=0, zorder=0)
        for index, rule in enumerate(RULES):
            chosen = rows[rows.rule == rule]
            height = row + ASIDE * (2 * index - 1)
            seen, err = chosen.share_hat.sum(), (chosen.share_hat_err**2).sum() ** 0.5
            look = {"color": style.COLOURS[3 + index], "fmt": style.MARKERS[3 + index]} | HOLLOW
            if seen < BREAK:
                axes.errorbar(seen, height, xerr=err, **look)
            else:
                axes.errorbar(BEYOND, height, **look)
                axes.plot(
                    [share, BEYOND], [height, height], color=look["color"], linewidth=0.6, dashes=(1, 2), zorder=1
                )
                axes.text(BEYOND, height + 0.46, "no law", fontsize=7.5, ha="center", va="center")
                beyond = seen
    axes.axvline(1, color="0.6", linewidth=0.8, zorder=0)
    axes.text(1.03, -0.35, "as SGD", fontsize=7.5, color="0.35", va="center")
    axes.set_yticks(range(len(nets)), [style.shown(net) for net in nets])
    axes.tick_params(axis="y", length=0)
    axes.set(
        xlim=(0, BEYOND + 0.2), ylim=(len(nets) - 0.3, -0.6), xlabel=r"variance of $\ln|$update$|$ over that of SGD"
    )
    ticks = [0, 0.25, 0.5, 0.75, 1] + ([BEYOND] if beyond else [])
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks[:5]] + ([f"{beyond:.1f}"] if beyond else []))
    broken = {"bbox": {"facecolor": "white", "linewidth": 0, "pad": 0.5}, "transform": axes.get_xaxis_transform()}
    axes.text(BREAK, 0, "//", ha="center", va="center", **broken)


def _explained(figure: Figure, axes: Axes) -> None:
    """Lines below all panels that say what each mark is."""
    shades = ("0.1", "0.1", *style.COLOURS[2:])
    mark = lambda index: axes.errorbar([], [], yerr=[], fmt=style.MARKERS[index], color=shades[index], **HOLLOW)
    entries = {"law (b)": Line2D([], [], **LAW)}
    for index, part in ((2, "minibatches' part, law"), (1, "entries'"), (0, "layers'")):
        entries[part] = Patch(color=style.COLOURS[index], alpha=PALE, linewidth=0)
    entries |= {f"{rule}, measured": mark(3 + index) for index, rule in enumerate(RULES)}
    entries["boundaries, measured"] = (mark(0), mark(1))
    look = {"columnspacing": 1.4, "handletextpad": 0.4, "handlelength": 1.3}
    pairs = {tuple: HandlerTuple(ndivide=None, pad=0.6)}
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=7, handler_map=pairs, **look)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["magnitudes"]
    split, updates = frame[(frame.kind == "split") & (frame.batch == 32)], frame[frame.kind == "updates"]
    nets = [net for net in NETS if (split.net == net).any()]
    shown = [net for net in SHOWN if (updates.net == net).any()]
    size = {"height": 2.05, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1, 1.6]}}
    figure, (left, parts) = style.canvas(1, 2, **size)
    _rules(left, updates, shown)
    left.set_title("what optimisers leave, 8 layers\n")
    _parts(parts, split, nets)
    parts.set_title("parts of the gradient's variance\n")
    _explained(figure, parts)
    return figure
