"""Checks of arguments by their names: ``asking`` makes a decorator from a table of checks."""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vgtheory.activations.units import expect_no_unit
from vgtheory.expect import Check, Function, expect, expect_noun, expect_number
from vgtheory.networks.listed import expect_alike
from vgtheory.networks.noise import expect_no_noise


def optional(check: Check) -> Check:
    """A check that None passes too."""

    def checked(where: str, **got: Any) -> None:
        if any(value is not None for value in got.values()):
            check(where, **got)

    return checked


def expect_plain(where: str, kinds: tuple[type, ...], **got: Any) -> None:
    """Raise unless the named value is a noun of these classes whose layers are alike."""
    expect_noun(where, kinds, **got)
    expect_alike(where, **got)


def _check_of(parameter: inspect.Parameter, table: Mapping[str, Check]) -> Check:
    """Check of a parameter, by its annotation if it names nouns."""
    kinds = typing.get_args(parameter.annotation) or (parameter.annotation,)
    if all(dataclasses.is_dataclass(kind) for kind in kinds):
        return functools.partial(expect_plain, kinds=kinds)
    check = table[parameter.name]
    return optional(check) if parameter.default is None else check


def as_int(value: Any) -> Any:
    """NumPy's integers, also in a tuple, as Python's, which do not overflow."""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(map(as_int, value))
    return int(value) if isinstance(value, np.integer) else value


def asking(table: Mapping[str, Check]) -> Callable[..., Callable[[Function], Function]]:
    """Make the decorator ``asked(**own)``: it checks arguments by the table or by ``own``.

    A network with noise is refused but where ``noise`` is True, and one of units that are no
    activation but where ``unit`` is: the function knows its law.
    """

    def asked(*, noise: Any = False, unit: Any = False, **own: Check) -> Callable[[Function], Function]:
        def decorate(function: Any) -> Any:
            where, parameters = function.__name__, inspect.signature(function).parameters
            checks = {name: own.get(name) or _check_of(each, table) for name, each in parameters.items()}
            nouns = tuple(name for name in ("net", "cell") if name in checks)
            refusals = (() if noise else (expect_no_noise,)) + (() if unit else (expect_no_unit,))

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                args, kwargs = tuple(map(as_int, args)), {name: as_int(value) for name, value in kwargs.items()}
                for name, value in (*zip(parameters, args, strict=False), *kwargs.items()):
                    if name in checks:
                        checks[name](where, **{name: value})
                    for refused in refusals if name in nouns else ():
                        refused(where, value)
                return function(*args, **kwargs)

            return wrapper

        return decorate

    return asked


_NEGATIVE = 1e-6
"""Smallest eigenvalue of a matrix of inner products over its largest that is rounding."""


def expect_batch(where: str, inputs: Any, cotangent: Any, features: int | None) -> None:
    """Raise unless a batch of inputs fits a network, and its cotangents' inner products fit the batch.

    Parameters
    ----------
    where
        Name of the public function.
    inputs
        The batch.
    cotangent
        Inner products of the examples' cotangents; None for ones.
    features
        Size of the network's input; None for any.
    """
    expect_number(where, ndim=2, inputs=inputs)
    ok = np.size(inputs) > 0 and features in (None, np.shape(inputs)[1])
    expect(ok, where, f"inputs of shape (B, {features or 'features'})", inputs=np.shape(inputs))
    if cotangent is None:
        return
    expect_number(where, ndim=2, cotangent=cotangent)
    fits = np.shape(cotangent) == (len(inputs), len(inputs))
    expect(fits, where, f"a cotangent of shape ({len(inputs)}, {len(inputs)})", cotangent=np.shape(cotangent))
    values = np.asarray(cotangent, float)
    least, most = np.linalg.eigvalsh((values + values.T) / 2)[[0, -1]]
    ok = np.allclose(values, values.T) and bool(least >= -_NEGATIVE * most and most > 0)
    words = "a symmetric cotangent without negative eigenvalues"
    expect(ok, where, words, "It has the inner products of cotangents.", cotangent=f"eigenvalues from {least:.3g}")
