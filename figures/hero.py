"""Calibration of the rates of Gaussian ensembles: residuals in predicted standard errors, of the law and of two simpler ones."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import erf

from figures import style

SOURCES = ("rates",)
SEEN = (
    "The share of the law's residuals within a band is that of a standard normal variable, of order 1/N up to five per cent less. The law's residuals fill a band around zero; of those of order "
    "1/N, softplus, GELU and SiLU at large scales leave it by up to fifty standard errors; most of those of infinite width lie below it."
)
"""What one sees."""
BANDS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
SMALL = 5.0
"""Residuals beyond this size count as misses."""
LINEAR = 3.0
"""Residuals well below this size stand on a linear scale, larger ones on a logarithmic one."""
ENDS = (-110.0, 16.0)
"""Least and largest residual that is shown; there is none beyond."""
LAWS = {"law": "this law", "leading": "order $1/N$", "infinite": "infinite width"}
SHADES = {"law": "0.1", "leading": "0.45"}
"""Greys of the laws: colours are the activations'. Only this law's markers are filled."""
CLOSE = ("law", "leading")
"""Laws whose shares are near those of a normal variable; infinite width has 60 % less within one."""
BESIDE = 0.05
"""Half the distance of their markers."""
NAMED = {"softplus": 9, "gelu": 3, "silu": 4}
"""Activations that the expansion to order 1/N misses most, with their colours."""


def _residuals(rates: pd.DataFrame, law: str) -> pd.Series:
    """Residuals of a law; infinite width knows no error, so the measured one is used."""
    if law == "law":
        return rates.z
    err = rates.measured_err if law == "infinite" else rates.leading_err
    return (rates.measured - rates[f"{law}_rate"]) / err


def _calibration(axes: Axes, rates: pd.DataFrame) -> None:
    """Share of a law's residuals within a band, less that of a standard normal variable."""
    for index, law in enumerate(CLOSE):
        size = _residuals(rates, law).abs()
        share = np.array([(size < band).mean() for band in BANDS])
        err = 100 * (share * (1 - share) / len(size)) ** 0.5
        look = {"color": SHADES[law], "markerfacecolor": SHADES[law] if law == "law" else "white"}
        look |= {"markersize": 4.2, "elinewidth": 0.8, "fmt": style.MARKERS[index], "label": f"{LAWS[law]} (a)"}
        axes.errorbar(
            np.array(BANDS) + BESIDE * (2 * index - 1), 100 * (share - erf(np.array(BANDS) / 2**0.5)), err, **look
        )
    axes.axhline(0, color="0.25", label="standard normal (a)", zorder=1)
    axes.set(xlabel="standard errors", ylabel="% within, less normal", ylim=(-8, 5), xlim=(0.2, 3.3))
    axes.set_xticks([1, 2, 3])
    axes.set_title("calibration")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    rates = frames["rates"].drop_duplicates(["cell", "label"])
    rates = rates[np.isfinite(rates.predicted_err)]
    size = {"height": 2.1, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1.1, 1, 1, 1]}}
    figure, axes = style.canvas(1, 4, **size)
    _calibration(axes[0], rates)
    others = ~rates.activation.isin(list(NAMED))
    for panel, (law, label) in zip(axes[1:], LAWS.items(), strict=True):
        panel.axhspan(-2, 2, color="0.9", zorder=0, linewidth=0)
        panel.axhline(0, color="0.25", linewidth=0.8, zorder=3)
        for end in (-SMALL, SMALL):
            panel.axhline(end, color="0.7", linewidth=0.5, zorder=0)
        residuals = _residuals(rates, law)
        panel.scatter(rates.predicted[others], residuals[others], s=3, color="0.45", linewidths=0, alpha=0.6, zorder=2)
        for index, (name, colour) in enumerate(NAMED.items(), start=1):
            some = rates.activation == name
            look = {
                "color": style.COLOURS[colour],
                "marker": style.MARKERS[index],
                "s": 8,
                "linewidths": 0,
                "zorder": 2,
            }
            panel.scatter(rates.predicted[some], residuals[some], label=style.shown(name), **look)
        panel.set_yscale("asinh", linear_width=LINEAR)
        beyond = 100 * (residuals.abs() > SMALL).mean()
        panel.text(0.03, 0.03, f"beyond five: {beyond:.1f} %", va="bottom", fontsize=7.5, transform=panel.transAxes)
        panel.set_yticks([-50, -20, -10, -5, -2, 0, 2, 5, 10], [])
        panel.minorticks_off()
        panel.set(xlabel="predicted rate per layer", ylim=ENDS, title=label)
    axes[1].set_yticklabels(["$-$50", "$-$20", "$-$10", "$-$5", "$-$2", "0", "2", "5", "10"])
    axes[1].set_ylabel("residual / s.e.")
    for panel, which in zip(axes[1:], ("predicted", "predicted", "measured"), strict=True):
        panel.text(0.97, 0.98, f"{which} s.e.", ha="right", va="top", fontsize=7.5, transform=panel.transAxes)
    axes[-1].scatter([], [], s=6, color="0.45", linewidths=0, label="other activations")
    curves, named = (each.get_legend_handles_labels() for each in (axes[0], axes[-1]))
    both = (one + other for one, other in zip(curves, named, strict=True))
    look = {"loc": "outside lower center", "ncols": 8, "columnspacing": 1.2, "handletextpad": 0.3, "handlelength": 1.6}
    figure.legend(*both, **look)
    return figure
