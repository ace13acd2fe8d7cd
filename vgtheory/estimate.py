"""Numbers that carry their uncertainty: ``Estimate`` (measured) and ``Law`` (predicted)."""

import decimal
import math
import numbers
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.expect import expect
from vgtheory.frame import frame

if TYPE_CHECKING:
    import pandas

Pair = TypeVar("Pair", bound=type)
_DIGITS = 1e-15
"""Share of the middle below which a spread is not printed."""
_FEW, _MOST = 3, 24
"""Entries of an array that are printed one by one, and rows of a table in a notebook."""


def _expect_known(pair: Any, what: str, other: Any) -> None:
    """Raise unless ``other`` is a number, or an array, without an uncertainty of its own."""
    known = isinstance(other, numbers.Real | np.ndarray | jax.Array) and not isinstance(other, bool)
    together = "Whether the two vary together is not known: combine their fields yourself."
    expect(known, type(pair).__name__, what, together if isinstance(other, type(pair)) else "", other=other)


def _scaled(pair: Any, factor: Any) -> Any:
    _expect_known(pair, "a number to be multiplied by", factor)
    return type(pair)(pair[0] * factor, pair[1] * abs(factor))


def _divided(pair: Any, divisor: Any) -> Any:
    _expect_known(pair, "a number to be divided by", divisor)
    return type(pair)(pair[0] / divisor, pair[1] / abs(divisor))


def _shifted(pair: Any, shift: Any) -> Any:
    _expect_known(pair, "a number to be added", shift)
    middle, spread = pair[0] + shift, pair[1]
    if np.shape(middle) != np.shape(spread):
        spread = (jnp if isinstance(middle, jax.Array) else np).broadcast_to(spread, np.shape(middle))
    return type(pair)(middle, spread)


def _reduced(pair: Any, shift: Any) -> Any:
    _expect_known(pair, "a number to be subtracted", shift)
    return _shifted(pair, -shift)


def _one_written(middle: float, spread: float) -> str:
    """``2.44 ± 0.47``: two digits of the spread, and as many places of the middle."""
    if not (math.isfinite(middle) and math.isfinite(spread) and spread > _DIGITS * abs(middle)):
        return f"{middle:.6g} ± {spread:.2g}"
    spread = float(f"{spread:.1e}")
    size, last = (math.floor(math.log10(each)) for each in (max(abs(middle), spread), spread))
    power = 0 if -4 <= size < 7 else size
    places = power + 1 - last
    rounded = (round(decimal.Decimal(each).scaleb(-power), places) for each in (middle, spread))
    words = " ± ".join(f"{each:.{max(0, places)}f}" for each in rounded)
    return f"({words})e{power:+03d}" if power else words


def _entries(pair: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Both fields as arrays of one shape; None where they cannot be read."""
    if any(field is None or isinstance(field, jax.core.Tracer) for field in pair):
        return None
    try:
        middle, spread = np.broadcast_arrays(*(np.asarray(field, dtype=float) for field in pair))
    except (TypeError, ValueError):
        return None
    return middle, spread


def _written(pair: Any) -> str:
    """One line; an array is shown by its ends and its shape."""
    arrays = _entries(pair)
    if arrays is None:
        fields = ", ".join(f"{name}={field!r}" for name, field in zip(pair._fields, pair, strict=True))
        return f"{type(pair).__name__}({fields})"
    flat = [each.ravel() for each in arrays]
    entry = lambda index: _one_written(float(flat[0][index]), float(flat[1][index]))
    shape, size = arrays[0].shape, arrays[0].size
    if not shape:
        return entry(0)
    if len(shape) == 1 and size <= _FEW:
        return f"[{', '.join(map(entry, range(size)))}]"
    return f"[{entry(0)} ... {entry(-1)}], shape {shape}" if size else f"[], shape {shape}"


def _rows(size: int) -> Iterator[int | None]:
    """Indices of a long column's first and last rows, with None for those between."""
    half = _MOST // 2
    yield from range(size) if size <= _MOST else (*range(half), None, *range(size - half, size))


def _in_html(pair: Any) -> str:
    """HTML for notebooks, with a table for a list."""
    arrays = _entries(pair)
    if arrays is None or arrays[0].ndim != 1:
        return f"<span>{_written(pair)}</span>"
    entry = lambda index: _one_written(float(arrays[0][index]), float(arrays[1][index]))
    gap = "<tr><td>...</td><td>...</td></tr>"
    rows = (
        gap if index is None else f"<tr><td>{index}</td><td>{entry(index)}</td></tr>" for index in _rows(arrays[0].size)
    )
    head = f"<tr><th></th><th>{pair._fields[0]} ± {pair._fields[1]}</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _framed(pair: Any) -> "pandas.DataFrame":
    """Table with a row for every entry, as a ``pandas.DataFrame``."""
    return frame(f"{type(pair).__name__}.frame", dict(zip(pair._fields, pair, strict=True)))


def _as_number(pair_type: Pair) -> Pair:
    """Give a pair the arithmetic and the looks of a number with an uncertainty."""
    kind: Any = pair_type
    kind.__mul__ = kind.__rmul__ = _scaled
    kind.__truediv__ = _divided
    kind.__add__ = kind.__radd__ = _shifted
    kind.__sub__ = _reduced
    kind.__rsub__ = lambda pair, other: _shifted(-pair, other)
    kind.__neg__ = lambda pair: _scaled(pair, -1)
    kind.__array_ufunc__ = None  # so that NumPy's numbers leave the arithmetic to these
    kind.__repr__ = _written
    kind._repr_html_ = _in_html
    kind.frame = property(_framed)
    return pair_type


@_as_number
class Estimate(NamedTuple):
    """A measured value and its standard error.

    A factor scales both; an added number shifts the value. The sum of two estimates raises, because
    their correlation is not known. An estimate prints as ``2.44 ± 0.47``, and ``.frame`` is a
    ``pandas.DataFrame`` of its entries.

    Attributes
    ----------
    value
        The measured mean; any shape.
    err
        One standard error of ``value``: sampling error and the rounding of the measurement's own
        arithmetic, added in quadrature; same shape and unit.

    Examples
    --------
    >>> from vgtheory import Estimate
    >>> Estimate(2.4371, 0.4689)
    2.44 ± 0.47
    """

    value: Any
    err: Any


@_as_number
class Law(NamedTuple):
    """A predicted distribution over random networks, by its mean and standard deviation.

    It prints and adds up as an ``Estimate``.

    Attributes
    ----------
    mean
        Mean over networks; any shape.
    std
        Standard deviation from network to network (not of a mean); same shape and unit; zero at
        infinite width.

    Examples
    --------
    >>> from vgtheory import Law
    >>> Law(1.0, 0.5) * -2 + 1
    -1.0 ± 1.0
    """

    mean: Any
    std: Any
