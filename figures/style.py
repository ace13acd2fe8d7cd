"""How every figure looks: theory is a line with a band, measurement a marker with an error bar."""

from string import ascii_lowercase

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

COLUMN = 3.325
"""Width of the paper's column, inches; at this width letters have the sizes below."""
PAGE = 6.9
"""Width of both columns and the gap between them."""
COLOURS = tuple(
    mpl.colors.to_rgb(colour)
    for colour in (
        *("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc"),
        *("#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9"),
    )
)
"""Seaborn's for the colour-blind; seaborn itself would be a third of the time that starting takes."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ((), (4, 1.5), (1.5, 1.5), (5, 1.5, 1.5, 1.5), (2.5, 1), (6, 2))
DECADE = 2.302585092994046
"""Natural logs in a factor of ten, for axes in powers of ten."""

RC = {
    "figure.dpi": 200,
    "savefig.dpi": 250,
    "font.family": "STIXGeneral",  # Times, as the paper's
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "errorbar.capsize": 1.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.edgecolor": ".15",
    "axes.labelcolor": ".15",
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "grid.color": ".8",
    "legend.title_fontsize": 7.5,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "patch.linewidth": 0.8,
    "text.color": ".15",
    "xtick.color": ".15",
    "xtick.major.size": 3.0,
    "xtick.major.width": 0.6,
    "xtick.minor.size": 2.0,
    "xtick.minor.width": 0.5,
    "ytick.color": ".15",
    "ytick.major.size": 3.0,
    "ytick.major.width": 0.6,
    "ytick.minor.size": 2.0,
    "ytick.minor.width": 0.5,
    "pdf.fonttype": 42,
    "svg.hashsalt": "vgtheory",
}


def use() -> None:
    """Set the style for the whole process."""
    mpl.rcParams.update(RC)
    mpl.use("Agg")


def canvas(
    rows: int = 1, columns: int = 1, height: float = 2.3, width: float = COLUMN, **options: object
) -> tuple[Figure, object]:
    """A figure of a column's width with its axes."""
    from matplotlib import pyplot as plt

    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **options)


NAMES = {
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "selu": "SELU",
    "elu": "ELU",
    "sin": "sine",
    "relu6": "ReLU6",
    "relu_squared": "ReLU²",
    "gelu_tanh": "GELU, by tanh",
    "silu_squared": "SiLU²",
    "hard_tanh": "hard tanh",
    "hard_sigmoid": "hard sigmoid",
    "hard_swish": "hard Swish",
    "gaussian": "Gaussian",
    "mish": "Mish",
}
"""Activations as the paper spells them, where that is not their name in code."""


def shown(name: str) -> str:
    """A name with its activation as the paper spells it."""
    first, space, rest = name.partition(" ")
    return NAMES.get(first.rstrip(","), first.rstrip(",")) + ("," if first.endswith(",") else "") + space + rest


def lettered(figure: Figure) -> None:
    """Letters (a), (b), ... before the panels' titles, in the order in which they were made; none for one panel, or a whole sheet of them."""
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.get_visible()]
    if not 1 < len(panels) <= len(ascii_lowercase):
        return
    for letter, axes in zip(ascii_lowercase, panels, strict=False):
        title = axes.get_title()
        axes.set_title("")
        axes.set_title(f"({letter})" + (f" {title}" if title else ""), loc="left")


def below(axes: Axes, columns: int = 2, **options: object) -> None:
    """A panel's own legend, below its label of x, so that it lies on no data."""
    down = ScaledTranslation(0, -0.38, axes.figure.dpi_scale_trans)
    look = {"columnspacing": 1.0, "handletextpad": 0.4, "borderaxespad": 0.0} | options
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "bbox_transform": axes.transAxes + down}
    axes.legend(ncols=columns, **place, **look)


def theory(
    axes: Axes, x: object, mean: object, spread: object = None, index: int = 0, label: str | None = None
) -> None:
    """A predicted line, with a band of one standard deviation where there is one."""
    colour = COLOURS[index % len(COLOURS)]
    axes.plot(x, mean, color=colour, dashes=DASHES[index % len(DASHES)], label=label, zorder=2)
    if spread is not None:
        axes.fill_between(x, mean - spread, mean + spread, color=colour, alpha=0.25, linewidth=0, zorder=1)


def measured(axes: Axes, x: object, value: object, err: object, index: int = 0, label: str | None = None) -> None:
    """Measured markers with error bars of one standard error."""
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    look = {"markerfacecolor": "white", "markeredgewidth": 0.8, "elinewidth": 0.8}
    axes.errorbar(x, value, yerr=err, fmt=marker, color=colour, label=label, zorder=3, **look)
