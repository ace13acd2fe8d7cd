"""Calibration of the rates of Gaussian ensembles: residuals in predicted standard errors, of the law and of two simpler ones."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import erf
from scipy.stats import norm

from figures import style

SOURCES = ("rates",)
SEEN = (
    "The share of residuals within a band follows the normal law; residuals fill a band around zero, some of those "
    "of order 1/N leave it; their quantiles lie on those of the normal law."
)
"""What one sees."""
BANDS = (0.5, 1.0, 1.5, 1.96, 2.5, 3.0)
LIMIT = 10.0
"""Residuals further out stand at the edge."""


SIMPLER = {"infinite": ("infinite width", (1, 1)), "leading": ("order $1/N$", (4, 1.5))}
"""Simpler laws whose residuals of the Gaussian ensembles stand beside, with their dashes."""


def _simpler(rates: pd.DataFrame, law: str) -> pd.Series:
    """Residuals of a simpler law; infinite width knows no error, so the measured one is used."""
    err = rates.measured_err if law == "infinite" else rates.leading_err
    return (rates.measured - rates[f"{law}_rate"]) / err


def _calibration(axes: Axes, z: pd.Series, rates: pd.DataFrame) -> None:
    """Share of the residuals within a band, against the normal law's and the simpler laws'."""
    reach = np.linspace(0, 3.5, 200)
    axes.plot(reach, 100 * erf(reach / 2**0.5), color=style.COLOURS[0], label="normal law")
    share = np.array([(z.abs() < band).mean() for band in BANDS])
    style.measured(axes, BANDS, 100 * share, 100 * (share * (1 - share) / len(z)) ** 0.5, 1, f"{len(z)} rates")
    for law, (label, dashes) in SIMPLER.items():
        within = [100 * (_simpler(rates, law).abs() < each).mean() for each in reach]
        axes.plot(reach, within, color="0.55", dashes=dashes, linewidth=0.9, label=label, zorder=1)
    axes.set(xlabel="predicted standard errors", ylabel="% of residuals within", ylim=(0, 104), xlim=(0, 3.5))
    axes.legend(loc="lower right", bbox_to_anchor=(1.04, 0.3))


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    rates = frames["rates"].drop_duplicates(["cell", "label"])
    rates = rates[np.isfinite(rates.predicted_err)]
    ratios = {"width_ratios": [1, 1.25, 1]}
    figure, (share, residual, quantile) = style.canvas(1, 3, height=2.5, width=2 * style.COLUMN, gridspec_kw=ratios)
    _calibration(share, rates.z, rates)
    wrong = _simpler(rates, "leading").clip(-LIMIT, LIMIT)
    plain = {"markersize": 2, "markeredgewidth": 0.5}
    residual.plot(rates.predicted, wrong, "x", color="0.6", label="order $1/N$", zorder=1, **plain)
    look = {"color": style.COLOURS[1], "markerfacecolor": "white", "zorder": 2}
    residual.plot(rates.predicted, rates.z, "o", label="this law", **look, **plain)
    residual.axhspan(-1.96, 1.96, color="0.9", zorder=0, linewidth=0)
    residual.axhline(0, color="0.25", zorder=1, linewidth=0.8)
    residual.set(ylim=(-1.08 * LIMIT, 1.3 * LIMIT), yticks=[-10, -5, -2, 0, 2, 5, 10])
    residual.set(xlabel="predicted rate per layer", ylabel="residual (predicted s.e.)")
    residual.legend(loc="upper left", ncols=2, columnspacing=0.8, handletextpad=0.2)
    expected = norm.ppf((np.arange(len(rates)) + 0.5) / len(rates))
    quantile.plot([-3.4, 3.4], [-3.4, 3.4], color="0.25", zorder=1, linewidth=0.8)
    for law, (_, dashes) in SIMPLER.items():
        shown = np.sort(_simpler(rates, law))
        quantile.plot(expected, shown, color="0.55", dashes=dashes, linewidth=0.9, zorder=1)
    quantile.plot(expected, np.sort(rates.z), "o", **look, **plain)
    quantile.set(xlabel="normal quantile", ylabel="quantile of the residuals", ylim=(-8, 4), xlim=(-3.4, 3.4))
    style.lettered(figure)
    return figure
