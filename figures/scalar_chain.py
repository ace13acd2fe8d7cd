"""The scalar chain: log of the product against its length, typical and mean, for several spreads of the weights."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("scalar_chain",)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["scalar_chain"]
    figure, axes = style.canvas(height=2.5)
    for index, (std, rows) in enumerate(frame.groupby("std")):
        rows = rows.sort_values("depth")
        n = rows.depth
        style.theory(
            axes, n, rows.typical / style.DECADE / n, rows.typical_std / style.DECADE / n, index, f"$s={std:g}$"
        )
        style.measured(axes, n, rows.typical_hat / style.DECADE / n, rows.typical_hat_err / style.DECADE / n, index)
        if std > 0:
            axes.plot(n, rows["mean"] / style.DECADE / n, color=style.COLOURS[index], linewidth=0.8, linestyle=":")
            seen = rows[rows.mean_seen]
            look = {"fmt": "x", "markersize": 3.5, "color": style.COLOURS[index], "elinewidth": 0.8}
            value, err = seen.mean_hat / style.DECADE / seen.depth, seen.mean_hat_err / style.DECADE / seen.depth
            axes.errorbar(seen.depth, value, yerr=err, **look)
    claim = frame.sort_values("depth").drop_duplicates("depth")
    axes.plot(claim.depth, claim.claim / style.DECADE / claim.depth, color="0.6", linewidth=0.6, zorder=0)
    axes.set(
        xscale="log", xlabel="number of weights $n$", ylabel=r"$\log_{10}|w_1\cdots w_n|\,/\,n$", ylim=(-0.5, 0.25)
    )
    axes.plot([], [], color="0.3", label=r"typical: $\mathrm{E}\,\ln|w|$")
    axes.plot([], [], color="0.3", linestyle=":", marker="x", label=r"mean: $\ln\,\mathrm{E}|w|$")
    axes.legend(loc="lower right", ncols=2)
    return figure
