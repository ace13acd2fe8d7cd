"""Transformer blocks: tokens become alike, queries lose their gradient in proportion, and how far every gradient is from the law."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style

SOURCES = ("attention", "rank_collapse")
SEEN = (
    "Below a post-norm stack of 24 blocks tokens differ by 1e-5 and the gradient of queries is six powers of ten smaller, along the law's line; queries over values lie on "
    "one line of slope one against the distance, for pre-norm and post-norm. Eight blocks: all gradients within four per cent of the law, pre-norm about two above."
)
"""What one sees."""
MIDDLE = 1.0
"""The scale of the logits that is shown."""
PLACES = ("pre", "post")
LOOKS = {"pre": (0, "s"), "post": (3, "o")}
"""Colour and marker of the queries' gradient and the tokens' distance, by the norm's place."""
VALUE = 4
"""Colour of the values' gradient."""
NAMES = {
    "log_grad": "stream",
    "query": "$W_q$",
    "key": "$W_k$",
    "value": "$W_v$",
    "output": "$W_o$",
    "mlp_in": "$W_1$",
    "mlp_out": r"$W_{\mathrm{p}}$",
}
"""All gradients, in the order in which their distances from the law stand."""
BESIDE = 0.18
"""Half the distance between pre-norm and post-norm, in places of gradients."""
RANGE = (-6.5, 9)
"""Per cent shown."""
LINE = {"linewidth": 1.1, "zorder": 2}
HOLLOW = {"markerfacecolor": "white", "markeredgewidth": 0.8, "elinewidth": 0.6, "capsize": 0, "zorder": 3}


def _look(place: str, colour: int | None = None) -> dict[str, object]:
    own, marker = LOOKS[place]
    return HOLLOW | {"color": style.COLOURS[own if colour is None else colour], "fmt": marker, "linestyle": "none"}


def _alike(axes: Axes, rows: pd.DataFrame, place: str) -> None:
    """Cosine distance of the tokens at each block."""
    axes.plot(rows.block, rows.distance, color=style.COLOURS[LOOKS[place][0]], **LINE)
    some = rows[(rows.block - 1) % 2 == 0]
    axes.errorbar(some.block, some.distance_hat, some.distance_hat_err, **_look(place))


def _sizes(axes: Axes, rows: pd.DataFrame, place: str) -> None:
    """Gradients of queries and of values at each block."""
    some = rows[(rows.block - 1) % 2 == 0]
    for name, colour in (("value", VALUE), ("query", LOOKS[place][0])):
        if name == "value" and place != PLACES[-1]:
            continue  # those of pre-norm lie about the same line
        axes.plot(rows.block, rows[name] / style.DECADE, color=style.COLOURS[colour], **LINE)
        seen, err = some[f"{name}_hat"] / style.DECADE, some[f"{name}_hat_err"] / style.DECADE
        axes.errorbar(some.block, seen, err, **_look(place, colour))


def _ratio(axes: Axes, rows: pd.DataFrame, place: str) -> None:
    """Gradient of queries over that of values against the tokens' distance."""
    axes.plot(rows.distance, np.exp(rows.ratio), color=style.COLOURS[LOOKS[place][0]], **LINE)
    some = rows[(rows.block - 1) % 2 == 0]
    seen = np.exp(some.ratio_hat)
    axes.errorbar(some.distance_hat, seen, seen * some.ratio_hat_err, some.distance_hat_err, **_look(place))


