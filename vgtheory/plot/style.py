"""How the pictures look, and the packages that draw them, which are imported when a picture is first asked for."""

from typing import Any

import numpy as np

from vgtheory.frame import needed

DECADE = float(np.log(10))
"""Natural logs in a power of ten."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")


def styled(where: str) -> Any:
    """The context in which a picture is drawn: seaborn's ticks and colours, with what was set before restored after it.

    Parameters
    ----------
    where
        What was asked for, as a user writes it.

    Raises
    ------
    ImportError
        If matplotlib or seaborn is not installed.
    """
    matplotlib, seaborn = (needed(where, name, "plot") for name in ("matplotlib", "seaborn"))
    colours = matplotlib.cycler(color=seaborn.color_palette("colorblind"))
    own = {"axes.prop_cycle": colours, "legend.frameon": False, "figure.dpi": 120, "axes.titlelocation": "left"}
    return matplotlib.rc_context({**seaborn.axes_style("ticks"), **seaborn.plotting_context("notebook", 0.85), **own})


def colours() -> Any:
    """Ten colours that colour-blind readers tell apart."""
    return needed("plot", "seaborn", "plot").color_palette("colorblind")


def canvas(width: float, height: float, rows: int = 1) -> tuple[Any, Any]:
    """A figure that ``pyplot`` does not know, and its axes.

    Parameters
    ----------
    width, height
        Of the figure, in inches.
    rows
        Number of axes, one above the other, with one horizontal axis.
    """
    figure = needed("plot", "matplotlib.figure", "plot").Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True)
    needed("plot", "seaborn", "plot").despine(fig=figure)
    return figure, axes


__all__ = ["DECADE", "MARKERS", "canvas", "colours", "styled"]
