"""Clipping: the layers' shares of a step, and who learns; batch norm against depth; weight decay's scale, predicted and measured."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("remedies",)
SEEN = (
    "Clipping by value or per layer levels the layers' shares and clipping by the whole norm does not; batch norm "
    "lets all deep sigmoid networks learn; decay shrinks the scales along the predicted curves."
)
"""What one sees."""
METHODS = {"none": "not clipped", "norm": "global norm", "value": "by value", "layer": "per layer"}


def _success(axes: Axes, x: object, rows: pd.DataFrame, index: int, label: str | None = None) -> None:
    """Shares with Wilson's interval."""
    err = np.maximum([rows.success - rows.success_low, rows.success_high - rows.success], 0)
    style.measured(axes, x, rows.success, err, index, label)


def _shares(axes: Axes, rows: pd.DataFrame) -> None:
    """Log-norm of each layer's part of a step over the last layer's: one regime."""
    for index, (how, label) in enumerate(METHODS.items()):
        each = rows[rows.how == how]
        if len(each):
            style.theory(axes, each.x, each.law / style.DECADE, index=index)
            some = each.iloc[:: max(1, len(each) // 12)]
            style.measured(axes, some.x, some.value / style.DECADE, some.value_err / style.DECADE, index, label)
    axes.set(
        xlabel="layer", ylabel=r"$\log_{10}$ of layer's over last layer's step", title="clipping: shares of a step"
    )
    style.below(axes, 4)


def _clipped(axes: Axes, cells: pd.DataFrame) -> None:
    """Success of each method, in each regime."""
    regimes = list(cells.groupby(["activation", "sigma_w", "depth"], sort=False).groups)
    for index, (how, label) in enumerate(METHODS.items()):
        each = cells[cells.how == how]
        places = [regimes.index((row.activation, row.sigma_w, row.depth)) for row in each.itertuples()]
        if len(each):
            _success(axes, np.array(places) + 0.17 * (index - 1.5), each, index, label)
    names = [f"{style.shown(name)}\n$\\sigma_w$ = {sigma_w:g}\ndepth {depth}" for name, sigma_w, depth in regimes]
    axes.set_xticks(range(len(regimes)), names)
    axes.set(ylim=(-0.05, 1.05), xlim=(-0.5, len(regimes) - 0.5), ylabel="share that learns", title="clipping: success")


def _normed(axes: Axes, cells: pd.DataFrame) -> None:
    """Success against depth, with and without batch norm."""
    for index, ((name, how), rows) in enumerate(cells.groupby(["activation", "how"], sort=False)):
        rows = rows.sort_values("depth")
        axes.plot(rows.depth, rows.success, color=style.COLOURS[index], linewidth=0.5, zorder=1)
        factors = (
            f"{np.exp(rows.log_factor_hat.iloc[-1]):.2f} per layer, predicted {np.exp(rows.log_factor.iloc[-1]):.2f}"
        )
        _success(
            axes,
            rows.depth,
            rows,
            index,
            f"{style.shown(name)}, {'batch norm' if how == 'batch' else 'no norm'} ({factors})",
        )
    axes.set(xscale="log", xlabel="depth", ylabel="share that learns", ylim=(-0.05, 1.05), title="batch norm and ReLU")
    depths = sorted(cells.depth.unique())
    axes.set_xticks(depths, [f"{depth}" for depth in depths])
    axes.set_yticks([0, 0.5, 1])
    axes.minorticks_off()
    style.below(axes, 1)


def _decayed(axes: Axes, frame: pd.DataFrame) -> None:
    """Scale of the weights against updates."""
    for index, ((sigma_w, how), rows) in enumerate(frame.groupby(["sigma_w", "how"], sort=False)):
        if float(how) == 0:
            continue
        label = rf"from {sigma_w:g}, decay {float(how):g}: {100 * rows.success.iloc[0]:.0f} % learn"
        style.theory(axes, rows.x, np.exp(rows.law), index=index)
        style.measured(axes, rows.x, np.exp(rows.value), np.exp(rows.value) * rows.value_err, index, label)
    axes.set(xlabel="updates", ylabel=r"$\sigma_w$ of the layers between", title="weight decay")
    axes.set_ylim(0, None)
    style.below(axes, 1)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["remedies"]
    clips, cells = frame[frame.remedy == "clip"], frame.drop_duplicates("case")
    figure, panels = style.canvas(2, 2, height=5.6, width=style.PAGE)
    _shares(panels[0, 0], clips[clips.depth == clips.depth.iloc[0]].query("activation == 'tanh' and sigma_w == 2.5"))
    _clipped(panels[0, 1], cells[cells.remedy == "clip"])
    if (cells.remedy == "norm").any():
        _normed(panels[1, 0], cells[cells.remedy == "norm"])
    if (cells.remedy == "decay").any():
        _decayed(panels[1, 1], frame[frame.remedy == "decay"])
    return figure
