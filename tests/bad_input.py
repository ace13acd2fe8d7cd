"""A fuzz of bad input: good calls with one argument spoilt, and the judgement of what comes of it."""

import dataclasses
import inspect
import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests import good_calls
from vgtheory import LSTM, Conv, Dense, Estimate, Law, Recurrent, Residual, Transformer

NAN, INF = float("nan"), float("inf")
BAD: dict[str, Any] = {
    "None": None,
    "an empty string": "",
    "a word": "abc",
    "bytes": b"ab",
    "True": True,
    "False": False,
    "a NumPy bool": np.bool_(True),
    "NaN": NAN,
    "inf": INF,
    "-inf": -INF,
    "-1": -1,
    "0": 0,
    "1e308": 1e308,
    "1e-320": 1e-320,
    "10**30": 10**30,
    "-10**30": -(10**30),
    "2.5": 2.5,
    "float16": np.float16(1.5),
    "bfloat16": jnp.bfloat16(1.5),
    "float16 NaN": np.float16("nan"),
    "a JAX NaN": jnp.float32(NAN),
    "complex": 1 + 2j,
    "complex array": np.array([1 + 2j, 0.5]),
    "an empty list": [],
    "an empty array": np.zeros((0,)),
    "a list": [1.0],
    "rank 3": np.ones((2, 1, 2)),
    "an array with NaN": np.array([0.5, NAN]),
    "a matrix with NaN": np.array([[0.5, NAN], [0.1, 0.2]]),
    "an array with inf": np.array([0.5, INF]),
    "ragged": [[1.0], [2.0, 3.0]],
    "an object array": np.array([object()]),
    "an array of strings": np.array(["a", "b"]),
    "a dict": {},
    "a set": {1.0},
    "an object": object(),
    "a class": int,
    "a function": len,
    "a key": jax.random.key(0),
    "a Dense": Dense("tanh"),
    "a Conv": Conv("tanh"),
    "a Recurrent": Recurrent("tanh", 1.0),
    "a Residual": Residual("tanh"),
    "a Transformer": Transformer("relu"),
    "an LSTM": LSTM(),
    "an Estimate": Estimate(1.0, 0.1),
    "a Law": Law(1.0, 0.1),
}
NANS = {label for label in BAD if "NaN" in label}
NOT_FINITE = NANS | {"inf", "-inf", "an array with inf", "1e308"}
"""In float32, that is."""
NEVER_RIGHT = {
    *("an empty string", "a word", "bytes", "NaN", "float16 NaN", "complex", "complex array", "ragged"),
    *("an object array", "an array of strings", "a dict", "a set", "an object", "a class"),
}
"""Bad wherever they stand, so that a call is refused before it compiles anything: what the default run draws from."""
SECONDS = 10.0
REFUSED, PYTHON, ANSWERED = "refused", "refused by Python", "answered"
RAW, SILENT, PLAUSIBLE, HANG = "RAW", "SILENT NaN", "NaN IN, NUMBER OUT", "HANG"
FAULTS = (RAW, SILENT, PLAUSIBLE, HANG)
_BY_PYTHON = re.compile(r"missing .*required|unexpected keyword argument")
_LONGEST = 600


class Case(NamedTuple):
    """One spoilt call: which function, which argument, and by what."""

    name: str
    argument: str
    label: str


class Outcome(NamedTuple):
    """What came of it, and the words."""

    kind: str
    said: str


def parameters(name: str) -> dict[str, tuple[Any, ...]]:
    """Return the arguments of a function, each with its good values: its default, and what the good call gives it."""
    given = good_calls.GOOD[name]
    signature = inspect.signature(good_calls.public()[name]).parameters.values()
    defaults = {each.name: each.default for each in signature if each.default is not inspect.Parameter.empty}
    return {each: tuple(goods[each] for goods in (defaults, given) if each in goods) for each in {**defaults, **given}}


def cases() -> list[Case]:
    """Return every argument of every function, spoilt in every way; and each function with an argument too many."""
    found = [Case(name, "colour", "1") for name in good_calls.GOOD]
    for name in good_calls.GOOD:
        for argument, goods in parameters(name).items():
            found += [Case(name, argument, label) for label, bad in BAD.items() if not _is_among(bad, goods)]
    return found


def _is_among(bad: Any, goods: tuple[Any, ...]) -> bool:
    """Tell whether a spoilt argument would be a good one."""
    plain = isinstance(bad, str | float | int)
    return any(good is bad or (plain and type(good) is type(bad) and good == bad) for good in goods)


def called(name: str, given: dict[str, Any]) -> Any:
    """Return what a function says; those that take a model take its batch by place."""
    function, given = good_calls.public()[name], dict(given)
    if name not in ("diagnose.assert_healthy", "diagnose.diagnose", "initialise"):
        return function(**given)
    return function(given.pop("model"), given.pop("loss"), given.pop("batch"), **given)


