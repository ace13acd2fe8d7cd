"""One figure: drawn from its results, and saved."""

import importlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

os.environ.setdefault("SOURCE_DATE_EPOCH", "0")

from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from experiments.corridor.catalogue import load
from figures import style
from figures.description import described

SAVED = {
    "pdf": {"Creator": "vgtheory", "Producer": None},
    "png": {"Software": None},
    "svg": {"Creator": "vgtheory", "Date": None},
}
"""Formats, and what their files say of their making: nothing that changes."""
MOST_BYTES = 300_000
"""An SVG larger than this gets its most numerous marks as pixels."""
MANY = 12
"""Marks or corners of one drawn thing that are then drawn as pixels."""
PIXELS = 200
"""Of those, to the inch."""


def _marks(artist: Artist) -> int:
    """How many marks or corners a thing on the axes has."""
    if hasattr(artist, "get_paths"):
        return max(len(artist.get_offsets()), sum(len(path.vertices) for path in artist.get_paths()))
    return len(artist.get_xydata()) if hasattr(artist, "get_xydata") else 0


def _numerous(figure: Figure) -> Iterator[Artist]:
    for axes in figure.axes:
        yield from (each for each in (*axes.collections, *axes.lines) if _marks(each) > MANY)


def _svg(figure: Figure, said: dict[str, str]) -> bytes:
    """The figure as SVG, its letters as outlines; where that is large, what there is many of as pixels."""
    for again in (False, True):
        content = io.BytesIO()
        figure.savefig(content, format="svg", dpi=PIXELS, metadata=SAVED["svg"] | said)
        if again or content.tell() < MOST_BYTES:
            break
        for artist in _numerous(figure):
            artist.set_rasterized(True)
    return content.getvalue()


def _save(figure: Figure, script: ModuleType, path: Path, formats: Sequence[str]) -> None:
    """Letter the panels and save in every format, SVG last, for it may turn marks into pixels; its description is what it shows in words."""
    style.lettered(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out now, once for all formats
    for each in sorted(formats):
        if each == "svg":
            said = {"Title": path.name, "Description": described(script, figure), "Source": ", ".join(script.SOURCES)}
            path.with_name(f"{path.name}.svg").write_bytes(_svg(figure, said))
        else:
            figure.savefig(path.with_name(f"{path.name}.{each}"), metadata=SAVED[each])
    plt.close(figure)


def draw(name: str, results: Path, out: Path, formats: Sequence[str] = tuple(SAVED)) -> None:
    """Draw one figure and save it, the same bytes each time; as SVG also each of its ``panels``, a picture of its own."""
    style.use()
    script = importlib.import_module(f"figures.{name}")
    frames = {source: load(source, results) for source in script.SOURCES}
    out.mkdir(parents=True, exist_ok=True)
    _save(script.draw(frames), script, out / name, formats)
    if "svg" in formats and hasattr(script, "panel"):
        for each in script.panels(frames):
            _save(script.panel(frames, each), script, out / f"{name}-{each}", ["svg"])
