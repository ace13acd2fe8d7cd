"""Gradients over depth, which follow a line, and over one step of training, which may jump."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("cliffs",)
SEEN = (
    "Over depth the gradient changes along straight lines; over one step its factor stays near one for random "
    "directions and shoots up for aligned ones."
)
"""What one sees."""
COLUMNS = ("change", "change_std", "change_hat", "change_hat_err")


def _depth(axes: Axes, frame: pd.DataFrame) -> None:
    """The gradient, layer by layer."""
    for index, (kind, rows) in enumerate(frame[frame.kind.str.startswith("depth")].groupby("kind", sort=False)):
        law, std, value, err = (rows[column] / style.DECADE for column in COLUMNS)
        style.theory(axes, rows.x, law, std, index)
        style.measured(axes, rows.x, value, err, index, kind.split(", ")[1])
    axes.set(xlabel="layers passed", ylabel=r"$\log_{10}$ of the gradient's norm", title="over depth: gradual")
    axes.legend(loc="upper left")


def _steps(axes: Axes, frame: pd.DataFrame) -> None:
    """The factor of one step, against depth times its relative size."""
    rows = frame[frame.kind.str.startswith("step")]
    for index, ((kind, matrices), one) in enumerate(rows.groupby(["kind", "matrices"], sort=False)):
        one = one.sort_values("x")
        place = int(index % 3) + 2
        axes.plot(
            one.x, one.change / style.DECADE, color=style.COLOURS[place], linestyle="-" if "aligned" in kind else "--"
        )
        label = f"{int(matrices)} matrices, {kind.split(', ')[1]}"
        fill = style.COLOURS[place] if "aligned" in kind else "white"
        value, err = one.change_hat / style.DECADE, one.change_hat_err / style.DECADE
        axes.errorbar(
            one.x, value, yerr=err, fmt=style.MARKERS[place], color=style.COLOURS[place], mfc=fill, label=label
        )
    axes.set(
        xscale="log",
        xlabel=r"layers $\times$ size of the step over the weights",
        ylabel=r"$\log_{10}$ of the gradient's factor",
        title="over one step: sudden if aligned",
    )
    axes.legend(loc="upper left")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["cliffs"]
    figure, (depth, steps) = style.canvas(2, 1, height=4.0)
    _depth(depth, frame)
    _steps(steps, frame)
    return figure
