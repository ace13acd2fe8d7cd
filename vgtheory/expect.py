"""Errors in one sentence: ``where: expected WHAT, got NAME=VALUE.`` plus a remedy, if there is one.

Every function takes ``where``, the name of the public function or class, and the values by name.
It checks only facts known without running a program: the numbers of Python and NumPy, concrete
JAX arrays, and the dtype and shape of a traced array.
"""

import contextlib
import dataclasses
import difflib
import functools
import numbers
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import jax
import numpy as np
from jax.typing import ArrayLike


@runtime_checkable
class SupportsArray(Protocol):
    """Anything that NumPy can turn into an array, such as a column of pandas."""

    def __array__(self) -> np.ndarray: ...


Numbers = ArrayLike | Sequence[Any] | SupportsArray
"""Numbers as a user may give them: one number, an array of NumPy, JAX or pandas, or a list."""
Check = Callable[..., Any]
Function = TypeVar("Function", bound=Callable[..., Any])

MOST, EXACT = 2**31 - 1, 2**53
"""Largest count of stored things (the narrowest index), and largest exact integer in float64."""
_LONGEST = 80
_IGNORED = str.maketrans("", "", "-_ ")
_SHAPES = {None: "real numbers", 0: "a single real number", 1: "a list of real numbers", 2: "a matrix of real numbers"}
_WIDE = np.dtype(np.float64).itemsize


class _Words(str):
    """Text shown without quotation marks."""

    __repr__ = str.__str__


class _Seen(NamedTuple):
    """Facts on real numbers; ``entries`` is None if they are traced."""

    shape: tuple[int, ...]
    is_integer: bool
    entries: np.ndarray | None


def _shown(value: Any) -> str:
    """One line, of bounded length, for any value."""
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        if np.ndim(value) or (isinstance(value, jax.Array) and not _is_plain(value)):
            return f"{'traced ' * isinstance(value, jax.core.Tracer)}{value.dtype}{list(value.shape)}"
        value = np.asarray(value).item()
    ours = type(value).__module__.startswith("vgtheory.")
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and not ours:
        return f"{type(value).__name__}(...)"
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _is_plain(array: jax.Array) -> bool:
    """Whether the entries of an array of JAX can be read."""
    is_key = jax.numpy.issubdtype(array.dtype, jax.dtypes.extended)
    return not isinstance(array, jax.core.Tracer) and not is_key and array.is_fully_addressable


