"""Checks of measure's arguments by their names; ``asked`` puts a function behind them."""

import contextlib
import functools
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, get_args

import jax
import numpy as np

from vgtheory.activations.units import expect_no_unit
from vgtheory.checks import as_int, optional
from vgtheory.expect import (
    MOST,
    Check,
    Function,
    expect,
    expect_count,
    expect_dtype,
    expect_flag,
    expect_key,
    expect_noun,
    expect_number,
    expect_one_of,
)
from vgtheory.measure.threads import draws_orthogonal, one_thread
from vgtheory.networks.listed import expect_unlisted
from vgtheory.networks.noise import expect_no_noise
from vgtheory.networks.recurrent import FixedRecurrent

DTYPES = ("float32", "float64")
_HOUSE = re.compile(r"^\w+(?=: expected )")


def number(interval: str = "(-inf, inf)", *, ndim: int | None = 0) -> Check:
    """Check for a real number, or an array with ``ndim`` axes, in an interval."""

    def check(where: str, **got: Any) -> None:
        expect_number(where, interval, ndim=ndim, **got)
        _not_empty(where, **got)

    return check


def _not_empty(where: str, **got: Any) -> None:
    for name, value in got.items():
        expect(np.size(value) > 0, where, f"at least one number {name}", **{name: value})


def count(least: int = 1) -> Check:
    """Check for an integer of at least ``least``, which becomes Python's."""

    def check(where: str, **got: Any) -> int:
        expect_count(where, least, MOST, **got)
        return int(*got.values())

    return check


def integers(least: int) -> Check:
    """Check for an integer, or an array of them, of at least ``least``."""

    def check(where: str, **got: Any) -> None:
        expect_number(where, f"[{least}, {MOST}]", integer=True, **got)
        _not_empty(where, **got)

    return check


def one_of(choices: Iterable[str]) -> Check:
    """Check for a name among the choices."""

    def check(where: str, **got: Any) -> None:
        expect_one_of(choices, where, **got)

    return check


def dtype_of(choices: Iterable[str]) -> Check:
    """Check for a number format among the choices, by name or as a dtype; it becomes a name."""

    def check(where: str, **got: Any) -> str:
        return expect_dtype(choices, where, **got)

    return check


def floats(where: str, **got: Any) -> None:
    """Raise unless every value consists of real floating numbers; entries are not looked at."""
    for name, value in got.items():
        array = isinstance(value, jax.Array | np.ndarray | np.generic)
        ok = isinstance(value, float) or (array and jax.numpy.issubdtype(value.dtype, np.floating))
        expect(ok, where, f"a floating array {name}", **{name: value})
        _not_empty(where, **{name: value})


def optimiser_of_optax(where: str, optimiser: Any) -> None:
    """Check for a pair of init and update."""
    known = callable(getattr(optimiser, "init", None)) and callable(getattr(optimiser, "update", None))
    expect(known, where, "an optimiser of optax", optimiser=optimiser)


def when(where: str, record: Any) -> None:
    """Check for numbers of updates."""
    expect_number(where, f"[0, {MOST}]", ndim=1, integer=True, record=record)


def pair(where: str, unseen: Any) -> None:
    """Check for a pair of inputs and targets."""
    pair = isinstance(unseen, tuple | list) and len(unseen) == 2
    expect(pair, where, "a pair of inputs and targets", unseen=unseen)
    expect_number(where, ndim=2, inputs=unseen[0])
    expect_number(where, targets=unseen[1])


def free(where: str, **got: Any) -> None:
    """Accept anything; the function itself checks it."""


def listed(where: str, **got: Any) -> None:
    """Mark a network whose layers may be given as a list."""


units = optional(count())
"""Check for a number of layers or of units that the network may have itself."""


def _key(where: str, key: Any) -> None:
    """Check for a key; the error for a network in its place names the order of the two."""
    expect(not hasattr(key, "activation"), where, "one random key", "The key comes first.", key=key)
    expect_key(where, key=key)


def _devices(where: str, devices: Any) -> None:
    listed = isinstance(devices, list | tuple | np.ndarray) and len(devices) > 0
    ok = listed and all(isinstance(each, jax.Device) for each in devices)
    expect(ok, where, "a list of at least one device", "jax.devices() has them all.", devices=devices)


