"""Rows of a diagnosis, one for each layer call, and their table as text."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vgtheory.diagnose.words import shown

_SHOWN = 24
"""Most rows of a printed table; of a longer table, the first and last are printed."""


class Row(NamedTuple):
    """One layer call. Logs are natural; NaN where a quantity does not exist, inf if not finite.

    Attributes
    ----------
    layer
        Path; ``@1``, ``@2`` ... mark later calls of the same layer.
    kind
        ``"dense"``, ``"conv"``, ``"norm"``, ``"embed"``, ``"scale"`` (a product with a parameter) or
        ``"dropout"``.
    shape
        Shape of the output.
    sigma_w
        Root mean square of the kernel times the root of its fan-in.
    log_rms
        Log of the root mean square of the output.
    not_finite
        Share of the output's entries that are NaN or infinite.
    log_grad
        Log-norm of the loss's gradient with respect to the output.
    log_grad_weight
        Log-norm of the loss's gradient with respect to the parameters that this call reads.
    log_through
        Log of the gradient's norm at the input over that at the output: the effect of the layer.
    log_between
        On the chain, log of the gradient's norm at this call's output over that at the next call's
        input: the effect of everything between the two.
    between
        ``"slopes"`` if all of the gradient comes from that next call; ``"skips"`` where the graph
        branches; else empty.
    predicted_log_rms, predicted_log_grad, predicted_log_grad_weight
        Predictions, as given.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    sigma_w: float
    log_rms: float
    not_finite: float
    log_grad: float
    log_grad_weight: float
    log_through: float
    log_between: float
    between: str
    predicted_log_rms: float
    predicted_log_grad: float
    predicted_log_grad_weight: float


class Module(NamedTuple):
    """Layer calls whose paths begin alike. Logs are natural.

    Attributes
    ----------
    name
        Beginning of the paths.
    calls
        Number of layer calls.
    log_rms, log_grad
        Least and largest log of the outputs' rms, and of the gradient's norm at the outputs.
    log_factor
        Log of the gradient's norm at the output of the first call over that of the last.
    """

    name: str
    calls: int
    log_rms: tuple[float, float]
    log_grad: tuple[float, float]
    log_factor: float


def modules(rows: Sequence[Row]) -> list[Module]:
    """Rows by module: the deepest level of the paths at which there are at most 24 modules."""
    parents = [row.layer.split("@")[0].split("/")[:-1] or [row.layer.split("@")[0]] for row in rows]
    for level in range(max((len(parent) for parent in parents), default=0), 0, -1):
        groups: dict[str, list[Row]] = {}
        for row, parent in zip(rows, parents, strict=True):
            groups.setdefault("/".join(parent[:level]), []).append(row)
        if len(groups) <= _SHOWN:
            return [_module(name, group) for name, group in groups.items()]
    return []


def _module(name: str, group: Sequence[Row]) -> Module:
    rms, grads = ([getattr(row, column) for row in group] for column in ("log_rms", "log_grad"))
    with np.errstate(invalid="ignore"):
        factor = float(np.subtract(grads[0], grads[-1]))
    return Module(name, len(group), (min(rms), max(rms)), (min(grads), max(grads)), factor)


def summary(rows: Sequence[Row]) -> list[str]:
    """The modules of a deep model in aligned columns; empty for others."""
    found = modules(rows) if len(rows) > _SHOWN else []
    if not 1 < len(found) < len(rows):
        return []
    lines: list[tuple[str, ...]] = [("module", "calls", "rms", "|dE/dy|", "factor")]
    for each in found:
        ranges = [" to ".join(dict.fromkeys(map(shown, pair))) for pair in (each.log_rms, each.log_grad)]
        lines.append((each.name, str(each.calls), *ranges, shown(each.log_factor) if each.calls > 1 else "-"))
    return aligned(lines)


def table(rows: Sequence[Row]) -> list[str]:
    """The rows in aligned columns, as numbers instead of logs."""
    head = ("layer", "kind", "shape", "sigma_w", "rms", "|dE/dy|", "|dE/dW|", "through", "between")
    lines: list[tuple[str, ...]] = [head]
    for row in rows:
        logs = (row.log_rms, row.log_grad, row.log_grad_weight, row.log_through, row.log_between)
        cells = ["-" if np.isnan(log) else shown(log) for log in logs]
        cells[4] += {"slopes": "", "skips": " *", "": ""}[row.between]
        sigma_w = "-" if np.isnan(row.sigma_w) else f"{row.sigma_w:.3g}"
        lines.append((row.layer, row.kind, "x".join(map(str, row.shape)), sigma_w, *cells))
    said = [row.predicted_log_grad for row in rows]
    if not np.all(np.isnan(said)):
        cells = ["-" if np.isnan(log) else shown(log) for log in said]
        lines = [(*line, cell) for line, cell in zip(lines, ["predicted |dE/dy|", *cells], strict=True)]
    if any(row.not_finite > 0 for row in rows):
        shares = ("not finite", *(f"{row.not_finite:.2%}" for row in rows))
        lines = [(*line, share) for line, share in zip(lines, shares, strict=True)]
    if len(lines) > _SHOWN + 1:
        half = _SHOWN // 2
        lines = [*lines[: half + 1], ("...", *[""] * (len(lines[0]) - 1)), *lines[-half:]]
    return aligned(lines)


def aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of cells in columns."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def notes(rows: Sequence[Row], unseen: Sequence[str]) -> list[str]:
    """Footnotes of the table."""
    found = []
    if any(row.between == "skips" for row in rows):
        found.append("* the graph branches here: a change by skips, gates or attention as well as by slopes.")
    if unseen:
        found.append(f"Not looked into (in a cond, or a derivative of its own): {', '.join(unseen)}.")
    return found
