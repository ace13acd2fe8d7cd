"""Every residual as a point of one Bokeh plot: experiments down, z across; what a point is appears when it is pointed at or chosen."""

import shutil
from pathlib import Path

import bokeh
import numpy as np
import pandas as pd
from bokeh.embed import components
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Span, TapTool
from bokeh.plotting import figure as canvas
from rendering import number

SCRIPT = "bokeh.min.js"
LIMIT = 8.0
"""Residuals beyond are drawn at the edge."""
ROW = 19
"""Height of an experiment's row, in pixels."""
LOOK = {
    "agrees": ("circle", "#0173b2"),
    "disagrees": ("diamond", "#a80000"),
    "outside": ("triangle", "#6b4c00"),
    "broken": ("x", "#000000"),
}
"""Marker and colour of an outcome: either tells it."""
_TOOLTIP = """<div style="max-width:24rem;white-space:normal"><b>@label</b> (@experiment)<br>predicted @predicted, measured @measured, @unit<br>
z = @z, @outcome<br><code>@command</code></div>"""


def _size(row: object) -> float:
    """What is drawn: z, or outside the gap in measured standard errors; at the edge where it has none."""
    value = row.gap if row.outcome == "outside" else row.z  # type: ignore[attr-defined]
    return float(np.clip(value, -LIMIT, LIMIT)) if np.isfinite(value) else LIMIT


def _said(row: object) -> str:
    """z in words."""
    if row.outcome == "outside":  # type: ignore[attr-defined]
        return f"none, the law declines (gap {row.gap:+.1f} measured standard errors)"  # type: ignore[attr-defined]
    return f"{row.z:+.2f}".replace("-", "−")  # type: ignore[attr-defined]


def points(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Where every comparison stands and what it says, the furthest first."""
    rows = table.assign(x=[_size(row) for row in table.itertuples()])
    rows = rows.iloc[np.argsort(-rows.x.abs().to_numpy(), kind="stable")]
    apart = (np.arange(len(rows)) * 0.618034 % 1 - 0.5) * 0.7
    return pd.DataFrame(
        {
            "x": rows.x.round(3).to_numpy(),
            "y": (len(names) - rows.experiment.map(names.index).to_numpy() + apart).round(3),
            "marker": rows.outcome.map(lambda each: LOOK[each][0]).to_numpy(),
            "colour": rows.outcome.map(lambda each: LOOK[each][1]).to_numpy(),
            "predicted": [number(each) for each in rows.predicted],
            "measured": [f"{number(row.measured)} ± {number(row.measured_err, 2)}" for row in rows.itertuples()],
            "z": [_said(row) for row in rows.itertuples()],
            **{each: rows[each].to_numpy() for each in ("label", "experiment", "unit", "outcome", "command")},
        }
    )


def plot(table: pd.DataFrame, names: list[str]) -> str:
    """The plot's script and its place."""
    frame = points(table, names)
    source = ColumnDataSource({column: frame[column].tolist() for column in frame}, name="points")
    figure = canvas(
        sizing_mode="stretch_width",
        height=ROW * len(names) + 70,
        x_range=(-LIMIT - 0.5, LIMIT + 0.5),
        y_range=(0.3, len(names) + 0.7),
        tools="box_zoom,reset",
        toolbar_location=None,
        x_axis_label="z, in standard errors",
        name="residuals",
    )
    marks = figure.scatter(
        "x", "y", source=source, marker="marker", color="colour", fill_alpha=0.35, size=6, legend_group="outcome"
    )
    marks.nonselection_glyph = marks.glyph
    marks.selection_glyph = marks.glyph.clone(size=14, line_color="#000000", line_width=2, fill_alpha=1.0)
    figure.add_tools(HoverTool(tooltips=_TOOLTIP, renderers=[marks], limit=3), TapTool(renderers=[marks]))
    for at, dash in ((0, "solid"), (-5, "dashed"), (5, "dashed")):
        figure.add_layout(Span(location=at, dimension="height", line_color="#555555", line_dash=dash, line_width=1))
    figure.yaxis.ticker = FixedTicker(ticks=list(range(1, len(names) + 1)))
    figure.yaxis.major_label_overrides = {len(names) - index: name for index, name in enumerate(names)}
    figure.legend.orientation = "horizontal"
    figure.legend.location = "top_center"
    figure.add_layout(figure.legend[0], "above")
    script, place = components(figure)
    return f"{place}\n{script}"


def copy_script(site: Path) -> None:
    """BokehJS into the site's own files."""
    (site / "_static").mkdir(exist_ok=True)
    shutil.copy(Path(bokeh.__file__).parent / "server" / "static" / "js" / SCRIPT, site / "_static")
