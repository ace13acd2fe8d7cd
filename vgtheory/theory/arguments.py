"""Checks of theory's arguments: one table by name, since siblings mean the same by a name.

Networks and cells are checked by their annotation; a parameter whose default is None takes None.
"""

from functools import partial
from typing import Any

import jax
import numpy as np

from vgtheory.activation import as_activation
from vgtheory.activations.units import as_unit
from vgtheory.checks import asking
from vgtheory.expect import (
    MOST,
    Check,
    expect,
    expect_count,
    expect_dtype,
    expect_flag,
    expect_not_negative,
    expect_noun,
    expect_number,
    expect_one_of,
)
from vgtheory.formats import FORMATS
from vgtheory.networks.blocks import Normed, Residual
from vgtheory.networks.conv import Conv, expect_field
from vgtheory.networks.dense import Dense
from vgtheory.networks.recurrent import Recurrent, check_matrix
from vgtheory.networks.transformer import Transformer


def expect_activation(where: str, **got: Any) -> None:
    """Raise unless the single named value is an activation, or names one."""
    ((_, value),) = got.items()
    as_activation(value, where)


def expect_activation_or_unit(where: str, **got: Any) -> None:
    """Raise unless the single named value is an activation or a unit, or names one."""
    ((_, value),) = got.items()
    as_unit(value, where)


def expect_list(check: Check) -> Check:
    """The check of each of a list or tuple."""

    def each(where: str, **got: Any) -> None:
        ((name, value),) = got.items()
        expect(isinstance(value, list | tuple) and len(value) > 0, where, f"a list {name}", **got)
        for entry in value:
            check(where, **{name: entry})

    return each


def expect_activations(where: str, **got: Any) -> None:
    """Raise unless the single named value is an activation, names one, or is a list of such."""
    ((_, value),) = got.items()
    check = expect_list(expect_activation) if isinstance(value, list | tuple) else expect_activation
    check(where, **got)


def held(where: str, **got: Any) -> None:
    """Raise unless the named value counts things that are held."""
    expect_count(where, 1, MOST, **got)


def count_or_inf(where: str, **got: Any) -> None:
    """Raise unless the named value counts units, or is infinite, or None."""
    if all(value is None or (isinstance(value, float) and value == float("inf")) for value in got.values()):
        return
    expect_count(where, **got)


def expect_positions(where: str, **got: Any) -> None:
    """Raise unless the single named value is a positive integer, or a tuple of them."""
    ((name, value),) = got.items()
    expect_field(where, value)
    for count in value if isinstance(value, tuple) else (value,):
        expect_count(where, **{name: count})


def expect_given(where: str, **got: Any) -> None:
    """Raise if the single named value is traced: it decides what is computed."""
    ((name, value),) = got.items()
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value))
    expect(not traced, where, f"{name} that is not traced", **got)


def expect_broadcast(where: str, **got: Any) -> None:
    """Raise unless the named values' shapes broadcast."""
    shapes = {name: np.shape(value) for name, value in got.items()}
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError:
        expect(False, where, "shapes that broadcast", **shapes)


def given(check: Check) -> Check:
    """The check of a value that may not be traced."""

    def both(where: str, **got: Any) -> None:
        expect_given(where, **got)
        check(where, **got)

    return both


def _matrix(where: str, **got: Any) -> None:
    ((_, value),) = got.items()
    check_matrix(where, value)


number = partial(expect_number, interval="(-inf, inf)")
positive = partial(expect_number, interval="(0, inf)")
share = partial(expect_number, interval="[0, 1)", ndim=0)
one_positive = given(partial(positive, ndim=0))
one_number = partial(expect_number, ndim=0)
one_scale = given(partial(expect_number, interval="[1e-150, 1e150]", ndim=0))
one_not_negative = given(partial(expect_number, interval="[0, inf)", ndim=0))
listed_network = partial(expect_noun, kinds=(Dense, Conv, Recurrent))
any_network = partial(expect_noun, kinds=(Dense, Conv, Recurrent, Residual, Normed, Transformer))
one_correlation = partial(expect_number, interval="[-1, 1]", ndim=0)
correlation = partial(expect_number, interval="[-1, 1]")
integers = given(partial(expect_number, interval=f"[1, {MOST}]", integer=True))
steps_back = given(partial(expect_number, interval=f"[0, {MOST}]", integer=True))

ARGUMENTS: dict[str, Check] = {
    **dict.fromkeys(("depth", "batch", "num_draws", "steps", "size", "num_inputs"), held),
    **dict.fromkeys(("burn_in", "num_paths", "num_sets", "num_exponents", "num_lags"), held),
    "width": expect_count,
    **dict.fromkeys(("q", "sigma_b", "sigma_noise", "std", "w0", "decay"), expect_not_negative),
    **dict.fromkeys(("y", "level", "memory", "singular_values"), positive),
    "input_square": partial(expect_number, interval="[1e-300, 1e300]", ndim=0),
    **dict.fromkeys(("mean", "w", "h_0", "state", "target", "vector", "w_in", "weights"), number),
    **dict.fromkeys(("momentum", "square_decay", "beta_1", "c_cotangent"), given(share)),
    "eps": one_not_negative,
    "slopes": partial(expect_number, ndim=1),
    **dict.fromkeys(("c", "c_0"), correlation),
    **dict.fromkeys(("tied", "squared_loss", "flush"), expect_flag),
    "activation": expect_activation,
    "activations": expect_activations,
    "decades": number,
    **dict.fromkeys(("dropout", "dropconnect"), given(share)),
    "dtype": partial(expect_dtype, FORMATS),
    "factor": given(partial(expect_number, interval="[0, inf)", ndim=0)),
    "learning_rate": partial(expect_number, interval="(0, 1e150]"),
    "learning_rates": partial(expect_number, interval="[0, 1e150]"),
    "log_s": partial(expect_number, interval="[-inf, inf]"),
    "log_time": partial(expect_number, interval="[-inf, inf]"),
    "matrix": _matrix,
    "norm": partial(expect_one_of, ("frobenius", "spectral")),
    "optimiser": partial(expect_one_of, ("adam", "momentum", "sgd", "sign")),
    "positions": expect_positions,
    "probability": partial(expect_number, interval="(0, 1)"),
    "s": partial(expect_number, interval="[0, inf]"),
    "share": partial(expect_number, interval="(0, 1)", ndim=0),
    "x": partial(expect_number, interval="[0, 1]"),
}

asked = asking(ARGUMENTS)
"""The decorator of theory's public functions."""

__all__ = [
    "ARGUMENTS",
    "any_network",
    "asked",
    "count_or_inf",
    "expect_activation_or_unit",
    "expect_broadcast",
    "given",
    "integers",
    "listed_network",
    "one_correlation",
    "one_not_negative",
    "one_number",
    "one_positive",
    "one_scale",
    "share",
    "steps_back",
]
