"""Calibration of the rates of Gaussian ensembles: residuals in predicted standard errors, of the law and of two simpler ones."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import erf

from figures import style

SOURCES = ("rates",)
SEEN = (
    "The share of the law's residuals within a band follows the normal law. Its residuals fill a band around zero; some of "
    "those of order 1/N leave it by tens of standard errors, and most of those of infinite width lie below it."
)
"""What one sees."""
BANDS = (0.5, 1.0, 1.5, 1.96, 2.5, 3.0)
SMALL = 5.0
"""Residuals up to this size stand on a linear scale, larger ones on a logarithmic one."""
ENDS = (-100.0, 10.0)
"""Least and largest residual that is shown; there is none beyond."""
LAWS = {"law": "this law", "leading": "order $1/N$", "infinite": "infinite width"}


def _residuals(rates: pd.DataFrame, law: str) -> pd.Series:
    """Residuals of a law; infinite width knows no error, so the measured one is used."""
    if law == "law":
        return rates.z
    err = rates.measured_err if law == "infinite" else rates.leading_err
    return (rates.measured - rates[f"{law}_rate"]) / err


def _calibration(axes: Axes, rates: pd.DataFrame) -> None:
    """Share of the residuals of every law within a band, against the normal law's."""
    reach = np.linspace(0, 3.5, 200)
    axes.plot(reach, 100 * erf(reach / 2**0.5), color=style.COLOURS[0], label="normal law")
    for index, (law, label) in enumerate(LAWS.items(), start=1):
        size = _residuals(rates, law).abs()
        share = np.array([(size < band).mean() for band in BANDS])
        style.measured(axes, BANDS, 100 * share, 100 * (share * (1 - share) / len(size)) ** 0.5, index, label)
    axes.set(xlabel="standard errors", ylabel="% of residuals within", ylim=(0, 104), xlim=(0, 3.5))
    axes.set_title("calibration")


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    rates = frames["rates"].drop_duplicates(["cell", "label"])
    rates = rates[np.isfinite(rates.predicted_err)]
    size = {"height": 2.5, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1.1, 1, 1, 1]}}
    figure, axes = style.canvas(1, 4, **size)
    _calibration(axes[0], rates)
    for index, (panel, (law, label)) in enumerate(zip(axes[1:], LAWS.items(), strict=True), start=1):
        panel.axhspan(-1.96, 1.96, color="0.9", zorder=0, linewidth=0)
        panel.axhline(0, color=style.COLOURS[0], zorder=3)
        look = {"color": style.COLOURS[index], "s": 3.5, "linewidths": 0, "alpha": 0.6}
        panel.scatter(rates.predicted, _residuals(rates, law), zorder=2, **look)
        panel.set_yscale("symlog", linthresh=SMALL, linscale=1.8)
        panel.set_yticks([-100, -10, -5, -2, 0, 2, 5, 10], [])
        panel.minorticks_off()
        panel.set(xlabel="predicted rate per layer", ylim=ENDS, title=label)
    axes[1].set_yticklabels(["$-$100", "$-$10", "$-$5", "$-$2", "0", "2", "5", "10"])
    axes[1].set_ylabel("residual, standard errors")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
