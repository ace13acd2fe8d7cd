"""Every layer's gradient along training, and how far every layer has moved, below and at the edge."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

SOURCES = ("healing",)
SEEN = (
    "Gradients of sigmoid networks below the critical scale stay far smaller in the first layers than in the last"
    " ones; at it profiles flatten and fall; under adaptive optimisers the lower layers move further."
)
"""What one sees."""
TITLES = {"below": "below the edge", "at": "at the edge", "above": "above the edge"}
NETS, REGIMES = ("sigmoid", "tanh", "relu"), ("below", "at")
"""Networks and scales that are shown, of those that were run."""
SHOWN = 5
"""Records drawn, evenly spaced in the logarithm of updates."""


def _profiles(axes: Axes, rows: pd.DataFrame) -> None:
    """Gradient norms over layers, at some updates, under SGD; the law of the start is put on the last layer but one."""
    updates = np.sort(rows["update"].unique())
    chosen = updates[np.unique(np.linspace(0, len(updates) - 1, SHOWN).round().astype(int))]
    for index, update in enumerate(chosen):
        each = rows[rows["update"] == update].sort_values("layer")
        err = each.log_grad_hat_err / style.DECADE
        style.measured(axes, each.layer, each.log_grad_hat / style.DECADE, err, index, f"{update:,} updates")
    start = rows[rows["update"] == 0].sort_values("layer")
    anchor = (start.log_grad_hat - start.log_grad).iloc[-2]
    inner = start.iloc[1:-1]
    style.theory(
        axes, inner.layer, (inner.log_grad + anchor) / style.DECADE, inner.log_grad_std / style.DECADE, 0, "law at 0"
    )


def _moved(axes: Axes, rows: pd.DataFrame, labels: dict[str, str]) -> None:
    """How far every layer is from where it started, at the end, under every optimiser."""
    last = rows[rows["update"] == rows["update"].max()]
    for index, optimiser in enumerate(last.optimiser.unique()):
        each = last[last.optimiser == optimiser].sort_values("layer")
        y = np.maximum(each.log_moved_hat.replace(-np.inf, -99) / style.DECADE, -12)
        label = f"{labels.get(optimiser, optimiser)}"
        axes.plot(each.layer, y, color=style.COLOURS[index], marker=style.MARKERS[index], linewidth=0.6, label=label)


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame = frames["healing"]
    activations = [each for each in NETS if (frame.activation == each).any()]
    regimes = [each for each in REGIMES if (frame.regime == each).any()]
    shape = (len(regimes) + 1, len(activations))
    figure, panels = style.canvas(*shape, height=1.55 * shape[0], width=style.PAGE, squeeze=False, sharex=True)
    for column, activation in enumerate(activations):
        rows = frame[frame.activation == activation]
        for row, regime in enumerate(regimes):
            each = rows[(rows.regime == regime) & (rows.optimiser == "sgd")]
            _profiles(panels[row, column], each)
            scale = each.sigma_w.iloc[0]
            panels[row, column].set_title(rf"{style.shown(activation)}, $\sigma_w$ = {scale:.3g}")
        _moved(
            panels[-1, column],
            rows[rows.regime == regimes[0]],
            {"sgd": "SGD", "rmsprop": "RMSProp", "adam": "Adam", "clipped": "clipped SGD"},
        )
        panels[-1, column].set_title(f"{style.shown(activation)}, {TITLES[regimes[0]]}")
        panels[-1, column].set_xlabel("layer")
    for axes, regime in zip(panels[:-1, 0], regimes, strict=True):
        axes.set_ylabel(f"{TITLES[regime]}\n" + r"$\log_{10}$ of gradient")
    panels[-1, 0].set_ylabel(r"$\log_{10}$ of the way moved")
    groups = (panels[0, 0], panels[-1, 0])
    for axes, place in zip(groups, ("outside upper center", "outside lower center"), strict=True):
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc=place, ncols=6)
    return figure
