"""Style of the pictures; plotting packages are imported when a picture is first needed."""

from typing import Any

import numpy as np

from vgtheory.frame import needed

DECADE = float(np.log(10))
"""Natural log of ten."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")


def styled(where: str) -> Any:
    """Context of a picture with seaborn's ticks and colours; it restores earlier settings."""
    matplotlib, seaborn = (needed(where, name, "plot") for name in ("matplotlib", "seaborn"))
    colours = matplotlib.cycler(color=seaborn.color_palette("colorblind"))
    own = {"axes.prop_cycle": colours, "legend.frameon": False, "figure.dpi": 120, "axes.titlelocation": "left"}
    return matplotlib.rc_context({**seaborn.axes_style("ticks"), **seaborn.plotting_context("notebook", 0.85), **own})


def colours() -> Any:
    """Ten colours that colour-blind readers can distinguish."""
    return needed("plot", "seaborn", "plot").color_palette("colorblind")


def canvas(width: float, height: float, rows: int = 1) -> tuple[Any, Any]:
    """A figure of a size in inches that ``pyplot`` does not know, and its axes in ``rows``."""
    figure = needed("plot", "matplotlib.figure", "plot").Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True)
    needed("plot", "seaborn", "plot").despine(fig=figure)
    return figure, axes


__all__ = ["DECADE", "MARKERS", "canvas", "colours", "styled"]
