"""Picture of a phase diagram: where gradients vanish or explode, and where a network lies."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vgtheory.expect import expect, expect_scalars
from vgtheory.plot.style import DECADE, canvas, styled

if TYPE_CHECKING:
    import matplotlib.figure

_FIELDS = ("sigma_w", "sigma_b", "chi_1")
_REACH = 80
"""Percentage of the networks that the colours distinguish; the others have the last colour."""


def phase_diagram(diagram: Any, net: Any = None) -> "matplotlib.figure.Figure":
    """Picture of a phase diagram: gradient's change per layer, critical line, and a network.

    Parameters
    ----------
    diagram
        A ``theory.PhaseDiagram`` over a grid: ``sigma_w`` along one axis, ``sigma_b`` along the
        other.
    net
        A network with single numbers ``sigma_w`` and ``sigma_b``, which is marked; None for none.

    Returns
    -------
    matplotlib.figure.Figure
        The picture; ``.axes[0]`` has its axes.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import Dense, plot, theory
    >>> sigma_w, sigma_b = np.meshgrid([0.5, 1.5], [0.0, 0.5])
    >>> diagram = theory.phase_diagram(Dense("tanh", sigma_w, sigma_b))
    >>> figure = plot.phase_diagram(diagram, Dense("tanh", sigma_w=1.5, sigma_b=0.1))
    >>> len(figure.axes)  # the diagram and its colour bar
    2
    """
    where = "phase_diagram"
    expect(all(hasattr(diagram, name) for name in _FIELDS), where, "a PhaseDiagram", diagram=diagram)
    sigma_w, sigma_b, chi_1 = (np.asarray(getattr(diagram, name), dtype=float) for name in _FIELDS)
    expect(chi_1.ndim == 2 and min(chi_1.shape) > 1, where, "a grid of two axes", "Use np.meshgrid.", shape=chi_1.shape)
    if net is not None:
        placed = hasattr(net, "sigma_w") and hasattr(net, "sigma_b")
        expect(placed, where, "a network with sigma_w and sigma_b", net=net)
        expect_scalars(where, sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    with np.errstate(divide="ignore"):
        rate = np.log(chi_1) / 2 / DECADE
    with styled(f"plot.{where}"):
        figure, axes = canvas(6.0, 4.2)
        _colour(figure, axes, sigma_w, sigma_b, rate)
        if net is not None:
            point = {"marker": "*", "ls": "", "ms": 16, "color": "black", "mec": "white", "clip_on": False}
            axes.plot(float(net.sigma_w), float(net.sigma_b), label=repr(net), **point)
            axes.legend(loc="upper left", bbox_to_anchor=(0, 1.14), borderaxespad=0)
        axes.set_xlabel(r"standard deviation of the weights, $\sigma_w$")
        axes.set_ylabel(r"standard deviation of the biases, $\sigma_b$")
    return figure


def _colour(figure: Any, axes: Any, sigma_w: np.ndarray, sigma_b: np.ndarray, rate: np.ndarray) -> None:
    """Draw the colours, the critical line, and the colour bar."""
    finite = np.isfinite(rate)
    reach = float(np.percentile(np.abs(rate[finite]), _REACH)) if finite.any() else 1.0
    shown = np.ma.masked_invalid(np.where(rate == -np.inf, -reach, rate))
    colours = {"cmap": "vlag", "vmin": -reach, "vmax": reach, "shading": "gouraud", "rasterized": True}
    mesh = axes.pcolormesh(sigma_w, sigma_b, shown, **colours)
    label = "gradient's norm per layer, towards the input\n(power of ten; blue vanishes, red explodes)"
    figure.colorbar(mesh, ax=axes, label=label, extend="both")
    if finite.any() and rate[finite].min() < 0 < rate[finite].max():
        line = axes.contour(sigma_w, sigma_b, shown, levels=[0.0], colors="black")
        axes.clabel(line, fmt="critical")


__all__ = ["phase_diagram"]
