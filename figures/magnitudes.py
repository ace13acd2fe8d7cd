"""Shares of depth, units and minibatches in the variance of log|g|: at the start, and what optimisers leave."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("magnitudes",)
SEEN = (
    "Minibatches fill nearly all of the bars of shallow tanh networks, depth those of sigmoid networks; RMSProp and "
    "Adam leave a tenth of the variance in sigmoid networks and nearly all of it in tanh networks."
)
"""What one sees."""
PARTS = {"layers": "layers (depth)", "entries": "entries (units)", "draws": "minibatches"}
NETS = ("tanh below", "tanh critical", "tanh above", "relu critical", "sigmoid")
SHOWN = ("tanh critical", "relu critical", "sigmoid")
"""Networks whose updates are shown."""
DECLINED = ("relu critical", "Adam")
"""For them the law of momentum declines."""
RULES = ("SGD", "RMSProp", "Adam", "sign")
WIDTH = 0.76
TALL = 1.1


def _bars(axes: Axes, place: float, rows: pd.DataFrame, label: bool) -> None:
    """Predicted parts as a stacked bar; a marker where two measured parts meet."""
    floor = {"share": 0.0, "share_hat": 0.0}
    for index, (part, name) in enumerate(PARTS.items()):
        row = rows[rows.part == part].iloc[0]
        look = {"color": style.COLOURS[index], "alpha": 0.6, "linewidth": 0}
        axes.bar(place, row.share, WIDTH, bottom=floor["share"], label=f"{name}, law" if label else None, **look)
        for column in floor:
            floor[column] += row[column]
        if part != "draws" and floor["share_hat"] < TALL:
            dot = {"color": "0.1", "markerfacecolor": "white", "markersize": 2.6, "markeredgewidth": 0.7}
            told = "measured" if label and index == 0 else None
            axes.errorbar(place, floor["share_hat"], row.share_hat_err, fmt="o", elinewidth=0.7, label=told, **dot)


def _depths(axes: Axes, frame: pd.DataFrame, batch: int) -> None:
    """Every network at every depth."""
    rows, places, names = frame[(frame.kind == "split") & (frame.batch == batch)], [], []
    place = 0.0
    for net in [net for net in NETS if (rows.net == net).any()]:
        depths = sorted(rows[rows.net == net].depth.unique())
        for depth in depths:
            _bars(axes, place, rows[(rows.net == net) & (rows.depth == depth)], label=not places)
            places.append(place)
            names.append(f"{depth}")
            place += 1
        middle = place - (len(depths) + 1) / 2
        axes.text(middle, 1.02, style.shown(net).replace(" ", "\n"), ha="center", va="bottom", fontsize=7)
        place += 0.9
    axes.set_xticks(places, names, fontsize=6.5, rotation=90)
    axes.set(xlabel="layers", ylabel=r"share of Var $\ln|g|$", ylim=(0, 1))


def _rules(axes: Axes, frame: pd.DataFrame) -> None:
    """What every optimiser leaves of the whole variance."""
    rows, places, names = frame[frame.kind == "updates"], [], []
    place = 0.0
    for net in [net for net in SHOWN if (rows.net == net).any()]:
        for rule in RULES:
            chosen = rows[(rows.net == net) & (rows.rule == rule)]
            places.append(place)
            names.append(rule)
            if (net, rule) == DECLINED:
                told = f"no law; measured {chosen.share_hat.sum():.1f}"
                axes.text(place, 0.05, told, ha="center", va="bottom", rotation=90, fontsize=7)
            else:
                axes.bar(place, chosen.share.sum(), WIDTH, color="0.75", linewidth=0)
                err = (chosen.share_hat_err**2).sum() ** 0.5
                style.measured(axes, place, chosen.share_hat.sum(), err, 0)
            place += 1
        middle = place - (len(RULES) + 1) / 2
        axes.text(middle, TALL + 0.02, style.shown(net).replace(" ", "\n"), ha="center", va="bottom", fontsize=7.5)
        place += 0.9
    axes.set_xticks(places, names, rotation=90)
    axes.set(ylabel="variance left, over SGD's", ylim=(0, TALL))


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    figure, axes = style.canvas(1, 2, height=2.7, width=2 * style.COLUMN, gridspec_kw={"width_ratios": [1.15, 1]})
    frame = frames["magnitudes"]
    _depths(axes[0], frame, 32)
    _rules(axes[1], frame)
    for letter, axis in zip("ab", axes, strict=True):
        axis.text(-0.02, 1.17, f"({letter})", transform=axis.transAxes)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
