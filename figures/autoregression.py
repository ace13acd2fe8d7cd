"""Vector autoregressions: gradients of single draws beside powers of their companion matrix; what many draws do; their factors per step."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("autoregression",)
SEEN = (
    "One gradient grows without bound, one falls, two stay; the share that explodes jumps from 0 to 100 % near a "
    "scale of 1; simulated factors are those of the companion matrices."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["autoregression"]
    figure, (paths, shares, modes) = style.canvas(3, 1, height=6.1, gridspec_kw={"height_ratios": [1.15, 1, 1.1]})
    _paths(paths, frame[frame.kind == "path"])
    draws = frame[frame.kind == "draw"]
    _shares(shares, draws)
    _modes(modes, draws[draws.settled > 0])
    return figure


def _paths(axes: Axes, rows: pd.DataFrame) -> None:
    """One draw at each scale, of the shortest memory and the fewest variables."""
    lags, variables = rows.lags.min(), rows.variables.min()
    chosen = rows[(rows.lags == lags) & (rows.variables == variables)]
    for index, (scale, line) in enumerate(chosen.groupby("scale")):
        line = line.sort_values("step")
        style.theory(axes, line.step, line.log_grad / style.DECADE, None, index, f"scale {scale:g}")
        style.measured(axes, line.step, line.log_grad_hat / style.DECADE, None, index)
    axes.set(xscale="log", xlabel="steps back $t$", ylabel=r"$\log_{10}|g_{T-t}|$")
    axes.set_title(f"one draw each, VAR({lags}) in {variables} variable")
    axes.set_ylim(-6, 8)
    style.below(axes, 4)


def _shares(axes: Axes, draws: pd.DataFrame) -> None:
    """Share that explodes, by scale; a few draws of the widest."""
    for index, ((lags, variables), rows) in enumerate(draws.groupby(["lags", "variables"])):
        groups = rows.groupby("scale")
        predicted, seen = groups.rate.agg(lambda r: (r > 0).mean()), groups.growth_hat.agg(lambda r: (r > 0).mean())
        moved = predicted.index * (1 + 0.015 * (index - 2.5))
        style.theory(axes, moved, 100 * predicted, None, index, f"VAR({lags}), {variables} var.")
        style.measured(axes, moved, 100 * seen, None, index)
    axes.set(xscale="log", xlabel="scale of the coefficients", ylabel="% of draws exploding", ylim=(-6, 106))
    axes.set_xticks(sorted(draws["scale"].unique()), [f"{scale:g}" for scale in sorted(draws["scale"].unique())])
    axes.minorticks_off()
    style.below(axes, 2)


def _modes(axes: Axes, draws: pd.DataFrame) -> None:
    """Leading pair: factor per step read off the gradient over that of the companion matrix, against the latter."""
    turning = draws[np.isfinite(draws.period)]
    off = 100 * np.expm1(turning.grad_rate_hat - turning.rate)
    axes.axhline(0, color="0.25", linewidth=0.8, zorder=1)
    axes.scatter(np.exp(turning.rate), off, s=4, linewidths=0, alpha=0.6, color=style.COLOURS[1])
    axes.set(xlabel=r"factor per step of the companion matrix", ylabel="measured over\npredicted factor, less 1 (%)")
