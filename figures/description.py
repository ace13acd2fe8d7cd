"""What a figure shows, in words, for those who cannot see it: its script's own sentences, then what each of its axes carries."""

import re
from types import ModuleType

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_SPOKEN = {
    r"\,": " ",
    r"\times": " times ",
    r"\pm": "±",
    r"\cdot": " times ",
    r"\infty": "infinity",
    "$": "",
    "{": "",
    "}": "",
}
_KEPT = 12
"""Curves of one axes that are named."""


def plain(text: str) -> str:
    """A label without LaTeX."""
    for sign, word in _SPOKEN.items():
        text = text.replace(sign, word)
    return " ".join(re.sub(r"\\([A-Za-z]+)", r"\1", text).split())


def _curves(axes: Axes) -> list[str]:
    labels = dict.fromkeys(plain(label) for label in axes.get_legend_handles_labels()[1])
    return [label for label in labels if label]


def _axes(axes: Axes) -> str:
    """One axes: its title, what stands on it against what, and its curves; nothing if it is a bar of colours or blank."""
    up, across = (plain(label) for label in (axes.get_ylabel(), axes.get_xlabel()))
    title = plain(axes.get_title() or re.sub(r"^\([a-z]\) ?", "", axes.get_title("left")))
    curves = _curves(axes)
    against = " against ".join(word for word in (up, across) if word)
    said = ": ".join(word for word in (title, against) if word)
    named = f" ({', '.join(curves[:_KEPT])}{', and others' if len(curves) > _KEPT else ''})" if curves else ""
    return f"{said}{named}" if said else ""


def described(script: ModuleType, figure: Figure) -> str:
    """The figure's subject, what one sees in it (the script's ``SEEN``), and its axes one after another."""
    subject = (script.__doc__ or "").strip().splitlines()[0]
    panels = [said for axes in figure.axes if (said := _axes(axes))]
    shown = "; ".join(dict.fromkeys(panels))
    return " ".join(word for word in (subject, getattr(script, "SEEN", ""), f"Axes: {shown}." if shown else "") if word)
