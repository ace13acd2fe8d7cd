"""A diagnosis as one HTML page."""

import html
import importlib.util
import io
from collections.abc import Iterable, Sequence
from typing import Any

from vgtheory.diagnose.remedies.remedy import END_TO_END
from vgtheory.diagnose.rows import Row, modules
from vgtheory.diagnose.words import shown

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { padding: 0.15em 0.7em; text-align: left; border-bottom: 1px solid #ddd; }
svg { max-width: 100%; height: auto; }
"""
_COLUMNS = ("layer", "kind", "shape", "sigma_w", "rms", "|dE/dy|", "|dE/dW|", "through", "between")


def _table(head: Iterable[str], lines: Iterable[Sequence[str]]) -> str:
    cells = lambda tag, line: "<tr>" + "".join(f"<{tag}>{html.escape(each)}</{tag}>" for each in line) + "</tr>"
    return "\n".join(["<table>", cells("th", head), *(cells("td", line) for line in lines), "</table>"])


def _row(row: Row) -> list[str]:
    logs = (row.log_rms, row.log_grad, row.log_grad_weight, row.log_through, row.log_between)
    numbers = ["-" if log != log else shown(log) for log in logs]
    sigma_w = "-" if row.sigma_w != row.sigma_w else f"{row.sigma_w:.3g}"
    return [row.layer, row.kind, "x".join(map(str, row.shape)), sigma_w, *numbers]


def _figure(found: Any) -> str:
    """The figure as SVG; empty where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None or importlib.util.find_spec("seaborn") is None:
        return ""
    file = io.StringIO()
    found.plot().savefig(file, format="svg", metadata={"Date": None})
    return "<svg" + file.getvalue().partition("<svg")[2]


def page(found: Any) -> str:
    """The text of a page that needs no other file: verdict, figure, remedies, modules and all rows."""
    title = f"{found.verdict.word}: {found.verdict.where}".removesuffix(": ")
    parts = [f"<p><b>{head}.</b> {html.escape(text)}</p>" for head, text in found.sentences()]
    parts.append(_figure(found))
    tried = found.remedies()
    if tried:
        ends = lambda log, about: f"{shown(log)}-fold" if about == END_TO_END else shown(log)
        lines = [(e.text, e.about, ends(e.log_total_before, e.about), ends(e.log_total, e.about)) for e in tried]
        parts += ["<h2>Remedies</h2>", _table(("remedy", "about", "without", "with"), lines)]
    groups = modules(found.rows)
    if 1 < len(groups) < len(found.rows):
        span = lambda pair: " to ".join(dict.fromkeys(map(shown, pair)))
        own = [(e.name, str(e.calls), span(e.log_rms), span(e.log_grad), shown(e.log_factor)) for e in groups]
        parts += ["<h2>Modules</h2>", _table(("module", "calls", "rms", "|dE/dy|", "factor"), own)]
    parts += ["<h2>Layers</h2>", _table(_COLUMNS, map(_row, found.rows))]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join([f"<h1>{html.escape(title)}</h1>", *filter(None, parts)])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


__all__ = ["page"]
