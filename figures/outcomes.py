"""What becomes of networks in training, over scale and depth: measured, and as the kernel of infinite width says, with two borders."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from figures import style

SOURCES = ("outcomes",)
SEEN = (
    "Learned cells fill a wedge between stalled ones at small scales and oscillating or slow ones at large scales; "
    "the kernel's map has the same wedge."
)
"""What one sees."""
COLOURS = {"learned": 2, "slow": 7, "stalled": 0, "oscillates": 1, "diverged": 3}
"""Places in the palette."""
MULTIPLE, STABLE = 6, 2.0
LUMINANCE, BRIGHT = np.array([0.299, 0.587, 0.114]), 0.45
"""Of red, green and blue; brighter squares carry black numbers."""


def _blend(rows: pd.DataFrame, ending: str) -> np.ndarray:
    """Every cell's colour, the classes' mixed by their shares: (depths, scales, 3)."""
    image = 0.0
    for name, place in COLOURS.items():
        share = rows.pivot_table(index="depth", columns="sigma_w", values=f"{name}{ending}").to_numpy()
        image = image + share[:, :, None] * np.array(style.COLOURS[place])
    return np.clip(image, 0, 1)


def _shares(axes: Axes, rows: pd.DataFrame, ending: str) -> None:
    """Per cent that learn; a rim of the cell's own colour keeps the numbers clear of lines."""
    table = lambda name: 100 * rows.pivot_table(index="depth", columns="sigma_w", values=name).to_numpy()
    image = _blend(rows, ending)
    for place, share in np.ndenumerate(table(f"learned{ending}")):
        colour = "black" if image[place] @ LUMINANCE > BRIGHT else "white"
        number = axes.text(*place[::-1], f"{share:.0f}", ha="center", va="center", fontsize=7, color=colour)
        number.set_path_effects([withStroke(linewidth=2, foreground=image[place])])


def _borders(axes: Axes, rows: pd.DataFrame) -> None:
    """Where depth is 6 xi_c, and where rate times curvature is 2."""
    depths, scales = np.sort(rows.depth.unique()), np.sort(rows.sigma_w.unique())
    if depths.size == 1:
        return
    xi = rows.drop_duplicates("sigma_w").sort_values("sigma_w").xi_c.to_numpy()
    place = np.log(MULTIPLE * np.minimum(xi, 10 * depths[-1]) / depths[0]) / np.log(depths[-1] / depths[0])
    axes.plot(range(len(scales)), place * (len(depths) - 1), color="black", linewidth=1.4)
    product = (rows.rate * rows.curvature).rename("product")
    edge = rows.assign(product=np.log(product)).pivot_table(index="depth", columns="sigma_w", values="product")
    if min(edge.shape) > 1:
        axes.contour(edge.to_numpy(), [np.log(STABLE)], colors="black", linestyles="dashed", linewidths=1.4)


def _critical(axes: Axes, rows: pd.DataFrame) -> None:
    """The scale at which the gradient neither vanishes nor explodes, between two tested ones."""
    chi = rows.drop_duplicates("sigma_w").sort_values("sigma_w").chi_1.to_numpy()
    if chi.min() < 1 < chi.max():
        axes.axvline(np.interp(1.0, chi, np.arange(chi.size)), color="white", linewidth=1, linestyle=":")


def _panel(axes: Axes, rows: pd.DataFrame, ending: str) -> None:
    depths, scales = np.sort(rows.depth.unique()), np.sort(rows.sigma_w.unique())
    axes.imshow(_blend(rows, ending), origin="lower", aspect="auto")
    _shares(axes, rows, ending)
    _critical(axes, rows)
    _borders(axes, rows)
    axes.set(xlim=(-0.5, len(scales) - 0.5), ylim=(-0.5, len(depths) - 0.5))
    axes.set_xticks(range(len(scales)), [f"{scale:.3g}" for scale in scales])
    axes.set_yticks(range(len(depths)), [f"{depth}" for depth in depths])


def sheet(parts: dict[str, pd.DataFrame], titles: tuple[str, str], height: float) -> Figure:
    """A column of panels for each part: measured, and as the kernel says."""
    size = {"width": style.PAGE, "squeeze": False, "sharex": "col", "sharey": True}
    figure, panels = style.canvas(2, len(parts), height=height, **size)
    for column, (name, each) in enumerate(parts.items()):
        for row, (ending, title) in enumerate(zip(("", "_predicted"), titles, strict=True)):
            _panel(panels[row, column], each, ending)
            panels[row, column].set_title(f"{title}, {name}")
        panels[1, column].set_xlabel(r"$\sigma_w$")
    for row in range(2):
        panels[row, 0].set_ylabel("depth")
    marks = [Patch(color=style.COLOURS[place], label=name) for name, place in COLOURS.items()]
    marks += [
        Line2D([], [], color="black", linewidth=1.4, label=rf"depth = {MULTIPLE} $\xi_c$"),
        Line2D([], [], color="black", linewidth=1.4, linestyle="dashed", label=r"rate $\times$ curvature = 2"),
        Line2D([], [], color="0.6", linewidth=1, linestyle=":", label=r"$\chi_1 = 1$"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=4)
    return figure


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    rows = frames["outcomes"].drop_duplicates("cell")
    parts = {f"rate {rate:g}": each for rate, each in rows.groupby("rate")}
    return sheet(parts, ("measured", "kernel of infinite width"), height=4.4)