EXPECTED: dict[str, Check] = {
    "key": _key,
    **dict.fromkeys(("depth", "width", "num_nets", "steps", "batch", "num_draws", "num_values", "num_probes"), count()),
    **dict.fromkeys(("num_exponents", "num_lags", "num_updates", "num_axes", "most", "block"), count()),
    "num_inputs": optional(count()),
    "burn_in": count(0),
    "dtype": dtype_of(DTYPES),
    "devices": optional(_devices),
    "memory": optional(number("(0, inf)")),
    **dict.fromkeys(("matrix", "weights", "vector", "state", "cotangent", "target", "w_in"), number(ndim=None)),
    **dict.fromkeys(("y", "w0", "learning_rate"), number("[1e-30, 1e30]", ndim=None)),
    **dict.fromkeys(("mean", "w", "h_0", "rate"), number("[-1e30, 1e30]")),
    **dict.fromkeys(("std", "sigma_noise"), number("[0, 1e30]")),
    "input_square": number("[0, 1e60]"),
    **dict.fromkeys(("momentum", "square_decay"), number("[0, 1)")),
    "eps": number("[0, inf)"),
    "level": number("(0, inf)", ndim=None),
    "change": number("[1e-6, 0.1]"),
    "share": number("[1e-6, 0.999999]"),
    "c_0": number("[0, 1)"),
    "c_cotangent": number("[0, 1)"),
    "squared_loss": expect_flag,
    "learning_rates": number("[-1e30, 1e30]", ndim=None),
    **dict.fromkeys(("net", "cell", "activation", "positions", "sampler", "keep", "norm"), free),
}
"""Checks by an argument's name, with numbers well within the formats of measurements.

A function in which a name means something narrower states its own check in ``asked``.
"""


def asked(
    *, noise: Any = False, unit: Any = False, lapack: Any = False, **own: Check
) -> Callable[[Function], Function]:
    """Decorator that checks every argument before anything is computed; errors bear one name.

    A network with noise is refused but where ``noise`` is True, and one of units that are no
    activation but where ``unit`` is: the function measures it.

    With ``lapack``, or where orthogonal matrices are drawn, LAPACK has one thread (``one_thread``).

    ``own`` has the checks of arguments that mean something narrower than in ``EXPECTED``. A check
    raises, returns the argument's new value, or returns None. A network must be of a class that its
    annotation names, and of like layers unless its check is ``listed``.
    """

    def decorate(function: Any) -> Any:
        signature, where = inspect.signature(function), function.__name__
        nouns = {
            name: _noun(each, own.get(name) is listed) for name, each in signature.parameters.items() if name in _NOUNS
        }
        checks = EXPECTED | nouns | {name: check for name, check in own.items() if check is not listed}
        refusals = (() if noise else (expect_no_noise,)) + (() if unit else (expect_no_unit,))
        unknown = set(signature.parameters) - set(checks) - {"how"}
        assert not unknown, f"{where}: no check of {unknown}"

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            bound = _bound(function, signature, args, kwargs)
            given = bound.arguments
            for held in (given, given.get("how", {})):
                for name in [name for name in held if name in checks]:
                    value = as_int(held[name])
                    settled = checks[name](where, **{name: value})
                    held[name] = value if settled is None else settled
            for name in _NOUNS:
                for refused in refusals:
                    refused(where, given.get(name))
            try:
                _fits(where, **given)
                single = lapack or any(draws_orthogonal(given.get(name)) for name in _NOUNS)
                with one_thread() if single else contextlib.nullcontext():
                    return function(*bound.args, **bound.kwargs)
            except ValueError as error:
                words = _HOUSE.sub(where, str(error))
                if words == str(error):
                    raise
                raise ValueError(words) from None

        return call

    return decorate


_NOUNS = ("net", "cell")


def _bound(function: Any, signature: inspect.Signature, args: Any, kwargs: Any) -> inspect.BoundArguments:
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{function.__name__}() {error}") from None


def _noun(parameter: inspect.Parameter, may_be_listed: bool) -> Check:
    """Check for a network of one of the classes that an annotation names."""
    kinds = get_args(parameter.annotation) or (parameter.annotation,)

    def check(where: str, **got: Any) -> None:
        ((_, value),) = got.items()
        remedy = "The key comes first." if _is_key(value) else ""
        expect_noun(where, kinds, remedy, **got)
        if not may_be_listed:
            expect_unlisted(where, **got)

    return check


def _is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key)


def _fits(
    where: str, net: Any = None, cell: Any = None, width: Any = None, dtype: str = "float32", **rest: Any
) -> None:
    """Raise unless a network's numbers fit the format, and its matrix fits the width."""
    if dtype in DTYPES:
        largest = float(jax.numpy.finfo(dtype).max)
        for path, leaf in jax.tree_util.tree_leaves_with_path((net, cell)):
            got: dict[str, Any] = {jax.tree_util.keystr(path[1:], simple=True): leaf}
            if isinstance(leaf, float | int | np.ndarray | np.generic) and "matrix" not in got:
                fits = bool(np.all(np.abs(np.asarray(leaf)) <= largest))
                expect(fits, where, f"a {next(iter(got))} within the range of {dtype}", **got)
    if isinstance(net, FixedRecurrent) and width is not None:
        expect(np.shape(net.matrix)[0] == width, where, "a width that fits the matrix", width=width)


def expect_fit(where: str, matrix: Any, **got: Any) -> None:
    """Raise unless every value has one number for each of a matrix's rows."""
    for name, value in got.items():
        expect(np.shape(value) == np.shape(matrix)[:1], where, f"a {name} that fits the matrix", shape=np.shape(value))


__all__ = [
    "DTYPES",
    "asked",
    "count",
    "dtype_of",
    "expect_fit",
    "floats",
    "free",
    "integers",
    "listed",
    "number",
    "one_of",
    "optimiser_of_optax",
    "optional",
    "pair",
    "units",
    "when",
]
