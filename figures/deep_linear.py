"""Deep linear stacks: the gradient's size at every layer, for three kinds of weights and three scales."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("deep_linear",)
NAMES = {"identity": r"$k\,I$", "orthogonal": "$k$ × rotation", "gaussian": "Gaussian"}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["deep_linear"]
    figure, axes = style.canvas(1, 2, height=2.5, sharey=True)
    for axis, (label, title) in zip(
        axes, (("log_grad", "gradient, backward"), ("log_q", "signal, forward")), strict=True
    ):
        half = 1.0 if label == "log_grad" else 0.5
        for (k, weights), rows in frame.groupby(["k", "weights"]):
            index = list(NAMES).index(weights)
            rows = rows.sort_values("layer")
            mean, spread, hat, err = (
                half * rows[label + part] / style.DECADE for part in ("", "_std", "_hat", "_hat_err")
            )
            first = k == frame.k.max()
            style.theory(axis, rows.layer, mean, spread, index, NAMES[weights] if first else None)
            few = slice(index * 3, None, 12)
            style.measured(axis, rows.layer.iloc[few], hat.iloc[few], err.iloc[few], index)
            if weights == "identity":
                at = 0 if label == "log_grad" else -1
                below = mean.iloc[at] < 0
                axis.annotate(
                    f"$k={k:g}$", (rows.layer.iloc[at], mean.iloc[at]), textcoords="offset points",
                    xytext=(4 if at == 0 else -4, 14 if below else 6), ha="left" if at == 0 else "right", fontsize=6.3,
                )  # fmt: skip
        axis.set_xlabel("layer $l$")
        axis.set_title(title)
        axis.locator_params(axis="x", nbins=3)
    axes[0].set_ylabel(r"$\log_{10}$ of size, relative to start")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, high + 0.12 * (high - low))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure
