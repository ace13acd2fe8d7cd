"""Counts may be NumPy's integers: int64 does what int does, and a narrower one is widened."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from vgtheory import Conv, Dense, Recurrent, Residual, measure, theory

KEY = jax.random.key(0)
NET, FIELD = Dense("tanh", 1.2, 0.1), Conv("tanh", 1.2, 0.1)
SMALL: dict[str, Callable[[Any], Any]] = {
    "log_grad_layers": lambda n: theory.log_grad_layers(NET, depth=n(3), width=n(200)),
    "log_q_layers": lambda n: theory.log_q_layers(NET, depth=n(3)),
    "log_grad_positions": lambda n: theory.blocks.log_grad_positions(FIELD, depth=n(3), positions=n(4)),
    "log_grad_positions of two": lambda n: theory.blocks.log_grad_positions(FIELD, depth=n(3), positions=(n(4), n(4))),
    "jacobian_edge": lambda n: theory.jacobian_edge(NET, n(3)),
    "batch_norm_rate": lambda n: theory.blocks.batch_norm_rate("relu", batch=n(8)),
}
MEASURED: dict[str, Callable[[Any], Any]] = {
    "samples": lambda n: measure.samples(KEY, NET, depth=n(3), width=n(8), num_nets=n(2), num_inputs=n(2)),
    "samples of fields": lambda n: measure.samples(KEY, FIELD, depth=n(3), width=n(4), num_nets=n(2), positions=n(5)),
    "link_parts": lambda n: measure.layers.link_parts(KEY, NET, depth=n(2), width=n(8), num_nets=n(2)),
    "plan": lambda n: measure.plan(NET, depth=n(3), width=n(8), num_nets=n(2)),
}


def same(ours: Any, theirs: Any) -> None:
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_integers_of_numpy_in_theory(name: str, kind: type) -> None:
    same(SMALL[name](kind), SMALL[name](int))


@pytest.mark.parametrize(
    "name", [name if name == "plan" else pytest.param(name, marks=pytest.mark.slow) for name in MEASURED]
)
@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_integers_of_numpy_in_measurements(name: str, kind: type) -> None:
    same(MEASURED[name](kind), MEASURED[name](int))


@pytest.mark.filterwarnings("ignore::tests.annotations.WrongType")
def test_integers_of_numpy_in_nouns() -> None:
    assert Conv("tanh", kernel_size=np.int64(5)) == Conv("tanh", kernel_size=5)
    assert Residual("tanh", branch_layers=np.int64(2)) == Residual("tanh", branch_layers=2)


@pytest.mark.parametrize("dtype", [np.float16, np.dtype("float32"), jax.numpy.bfloat16])
def test_dtypes_may_be_objects(dtype: Any) -> None:
    name = np.dtype(dtype).name
    assert theory.depth_limit(0.9, dtype) == theory.depth_limit(0.9, name)
    size = {"depth": 30, "width": 16}
    same(theory.pass_limit(NET, dtype, **size), theory.pass_limit(NET, name, **size))


@pytest.mark.slow
def test_a_recurrence_takes_them_too() -> None:
    net = Recurrent("tanh", 1.5)
    size = {"width": 8, "steps": 8, "num_nets": 2}
    wide = {name: np.int64(count) for name, count in size.items()}
    same(measure.lyapunov_exponents(KEY, net, **wide), measure.lyapunov_exponents(KEY, net, **size))
