"""Sigmoid networks: the textbook bound, the mean-field factor and the measured factor per layer against the weight scale."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("sigmoid_bound",)
SEEN = (
    "The bound's line lies a factor of two to four above the mean-field line, on which the measured markers lie; "
    "gradients fall by hundreds of decades over a thousand layers."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["sigmoid_bound"]
    cells = frame.drop_duplicates("cell").sort_values("sigma_w")
    figure, (left, right) = style.canvas(1, 2, height=2.5, gridspec_kw={"width_ratios": [1.1, 1]})
    bound, field, hat = (np.exp(cells[name]) for name in ("bound_rate", "mean_field_rate", "measured"))
    style.theory(left, cells.sigma_w, bound, None, 1, r"bound $\frac{1}{4}\,\|W\|$, width $\to\infty$")
    bound_hat = np.exp(cells.bound_rate_hat)
    style.measured(left, cells.sigma_w, bound_hat, bound_hat * cells.bound_rate_hat_err, 1, "bound, drawn weights")
    style.theory(left, cells.sigma_w, field, None, 0, r"mean field $\sqrt{\chi_1}$")
    style.measured(left, cells.sigma_w, hat, hat * cells.measured_err, 0, "measured")
    left.axhline(0.25, color="0.5", linewidth=0.7, linestyle=":")
    left.axhline(1, color="0.75", linewidth=0.6)
    left.set(xscale="log", yscale="log", xlabel=r"$\sigma_w$", ylabel="factor per layer", xticks=list(cells.sigma_w))
    left.set_xticks(list(cells.sigma_w), [f"{value:g}" for value in cells.sigma_w])
    left.set_xticks([], minor=True)
    left.set_yticks([0.1, 0.25, 0.5, 1, 2, 4], ["0.1", "0.25", "0.5", "1", "2", "4"])
    left.set_yticks([], minor=True)
    for index, (sigma_w, rows) in enumerate(frame.groupby("sigma_w"), start=2):
        rows = rows.sort_values("layer")
        mean, spread, value, err = (rows["log_grad" + part] / style.DECADE for part in ("", "_std", "_hat", "_hat_err"))
        style.theory(right, rows.layer, mean, spread, index)
        style.measured(right, rows.layer.iloc[::8], value.iloc[::8], err.iloc[::8], index)
        slope = rf"$\sigma_w={sigma_w:g}$"
        right.annotate(
            slope, (1, mean.iloc[0]), xytext=(-4, 0), textcoords="offset points", ha="right", va="center", fontsize=7
        )
    right.set(xlabel="layer $l$", ylabel=r"$\log_{10}\,|g_l|\,/\,|g_L|$")
    right.set_xlim(left=-0.8 * frame.layer.max())
    right.set_xticks([1, frame.layer.max()])
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
