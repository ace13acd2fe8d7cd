"""Picture of a profile over layers or steps."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vgtheory.estimate import Estimate, Law
from vgtheory.expect import expect, expect_flag, expect_noun, expect_text
from vgtheory.plot.style import DECADE, canvas, colours, styled

if TYPE_CHECKING:
    import matplotlib.figure

_MOST = 40
"""Most markers drawn; in a longer profile every second, third ... layer has one."""


def _series(where: str, decades: bool, **got: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both fields of a profile, in the unit of the axis."""
    ((name, pair),) = got.items()
    middle, spread = np.broadcast_arrays(*(np.asarray(field, dtype=float) for field in pair))
    expect(middle.ndim == 1 and middle.size > 0, where, f"a profile {name} of one axis", shape=middle.shape)
    unit = DECADE if decades else 1.0
    return middle / unit, spread / unit


def profile(
    law: Law,
    estimate: Estimate | None = None,
    *,
    quantity: str = "gradient's norm relative to the top",
    along: str = "layer",
    decades: bool = True,
) -> "matplotlib.figure.Figure":
    """Picture of a profile: the law as a line with a band, the measurement as markers with bars.

    Parameters
    ----------
    law
        The prediction, one entry per layer; the band is one standard deviation between networks.
    estimate
        The measurement of the same layers, with one standard error; None to draw the law alone.
    quantity
        Label of the vertical axis.
    along
        Label of the horizontal axis, which counts from 1.
    decades
        Whether the entries are natural logs, to be shown in powers of ten.

    Returns
    -------
    matplotlib.figure.Figure
        The picture; ``.axes[0]`` has its axes.

    Examples
    --------
    >>> from vgtheory import Dense, plot, theory
    >>> law = theory.log_grad_layers(Dense("tanh", sigma_w=1.5), depth=8)
    >>> plot.profile(law).axes[0].get_xlabel()
    'layer'
    """
    where = "profile"
    expect_noun(where, (Law,), law=law)
    expect_text(where, quantity=quantity, along=along)
    expect_flag(where, decades=decades)
    mean, std = _series(where, decades, law=law)
    layers = np.arange(1, mean.size + 1)
    with styled(f"plot.{where}"):
        figure, axes = canvas(6.0, 3.6)
        theirs, ours = colours()[0], colours()[3]
        axes.plot(layers, mean, color=theirs, label="theory, mean")
        if np.any(std > 0):
            axes.fill_between(
                layers,
                mean - std,
                mean + std,
                color=theirs,
                alpha=0.25,
                lw=0,
                label="theory, one standard deviation between networks",
            )
        if estimate is not None:
            expect_noun(where, (Estimate,), estimate=estimate)
            value, err = _series(where, decades, estimate=estimate)
            expect(value.size == mean.size, where, "as many layers in both", law=mean, estimate=value)
            few = slice(None, None, -(-mean.size // _MOST))
            bars = {"fmt": "o", "ms": 4, "capsize": 2, "color": ours, "label": "measured, one standard error"}
            axes.errorbar(layers[few], value[few], yerr=err[few], **bars)
        axes.set_xlabel(along)
        axes.set_ylabel(f"{quantity}\n(power of ten)" if decades else quantity)
        axes.legend()
    return figure


__all__ = ["profile"]