def _off(axes: Axes, frame: pd.DataFrame) -> None:
    """Distance of every gradient from the law in per cent, in every block of a shallower stack."""
    axes.axhline(0, color="0.25", linewidth=0.8, zorder=1)
    places = [place for place in PLACES if (frame.place == place).any()]
    for place in places:
        rows = frame[frame.place == place]
        shown = [name for name in NAMES if name in rows]
        for at, name in enumerate(shown):
            ratio = np.exp(rows[f"{name}_hat"] - rows[name])[rows[name] != 0]  # 0 is so by construction
            beside = BESIDE * (1 if place == places[-1] else -1) + 0.02 * (np.arange(len(ratio)) - len(ratio) / 2)
            axes.errorbar(at + beside, 100 * (ratio - 1), **_look(place), markersize=2.4)
        told = rf"{place}-norm matrices: mean ${mean_off(rows):+.1f}$ %"
        look = {"fontsize": 7.5, "va": "top", "transform": axes.transAxes, "color": style.COLOURS[LOOKS[place][0]]}
        axes.text(0.02, 1.02 - 0.11 * places.index(place), told, **look)
    axes.set_xticks(range(len(NAMES)), list(NAMES.values()))
    axes.set(ylim=RANGE, yticks=(-4, 0, 4), ylabel="measured / law $-$ 1 (%)")


def mean_off(rows: pd.DataFrame) -> float:
    """By how many per cent the gradients of matrices exceed the law, on average over blocks and matrices."""
    shown = [name for name in NAMES if name in rows and name != "log_grad"]
    ratios = np.concatenate([np.exp(rows[f"{name}_hat"] - rows[name])[rows[name] != 0] for name in shown])
    return float(100 * (ratios.mean() - 1))


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    deep, frame = (frames[name].sort_values("block") for name in ("rank_collapse", "attention"))
    deep, frame = deep[deep.sigma_qk == MIDDLE], frame[frame.sigma_qk == MIDDLE]
    size = {"height": 1.9, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1, 1, 1.05, 1.5]}}
    figure, (alike, sizes, ratio, off) = style.canvas(1, 4, **size)
    for place in PLACES:
        rows = deep[deep.place == place]
        if rows.empty:
            continue
        _alike(alike, rows, place)
        _sizes(sizes, rows, place)
        _ratio(ratio, rows, place)
    _off(off, frame)
    named = {"fontsize": 7.5, "va": "center"}
    blue, red, purple = (style.COLOURS[each] for each in (LOOKS["pre"][0], LOOKS["post"][0], VALUE))
    alike.text(24.5, 1.3, "pre-norm", color=blue, ha="right", **named)
    alike.text(1, 3e-4, "post-norm", color=red, **named)
    sizes.text(24.5, 0.42, "$W_v$, post-norm", color=purple, ha="right", **named)
    sizes.text(24.5, -1.95, "$W_q$, pre-norm", color=blue, ha="right", **named)
    sizes.text(1, -4.0, "$W_q$,\npost-norm", color=red, **named)
    ratio.text(0.03, 0.95, "both norms:\nproportional\nto $1-\\rho$", va="top", fontsize=7.5, transform=ratio.transAxes)
    alike.set(yscale="log", ylim=(1e-6, 3), xlabel="block", ylabel=r"$1-\rho$", title="tokens become alike")
    sizes.set(
        ylim=(-6.8, 0.9), xlabel="block", ylabel=r"$\log_{10}$ of the gradient", title="queries lose their gradient"
    )
    ratio.set(xscale="log", yscale="log", xlabel=r"$1-\rho$", ylabel="$W_q$ over $W_v$", title="in proportion")
    off.set_title("eight blocks, all matrices")
    for axes in (alike, sizes):
        axes.set_xticks([1, 8, 16, 24])
    for axes in (alike, ratio):
        axes.set_yticks([1e-6, 1e-4, 1e-2, 1], ["$10^{-6}$", "$10^{-4}$", "$10^{-2}$", "1"])
    ratio.set_xticks([1e-6, 1e-4, 1e-2, 1], ["$10^{-6}$", "$10^{-4}$", "$10^{-2}$", "1"])
    for axes in (alike, sizes, ratio):
        axes.minorticks_off()
    looks = {"law": {"color": "0.3"}, "networks, pre-norm": _look("pre"), "networks, post-norm": _look("post")}
    handles = [
        Line2D(
            [],
            [],
            **{"marker": look.get("fmt"), "color": look["color"], "label": name}
            | {each: look[each] for each in ("linestyle", "markerfacecolor", "markeredgewidth") if each in look},
        )
        for name, look in looks.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.6)
    return figure
