"""Calibration of the rates of Gaussian ensembles: residuals in predicted standard errors, of the law and of two simpler ones."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from figures import style

SOURCES = ("rates",)
SEEN = (
    "The law's residuals lie along the curve of a standard normal variable and end at four. Those of order 1/N do as well, but for a tail of softplus, "
    "GELU and SiLU that reaches to minus fifty; those of infinite width lie around minus five."
)
"""What one sees."""
SMALL = 5.0
"""Residuals beyond this size count as misses."""
LINEAR = 3.0
"""Residuals well below this size stand on a linear scale, larger ones on a logarithmic one."""
WIDE = 1 / 6
"""Width of a bin there, over ``LINEAR``."""
LAWS = {"law": "this law", "leading": "order $1/N$", "infinite": "infinite width"}
NAMED = {"softplus": (9, "v"), "gelu": (3, "D"), "silu": (4, "P")}
"""Colours and markers of activations that the expansion to order 1/N misses, the same as in the other figures."""
LOOK = {"fmt": "o", "markerfacecolor": "white", "markeredgewidth": 0.9, "elinewidth": 0.8}
TICKS = (-50, -20, -10, -5, -2, 0, 2, 5)
ENDS = (-80.0, 8.0)
"""Least and largest residual that is shown; there is none beyond."""
LEAST, MOST = 0.6, 4000
"""Fewest and most ensembles in a bin that the axis shows."""


def _residuals(rates: pd.DataFrame, law: str) -> np.ndarray:
    """Residuals of a law; infinite width knows no error, so the measured one is used."""
    if law == "law":
        return rates.z.to_numpy()
    err = rates.measured_err if law == "infinite" else rates.leading_err
    return ((rates.measured - rates[f"{law}_rate"]) / err).to_numpy()


def _counts(axes: Axes, residuals: np.ndarray, look: dict[str, object]) -> None:
    """How many residuals lie in bins of equal width on the axis."""
    places = np.arcsinh(residuals / LINEAR) / WIDE
    bins = np.arange(np.floor(places.min()), np.ceil(places.max()) + 1)
    count = np.histogram(places, bins)[0]
    middle = LINEAR * np.sinh(WIDE * (bins[:-1] + bins[1:]) / 2)
    seen = count > 0
    some = count[seen]
    err = np.array([np.minimum(some**0.5, 0.6 * some), some**0.5])
    axes.errorbar(middle[seen], some, err, markersize=3.8, zorder=3, **LOOK | look)


def _normal(axes: Axes, count: int) -> None:
    """How many residuals of a standard normal variable would lie in such bins."""
    ends = np.linspace(-SMALL, SMALL, 301) / LINEAR
    edges = [LINEAR * np.sinh(np.arcsinh(ends) + side * WIDE / 2) for side in (-1, 1)]
    axes.plot(LINEAR * ends, count * (norm.cdf(edges[1]) - norm.cdf(edges[0])), color="0.25", zorder=2)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    rates = frames["rates"].drop_duplicates(["cell", "label"])
    rates = rates[np.isfinite(rates.predicted_err)]
    figure, panels = style.canvas(1, len(LAWS), height=1.8, width=style.PAGE, sharex=True, sharey=True)
    for axes, (law, label) in zip(panels, LAWS.items(), strict=True):
        residuals = _residuals(rates, law)
        for ends in ((ENDS[0], -SMALL), (SMALL, ENDS[1])):
            axes.axvspan(*ends, color="0.93", linewidth=0, zorder=0)
        tail = (np.abs(residuals) > SMALL) & rates.activation.isin(list(NAMED)) & (law == "leading")
        _counts(axes, residuals[~tail], {"color": "0.1"})
        for place, name in enumerate(NAMED if tail.any() else ()):
            chosen = (tail & (rates.activation == name)).to_numpy()
            shade = style.COLOURS[NAMED[name][0]]
            _counts(axes, residuals[chosen], {"color": shade, "fmt": NAMED[name][1]})
            axes.text(-12, 45 / 2**place, style.shown(name), fontsize=7.5, color=shade, ha="center", va="top")
        _normal(axes, len(residuals))
        spread = f"mean {residuals.mean():.1f}, s.d. {residuals.std(ddof=1):.2f}\n".replace("-", "\N{MINUS SIGN}")
        shares = {"within two": (np.abs(residuals) < 2).mean(), "beyond five": (np.abs(residuals) > SMALL).mean()}
        told = "\n".join(f"{name}: {100 * share:.1f} %" for name, share in shares.items())
        axes.text(0.02, 0.98, spread + told, va="top", fontsize=7.5, linespacing=1.3, transform=axes.transAxes)
        which = "measured" if law == "infinite" else "predicted"
        axes.set(title=label, xlabel=f"(measured $-$ law) / {which} s.e.")
    panels[0].set_xscale("asinh", linear_width=LINEAR)
    panels[0].set(yscale="log", xlim=ENDS, ylim=(LEAST, MOST), ylabel="ensembles in a bin")
    panels[0].set_xticks(TICKS, [f"{tick}".replace("-", "\N{MINUS SIGN}") for tick in TICKS])
    panels[0].set_yticks([1, 10, 100], ["1", "10", "100"])
    for axes in panels:
        axes.minorticks_off()
    panels[0].text(0.7, 210, "standard normal", ha="center", fontsize=7.5)
    return figure
