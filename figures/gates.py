"""Recurrent cells: how far the gradient comes back by two theories and in networks, all settings, and the wide limit of the difference."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from figures import style

SOURCES = ("gates", "gate_courses")
SEEN = (
    "Over 200 steps gradients of an LSTM, a minimal gated unit and a leaky recurrence fall along the line of the theory with shared weights, 10 to 27 powers of ten above that with independent weights. "
    "Over all settings the first theory's rates lie on the line of equality, the second's up to eight times too large; the first's difference from networks goes to zero as they become wider."
)
"""What one sees."""
NAMES = {"LSTM": "LSTM", "GRU": "GRU", "MGU": "minimal gated", "leaky": "leaky tanh", "skip": "skip in time"}
"""Kinds of cells."""
LOOKS = {"LSTM": (0, "o"), "GRU": (1, "s"), "MGU": (2, "^"), "leaky": (3, "D"), "skip": (4, "v")}
"""Colours and markers of cells."""
COURSES = ("LSTM", "MGU", "leaky")
"""Cells whose course is shown."""
WIDTH = 256
"""Of their networks."""
LEAST, MOST = 0.02, 1.6
"""Rates are shown between minus these: ratios of rates near 0 say nothing."""
ALONE = {"color": "0.55", "markeredgewidth": 0.7, "markerfacecolor": "white"}
"""The theory with independent weights."""
BESIDE = 1.07
"""Markers of different cells at one width stand so much apart."""


def _look(kind: str) -> dict[str, object]:
    colour, marker = LOOKS[kind]
    look = {"color": style.COLOURS[colour], "fmt": marker, "markerfacecolor": "white", "markeredgewidth": 0.8}
    return look | {"elinewidth": 0.7, "capsize": 0, "linestyle": "none", "zorder": 3}


def _course(axes: Axes, rows: pd.DataFrame, kind: str) -> None:
    """The log-gradient by steps back, in powers of ten."""
    rows = rows.sort_values("step")
    seen, one, own = (rows[name] / style.DECADE for name in ("one_hat", "one", "own"))
    axes.plot(rows.step, own, color=ALONE["color"], dashes=style.DASHES[1], zorder=1)
    axes.plot(rows.step, one, color=style.COLOURS[LOOKS[kind][0]], zorder=2)
    some = rows.step % 20 == 0
    axes.errorbar(rows.step[some], seen[some], rows.one_hat_err[some] / style.DECADE, **_look(kind))
    words = {"fontsize": 7.5, "va": "bottom", "ha": "left"}
    axes.text(6, -33.5, f"indep.: {own.iloc[-1]:.0f}".replace("-", "\N{MINUS SIGN}"), color="0.45", **words)
    told = f"shared: {one.iloc[-1]:.0f}".replace("-", "\N{MINUS SIGN}")
    axes.text(6, -29, told, color=style.COLOURS[LOOKS[kind][0]], **words)


def _ratios(axes: Axes, frame: pd.DataFrame, kinds: list[str]) -> None:
    """Predicted over measured rates in all settings, by both theories."""
    axes.axhline(1, color="0.3", linewidth=0.8, zorder=1)
    for kind in kinds:
        rows = frame[(frame.kind == kind) & (frame.one_hat < -LEAST)]
        seen, ratio = -rows.one_hat, rows.one / rows.one_hat
        err = ratio * np.hypot(rows.one_hat_err / rows.one_hat, rows.one_err / rows.one)
        axes.plot(seen, -rows.own / seen, LOOKS[kind][1], markersize=3.0, zorder=2, **ALONE)
        axes.errorbar(seen, ratio, err.abs(), **_look(kind))
    axes.set(xscale="log", yscale="log", ylim=(0.6, 10), xlim=(LEAST * 0.85, MOST))
    axes.set_yticks(ticks := [0.7, 1, 2, 4, 8], [f"{tick:g}" for tick in ticks])
    axes.set_xticks(ticks := [0.02, 0.1, 1], [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _excess(axes: Axes, last: pd.DataFrame, kinds: list[str]) -> None:
    """By how many per cent of the log networks lose more than the theory with shared weights says, by width."""
    axes.axhline(0, color="0.3", linewidth=0.8, zorder=1)
    for index, kind in enumerate(kinds):
        rows = last[last.kind == kind].sort_values("width")
        place = rows.width * BESIDE ** (index - (len(kinds) - 1) / 2)
        excess = 100 * (rows.one_hat / rows.one - 1)
        err = 100 * np.hypot(rows.one_hat_err / rows.one_hat, rows.one_err / rows.one)
        axes.errorbar(place, excess, err.abs(), **_look(kind))
    axes.set(xscale="log", xlabel="width")
    axes.set_xticks(ticks := sorted(last.width.unique()), [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()


def draw(frames: dict[str, pd.DataFrame]) -> Figure:
    frame, courses = frames["gates"], frames["gate_courses"]
    kinds = [kind for kind in NAMES if (frame.kind == kind).any()]
    last = courses[courses.step == courses.step.max()]
    size = {"height": 2.05, "width": style.PAGE, "gridspec_kw": {"width_ratios": [1, 1, 1, 1.35, 1.35]}}
    figure, (*left, ratios, excess) = style.canvas(1, 5, **size)
    for axes, kind in zip(left, COURSES, strict=True):
        rows = courses[(courses.kind == kind) & (courses.width == WIDTH)]
        axes.set(ylim=(-37, 1.5), title=NAMES[kind])
        axes.set_yticks([0, -10, -20, -30], ["0", *(f"\N{MINUS SIGN}{each}" for each in (10, 20, 30))])
        axes.set_xticks([0, 100, 200])
        axes.tick_params(labelleft=axes is left[0])
        if len(rows):
            _course(axes, rows, kind)
    left[0].set_ylabel(r"$\log_{10}$ of the gradient")
    left[1].set_xlabel("steps back")
    _ratios(ratios, frame, kinds)
    ratios.set(xlabel="measured decay per step", ylabel="predicted / measured", title="all settings")
    _excess(excess, last, [kind for kind in NAMES if (courses.kind == kind).any()])
    excess.set(ylabel="beyond theory (%)", title="wider networks")
    plain = {"linestyle": "none", "markerfacecolor": "white"}
    handles = {
        "shared weights": Line2D([], [], color="0.2"),
        "independent": Line2D([], [], color=ALONE["color"], dashes=style.DASHES[1]),
        "independent (d)": Line2D([], [], marker="o", markersize=3, linestyle="none", **ALONE),
    }
    handles |= {
        NAMES[kind]: Line2D([], [], marker=LOOKS[kind][1], color=style.COLOURS[LOOKS[kind][0]], **plain)
        for kind in kinds
    }
    look = {"columnspacing": 1.1, "handletextpad": 0.4, "handlelength": 1.7}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=8, **look)
    return figure
