"""Residual blocks, convolutions and layers with a norm, with noise beside their laws, spread of stochastic depth included."""

from typing import Any

import jax
import numpy as np
import pytest

from tests.tolerances import SIGMAS
from vgtheory import Conv, Normed, Residual, measure, theory

FINITE = 0.05
"""Of logs at 128 or 256 units: a few times depth over width."""
WIDER = 0.15
"""Of the standard deviation that stochastic depth makes: a width of 256 adds some (2 % are left at 1,024)."""
WIDE = 0.01
"""Of logs of five layers at 1,024 units: twice depth over width."""
NOISY = dict(dropout=0.2, sigma_noise=0.3)
slow = pytest.mark.slow
CHAINS = [
    (Residual("relu", 1.0, alpha=0.7, drop_path=0.3), "matrix_free"),
    pytest.param(Residual("tanh", 1.5, 0.3, alpha=0.7, drop_path=0.3, dropconnect=0.2), "networks", marks=slow),
    pytest.param(Residual("relu", 1.4, norm="layer", branch_layers=2, drop_path=0.4, **NOISY), "networks", marks=slow),
]


@pytest.mark.parametrize(("net", "sampler"), CHAINS)
def test_stochastic_depth_twin_and_power(key: jax.Array, net: Any, sampler: str) -> None:
    depth, num_nets = 10, 400
    logs = measure.samples(key, net, depth=depth, width=256, num_nets=num_nets, sampler=sampler)
    for found, law in ((logs.log_grad, theory.log_grad_layers), (logs.log_q, theory.log_q_layers)):
        predicted = law(net, depth=depth)
        err = np.maximum(found.std(axis=0), predicted.std) / num_nets**0.5
        assert (abs(found.mean(axis=0) - predicted.mean) <= SIGMAS * err + FINITE).all()
        off = law(net.replace(drop_path=0.0, dropconnect=0.0, dropout=0.0), depth=depth)
        assert (abs(found.mean(axis=0) - off.mean) > SIGMAS * err + FINITE).any()
        seen = predicted.std > 0
        kurtosis = ((found - found.mean(axis=0)) ** 4).mean(axis=0)[seen] / found.std(axis=0)[seen] ** 4
        sampling = ((kurtosis - 1) / num_nets / 4) ** 0.5
        assert (abs(found.std(axis=0)[seen] / predicted.std[seen] - 1) < SIGMAS * sampling + WIDER).all()


SHALLOW = 0.05
"""Of the spread, and of the mean in units of it, at an eighth as many blocks as units: the next order in 1/N."""
UNLIKE = dict(sigma_w=tuple(np.linspace(0.8, 1.6, 16)), alpha=tuple(np.linspace(1.2, 0.6, 16)))
AT_WIDTH = [
    Residual("abs", 2.0, dropout=0.5),
    Residual("relu", 2.0, alpha=1.2, dropout=0.5),
    Residual("linear", 1.0, mask="gaussian", dropout=0.4),
    Residual("relu", 1.4, 0.5, sigma_noise=0.5, dropout=0.4),
    Residual("relu", 1.0, alpha=0.7, drop_path=0.3, dropout=0.3),
    Residual("relu", sigma_b=0.3, dropout=0.5, **UNLIKE),
]


@slow
@pytest.mark.parametrize("net", AT_WIDTH)
def test_spread_at_finite_width_twin_and_power(key: jax.Array, net: Any) -> None:
    depth, width, num_nets = 16, 128, 2000
    size = {"depth": depth, "width": width}
    logs = measure.samples(key, net, num_nets=num_nets, sampler="matrix_free", **size)
    calm = net.replace(drop_path=0.0, dropout=0.0)
    heavier = net.replace(sigma_w=jax.tree.map(lambda scale: 1.03 * scale, net.sigma_w))
    for found, law, at in ((logs.log_grad, theory.log_grad_layers, 0), (logs.log_q, theory.log_q_layers, -1)):
        predicted, mean, std = law(net, **size), found.mean(axis=0), found.std(axis=0)
        seen = predicted.std > 0
        allowed = (SIGMAS / num_nets**0.5 + SHALLOW) * std
        kurtosis = ((found - mean) ** 4).mean(axis=0)[seen] / std[seen] ** 4
        sampling = ((kurtosis - 1) / num_nets / 4) ** 0.5
        assert (abs(mean - predicted.mean) <= allowed).all()
        assert abs(mean - law(heavier, **size).mean)[at] > allowed[at]
        assert (abs(std[seen] / predicted.std[seen] - 1) < SIGMAS * sampling + SHALLOW).all()
        assert abs(std[at] / law(calm, **size).std[at] - 1) > SIGMAS * sampling.max() + SHALLOW


