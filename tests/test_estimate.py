"""A mean with its uncertainty is a pair that unpacks, and in arithmetic a number, not a tuple."""

import operator
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vgtheory import Estimate, Law

PAIRS = (Estimate, Law)
TWOS = (2, 2.0, np.int64(2), np.float64(2), np.float32(2), np.array(2.0), jnp.asarray(2.0))


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("two", TWOS, ids=lambda two: type(two).__name__)
def test_law_arithmetic_scales_both_and_shifts_the_mean(kind: type, two: Any) -> None:
    pair = kind(3.0, 1.0)
    for got, expected in (
        (pair * two, (6, 2)),
        (two * pair, (6, 2)),
        (pair * -two, (-6, 2)),
        (pair / two, (1.5, 0.5)),
        (pair + two, (5, 1)),
        (two + pair, (5, 1)),
        (pair - two, (1, 1)),
        (two - pair, (-1, 1)),
        (-pair, (-3, 1)),
    ):
        assert type(got) is kind
        assert tuple(map(float, got)) == expected


@pytest.mark.parametrize("kind", PAIRS)
def test_law_arithmetic_with_arrays_keeps_both_fields_of_one_shape(kind: type) -> None:
    depths = np.array([1.0, -2.0])
    for got, mean, std in (
        (kind(3.0, 1.0) * depths, [3, -6], [1, 2]),
        (depths * kind(np.ones(2), np.ones(2)), [1, -2], [1, 2]),
        (depths + kind(3.0, 1.0), [4, 1], [1, 1]),
        (kind(3.0, 1.0) - depths, [2, 5], [1, 1]),
        (jax.jit(lambda pair: pair + jnp.asarray(depths))(kind(3.0, 1.0)), [4, 1], [1, 1]),
    ):
        assert type(got) is kind
        assert np.asarray(got[0]).tolist() == mean
        assert np.asarray(got[1]).tolist() == std


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("join", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_law_arithmetic_refuses_what_is_no_known_number(
    refused: Callable[..., Any], kind: type, join: Callable[[Any, Any], Any]
) -> None:
    pair = kind(1.0, 2.0)
    with refused(kind.__name__, "other", "vary together"):
        join(pair, pair)
    for other in ((1.0, 2.0), "2", None, True, [1.0]):
        with refused(kind.__name__, "other"):
            join(pair, other)
    with refused(kind.__name__, "other"):
        sum([pair, pair])


@pytest.mark.parametrize("kind", PAIRS)
def test_a_law_is_still_a_pair(kind: type) -> None:
    middle, spread = kind(1.0, 2.0)
    assert (middle, spread) == (1.0, 2.0) == kind(1.0, 2.0)
    assert jax.tree.map(lambda leaf: 2 * leaf, kind(1.0, 2.0)) == kind(2.0, 4.0)
    np.testing.assert_array_equal(np.asarray(kind(1.0, 2.0)), [1.0, 2.0])


@pytest.mark.parametrize(
    ("middle", "spread", "words"),
    [
        (2.4371, 0.4689, "2.44 ± 0.47"),
        (12345.6, 120, "12350 ± 120"),
        (-62700.1, 1234.0, "-62700 ± 1200"),
        (1.0, 0.0996, "1.00 ± 0.10"),
        (-144.3, 0.0012, "-144.3000 ± 0.0012"),
        (1e-30, 1e-32, "(1.000 ± 0.010)e-30"),
        (1.5e8, 2e7, "(1.50 ± 0.20)e+08"),
        (5e-324, 5e-324, "(4.9 ± 4.9)e-324"),
        (2.44, 0.0, "2.44 ± 0"),
        (0.5, 1e-320, "0.5 ± 1e-320"),
        (np.inf, 1.0, "inf ± 1"),
        (1.0, np.nan, "1 ± nan"),
        (jnp.float32(1.0), np.float64(2.0), "1.0 ± 2.0"),
        (np.arange(2.0), 0.1, "[0.00 ± 0.10, 1.00 ± 0.10]"),
        (np.arange(6.0).reshape(2, 3), np.ones((2, 3)), "[0.0 ± 1.0 ... 5.0 ± 1.0], shape (2, 3)"),
        (np.zeros((0, 3)), np.zeros((0, 3)), "[], shape (0, 3)"),
    ],
)
@pytest.mark.parametrize("kind", PAIRS)
def test_pairs_print_to_the_digits_that_are_known(kind: type, middle: Any, spread: Any, words: str) -> None:
    assert str(kind(middle, spread)) == repr(kind(middle, spread)) == words


def test_what_cannot_be_looked_at_prints_its_fields() -> None:
    seen = []
    jax.jit(lambda law: (seen.append(str(law)), law)[1])(Law(1.0, 2.0))
    assert seen[0].startswith("Law(mean=")
    assert str(jax.tree.map(lambda leaf: None, Estimate(1.0, 2.0))) == "Estimate(value=None, err=None)"


def test_notebooks_show_a_table_of_a_list() -> None:
    assert Law(1.0, 0.5)._repr_html_() == "<span>1.00 ± 0.50</span>"
    short, long = (Estimate(np.arange(size), np.ones(size))._repr_html_() for size in (24, 25))
    assert (short.count("<tr>"), long.count("<tr>")) == (25, 26)
    assert "<td>...</td>" in long
    assert "<td>24</td><td>24.0 ± 1.0</td>" in long


def test_frames_have_a_row_for_every_entry() -> None:
    table = Law(np.arange(6.0).reshape(2, 3), 1.0).frame
    assert table.columns.tolist() == ["index_0", "index_1", "mean", "std"]
    assert table.iloc[4].tolist() == [1, 1, 4.0, 1.0]
    assert Estimate(2.0, 1.0).frame.to_dict("records") == [{"value": 2.0, "err": 1.0}]


def test_without_pandas_a_frame_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"^Law\.frame: expected pandas to be installed, got .+vgtheory\[plot\]'\.$"):
        Law(1.0, 2.0).frame  # noqa: B018
