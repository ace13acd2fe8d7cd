"""Results as tables; ``pandas`` is imported when a table is first needed."""

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import pandas


def needed(where: str, module: str, extra: str) -> Any:
    """Import an optional module, or raise an ``ImportError`` of one sentence.

    Parameters
    ----------
    where
        The user's request, as written.
    module
        Full name of the module.
    extra
        Name of the extra that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        remedy = f"Run pip install 'vgtheory[{extra}]'."
        raise ImportError(f"{where}: expected {module} to be installed, got {error}. {remedy}") from error


def frame(where: str, columns: Mapping[str, Any], axes: Mapping[str, Any] | None = None) -> "pandas.DataFrame":
    """Table with a row for every entry of some arrays, as a ``pandas.DataFrame``.

    Parameters
    ----------
    where
        The user's request, as written.
    columns
        Arrays of one shape by name. An ``Estimate`` or a ``Law`` becomes two columns, ``name`` and
        ``name_err`` or ``name_std``.
    axes
        Coordinates along the arrays' last axes by name, in order. Any axis before them is counted
        from 0 as ``index`` (``index_0``, ``index_1`` ... if there are several).
    """
    pandas, axes = needed(where, "pandas", "plot"), axes or {}
    arrays = dict(pair for name, value in columns.items() for pair in _parts(name, value))
    shape = np.broadcast_shapes(*(each.shape for each in arrays.values()))
    more = len(shape) - len(axes)
    names = ["index"] if more == 1 else [f"index_{each}" for each in range(more)]
    along = [*(np.arange(size) for size in shape[:more]), *(np.asarray(each) for each in axes.values())]
    table = dict(zip([*names, *axes], np.meshgrid(*along, indexing="ij"), strict=True)) if shape else {}
    table |= {name: np.broadcast_to(each, shape) for name, each in arrays.items()}
    return pandas.DataFrame({name: each.ravel() for name, each in table.items()})


def frame_of(result: Any, **axes: Any) -> "pandas.DataFrame":
    """Table of a named tuple of arrays of one shape; ``axes`` as for ``frame``."""
    return frame(f"{type(result).__name__}.frame", result._asdict(), axes)


def frame_of_parts(result: Any) -> "pandas.DataFrame":
    """Table of a named tuple of like fields: a row for each field, named by ``part``.

    The fields are numbers, arrays of one shape, or values with their uncertainty.
    """
    where, kind = f"{type(result).__name__}.frame", type(result[0])
    if not hasattr(kind, "_fields"):
        return frame(where, {"value": np.stack(np.broadcast_arrays(*result), axis=-1)}, {"part": result._fields})
    fields = zip(*result, strict=True)
    columns = {
        name: np.stack(np.broadcast_arrays(*each), axis=-1) for name, each in zip(kind._fields, fields, strict=True)
    }
    return frame(where, columns, {"part": result._fields})


def frame_of_logs(result: Any, inputs: bool) -> "pandas.DataFrame":
    """Table of many networks' profiles: a row for each ``net``, ``input`` and ``layer`` (from 1).

    Parameters
    ----------
    result
        A named tuple of arrays whose last axes are networks, inputs (which a field may lack) and
        layers.
    inputs
        Whether any field has an axis of inputs.
    """
    fields = {name: np.asarray(value) for name, value in result._asdict().items()}
    most = max(value.ndim for value in fields.values())
    columns = {name: value if value.ndim == most else value[..., None, :] for name, value in fields.items()}
    *_, nets, rows, depth = (1, *np.broadcast_shapes(*(value.shape for value in columns.values())))
    along = {"net": np.arange(nets), "input": np.arange(rows)} if inputs else {"net": np.arange(rows)}
    return frame(f"{type(result).__name__}.frame", columns, {**along, "layer": np.arange(1, depth + 1)})


def frame_of_nets(result: Any, axes: Mapping[str, Any], columns: Mapping[str, Any] | None = None) -> "pandas.DataFrame":
    """Table of many networks: a row for each ``net`` and each entry along some axes.

    Parameters
    ----------
    result
        A named tuple.
    axes
        Coordinates along the axes after the networks', by name and in order.
    columns
        Arrays by name, whose first axis is networks, and which may lack last axes; None for all
        fields.
    """
    arrays = {name: np.asarray(value) for name, value in (columns or result._asdict()).items()}
    wide = {name: value.reshape(*value.shape, *[1] * (1 + len(axes) - value.ndim)) for name, value in arrays.items()}
    nets = np.arange(len(next(iter(arrays.values()))))
    return frame(f"{type(result).__name__}.frame", wide, {"net": nets, **axes})


def word(value: Any) -> str:
    """A number, a name or None as a cell of a table of text."""
    return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else str(value)


def aligned(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table as text: its head, and a line for every row."""
    if not rows:
        return "none"
    lines = [list(rows[0]), *([word(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


class Table(list[Any]):
    """A list of named tuples of one kind, which prints as a table."""

    kind: ClassVar[Any]

    @property
    def frame(self) -> "pandas.DataFrame":
        """One row for each entry, as a ``pandas.DataFrame``; NaN where a value is None."""
        names = self.kind._fields
        columns = {name: [np.nan if row[at] is None else row[at] for row in self] for at, name in enumerate(names)}
        return frame(f"{type(self).__name__}.frame", columns)

    def __repr__(self) -> str:
        return aligned([row._asdict() for row in self])


def _parts(name: str, value: Any) -> list[tuple[str, np.ndarray]]:
    """One column, or the two of a value with its uncertainty."""
    fields = getattr(value, "_fields", None)
    if fields is None:
        return [(name, np.asarray(value))]
    return [(name, np.asarray(value[0])), (f"{name}_{fields[1]}", np.asarray(value[1]))]


__all__ = [
    "Table",
    "aligned",
    "frame",
    "frame_of",
    "frame_of_logs",
    "frame_of_nets",
    "frame_of_parts",
    "needed",
    "word",
]
