"""Picture of a diagnosis."""

from typing import TYPE_CHECKING, Any

import numpy as np

from vgtheory.plot.style import DECADE, canvas, colours, styled

if TYPE_CHECKING:
    import matplotlib.figure

_MOST_NAMES = 12


def figure(found: Any) -> "matplotlib.figure.Figure":
    """Activations above, gradients below, by layer call: lines are predicted, markers measured."""
    with styled("Diagnosis.plot"):
        drawn, (upper, lower) = canvas(7.5, 5.0, rows=2)
        _series(upper, found, "log_rms", "size of the output", "o", 0)
        _series(lower, found, "log_grad", "gradient with respect to the output", "o", 3)
        _series(lower, found, "log_grad_weight", "gradient with respect to the weights", "s", 2)
        for axes, label in ((upper, "root mean square\n(power of ten)"), (lower, "norm\n(power of ten)")):
            axes.set_ylabel(label)
            if axes.lines:
                axes.legend()
        step = max(1, len(found.rows) // _MOST_NAMES)
        names = [row.layer for row in found.rows[::step]]
        lower.set_xticks(np.arange(len(found.rows))[::step], names, rotation=40, ha="right", fontsize="small")
        verdict = found.verdict
        upper.set_title(f"{verdict.word}, {verdict.factor:.3g} per layer over {verdict.depth}")
    return drawn


def _series(axes: Any, found: Any, name: str, label: str, marker: str, colour: int) -> None:
    """Draw one quantity as measured, and as predicted where there is a prediction."""
    measured = {"ls": "", "marker": marker, "ms": 4, "label": label}
    predicted = {"ls": "-", "lw": 1, "label": f"{label}, predicted"}
    for column, style in ((name, measured), (f"predicted_{name}", predicted)):
        values = np.array([getattr(row, column) for row in found.rows], float) / DECADE
        if np.isfinite(values).any():
            shown = np.where(np.isfinite(values), values, np.nan)
            axes.plot(np.arange(len(values)), shown, color=colours()[colour], **style)


def bands_figure(bands: Any, found: Any, level: float) -> "matplotlib.figure.Figure":
    """Signals above, gradients below, by layer call: a band over networks, its mean, and one network's own."""
    half, seen = bands.half_width(level), {row.layer: row for row in found.rows} if found is not None else {}
    with styled("Bands.plot"):
        drawn, (upper, lower) = canvas(7.5, 5.0, rows=2)
        names = list(bands.layers)
        for axes, name, label, marker, colour in (
            (upper, "log_rms", "size of the output", "o", 0),
            (lower, "log_grad", "gradient with respect to the output", "o", 3),
            (lower, "log_grad_weight", "gradient with respect to the weights", "s", 2),
        ):
            laws = np.array([getattr(bands.layers[path], name) for path in names], float) / DECADE
            mean, std = np.where(np.isfinite(laws), laws, np.nan).T
            shade = colours()[colour]
            axes.plot(np.arange(len(names)), mean, color=shade, lw=1, label=label)
            axes.fill_between(
                np.arange(len(names)), mean - half * std, mean + half * std, color=shade, alpha=0.25, lw=0
            )
            if seen:
                own = np.array([getattr(seen[path], name) for path in names], float) / DECADE
                axes.plot(np.arange(len(names)), np.where(np.isfinite(own), own, np.nan), marker, color=shade, ms=4)
        for axes, label in ((upper, "root mean square\n(power of ten)"), (lower, "norm\n(power of ten)")):
            axes.set_ylabel(label)
            axes.legend()
        step = max(1, len(names) // _MOST_NAMES)
        lower.set_xticks(np.arange(len(names))[::step], names[::step], rotation=40, ha="right", fontsize="small")
        upper.set_title(f"{level:.0%} of networks lie within")
    return drawn


def history_figure(history: Any) -> "matplotlib.figure.Figure":
    """Norms by update, one line for each layer; dashes at the left are predicted."""
    with styled("NormHistory.plot"):
        import matplotlib as mpl

        drawn, axes = canvas(7.5, 4.0)
        shades = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(history.layers)))
        steps = np.asarray(history.steps) + 1
        for i, (name, shade) in enumerate(zip(history.layers, shades, strict=True)):
            logs = np.asarray(history.log_norms[:, i], float) / DECADE
            finite = np.where(np.isfinite(logs), logs, np.nan)
            axes.plot(steps, finite, color=shade, marker="o", ms=3, lw=1, label=name)
            if np.isfinite(history.predicted[i]):
                axes.plot([0.5, 1], [history.predicted[i] / DECADE] * 2, color=shade, ls="--", lw=1.5)
        axes.set_xscale("log")
        axes.set_xlabel("update")
        axes.set_ylabel("gradient's norm (power of ten)")
        if len(history.layers) <= _MOST_NAMES:
            axes.legend(fontsize="small")
    return drawn
