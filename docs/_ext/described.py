"""The page "What can be described": every row is a network, every cell is what happened when the package was asked about it.

Nothing here says what is known. A law that raises ``ValueError`` is not known, and a spread that is infinite is not predicted.
"""

import contextlib
import inspect
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import described_networks as networks
import jax
import numpy as np
from described_questions import COLUMNS, Question
from described_rows import Row
from rendering import rendered, write

from vgtheory import Law, theory
from vgtheory.measure.engine import runs

PAGE = Path(__file__).resolve().parents[1] / "described.md"
YES, INFINITE, MEASURED, PREDICTED, NO = "yes", "at infinite width", "measured only", "predicted only", "no"
WIDTH = 256
"""Units at which a law is asked for its finite-width form; a network with sizes of its own is asked at these."""


class Asked(NamedTuple):
    """A law's answer: its mean, and its spread from network to network (None if the law has none)."""

    mean: np.ndarray
    std: np.ndarray | None

    @property
    def is_known(self) -> bool:
        """Whether every mean is a number, or the log of 0."""
        return bool((self.mean < math.inf).all())

    @property
    def has_spread(self) -> bool:
        """Whether every spread is a number."""
        return self.std is not None and bool(np.isfinite(self.std).all())


def _numbers(found: Any) -> Asked:
    """What a law returned, as arrays."""
    if isinstance(found, dict):
        parts = [_numbers(each) for each in found.values()]
        stds = [part.std for part in parts if part.std is not None]
        mean = np.concatenate([np.ravel(part.mean) for part in parts])
        return Asked(mean, np.concatenate([np.ravel(std) for std in stds]) if len(stds) == len(parts) else None)
    if isinstance(found, Law):
        return Asked(np.asarray(found.mean, float), np.asarray(found.std, float))
    if isinstance(found, tuple):
        return Asked(np.concatenate([np.ravel(np.asarray(each, float)) for each in found]), None)
    return Asked(np.asarray(found, float), None)


def _takes(function: Callable[..., Any], names: Any) -> bool:
    """Whether a function has these parameters, or passes on what it does not know."""
    known = inspect.signature(function).parameters
    return set(names) <= set(known) or any(each.kind is each.VAR_KEYWORD for each in known.values())


def _refused(call: Callable[[], Any]) -> Any:
    """What a call returns; None if the package refuses the question by its one sentence."""
    try:
        return call()
    except ValueError as error:
        if ": expected " not in str(error):
            raise
        return None


def predicted(question: Question, net: Any, own: dict[str, Any], width: dict[str, float]) -> Asked | None:
    """The law's answer; None if there is none."""
    if not _takes(question.law, own):
        return None
    size = _fitting(question.law, net, question.size) | own | width
    found = _refused(lambda: question.law(net, **size))
    return None if found is None else _numbers(found)


_READS = (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError)
"""What JAX raises where a traced program's result would be read."""


def is_measured(question: Question, net: Any, own: dict[str, Any]) -> bool:
    """Whether the twin takes a network of this kind: its program is traced, which is all but compiling and running it."""
    if not _takes(question.twin, own):
        return False
    size = _fitting(question.twin, net, question.measured) | own

    def ends(key: Any) -> None:
        with contextlib.suppress(*_READS):
            question.twin(key, net, **size)

    # JAX takes a compiler's options at the outermost level only.
    with mock.patch.object(runs, "_options", return_value={}):
        return _refused(lambda: [jax.eval_shape(ends, jax.random.key(0))]) is not None


def _is_sized(net: Any) -> bool:
    """Whether a network has its number of units itself."""
    return getattr(net, "widths", None) is not None or isinstance(getattr(net, "eigenvalues", None), np.ndarray)


def _fitting(function: Callable[..., Any], net: Any, size: dict[str, Any]) -> dict[str, Any]:
    """The arguments but for those that a network has itself, where the function lets them be left out."""
    known = inspect.signature(function).parameters
    left = {"depth", "width"} if _is_sized(net) else set()
    return {name: each for name, each in size.items() if name not in left or known[name].default is known[name].empty}


def _known(question: Question, net: Any, own: dict[str, Any]) -> str:
    """Where the law is known: ``YES``, ``INFINITE`` or ``NO``."""
    known = inspect.signature(question.law).parameters
    if "width" not in known:
        found = predicted(question, net, own, {})
        return NO if found is None or not found.is_known else YES if question.of_any_width else INFINITE
    needed = known["width"].default is inspect.Parameter.empty
    sized = _is_sized(net)
    at_width = predicted(question, net, own, {} if sized and not needed else {"width": WIDTH})
    at_infinity = None if needed else predicted(question, net, own, {"width": math.inf} if sized else {})
    if question.spread:
        if at_width is not None and at_width.is_known and at_width.has_spread:
            return YES
        return INFINITE if at_infinity is not None and at_infinity.has_spread and np.any(at_infinity.std) else NO
    if at_width is not None and at_width.is_known and (needed or _is_own(at_width, at_infinity)):
        return YES
    if at_width is not None and question.beside is not None:
        return _known(question.beside, net, own)
    return INFINITE if at_infinity is not None and at_infinity.is_known else NO


def _is_own(at_width: Asked, at_infinity: Asked | None) -> bool:
    """Whether an answer at finite width is more than that of infinite width: it has a spread, or another mean."""
    return at_width.has_spread or at_infinity is None or not np.allclose(at_width.mean, at_infinity.mean, atol=1e-9)


def answer(question: Question, row: Row) -> str:
    """A cell: what is known of most networks of a row, which are others, and whether the first of them is measured."""
    measured = is_measured(question, row.nets[0], row.own)
    words = [_word(_known(question, net, row.own), measured) for net in row.nets]
    usual = max(set(words), key=words.count)
    others = [net.activation.name for net, word in zip(row.nets, words, strict=True) if word != usual]
    return f"{usual} (not {', '.join(f'`{name}`' for name in others)})" if others else usual


def _word(known: str, measured: bool) -> str:
    return known if known != NO and measured else PREDICTED if known != NO else MEASURED if measured else NO


def path(function: Callable[..., Any]) -> str:
    """Where a user finds a function of theory."""
    wing, name = function.__module__.split(".")[2], function.__name__
    return f"theory.{name}" if name in theory.__all__ else f"theory.{wing}.{name}"


def table(kind: str) -> dict[str, Any]:
    """A section of the page."""
    section, columns = networks.SECTIONS[kind], COLUMNS[kind]
    lines = [(row.words, row.written, [answer(column, row) for column in columns]) for row in section.rows]
    return {"section": section, "titles": [(column.title, path(column.law)) for column in columns], "rows": lines}


def page(kinds: Iterable[str] = networks.SECTIONS) -> str:
    """The page's source, or what it is with some of its sections only."""
    return rendered(
        "described.md",
        **{"yes": YES, "infinite": INFINITE, "measured": MEASURED, "predicted": PREDICTED, "no": NO},
        width=WIDTH,
        tables=[table(kind) for kind in kinds],
    )


if __name__ == "__main__":  # python docs/_ext/described.py, for the committed page
    from vgtheory._programs import compile_quickly

    compile_quickly()
    write(PAGE, page())
