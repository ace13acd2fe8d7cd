"""One step of gradient descent along the top eigenvector: how large the gradient is, and the loss after over the loss before."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("overshoot",)
SEEN = (
    "Gradients grow or fall as powers of the eigenvalue; the loss after a step has its least value near half of the "
    "largest stable rate and rises beyond."
)
"""What one sees."""
SIZES = {"linear": 5.5, "relu": 2.2}


def _both(axes: Axes, rows: pd.DataFrame, x: str, y: str, index: int) -> None:
    """Linear recurrences as large rings, ReLU as small dots within them."""
    for activation, hat in rows.groupby("activation"):
        look = {"markersize": SIZES[activation], "markeredgewidth": 0.8, "markerfacecolor": "none"}
        axes.plot(hat[x], hat[y] / style.DECADE, "o", color=style.COLOURS[index], **look)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["overshoot"]
    figure, (size, ratio) = style.canvas(2, 1, height=3.9)
    for index, (rho, rows) in enumerate(frame[frame.kind == "fixed"].groupby("rho")):
        law = rows.drop_duplicates("steps").sort_values("steps")
        style.theory(size, law.steps, law.log_grad / style.DECADE, None, index, rf"$\lambda={rho:g}$")
        _both(size, rows, "steps", "log_grad_hat", index)
    size.set(xscale="log", xlabel="steps $T$", ylabel=r"$\log_{10}|\partial E/\partial W|$")
    size.set_xticks(sorted(frame.steps.unique()), [str(steps) for steps in sorted(frame.steps.unique())])
    size.minorticks_off()
    size.legend(loc="upper left")
    near = frame[(frame.kind == "relative") & (frame.rho == frame.rho.max())]
    chosen = (near.steps.min(), near.steps.max())
    for index, (steps, rows) in enumerate(near[near.steps.isin(chosen)].groupby("steps")):
        law = rows.drop_duplicates("multiple").sort_values("multiple")
        style.theory(ratio, law.multiple, law.log_ratio / style.DECADE, None, index + 3, f"$T={steps}$")
        _both(ratio, rows, "multiple", "log_ratio_hat", index + 3)
    ratio.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    ratio.axvline(1, color="0.8", linewidth=0.6, zorder=0)
    ratio.set(xlabel="learning rate over 2 / curvature", ylabel=r"$\log_{10}$ of loss after / before", ylim=(-3, 2.5))
    ratio.legend(loc="lower right")
    return figure
