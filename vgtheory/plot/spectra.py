"""Picture of the spectrum of an input-output Jacobian."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vgtheory.expect import Numbers, expect, expect_data, expect_number
from vgtheory.plot.style import DECADE, canvas, colours, styled

if TYPE_CHECKING:
    import matplotlib.figure

_BINS = 30


def spectrum(log_s: Numbers, density: Numbers, logs: Numbers | None = None) -> "matplotlib.figure.Figure":
    """Picture of a spectrum: the density of singular values as a line, measured ones as markers.

    Parameters
    ----------
    log_s
        Natural logs of singular values, ascending and finite, shape ``(points,)``.
    density
        Density of the natural log at ``log_s``, as ``theory.spectra.jacobian_density_of_log`` gives
        it.
    logs
        Natural logs of measured singular values, shape ``(num_nets, width)``, as
        ``measure.jacobian_singular_values`` gives them; None to draw the law alone. The bars are
        one standard error over networks. Values that are 0 or not resolved are counted.

    Returns
    -------
    matplotlib.figure.Figure
        The picture; ``.axes[0]`` has its axes.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import plot
    >>> log_s = np.linspace(-4.0, 0.69, 50)
    >>> density = np.exp(log_s) * np.sqrt(4 - np.exp(2 * log_s)) / np.pi  # one Gaussian matrix
    >>> plot.spectrum(log_s, density).axes[0].get_xlabel()
    'singular value (power of ten)'
    """
    where = "spectrum"
    expect_number(where, ndim=1, log_s=log_s)
    expect_number(where, "[0, inf]", ndim=1, density=density)
    points, height = np.asarray(log_s, float), np.asarray(density, float)
    fits = points.shape == height.shape and points.size > 1
    expect(fits, where, "a density for every log_s, two or more", log_s=points, density=height)
    if logs is not None:
        expect_data(where, ndim=2, logs=logs)
        expect(np.size(logs) > 0, where, "logs of at least one network", logs=np.asarray(logs))
    with styled(f"plot.{where}"):
        figure, axes = canvas(6.0, 3.6)
        axes.plot(points / DECADE, height * DECADE, color=colours()[0], label="theory")
        if logs is not None:
            _measured(axes, np.asarray(logs, float) / DECADE, points / DECADE)
        axes.set_xlabel("singular value (power of ten)")
        axes.set_ylabel("share of singular values\nper power of ten")
        axes.set_ylim(bottom=0)
        axes.legend()
    return figure


def _measured(axes: Any, logs: np.ndarray, points: np.ndarray) -> None:
    """Draw the measured density of each bin: mean over networks, and its standard error."""
    finite = logs[np.isfinite(logs)]
    ends = (min(points[0], finite.min()), max(points[-1], finite.max())) if finite.size else (points[0], points[-1])
    edges = np.linspace(*ends, _BINS + 1)
    counts = np.array([np.histogram(row[np.isfinite(row)], edges)[0] for row in logs]) / logs.shape[1] / np.diff(edges)
    err = counts.std(axis=0, ddof=1) / len(logs) ** 0.5 if len(logs) > 1 else None
    lost = 1 - finite.size / logs.size
    label = "measured, one standard error" + (f"\n({lost:.1%} are 0 or not resolved)" if lost else "")
    bars = {"fmt": "o", "ms": 4, "capsize": 2, "color": colours()[3], "label": label}
    axes.errorbar((edges[1:] + edges[:-1]) / 2, counts.mean(axis=0), yerr=err, **bars)


__all__ = ["spectrum"]
