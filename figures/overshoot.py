"""One step of gradient descent along the top eigenvector: how large the gradient is, and the loss after over the loss before."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("overshoot",)
NAMES = {"linear": "linear", "relu": "ReLU"}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["overshoot"]
    figure, (size, ratio) = style.canvas(2, 1, height=3.9)
    for index, (rho, rows) in enumerate(frame[frame.kind == "fixed"].groupby("rho")):
        law = rows.drop_duplicates("steps").sort_values("steps")
        style.theory(size, law.steps, law.log_grad / style.DECADE, None, index, rf"$\lambda={rho:g}$")
        for offset, (_, hat) in enumerate(rows.groupby("activation")):
            style.measured(size, hat.steps, hat.log_grad_hat / style.DECADE, None, index + 3 * offset)
    size.set(xscale="log", xlabel="steps $T$", ylabel=r"$\log_{10}|\partial E/\partial W|$")
    size.set_xticks(sorted(frame.steps.unique()), [str(steps) for steps in sorted(frame.steps.unique())])
    size.minorticks_off()
    size.legend(loc="upper left")
    near = frame[(frame.kind == "relative") & (frame.rho == frame.rho.max())]
    for index, (steps, rows) in enumerate(near.groupby("steps")):
        for offset, (activation, hat) in enumerate(rows.groupby("activation")):
            hat = hat.sort_values("multiple")
            label = rf"$T={steps}$, {NAMES[activation]}"
            style.theory(ratio, hat.multiple, hat.log_ratio / style.DECADE, None, index + 3 * offset, label)
            style.measured(ratio, hat.multiple, hat.log_ratio_hat / style.DECADE, None, index + 3 * offset)
    ratio.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    ratio.axvline(1, color="0.8", linewidth=0.6, zorder=0)
    ratio.set(xlabel="learning rate over 2 / curvature", ylabel=r"$\log_{10}$ of loss after / before", ylim=(-3, 2.5))
    ratio.legend(loc="lower right", ncols=2)
    return figure
