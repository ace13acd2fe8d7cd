"""Residual chains: growth of the gradient from the top down, by scale of the branch and by place of the norm; the stretched exponential of tanh."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("skips",)
SEEN = (
    "Plain residual chains grow by hundreds of powers of ten, scaled or pre-normed ones hardly at all; tanh grows "
    "as a straight line in the root of the depth."
)
"""What one sees."""
PANELS = {
    "no norm": ("relu", "linear", "tanh", "relu, 1/sqrt(L)", "relu, 1/L"),
    "layer norm, or $\\alpha = L^{-1/2}$": (
        "relu, pre-norm",
        "tanh, pre-norm",
        "relu, post-norm",
        "tanh, post-norm",
        "tanh, 1/sqrt(L)",
    ),
}
LONG = "tanh, long"


def _profiles(axes: Axes, frame: pd.DataFrame, names: tuple[str, ...]) -> None:
    """Decades above the top against blocks below it."""
    for index, name in enumerate(name for name in names if (frame.chain == name).any()):
        rows = frame[frame.chain == name].sort_values("layer")
        below, decade = rows.layer.max() - rows.layer, style.DECADE
        style.theory(axes, below, rows.log_grad / decade, rows.log_grad_std / decade, index)
        few = slice(None, None, max(1, len(rows) // 8))
        seen, err = rows.log_grad_hat[few] / decade, rows.log_grad_hat_err[few] / decade
        label = style.shown(name).replace("1/sqrt(L)", "$L^{-1/2}$").replace("1/L", "$L^{-1}$")
        style.measured(axes, below[few], seen, err, index, label)
    axes.set_xlabel("blocks below the top")
    style.below(axes)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["skips"]
    figure, axes = style.canvas(1, 3, height=2.75, width=style.PAGE)
    for axis, (title, names) in zip(axes, PANELS.items(), strict=False):
        _profiles(axis, frame, names)
        axis.set_title(title)
    axes[0].set_yscale("symlog", linthresh=1)
    axes[0].set_ylim(-0.5, 400)
    axes[0].set_yticks([0, 1, 10, 100])
    axes[0].minorticks_off()
    axes[0].set_ylabel(r"$\log_{10}(|g_l|\,/\,|g_L|)$")
    _stretched(axes[2], frame[frame.chain == LONG].sort_values("layer"))
    return figure


def _stretched(axes: Axes, rows: pd.DataFrame) -> None:
    """Growth above a block against the roots of the blocks: a straight line in the limit."""
    first = rows.iloc[0]
    root = np.sqrt(rows.layer)
    grown = lambda label: 2 * (rows[label].iloc[0] - rows[label])
    style.theory(axes, root, grown("log_grad"), index=0, label="law")
    few = slice(3, None, max(1, len(rows) // 10))
    err = 2 * np.sqrt((first.log_grad_hat_err**2 - rows.log_grad_hat_err**2).clip(lower=0))
    style.measured(
        axes, root[few], grown("log_grad_hat")[few], err[few], 1, f"networks, {int(first.long_width):,} units"
    )
    axes.plot(
        root,
        first.coefficient * root,
        color="0.5",
        linewidth=0.8,
        dashes=(1, 1),
        label=r"limit, $8\sigma_w/3\sqrt{2\pi}$",
    )
    axes.set(xlabel=r"$\sqrt{l}$", ylabel=r"$\ln(|g_1|^2\,/\,|g_l|^2)$", title="tanh, no norm")
    style.below(axes, 1)
