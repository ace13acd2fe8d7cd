"""Gradients of weights over those of biases, layer by layer; and both in a network whose gradient vanishes."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style

SOURCES = ("biases",)
SEEN = (
    "Weights have the larger gradients at every layer, by a ratio that settles for tanh and sigmoid; both gradients "
    "of a sigmoid network vanish along parallel lines."
)
"""What one sees."""
EVERY = 3
"""Markers drawn, one in so many layers."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["biases"]
    names = list(dict.fromkeys(frame.net))
    figure, (ratio, both) = style.canvas(2, 1, height=3.6, sharex=True)
    for index, name in enumerate(names):
        rows = frame[frame.net == name].sort_values("layer")
        few = rows.iloc[::-EVERY]
        style.theory(ratio, rows.layer, rows.log_ratio, rows.log_ratio_std, index)
        style.measured(ratio, few.layer, few.log_ratio_hat, few.log_ratio_hat_err, index, style.shown(name))
    rows = frame[frame.net == names[-1 if "sigmoid" not in names else names.index("sigmoid")]].sort_values("layer")
    mean, few = rows.log_bias / style.DECADE, rows.iloc[::-EVERY]
    for index, (kind, law) in enumerate((("bias", mean), ("weight", mean + rows.log_ratio / style.DECADE)), start=4):
        value, err = few[f"log_{kind}_hat"] / style.DECADE, few[f"log_{kind}_hat_err"] / style.DECADE
        style.theory(both, rows.layer, law, None, index)
        style.measured(both, few.layer, value, err, index, f"{style.shown(rows.net.iloc[0])}, {kind}")
    ratio.set(ylabel=r"$\ln\,|\partial E/\partial W_l|\,/\,|\partial E/\partial b_l|$")
    both.set(xlabel="layer $l$", ylabel=r"$\log_{10}$ of the gradient's norm")
    both.xaxis.set_major_locator(MaxNLocator(integer=True))
    both.legend(loc="upper left")
    figure.legend(*ratio.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