def nans(tree: Any, path: str = "") -> Iterator[str]:
    """Yield the places of an answer that hold a NaN."""
    if isinstance(tree, dict) or dataclasses.is_dataclass(tree):
        for name, each in (tree if isinstance(tree, dict) else vars(tree)).items():
            yield from nans(each, f"{path}.{name}")
    elif isinstance(tree, tuple | list):
        for index, each in enumerate(tree):
            yield from nans(each, f"{path}.{index}")
    elif isinstance(tree, float | complex | np.ndarray | np.generic | jax.Array):
        array = np.asarray(tree) if not _is_key(tree) else np.zeros(0)
        if array.dtype.kind in "fcV" and np.isnan(array.astype(complex)).any():
            yield f"{path}."


def _is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def may_be_nan(case: Case) -> bool:
    """The one rule of where a NaN may come out that was not there: a number that is none went in, and

    it was measured data, of which the answer has to show it; or a JAX scalar, at which nobody may look, for it may be traced; or
    the answer is a network or a model that holds what it was given.
    """
    arithmetic = ("log_norm", "tap", "nested_variances", "variance_split", "averaged_split")
    data = case.name.startswith("compare.") or case.name in {f"measure.{each}" for each in arithmetic}
    if data:
        return case.label in NOT_FINITE
    return case.label in NANS and (case.label == "a JAX NaN" or holds(case))


def holds(case: Case) -> bool:
    """Tell whether the answer only holds what the call was given."""
    return case.name in good_calls.NOUNS or case.name == "diagnose.infinite_width"


def shows_nan(case: Case, answer: Any) -> bool:
    """Tell whether an answer shows that a NaN went in: a NaN, or a word."""
    return any(nans(vars(answer) if holds(case) else answer)) or says_so(answer)


def says_so(answer: Any) -> bool:
    """Tell whether an answer says in words that something is no number."""
    if hasattr(answer, "get_axes"):
        texts = [text.get_text() for axes in answer.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
        return any("not resolved" in text for text in texts)
    word = getattr(getattr(answer, "verdict", answer), "word", answer)
    return isinstance(word, str) and word.startswith(("broken", "not finite"))


class Fuzz:
    """Asks spoilt questions; remembers what the good ones give."""

    def __init__(self) -> None:
        self._good: dict[str, set[str]] = {}

    def outcome(self, case: Case) -> Outcome:
        """Return what becomes of one spoilt call; one that takes long is asked again, when it is compiled."""
        given = good_calls.GOOD[case.name] | {case.argument: BAD.get(case.label, case.label)}
        for _ in range(2):
            found, seconds = _timed(lambda: self._judged(case, given))
            if found is not None and seconds <= SECONDS:
                return found
            if found is None:
                break
        return Outcome(HANG, f"{seconds:.0f} s")

    def _judged(self, case: Case, given: dict[str, Any]) -> Outcome:
        try:
            with np.errstate(all="ignore"):
                answer = called(case.name, given)
        except Exception as error:
            return _refusal(case, error)
        return self._answer(case, answer)

    def _answer(self, case: Case, answer: Any) -> Outcome:
        if case.label in NANS and not shows_nan(case, answer):
            return Outcome(PLAUSIBLE, _short(answer))
        new = set(nans(answer)) - self._good_nans(case.name)
        return (
            Outcome(SILENT, _short(answer))
            if new and not (may_be_nan(case) or says_so(answer))
            else Outcome(ANSWERED, "")
        )

    def _good_nans(self, name: str) -> set[str]:
        if name not in self._good:
            self._good[name] = set(nans(called(name, good_calls.GOOD[name])))
        return self._good[name]


def _short(answer: Any) -> str:
    return " ".join(repr(answer).split())[:200]


def _refusal(case: Case, error: Exception) -> Outcome:
    """Judge a refusal: one sentence of the house that names the function, or Python's own of a name it does not know."""
    text, where = str(error), case.name.rpartition(".")[2]
    if isinstance(error, TypeError) and _BY_PYTHON.search(text):
        return Outcome(PYTHON, text)
    if isinstance(error, AssertionError) and text.startswith(f"{where}: the gradient is not healthy (not finite)"):
        return Outcome(REFUSED, text)
    clean = re.match(rf"{where}: expected .+, got .+\.", text) and "\n" not in text and len(text) < _LONGEST
    if isinstance(error, ValueError) and clean and "rray(" not in text:
        return Outcome(REFUSED, text)
    return Outcome(RAW, f"{type(error).__name__}: {text}"[:300])


def _timed(ask: Callable[[], Outcome]) -> tuple[Outcome | None, float]:
    """Return an outcome, none after ten times what is allowed, and the seconds it took."""
    import time

    found: list[Outcome] = []
    thread = threading.Thread(target=lambda: found.append(ask()), daemon=True)
    start = time.monotonic()
    thread.start()
    thread.join(10 * SECONDS)
    return (found[0] if found else None), time.monotonic() - start


def run(
    chosen: list[Case], tell: Callable[[str], None] = lambda text: None
) -> tuple[Counter, list[tuple[Case, Outcome]]]:
    """Return how many calls ended how, by room, and those that ended badly."""
    fuzz, counts, bad = Fuzz(), Counter[tuple[str, str]](), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in chosen:
            found = fuzz.outcome(case)
            counts[case.name.rpartition(".")[0] or "nouns", found.kind] += 1
            if found.kind in FAULTS:
                bad.append((case, found))
                tell(f"{found.kind:20s} {case.name}({case.argument}={case.label}): {found.said}")
    return counts, bad
