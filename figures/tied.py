"""One W to the power t against products of new ones: mean and spread of a gradient's log-norm."""

import pandas as pd
from matplotlib.figure import Figure

from figures import style

SOURCES = ("tied",)
SEEN = (
    "With one matrix gradients grow, with new matrices they fall, and the scatter of both is inside the predicted "
    "bands."
)
"""What one sees."""


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["tied"]
    widths = sorted(frame.width.unique())[-2:]
    figure, axes = style.canvas(1, len(widths), height=2.5, squeeze=False, sharey=True)
    for axis, width in zip(axes[0], widths, strict=True):
        for index, sharing in enumerate(("one W", "new W")):
            rows = frame[(frame.width == width) & (frame.weights == sharing)].sort_values("step")
            x, decade = rows.step, style.DECADE
            style.theory(axis, x, rows.log_norm / decade, rows.log_norm_std / decade, index, f"{sharing}, law")
            seen = rows.iloc[::2]
            style.measured(
                axis,
                seen.step,
                seen.log_norm_hat / decade,
                seen.log_norm_hat_std / decade,
                index,
                f"{sharing}, networks",
            )
        axis.set_xscale("log")
        axis.set_yscale("symlog", linthresh=1)
        axis.set_title(f"{width} units")
        axis.set_xlabel("steps $t$")
        axis.axhline(0, color="0.7", linewidth=0.6, zorder=0)
    axes[0][0].set_ylabel(r"$\log_{10}|g_{T-t}|$")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
