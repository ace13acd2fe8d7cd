"""Results as tables: ``pandas`` is imported when a table is first asked for, and its absence is told in one sentence."""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np


def needed(where: str, module: str, extra: str) -> Any:
    """A module of a package that is not installed with this one unless an extra is asked for.

    Parameters
    ----------
    where
        What was asked for, as a user writes it.
    module
        Full name of the module.
    extra
        Name of the extra that brings it.

    Raises
    ------
    ImportError
        If it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        remedy = f"Run pip install 'vgtheory[{extra}]'."
        raise ImportError(f"{where}: expected {module} to be installed, got {error}. {remedy}") from error


def frame(where: str, columns: Mapping[str, Any], axes: Mapping[str, Any] | None = None) -> Any:
    """A ``pandas.DataFrame`` with a row for every entry of some arrays.

    Parameters
    ----------
    where
        What was asked for, as a user writes it.
    columns
        Arrays of one shape by name; an ``Estimate`` or a ``Law`` becomes two columns, ``name`` and ``name_err`` or ``name_std``.
    axes
        Coordinates along the arrays' last axes by name, in order; any axis before them is counted from 0 as ``index`` (``index_0``,
        ``index_1`` ... if there are several).
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


def _parts(name: str, value: Any) -> list[tuple[str, np.ndarray]]:
    """A column, or the two of a value with its uncertainty."""
    fields = getattr(value, "_fields", None)
    if fields is None:
        return [(name, np.asarray(value))]
    return [(name, np.asarray(value[0])), (f"{name}_{fields[1]}", np.asarray(value[1]))]


__all__ = ["frame", "needed"]