@slow
@pytest.mark.parametrize("net", [Residual("gelu", 1.2, 0.2, alpha=0.5, mask="gaussian", **NOISY)])
def test_noise_in_branches(key: jax.Array, net: Any) -> None:
    for measured, law in (
        (measure.log_grad_layers, theory.log_grad_layers),
        (measure.log_q_layers, theory.log_q_layers),
    ):
        found = measured(key, net, depth=8, width=256, num_nets=60)
        assert (abs(found.value - law(net, depth=8).mean) <= SIGMAS * found.err + FINITE).all()


@pytest.mark.parametrize(
    ("net", "sampler"),
    [
        pytest.param(Normed("tanh", "rms", 1.3, 0.2, dropout=0.2, sigma_noise=0.9), "matrix_free", marks=slow),
        pytest.param(Normed("relu", "layer", 1.3, 0.2, dropconnect=0.4, sigma_noise=0.9), "networks", marks=slow),
        pytest.param(Normed("gelu", "rms", 1.3, 0.6, "post", mask="gaussian", **NOISY), "matrix_free", marks=slow),
        (Normed("tanh", "batch", 1.3, 0.2, batch=8, **NOISY), "matrix_free"),
        pytest.param(Normed("relu", "batch", batch=16, dropconnect=0.4), "networks", marks=slow),
        pytest.param(Residual("relu", 1.4, 0.2, norm="batch", batch=8, sigma_noise=1.5), "matrix_free", marks=slow),
        pytest.param(Residual("tanh", 1.4, norm="batch", batch=16, dropconnect=0.5), "networks", marks=slow),
    ],
)
def test_layers_with_a_norm_twin_and_power(key: jax.Array, net: Any, sampler: str) -> None:
    """Noise that is a third stronger must be seen, in the signals or in the gradient."""
    size = {"depth": 5, "width": 1024 if sampler == "matrix_free" else 256}
    logs = measure.samples(key, net, **size, num_nets=80, sampler=sampler)
    stronger = net.replace(**{name: 4 / 3 * getattr(net, name) for name in ("dropout", "dropconnect", "sigma_noise")})
    is_seen = []
    for found, law in ((logs.log_grad, theory.log_grad_layers), (logs.log_q, theory.log_q_layers)):
        allowed = SIGMAS * found.std(axis=0) / 80**0.5 + WIDE * 1024 / size["width"]
        assert (abs(found.mean(axis=0) - law(net, depth=5).mean) <= allowed).all()
        is_seen.append((abs(found.mean(axis=0) - law(stronger, depth=5).mean) > allowed).any())
    assert any(is_seen)


@pytest.mark.parametrize(
    ("net", "positions"),
    [
        (Conv("relu", 1.3, 0.2, **NOISY), 6),
        pytest.param(Conv("tanh", 1.3, 0.2, dropconnect=0.3, padding="zero"), 8, marks=slow),
        pytest.param(Conv("relu", 1.2, weights="delta_orthogonal", mask="gaussian", dropout=0.3), (4, 4), marks=slow),
    ],
)
def test_convolution_twin_and_power(key: jax.Array, net: Any, positions: Any) -> None:
    for measured, law in (
        (measure.log_grad_layers, theory.log_grad_layers),
        (measure.log_q_layers, theory.log_q_layers),
    ):
        found = measured(key, net, depth=4, width=128, num_nets=24, positions=positions)
        assert (abs(found.value - law(net, depth=4, positions=positions).mean) <= SIGMAS * found.err + FINITE).all()
        off = law(net.replace(dropout=0.0, dropconnect=0.0), depth=4, positions=positions).mean
        assert (abs(found.value - off) > SIGMAS * found.err + FINITE).any()


@slow
@pytest.mark.parametrize(
    ("net", "positions"),
    [
        (Conv("linear", dropout=0.5), 8),
        (Conv("linear", dropout=0.4, mask="gaussian", kernel_size=5), (3, 4)),
        (Conv("linear", dropout=0.3, weights="delta_orthogonal"), 6),
    ],
)
def test_spread_of_linear_convolutions_twin_and_power(key: jax.Array, net: Any, positions: Any) -> None:
    num_nets, size = 2000, {"depth": 6, "width": 32, "positions": positions}
    logs = measure.samples(key, net, num_nets=num_nets, **size)
    for found, law, at in ((logs.log_grad, theory.log_grad_layers, 0), (logs.log_q, theory.log_q_layers, -1)):
        predicted, values = law(net, **size), found[:, at]
        std, reach = values.std(), (SIGMAS / num_nets**0.5 + SHALLOW) * values.std()
        kurtosis = ((values - values.mean()) ** 4).mean() / std**4
        allowed = SIGMAS * ((kurtosis - 1) / num_nets / 4) ** 0.5 + SHALLOW
        assert abs(values.mean() - predicted.mean[at]) < reach
        assert abs(values.mean() - law(net.replace(sigma_w=1.03), **size).mean[at]) > reach
        assert abs(std / predicted.std[at] - 1) < allowed
        assert abs(law(net.replace(dropout=0.0), **size).std[at] / std - 1) > allowed
