"""The same numbers on any devices and in any chunks, within the memory that was planned; grids share their draws."""

import importlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import EQUAL_FLOAT32, OTHER_DEVICES, SAME_FLOAT32, SAME_FLOAT64
from vgtheory import LSTM, Dense, Normed, Transformer, measure
from vgtheory.measure.engine import runs
from vgtheory.measure.engine.memory import bytes_needed

ROOT = Path(__file__).resolve().parents[3]
CHAIN = importlib.import_module("vgtheory.measure.layers.chains")
GRID = Dense("tanh", np.array([[0.9], [2.5]]), np.array([0.1, 0.3]))
"""Ordered and chaotic networks."""
ONE = Dense("tanh", 0.9, 0.3)
"""A point of the grid, ordered, in which roundings stay what they are."""
SIZE = {"depth": 24, "width": 16, "num_nets": 19}
"""Of all tests here of networks of one input, so that they share programs."""


def apart(ours: measure.layers.ChainLogs, theirs: measure.layers.ChainLogs) -> float:
    """Largest relative difference of any norm."""
    return max(float(np.abs(np.expm1(a - b)).max()) for a, b in zip(ours, theirs, strict=True))


def test_two_devices_make_the_same_numbers(key: jax.Array) -> None:
    """To the bit, in a chaotic network too, with a number of networks that two does not divide."""
    assert len(jax.devices()) == 2
    one, two = (measure.samples(key, GRID, **SIZE, devices=jax.devices()[:count]) for count in (1, 2))
    assert one.log_grad.shape == two.log_grad.shape == (2, 2, 19, 24)
    assert apart(one, two) == 0


@pytest.mark.slow
@pytest.mark.parametrize("inputs", [None, 4])
@pytest.mark.parametrize("sampler", ["networks", "matrix_free"])
def test_one_two_four_and_eight_devices_make_the_same_numbers(sampler: str, inputs: int | None) -> None:
    script = f"""
import jax, json, numpy as np
jax.config.update("jax_num_cpu_devices", 8)
from vgtheory import Dense, measure
how = dict(depth=40, width=32, num_nets=37, num_inputs={inputs!r}, sampler={sampler!r})
net = Dense("tanh", np.array([0.9, 2.5]), 0.1)
runs = [measure.samples(jax.random.key(3), net, **how, devices=jax.devices()[:count]) for count in (1, 2, 4, 8)]
print(json.dumps([max(float(np.abs(np.expm1(a - b)).max()) for a, b in zip(run, runs[0])) for run in runs]))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [0, 0, 0, 0]


MEASURED: dict[str, Callable[..., Any]] = {
    "cells": lambda key, **how: measure.cells.cell_logs(key, LSTM(sigma_in=1.0), width=16, steps=8, burn_in=8, **how),
    "blocks": lambda key, **how: measure.samples(key, Normed("relu", norm="batch", batch=8), depth=8, width=16, **how),
    "transformer": lambda key, **how: measure.samples(
        key, Transformer("relu", heads=2), depth=3, width=16, positions=4, **how
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_other_numbers_of_devices_round_otherwise_at_most(name: str, key: jax.Array) -> None:
    """What docs/guides/scale.md promises of them; that of dense networks is above."""
    one, two = (MEASURED[name](key, num_nets=3, devices=jax.devices()[:count]) for count in (1, 2))
    for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=OTHER_DEVICES)


@pytest.mark.parametrize(
    ("dtype", "same"),
    [("float64", SAME_FLOAT64), pytest.param("float32", SAME_FLOAT32, marks=pytest.mark.slow)],  # as users compile it
)
def test_chunks_and_what_is_kept_do_not_change_the_numbers(key: jax.Array, dtype: str, same: float) -> None:
    """Small chunks of fewer networks, and recomputation."""
    how: dict[str, Any] = {"devices": jax.devices()[:1], "dtype": dtype}
    few, memory = SIZE | {"num_nets": 7}, 5.5e4 * np.dtype(dtype).itemsize / 4
    whole = measure.samples(key, ONE, **SIZE, **how)
    assert measure.plan(ONE, **SIZE, **how).lanes == 16
    assert measure.plan(ONE, **few, memory=memory, **how).lanes == 4
    small = measure.samples(key, ONE, **few, memory=memory, **how)
    assert apart(small, measure.layers.ChainLogs(*(leaf[:7] for leaf in whole))) < same
    assert apart(measure.samples(key, ONE, **SIZE, keep="segments", **how), whole) < same


# Segments are compared above, at a depth that they divide.
@pytest.mark.slow
def test_segments_of_a_prime_depth(key: jax.Array) -> None:
    net, size = Dense("gelu", 1.4, 0.1), {"depth": 23, "width": 12, "num_nets": 2}
    assert apart(measure.samples(key, net, **size, keep="segments"), measure.samples(key, net, **size)) < SAME_FLOAT32


def test_a_grid_is_its_points(key: jax.Array) -> None:
    device = jax.devices()[:1]
    grid, one = (measure.samples(key, net, **SIZE, devices=device) for net in (GRID, ONE))
    assert apart(measure.layers.ChainLogs(*(leaf[0, 1] for leaf in grid)), one) < EQUAL_FLOAT32


@pytest.mark.slow
def test_common_draws_sharpen_a_comparison(key: jax.Array) -> None:
    """The change of the rate from one sigma_w to the next is better known than either rate."""
    logs = measure.samples(key, Dense("tanh", np.array([1.0, 1.03]), 0.2), depth=20, width=32, num_nets=40)
    total = logs.log_grad[:, :, 0]
    assert (total[1] - total[0]).std() < 0.3 * total[0].std()


def test_many_inputs_equal_plain_autodiff(key: jax.Array) -> None:
    net, size = Dense("tanh", 1.3, 0.2), {"depth": 4, "width": 16, "num_inputs": 5}
    chain = measure.samples(key, net, **size, num_nets=2)
    plain = measure.engine.plain_grads(jax.random.fold_in(key, 1), net, **size)
    assert np.abs(np.expm1(chain.log_grad[1] - plain.log_grad + plain.log_grad[:, -1:])).max() < EQUAL_FLOAT32
    weight = chain.log_grad_weight[1] - plain.log_grad_weight + plain.log_grad_weight[-1]
    assert np.abs(np.expm1(weight)).max() < EQUAL_FLOAT32


# Two large programs are compiled, and not run.
@pytest.mark.slow
def test_the_plan_is_what_the_compiler_needs(key: jax.Array) -> None:
    """Temporary memory of the compiled program, by the compiler's own count."""
    net, size = Dense("tanh", 1.2, 0.1), {"depth": 400, "width": 64}
    shape, grid = CHAIN.grid_of(net, "float32")
    devices = tuple(jax.devices()[:1])
    for keep, lanes, inputs in (("activations", 1, 8), ("segments", 2, 4)):
        asked = CHAIN._Size(*size.values(), inputs, "float32", True, "networks", keep)
        program = runs._all.program(xla_cpu_prefer_vector_width=512)
        given = (key, (net, grid), CHAIN._one, asked, 4, lanes, devices)
        used = program.lower(*given).compile().memory_analysis()
        count = {"rows": inputs, "num_nets": 4, "num_devices": 1, "itemsize": 4}
        planned = bytes_needed(keep, lanes, **size, **count)
        assert planned / 3 < used.temp_size_in_bytes + used.output_size_in_bytes < 1.2 * planned
    assert shape == ()


