"""Lyapunov exponents of tanh recurrences: the largest against the scale of the weights, and the spectrum."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("lyapunov",)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["lyapunov"]
    figure, (top, bottom) = style.canvas(2, 1, height=4.0)
    first = frame[frame["index"] == 1]
    for place, (noise, rows) in enumerate(first.groupby("sigma_in")):
        law = rows[rows.width == rows.width.max()].sort_values("sigma_w")
        style.theory(top, law.sigma_w, law.largest, None, place, f"theory, noise {noise:g}")
    for place, ((noise, width), rows) in enumerate(first.groupby(["sigma_in", "width"])):
        style.measured(
            top, rows.sigma_w, rows.largest_hat, rows.largest_hat_err, place + 2, f"{width:,} units, noise {noise:g}"
        )
    top.axhline(0, color="0.7", linewidth=0.6, zorder=0)
    top.set_xlabel(r"$\sigma_w$")
    top.set_ylabel(r"$\lambda_{\max}$ per step")
    top.legend(loc="lower right", ncols=2)
    many = frame[frame.groupby("cell").index.transform("max") > 1]
    for place, ((noise, width), rows) in enumerate(many.groupby(["sigma_in", "width"])):
        rows = rows.sort_values("index")
        style.theory(bottom, rows["index"] / width, rows.curve, None, place, None)
        some = rows.iloc[::8]
        label = f"{width:,} units, noise {noise:g}"
        style.measured(bottom, some["index"] / width, some.curve_hat, some.curve_hat_err, place, label)
    bottom.set_xlabel("share of exponents that are larger")
    bottom.set_ylabel(r"$\lambda_k$ per step")
    if len(many):
        bottom.set_title(rf"$\sigma_w={many.sigma_w.iloc[0]:g}$")
        bottom.legend()
    return figure
