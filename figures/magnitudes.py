"""Shares of depth, units and minibatches in the variance of log|g|: at the start, after optimisers, and in training."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("magnitudes", "magnitude_training")
SEEN = (
    "Minibatches fill nearly all of the bars of shallow tanh networks, depth those of sigmoid networks; RMSProp and "
    "Adam leave little of depth's part; in training the part of minibatches grows."
)
"""What one sees."""
PARTS = {"layers": "layers (depth)", "entries": "entries (units)", "draws": "minibatches"}
NETS = ("tanh below", "tanh critical", "tanh above", "relu critical", "sigmoid")
RULES = ("SGD", "RMSProp", "Adam", "sign")
WIDTH = 0.36
TALL = 1.2
"""Bars that are higher say how high."""


def _bars(axes: Axes, place: float, rows: pd.DataFrame, label: bool) -> None:
    """Predicted beside measured, stacked; an error bar where two measured parts meet."""
    floor = {"share": 0.0, "share_hat": 0.0}
    for index, (part, name) in enumerate(PARTS.items()):
        row = rows[rows.part == part].iloc[0]
        for side, column in ((-1, "share"), (1, "share_hat")):
            look = {"color": style.COLOURS[index], "alpha": 0.45 if side < 0 else 0.9, "linewidth": 0}
            text = f"{name}, {'predicted' if side < 0 else 'measured'}" if label else None
            axes.bar(place + side * WIDTH / 2, row[column], WIDTH, bottom=floor[column], label=text, **look)
            floor[column] += row[column]
        axes.errorbar(
            place + WIDTH / 2, floor["share_hat"], row.share_hat_err, color="0.15", elinewidth=0.8, fmt="none"
        )


def _depths(axes: Axes, frame: pd.DataFrame, batch: int) -> None:
    """Every network at every depth."""
    rows, places, names = frame[(frame.kind == "split") & (frame.batch == batch)], [], []
    place = 0.0
    for net in [net for net in NETS if (rows.net == net).any()]:
        depths = sorted(rows[rows.net == net].depth.unique())
        for depth in depths:
            _bars(axes, place, rows[(rows.net == net) & (rows.depth == depth)], label=not places and batch > 1)
            places.append(place)
            names.append(f"{depth}")
            place += 1
        axes.text(place - (len(depths) + 1) / 2, 1.02, net.replace(" ", "\n"), ha="center", va="bottom", fontsize=6.3)
        place += 0.9
    axes.set_xticks(places, names, fontsize=5)
    axes.set_title("single examples" if batch == 1 else f"minibatches of {batch}", pad=20)
    axes.set(xlabel="layers", ylabel=r"share of Var $\ln|g|$", ylim=(0, 1))


def _rules(axes: Axes, frame: pd.DataFrame) -> None:
    """What every optimiser leaves."""
    rows, places, names = frame[frame.kind == "updates"], [], []
    place = 0.0
    for net in [net for net in NETS if (rows.net == net).any()]:
        for rule in RULES:
            _bars(axes, place, rows[(rows.net == net) & (rows.rule == rule)], label=False)
            places.append(place)
            names.append(rule)
            whole = rows[(rows.net == net) & (rows.rule == rule)].share_hat.sum()
            if whole > TALL:
                axes.text(place + 0.45, TALL, f"{whole:.1f}", ha="left", va="top", fontsize=5.5)
            place += 1
        axes.text(
            place - (len(RULES) + 1) / 2, TALL + 0.02, net.replace(" ", "\n"), ha="center", va="bottom", fontsize=6.3
        )
        place += 0.9
    axes.set_xticks(places, names, rotation=90)
    axes.set_title("updates, 8 layers, minibatches of 32", pad=20)
    axes.set(ylabel="share of SGD's variance", ylim=(0, TALL))


def _training(axes: Axes, frame: pd.DataFrame) -> None:
    """Parts at every mark."""
    for line, rule in enumerate(("sgd", "adam")):
        rows = frame[frame.rule == rule].sort_values("update")
        for index, (part, name) in enumerate(PARTS.items()):
            look = {"color": style.COLOURS[index], "marker": style.MARKERS[line], "dashes": style.DASHES[line]}
            label = f"{name}, {'SGD' if rule == 'sgd' else 'Adam'}"
            axes.plot(rows["update"], rows[f"{part}_hat"], label=label, markerfacecolor="white", **look)
            axes.errorbar(
                rows["update"],
                rows[f"{part}_hat"],
                rows[f"{part}_hat_err"],
                color=style.COLOURS[index],
                fmt="none",
                elinewidth=0.8,
            )
    axes.set(xlabel="updates", ylabel=r"part of Var $\ln|g|$", ylim=(0, 5.4))
    axes.set_title("tanh learning digits", pad=20)
    axes.legend(loc="upper left", ncols=2, fontsize=5.5)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    figure, axes = style.canvas(2, 2, height=4.6, width=2 * style.COLUMN)
    frame = frames["magnitudes"]
    for axis, batch in zip(axes[0], (1, 32), strict=True):
        _depths(axis, frame, batch)
    _rules(axes[1][0], frame)
    _training(axes[1][1], frames["magnitude_training"])
    handles, labels = axes[0][1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
