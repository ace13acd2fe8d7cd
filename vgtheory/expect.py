"""One sentence for every wrong question: ``where: expected WHAT, got NAME=VALUE.`` plus, where there is one, a remedy."""

import difflib
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np


def expect(ok: bool, where: str, what: str, remedy: str = "", **got: Any) -> None:
    """Raise the one-sentence ``ValueError`` unless ``ok``.

    Parameters
    ----------
    ok
        A static fact: nothing that depends on a traced value.
    where
        Name of the public function or class that was asked.
    what
        What it expected, in words.
    remedy
        One more sentence, if there is a way out.
    got
        The offending argument by name.

    Raises
    ------
    ValueError
        If ``ok`` is false.
    """
    if not ok:
        shown = ", ".join(f"{name}={value!r}" for name, value in got.items())
        raise ValueError(f"{where}: expected {what}, got {shown}." + (f" {remedy}" if remedy else ""))


def expect_one_of(choices: Iterable[str], where: str, **got: Any) -> None:
    """Raise unless the single named value is one of ``choices``; the message lists them and names the nearest.

    Parameters
    ----------
    choices
        The admissible names.
    where
        Name of the public function or class that was asked.
    got
        The value by name.

    Raises
    ------
    ValueError
        If the value is not among the choices.
    """
    ((name, value),) = got.items()
    names = sorted(choices)
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    remedy = f"Did you mean {near[0]!r}?" if near else ""
    expect(value in names, where, f"one of {names}", remedy, **{name: value})


def is_static(value: Any) -> bool:
    """Tell whether ``value`` is a plain Python or NumPy number, so that it may be looked at under ``jit`` and ``vmap``.

    Parameters
    ----------
    value
        Anything.
    """
    return isinstance(value, numbers.Real | np.ndarray) and not isinstance(value, bool)


def expect_count(where: str, **got: Any) -> None:
    """Raise unless the single named value is an integer of at least 1.

    Parameters
    ----------
    where
        Name of the public function or class that was asked.
    got
        The value by name.

    Raises
    ------
    ValueError
        If it is not.
    """
    ((_, value),) = got.items()
    ok = isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1
    expect(ok, where, "an integer >= 1", **got)


def expect_not_negative(where: str, **got: Any) -> None:
    """Raise if the single named value is a static number that is negative, infinite or NaN.

    Parameters
    ----------
    where
        Name of the public function or class that was asked.
    got
        The value by name.

    Raises
    ------
    ValueError
        If a plain number or NumPy array has an entry that is negative or not finite, or if it is no number at all.
    """
    ((name, value),) = got.items()
    expect(not isinstance(value, str | bytes | bool | type(None)), where, f"a number {name} >= 0", **got)
    if is_static(value):
        entries = np.asarray(value, dtype=float)
        ok = bool(np.all(entries >= 0) and np.all(np.isfinite(entries)))
        expect(ok, where, f"a finite {name} >= 0", **got)


def expect_scalars(where: str, **got: Any) -> None:
    """Raise unless every named value is a single number.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    got
        Values by name.

    Raises
    ------
    ValueError
        If one of them has a shape.
    """
    for name, value in got.items():
        expect(np.ndim(value) == 0, where, f"a single number {name}", "Call it once for each.", **{name: value})


def expect_steps(where: str, steps: Any) -> np.ndarray:
    """Return ``steps`` as an integer array, or raise unless all are integers >= 0.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    steps
        A number of steps, or a list of them.

    Returns
    -------
    numpy.ndarray
        Integers, the same shape.

    Raises
    ------
    ValueError
        If they are not all integers >= 0.
    """
    array = np.asarray(steps)
    ok = np.issubdtype(array.dtype, np.integer) and bool(np.all(array >= 0))
    expect(ok, where, "integer steps >= 0", steps=steps)
    return array
