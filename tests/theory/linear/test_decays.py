"""Decays that depend on the input: mpmath beside the quadrature, and real recurrences beside the law."""

from collections.abc import Callable
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest

from tests.tolerances import SIGMAS
from vgtheory import InputDecay, measure, theory

NETS = {
    "mamba": InputDecay("mamba", np.array([-3.0, -4.0]), 0.8, np.array([1.0, 8.0])),
    "gla": InputDecay("gla", 0.5, 1.0),
    "lstm": InputDecay("lstm", 3.0, 0.5),
    "rwkv": InputDecay("rwkv", -3.0, 0.6),
    "xlstm": InputDecay("xlstm", -0.05, 0.1),
}
SIZES: dict[str, Callable[[Any], Any]] = {
    "mamba": lambda z: mp.log(1 + mp.exp(z)),
    "gla": lambda z: mp.log(1 + mp.exp(-z)),
    "lstm": lambda z: mp.log(1 + mp.exp(-z)),
    "rwkv": mp.exp,
    "xlstm": lambda z: -z,
}


def mean(function: Callable[[Any], Any], bias: float, sigma: float) -> Any:
    density = lambda z: mp.exp(-(z**2) / 2) / mp.sqrt(2 * mp.pi)
    return mp.quad(lambda z: function(bias + sigma * z) * density(z), [-14, -4, -1, 0, 1, 4, 14])


@pytest.mark.parametrize("kind", NETS)
def test_laws_are_gaussian_averages(kind: str) -> None:
    net = NETS[kind]
    bias, rate = float(np.ravel(net.bias)[-1]), float(np.ravel(net.rate)[-1])
    log = lambda z: -rate * SIZES[kind](z)
    one = mean(log, bias, net.sigma_z)
    spread = mp.sqrt(mean(lambda z: (log(z) - one) ** 2, bias, net.sigma_z))
    square = mp.log(mean(lambda z: mp.exp(2 * log(z)), bias, net.sigma_z))
    law, root = theory.linear.log_decay_lags(net, 9), theory.linear.log_mean_decay_lags(net, 9)
    found = [float(np.ravel(each)[-1]) for each in (law.mean, law.std, root)]
    assert found == pytest.approx([float(9 * one), float(3 * spread), float(4.5 * square)], rel=1e-11)


@pytest.mark.parametrize("scan", ["associative", "sequential"])
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "mamba" else pytest.mark.slow) for kind in NETS]
)
def test_recurrences_obey_them(key: jax.Array, kind: str, scan: str) -> None:
    """And pre-activations whose bias is 3 % off do not: the power of the same test."""
    net, lags = NETS[kind], np.array([0, 1, 24])
    mean, std = measure.linear.log_decay_lags(key, net, lags, num_inputs=2000, scan=scan)
    root = measure.linear.log_mean_decay_lags(key, net, lags, num_inputs=2000, scan=scan)
    law = theory.linear.log_decay_lags(net, lags)
    assert np.all(np.abs(mean.value - law.mean) <= SIGMAS * mean.err)
    assert np.all(np.abs(std.value - law.std) <= SIGMAS * std.err)
    assert np.all(np.abs(root.value - theory.linear.log_mean_decay_lags(net, lags)) <= SIGMAS * root.err)
    if kind == "mamba":
        off = theory.linear.log_decay_lags(net.replace(bias=0.97 * net.bias), lags)
        assert np.all(np.abs(mean.value - off.mean)[-1] > SIGMAS * mean.err[-1])