def test_what_cannot_fit_says_so_with_the_numbers(refused: Callable[..., Any], key: jax.Array) -> None:
    with refused("samples", "needed", "Use fewer inputs"):
        measure.samples(key, Dense("tanh"), depth=100, width=512, num_nets=1, memory=1e6)
    with refused("plan", "keep"):
        measure.plan(Dense("tanh"), depth=100, width=512, num_nets=1, keep="nothing")
    with refused("samples", "num_inputs"):
        measure.samples(key, Dense("tanh"), depth=3, width=4, num_nets=1, num_inputs=0)


@pytest.mark.slow
def test_two_processes_make_the_numbers_of_one(tmp_path: Path) -> None:
    """The recipe of docs/guides/scale.md, on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = """
import sys, jax, numpy as np
jax.config.update("jax_num_cpu_devices", 2)
port, count, index, out = sys.argv[1:]
if int(count) > 1:
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=int(count), process_id=int(index))
from vgtheory import Dense, measure
logs = measure.samples(jax.random.key(1), Dense("tanh", np.array([1.0, 2.0]), 0.1), depth=20, width=32, num_nets=37)
parts = measure.layers.log_parts_layers(jax.random.key(1), Dense("tanh", 1.2), depth=5, width=16, num_nets=5)
if jax.process_index() == 0:
    np.savez(out, *logs, parts.weights.value)
"""

    def started(count: int, index: int, name: str) -> subprocess.Popen:
        words = [sys.executable, "-c", script, str(port), str(count), str(index), str(tmp_path / name)]
        return subprocess.Popen(words, cwd=ROOT)

    assert started(1, 0, "one.npz").wait(timeout=120) == 0
    both = [started(2, index, "two.npz") for index in range(2)]
    assert [process.wait(timeout=180) for process in both] == [0, 0]
    one, two = (np.load(tmp_path / f"{name}.npz") for name in ("one", "two"))
    assert all(np.array_equal(one[name], two[name]) for name in one)
