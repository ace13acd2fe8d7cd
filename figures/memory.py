"""Memory curves of a Gaussian and an orthogonal linear reservoir, by noise."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("memory",)
SEEN = (
    "Memory of the Gaussian reservoir drops early and earlier with noise; that of the orthogonal one lasts to the "
    "lag of its width; markers lie on the curves."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["memory"]
    chosen = frame[frame.rho == frame.rho.max()]
    figure, grid = style.canvas(2, 1, height=4.0, sharex=True, sharey=True)
    for axes, (reservoir, rows) in zip(grid, chosen.groupby("reservoir"), strict=True):
        for index, (noise, curve) in enumerate(rows.groupby("sigma_noise")):
            curve = curve.sort_values("lag")
            label = rf"noise {noise:g}: {curve.memory.sum():.1f}, {curve.memory_hat.sum():.1f}"
            style.theory(axes, curve.lag, curve.memory, None, index, label)
            few = curve.iloc[index::4]
            style.measured(axes, few.lag, few.memory_hat, few.memory_hat_err, index)
        axes.set(ylabel="memory $m_k$", title=rf"{reservoir} $W$, $\rho={rows.rho.iloc[0]:g}$")
        axes.set_xlim(-1, min(70, np.max(rows.lag)))
        axes.legend(title="sum: predicted, measured", title_fontsize=7.5, loc="upper right")
    grid[-1].set_xlabel("lag $k$, steps")
    return figure
