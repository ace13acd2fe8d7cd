"""Linear recurrences: the gradient by lag under six laws, sensitivity against memory by parametrisation, and what bfloat16 makes of a decay."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("state_space",)
SEEN = (
    "Rings end in an exponential and state spaces bend down at the longest time step. By the eigenvalue the sensitivity "
    "rises with the memory, by nu it stays. bfloat16 forgets nothing beyond some 500 steps."
)
"""What one sees."""
SHOWN = ("LRU", "LRU, long", "S4D-Lin, zoh", "S4D-Real, zoh", "S4D-LegS, bilinear", "S5, zoh")
NAMES = {"eigenvalue": r"$\lambda$", "nu": r"$\nu$", "theta": r"$\theta$"}


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["state_space"]
    figure, axes = style.canvas(3, 1, height=6.4)
    left, middle, right = axes
    shown = [name for name in SHOWN if (frame.subject == name).any()]
    for index, name in enumerate(shown):
        rows = frame[(frame.subject == name) & (frame.quantity == "gradient")].sort_values("at")
        law, seen = rows[rows.size_hat.isna()], rows[rows.size_hat.notna()]
        style.theory(left, law["at"], law["size"] / style.DECADE, None, index, name)
        style.measured(left, seen["at"], seen.size_hat / style.DECADE, seen.size_hat_err / style.DECADE, index)
    left.set(
        xscale="log", xlabel="lag $t$", ylabel=r"$\log_{10}$ rms $|\partial h_T/\partial h_{T-t}|$", ylim=(-8, 0.4)
    )
    left.legend(fontsize=7, loc="lower left")
    for index, (parameter, symbol) in enumerate(NAMES.items()):
        rows = frame[frame.quantity == f"white inputs, by {parameter}"].sort_values("at")
        style.theory(middle, rows["at"], np.exp(rows["size"]), None, index, f"by {symbol}")
        style.measured(middle, rows["at"], np.exp(rows.size_hat), np.exp(rows.size_hat) * rows.size_hat_err, index)
    middle.set(
        xscale="log",
        yscale="log",
        xlabel=r"memory $-1/\ln|\lambda|$",
        ylabel=r"E $|\partial h/\partial p|^2$, with $\gamma$",
    )
    middle.legend(fontsize=7, loc="upper left")
    for index, dtype in enumerate(("bfloat16", "float16")):
        rows = frame[frame.quantity == f"{dtype} decay"].sort_values("at")
        finite = rows[np.isfinite(rows["size"])]
        style.theory(right, finite["at"], finite["size"] / finite["at"], None, index, dtype)
        style.measured(right, finite["at"], finite.size_hat / finite["at"], 0 * finite["at"], index)
        if len(finite) < len(rows):
            right.axvline(
                rows[~np.isfinite(rows["size"])]["at"].min(), color=style.COLOURS[index], linewidth=0.8, linestyle=":"
            )
    right.set(xscale="log", xlabel=r"memory $-1/\ln\lambda$", ylabel="lag at 1/e, over the exact one")
    right.legend(fontsize=7, loc="lower left")
    return figure
