"""Gradients through deep convolutional networks: delta-orthogonal and Gaussian kernels over depth, and positions near a border of zeros."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("convolution",)
SEEN = (
    "Delta-orthogonal kernels keep the gradient of linear and tanh networks flat over ten thousand layers, and ReLU "
    "falls; Gaussian kernels lose it; near a border of zeros Gaussian kernels lose most."
)
"""What one sees."""
NAMES = {"linear": "linear", "relu": "ReLU", "tanh": "tanh"}


def _profiles(axes: Axes, rows: pd.DataFrame, alike: bool) -> None:
    """Over depth: the law of positions that are all alike with its spread, or the range between the two dense laws; and networks."""
    decade = style.DECADE
    for index, (name, label) in enumerate(NAMES.items()):
        net = rows[rows.net == name].sort_values("layer")
        if net.empty:
            continue
        colour = style.COLOURS[index]
        below = net.layer.max() - net.layer
        axes.plot(below, net.low / decade, color=colour, dashes=style.DASHES[index], zorder=2)
        if alike:
            low, high = net.low - net.low_std, net.low + net.low_std
        else:
            low, high = net.low, net.high
            axes.plot(below, high / decade, color=colour, dashes=style.DASHES[index], linewidth=0.7, zorder=2)
        axes.fill_between(below, low / decade, high / decade, color=colour, alpha=0.2, linewidth=0, zorder=1)
        style.measured(axes, below, net.log_grad_hat / decade, net.log_grad_hat_std / decade, index, label)
    axes.set_xlabel("layers below the top")
    axes.axhline(0, color="0.8", linewidth=0.6, zorder=0)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["convolution"]
    figure, axes = style.canvas(2, 2, height=4.2, width=style.PAGE)
    line = frame[frame.field == "line"]
    titles = {
        "delta": "Delta-orthogonal, zero padding",
        "gaussian": "Gaussian, circular padding",
        "gaussian, zero padding": "Gaussian, zero padding",
    }
    for axis, (kernel, title) in zip(axes.ravel(), titles.items(), strict=False):
        rows = line[line.kernel == kernel]
        _profiles(axis, rows, kernel == "delta")
        axis.set_title(f"{title}, line of 16")
    for axis in axes[:, 0]:
        axis.set_ylabel(r"$\log_{10}\, |g_l| / |g_L|$")
    axes[1, 0].legend(loc="lower left")
    border = axes[1, 1]
    for index, (kernel, label) in enumerate((("gaussian, zero padding", "Gaussian"), ("delta", "delta-orthogonal"))):
        rows = line[(line.kernel == kernel) & (line.net == "tanh")].sort_values("position")
        style.theory(border, rows.position, rows.share, None, index)
        style.measured(border, rows.position, rows.share_hat, rows.share_hat_err, index, label)
    border.set(xlabel="position", ylabel="squared gradient / mean", ylim=(0, None))
    border.set_title("Positions, 40 layers down (tanh, zero padding)")
    border.legend(loc="lower center")
    return figure