def _seen(value: Any) -> _Seen | None:
    """Facts on real numbers; None for anything else."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return None
    try:
        if isinstance(value, list | tuple) and any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(value)):
            value = jax.numpy.asarray(value)
        hidden = isinstance(value, jax.Array) and not _is_plain(value)
        array = value if hidden else np.asarray(value)
    except (TypeError, ValueError, OverflowError):
        return None
    is_integer = bool(jax.numpy.issubdtype(array.dtype, np.integer))
    is_float = bool(jax.numpy.issubdtype(array.dtype, np.floating)) and array.dtype.itemsize <= _WIDE
    if not (is_integer or is_float):
        return None
    return _Seen(array.shape, is_integer, None if hidden else array.astype(float))


@functools.cache
def _ends(interval: str) -> tuple[float, float, bool, bool]:
    """Ends of ``[low, high)`` and the like, and whether each belongs."""
    low, high = interval[1:-1].split(",")
    return float(low), float(high), interval[0] == "[", interval[-1] == "]"


def _inside(entries: Any, interval: str) -> Any:
    low, high, with_low, with_high = _ends(interval)
    return ((entries >= low) if with_low else (entries > low)) & ((entries <= high) if with_high else (entries < high))


def _range_words(name: str, interval: str) -> str:
    low, high, with_low, with_high = _ends(interval)
    if high < float("inf"):
        return f"{name} in {interval}"
    more = "" if low == -float("inf") else f" {'>=' if with_low else '>'} {low:g}"
    return f"{name}{more or ', not NaN'}" if with_high else f"a finite {name}{more}"


def expect(ok: bool, where: str, what: str, remedy: str = "", **got: Any) -> None:
    """Raise the one-sentence ``ValueError`` unless ``ok``, a static fact.

    ``what`` was expected, in words. ``remedy`` is one more sentence, if there is a way out. ``got``
    is the offending argument by name; of an array its dtype and shape are shown.
    """
    if not ok:
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in got.items())
        raise ValueError(f"{where}: expected {what}, got {shown}." + (f" {remedy}" if remedy else ""))


def plain_name(name: str) -> str:
    """A name without case, hyphens, underscores and spaces."""
    return name.lower().translate(_IGNORED)


def expect_one_of(choices: Iterable[str], where: str, **got: Any) -> None:
    """Raise unless the named value is one of ``choices``; the message names the nearest."""
    ((name, value),) = got.items()
    names = sorted(choices)
    near = difflib.get_close_matches(value, names, n=1, cutoff=0.5) if isinstance(value, str) else []
    remedy = f"Did you mean {near[0]!r}?" if near else ""
    expect(isinstance(value, str) and value in names, where, f"one of {names}", remedy, **{name: value})


def is_static(value: Any) -> bool:
    """Whether ``value`` is a plain Python or NumPy number, readable under ``jit`` and ``vmap``."""
    return isinstance(value, numbers.Real | np.ndarray) and not isinstance(value, bool)


def expect_number(
    where: str, interval: str = "(-inf, inf)", *, ndim: int | None = None, integer: bool = False, **got: Any
) -> None:
    """Raise unless every named value is a real number, or an array of them, in an interval.

    Parameters
    ----------
    where
        Name of the public function or class.
    interval
        ``"[0, 1)"``, ``"(0, inf)"`` (finite), ``"[0, inf]"`` (inf allowed). No interval contains
        NaN. Traced values pass.
    ndim
        Number of axes: 0 for a single number; None for any.
    integer
        Whether the dtype must be an integer one.
    got
        Values by name.
    """
    for name, value in got.items():
        if type(value) is float and ndim in (None, 0) and not integer and _inside(value, interval):
            continue
        seen = _seen(value)
        ok = seen is not None and (ndim is None or len(seen.shape) == ndim) and (seen.is_integer or not integer)
        kind = (
            _SHAPES[ndim].replace("real number", "integer").replace("a single i", "an i") if integer else _SHAPES[ndim]
        )
        huge = isinstance(value, int) and seen is None and not isinstance(value, bool)
        expect(ok, where, f"{kind} {name}", "Write it as a float." if huge and not integer else "", **{name: value})
        if seen is None or seen.entries is None or np.all(_inside(seen.entries, interval)):
            continue
        first = np.argwhere(~_inside(seen.entries, interval))[0].tolist()
        place = f" at {first} of shape {list(seen.shape)}" if first else ""
        entry = seen.entries[tuple(first)].item()
        shown = f"{int(entry) if seen.is_integer else entry}{place}"
        expect(False, where, _range_words(name, interval), **{name: _Words(shown)})


def expect_data(where: str, *, ndim: int | None = None, **got: Any) -> None:
    """Raise unless every named value consists of real numbers; NaN and inf are allowed."""
    for name, value in got.items():
        seen = _seen(value)
        remedy = "Give one of its fields." if hasattr(value, "_fields") else ""
        ok = seen is not None and ndim in (None, len(seen.shape))
        expect(ok, where, f"{_SHAPES[ndim]} {name}", remedy, **{name: value})


def expect_not_negative(where: str, **got: Any) -> None:
    """Raise unless every named value consists of real, finite numbers that are not negative."""
    expect_number(where, "[0, inf)", **got)


def expect_scale(where: str, **got: Any) -> None:
    """Raise unless every named value is 0, or a standard deviation whose square float64 holds."""
    expect_number(where, "[0, inf)", **got)
    for name, value in got.items():
        seen = _seen(value)
        if seen is not None and seen.entries is not None:
            sizes: Any = np.where(seen.entries == 0, 1.0, seen.entries)
            expect_number(where, "[1e-150, 1e150]", **{name: sizes})


def expect_scalars(where: str, **got: Any) -> None:
    """Raise unless every named value is a single real number."""
    for name, value in got.items():
        seen = _seen(value)
        ok = seen is not None and seen.shape == ()
        expect(ok, where, f"a single number {name}", "Call it once for each." if seen else "", **{name: value})


def expect_count(where: str, least: int = 1, most: int = EXACT, /, **got: Any) -> None:
    """Raise unless every named value is an integer from ``least`` to ``most``."""
    for name, value in got.items():
        whole = isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)
        kind = "a plain integer" if hasattr(value, "dtype") else "an integer"
        words = f"{kind} >= {least}" if not whole or value < least else f"{kind} <= {most}"
        expect(whole and least <= int(value) <= most, where, words, **{name: value})


def expect_steps(where: str, steps: Any) -> np.ndarray:
    """Return ``steps`` as an integer array, or raise unless all are integers >= 0."""
    expect(not isinstance(steps, jax.core.Tracer), where, "integer steps >= 0 that are not traced", steps=steps)
    expect_number(where, f"[0, {MOST}]", integer=True, steps=steps)
    return np.asarray(steps)


def expect_noun(where: str, kinds: tuple[type, ...], remedy: str = "", **got: Any) -> None:
    """Raise unless the named value is of one of these classes; the message lists them.

    The ``remedy`` of a class tells what can be asked of it instead.
    """
    ((_, value),) = got.items()
    names = [kind.__name__ for kind in kinds]
    words = " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    elsewhere = getattr(type(value), "remedy", f'Write {names[0]}("{value}").' if isinstance(value, str) else "")
    expect(isinstance(value, kinds), where, f"a {words}", remedy or elsewhere, **got)


def expect_flag(where: str, **got: Any) -> None:
    """Raise unless every named value is True or False."""
    for name, value in got.items():
        expect(isinstance(value, bool | np.bool_), where, f"{name} True or False", **{name: value})


def expect_text(where: str, **got: Any) -> None:
    """Raise unless every named value is a string."""
    for name, value in got.items():
        expect(isinstance(value, str), where, f"a word {name}", **{name: value})


def expect_function(where: str, **got: Any) -> None:
    """Raise unless the named value is callable."""
    ((name, value),) = got.items()
    expect(callable(value), where, f"a function {name}", **got)


def expect_key(where: str, **got: Any) -> None:
    """Raise unless the named value is one random key of JAX, typed or raw ``uint32``."""
    ((_, value),) = got.items()
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    is_typed = isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key)
    is_raw = isinstance(value, jax.Array | np.ndarray) and dtype == np.uint32 and shape in ((2,), (4,))
    ok = is_raw or (is_typed and shape == ())
    expect(ok, where, "one random key", "Make one by jax.random.key(0).", **got)


def expect_dtype(choices: Iterable[str], where: str, **got: Any) -> str:
    """Return the name of a number format, or raise unless it is one of ``choices``."""
    ((name, value),) = got.items()
    if isinstance(value, np.dtype | type) or (value is not None and hasattr(value, "dtype") and callable(value)):
        with contextlib.suppress(TypeError):
            value = np.dtype(value).name
    expect_one_of(choices, where, **{name: value})
    return str(value)


@contextlib.contextmanager
def expect_runs(where: str, what: str, name: str) -> Iterator[None]:
    """Turn any error of a user's own function into the one sentence; the error stays its cause."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ValueError) and ": expected " in str(error):
            raise
        first = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:_LONGEST]
        raise ValueError(f"{where}: expected {what}, got {name}={first}.") from error
