"""Lyapunov exponents of tanh recurrences: the largest against the scale of the weights, what a finite width takes off it, and the spectrum."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("lyapunov",)
SEEN = (
    "The largest exponent crosses zero at a scale of 1 without noise and later with it; finite widths lie slightly "
    "off; the spectra of 200 units lie on the curve of infinite width."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["lyapunov"]
    first = frame[frame["index"] == 1].sort_values("sigma_w")
    figure, (top, middle, bottom) = style.canvas(3, 1, height=5.4)
    _largest(top, first[first.width == first.width.max()])
    _off(middle, first[first.sigma_in == 0])
    _spectrum(bottom, frame[frame.groupby("cell")["index"].transform("max") > 1])
    return figure


def _largest(axis: Axes, first: pd.DataFrame) -> None:
    for index, (noise, rows) in enumerate(first.groupby("sigma_in")):
        style.theory(axis, rows.sigma_w, rows.largest, None, index, f"theory, noise {noise:g}")
        label = f"{rows.width.iloc[0]:,} units, noise {noise:g}"
        style.measured(axis, rows.sigma_w, rows.largest_hat, rows.largest_hat_err, index, label)
    axis.axhline(0, color="0.7", linewidth=0.6, zorder=0)
    axis.set_ylabel(r"$\lambda_{\max}$ per step")
    axis.legend(loc="lower right")


def _off(axis: Axes, alone: pd.DataFrame) -> None:
    for index, (width, rows) in enumerate(alone.groupby("width")):
        held = rows[rows.predicted_err < float("inf")]
        for part in (held[held.sigma_w < 1], held[held.sigma_w > 1]):
            style.theory(axis, part.sigma_w, part.finite - part.largest, None, index)
        style.measured(
            axis, rows.sigma_w, rows.largest_hat - rows.largest, rows.largest_hat_err, index, f"{width:,} units"
        )
    axis.axhline(0, color="0.7", linewidth=0.6, zorder=0)
    axis.set_xlabel(r"$\sigma_w$")
    axis.set_ylabel(r"$\lambda_{\max}$ less that of $N=\infty$")
    axis.legend(loc="upper right", title="no noise", title_fontsize=7.5)


def _spectrum(axis: Axes, many: pd.DataFrame) -> None:
    for index, ((noise, width), rows) in enumerate(many[many.width == many.width.min()].groupby(["sigma_in", "width"])):
        rows = rows.sort_values("index")
        style.theory(axis, rows["index"] / width, rows.curve, None, index, f"theory, noise {noise:g}")
        some = rows.iloc[::8]
        label = f"{width:,} units, noise {noise:g}"
        style.measured(axis, some["index"] / width, some.curve_hat, some.curve_hat_err, index, label)
        axis.set_title(rf"the spectrum at $\sigma_w={rows.sigma_w.iloc[0]:g}$")
    axis.set_xlabel("share of exponents that are larger")
    axis.set_ylabel(r"$\lambda_k$ per step")
    if len(many):
        axis.legend()
