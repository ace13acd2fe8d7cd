"""Every theory function: float64 from plain numbers without a flag; float32 arrays that compile, map and differentiate."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import surface
from tests.tolerances import DIFFERENCE, SINGLE
from vgtheory import (
    Activation,
    Conv,
    Dense,
    FixedRecurrent,
    InputDecay,
    LinearRecurrence,
    Normed,
    Recurrent,
    Residual,
    Ring,
    StateSpace,
    Transformer,
    theory,
)

BENT = Activation("bent", lambda h: h + jnp.tanh(h) / 2, lambda h: 1.5 - jnp.tanh(h) ** 2 / 2, ())


MATRIX = np.random.default_rng(3).normal(size=(5, 5)) / 5**0.5


def tanh(scale: Any) -> Dense:
    return Dense("tanh", scale, 0.3)


def conv(scale: Any) -> Conv:
    return Conv("tanh", scale, 0.3, padding="zero")


def decoder(scale: Any) -> Transformer:
    return Transformer("tanh", scale, 0.8, is_causal=True, heads=4)


def orthogonal(scale: Any) -> Dense:
    return Dense("tanh", scale, 0.2, "orthogonal")


def ring(scale: Any) -> LinearRecurrence:
    return LinearRecurrence(Ring(0.2, 0.5 * scale, 0.3), "gamma", 0.25)


def channels(scale: Any) -> LinearRecurrence:
    return LinearRecurrence(StateSpace("s4d-lin", 4, 0.01 * scale, 0.1), "step")


QUANTITIES: dict[str, Callable[[Any], Any]] = {
    "bound_excess": lambda t: theory.layers.bound_excess(tanh(t)),
    "c_layers": lambda t: theory.layers.c_layers(tanh(t), depth=4).mean[-1],
    "c_map": lambda t: theory.c_map(0.4, tanh(t)),
    "c_map_curvature": lambda t: theory.meanfield.c_map_curvature(0.4, tanh(t)),
    "c_map_slope": lambda t: theory.meanfield.c_map_slope(0.4, tanh(t)),
    "c_star": lambda t: theory.c_star(tanh(t)),
    "chi_1": lambda t: theory.chi_1(tanh(t)),
    "chi_c": lambda t: theory.meanfield.chi_c(tanh(t)),
    "cosine_distance": lambda t: theory.blocks.cosine_distance(Transformer("tanh", t), depth=3, positions=4).mean[-1],
    "critical": lambda t: theory.critical("tanh", sigma_b=t / 6, size=2).sigma_w[..., 0],
    "decade_depth": lambda t: theory.meanfield.decade_depth(tanh(t)),
    "jacobian_atom": lambda t: theory.spectra.jacobian_atom(Dense("hard_tanh", t, 0.2), 4),
    "jacobian_atom, width": lambda t: theory.spectra.jacobian_atom(Dense("hard_tanh", t, 0.2), 4, 10),
    "jacobian_cdf": lambda t: theory.spectra.jacobian_cdf(0.6, orthogonal(t), 4),
    "jacobian_cdf_of_log": lambda t: theory.spectra.jacobian_cdf_of_log(-0.5, orthogonal(t), 4),
    "jacobian_condition": lambda t: theory.spectra.jacobian_condition(Dense(BENT, t / 3, 0.2, "orthogonal"), 4),
    "jacobian_density": lambda t: theory.spectra.jacobian_density(0.6, orthogonal(t), 4),
    "jacobian_density_of_log": lambda t: theory.spectra.jacobian_density_of_log(-0.5, orthogonal(t), 4),
    "jacobian_edge": lambda t: theory.jacobian_edge(orthogonal(t), 4).log_upper,
    "jacobian_moments": lambda t: theory.spectra.jacobian_moments(orthogonal(t), 4).spread,
    "log_bound_layers": lambda t: theory.layers.log_bound_layers(tanh(t), depth=3)[0],
    "log_chi_layers": lambda t: theory.layers.log_chi_layers(tanh(t), depth=5, width=64).mean[0],
    "log_eigen_powers": lambda t: theory.recurrent.log_eigen_powers(t * MATRIX, 7)[1],
    "log_escape_steps": lambda t: theory.training.log_escape_steps("adam", 5, t / 3, learning_rate=1e-6),
    "log_escape_time": lambda t: theory.training.log_escape_time(5, t / 3),
    "log_escape_time, from above": lambda t: theory.training.log_escape_time(2, t, level=1.3),
    "log_grad_cross_entropy": lambda t: theory.blocks.log_grad_cross_entropy(
        Transformer("tanh", t), depth=3, positions=4, width=64, classes=50, sigma_head=t / 2
    )["value"].mean[0],
    "log_grad_groups": lambda t: theory.blocks.log_grad_groups(Transformer("tanh", t), depth=3, positions=4)[
        "value"
    ].mean[0],
    "first_decrease": lambda t: theory.blocks.first_decrease(Residual("tanh", t, 0.2, 0.0), depth=4).mean,
    "log_grad_alpha_layers": lambda t: theory.blocks.log_grad_alpha_layers(Residual("tanh", t, 0.2), depth=4).mean[0],
    "log_grad_layers, residual": lambda t: theory.log_grad_layers(Residual("tanh", t, 0.0, t / 2, 2), depth=4).mean[0],
    "log_grad_layers, batch": lambda t: theory.log_grad_layers(
        Residual("tanh", t, norm="batch", batch=5), depth=4
    ).mean[0],
    "log_grad_layers, normed": lambda t: theory.log_grad_layers(Normed("relu", "layer", t, 0.4), depth=4).mean[0],
    "log_q_layers, batch": lambda t: theory.log_q_layers(Normed("relu", "batch", t, 0.4, batch=5), depth=4).mean[-1],
    "log_grad_layers": lambda t: theory.log_grad_layers(tanh(t), depth=5).mean[0],
    "log_grad_layers, width": lambda t: theory.log_grad_layers(tanh(t), depth=5, width=64).std[0],
    "log_grad_layers, conv": lambda t: theory.log_grad_layers(conv(t), depth=5, positions=4).mean[0],
    "log_grad_positions": lambda t: theory.blocks.log_grad_positions(conv(t), depth=5, positions=4).mean[0, 1],
    "log_grad_weight_layers": lambda t: theory.log_grad_weight_layers(tanh(t), depth=5, width=64).mean[0],
    "log_mean_scalar_chain": lambda t: theory.recurrent.log_mean_scalar_chain(0.7, t, 5),
    "log_mode_times": lambda t: theory.training.log_mode_times(t, 5, 0.6),
    "log_parts_layers": lambda t: theory.layers.log_parts_layers(tanh(t), depth=5, width=64).slopes.mean[0],
    "log_power_norms": lambda t: theory.recurrent.log_power_norms(MATRIX + t * MATRIX.T, MATRIX[0], 7),
    "log_q_layers": lambda t: theory.log_q_layers(tanh(t), depth=5, width=64).mean[-1],
    "log_q_layers, listed": lambda t: theory.log_q_layers(Dense("relu", (t, 1.5, t / 2), widths=(5, 6, 7, 8))).mean[-1],
    "log_q_positions": lambda t: theory.blocks.log_q_positions(conv(t), depth=5, positions=(3, 4)).mean[-1, 0, 1],
    "log_scalar_chain": lambda t: theory.recurrent.log_scalar_chain(0.7, t, 5).std,
    "log_scalar_chain, far": lambda t: theory.recurrent.log_scalar_chain(40.0, t, 5).mean,
    "log_spectral_radius": lambda t: theory.recurrent.log_spectral_radius(Recurrent("linear", t), width=16).mean,
    "log_scalar_steps": lambda t: theory.recurrent.log_scalar_steps(t, "tanh", 0.3, steps=9)[-1],
    "lyapunov_exponent": lambda t: theory.recurrent.lyapunov_exponent(tanh(t)),
    "overshoot": lambda t: (
        theory.recurrent.overshoot(
            FixedRecurrent("linear", matrix=t * MATRIX), MATRIX[0], MATRIX[1], 0.01, steps=5
        ).log_ratio
    ),
    "overshoot, stable_rate": lambda t: (
        theory.recurrent.overshoot(
            FixedRecurrent("linear", matrix=t * MATRIX), MATRIX[0], MATRIX[1], 0.01, steps=5
        ).stable_rate
    ),
    "participation": lambda t: theory.attention.participation(t, positions=7),
    "softmax_attention": lambda t: theory.attention.softmax_attention(t, positions=7, head_width=16, width=64).key[0],
    "log_grad_tokens": lambda t: theory.decoders.log_grad_tokens(decoder(t), depth=3, positions=5).mean[0, 1],
    "log_influence": lambda t: theory.decoders.log_influence(decoder(t), depth=3, positions=5).mean[0],
    "log_q_tokens": lambda t: theory.decoders.log_q_tokens(decoder(t), depth=3, positions=5, width=64).mean[-1, 1],
    "log_grad_lags": lambda t: theory.linear.log_grad_lags(ring(t), [0, 7], width=64).mean[1],
    "log_grad_lags, S4D": lambda t: theory.linear.log_grad_lags(channels(t), 7, width=64).std,
    "log_grad_input_lags": lambda t: theory.linear.log_grad_input_lags(channels(t), 7),
    "log_grad_units": lambda t: theory.linear.log_grad_units(ring(t), 7).std,
    "log_memory_change": lambda t: theory.linear.log_memory_change(LinearRecurrence(Ring(0.2, t / 2)), "eigenvalue"),
    "log_q_state": lambda t: theory.linear.log_q_state(ring(t)),
    "log_q_state, list": lambda t: theory.linear.log_q_state(
        LinearRecurrence([0.5, 0.3], "gamma", t * np.array([0.2, 0.05]))
    )[0],
    "log_sensitivity": lambda t: theory.linear.log_sensitivity(LinearRecurrence(Ring(0.2, t / 2), "gamma"), "nu"),
    "log_sensitivity, dt": lambda t: theory.linear.log_sensitivity(channels(t), "log_dt"),
    "memory_lags": lambda t: theory.linear.memory_lags(LinearRecurrence(Ring(0.2, t / 2))),
    "log_decay_lags": lambda t: theory.linear.log_decay_lags(InputDecay("mamba", -t, 0.5), 7).std,
    "log_mean_decay_lags": lambda t: theory.linear.log_mean_decay_lags(InputDecay("gla", 1.0, t / 3, 0.5), 7),
    "log_mean_decay_lags, xlstm": lambda t: theory.linear.log_mean_decay_lags(InputDecay("xlstm", -t, 0.5), 7),
    "phase_diagram": lambda t: theory.phase_diagram(tanh(t)).xi_c,
    "q_map": lambda t: theory.q_map(1.0, tanh(t)),
    "q_slope": lambda t: theory.meanfield.q_slope(tanh(t)),
    "q_star": lambda t: theory.q_star(tanh(t)),
    "q_stars": lambda t: theory.meanfield.q_stars(tanh(t)).q[..., 0],
    "tangent_kernel": lambda t: theory.training.tangent_kernel(tanh(t), depth=4, width=64).log_size,
    "xi_c": lambda t: theory.xi_c(tanh(t)),
    "xi_c_modes": lambda t: theory.blocks.xi_c_modes(Conv("tanh", t, 0.3), 5)[1],
    "xi_grad": lambda t: theory.xi_grad(tanh(t)),
    "xi_q": lambda t: theory.xi_q(tanh(t)),
}
"""A number as a function of one scale, near 1.8."""
QUICK = {
    "chi_1",  # and with it q_star, at which chi_1 is taken
    "log_grad_layers",
    "log_scalar_steps",
    "log_scalar_chain",
    "log_bound_layers",
    "log_power_norms",
}
PLAIN = {
    "chain_decay": "plain numbers, by root finding",
    "chain_flow": "a curve in NumPy, for one given chain",
    "log_layer_times": "as chain_flow",
    "stable_step": "plain numbers, by root finding",
    "batch_norm_drift": "as batch_norm_rate",
    "batch_norm_rate": "a plain number for each activation and batch: quadrature in NumPy",
    "residual_growth": "a kind, and plain numbers",
    "cell_with_memory": "a cell, by root finding",
    "chi_step": "a plain number for each cell: quadrature and root finding in NumPy",
    "log_grad_steps": "as chi_step",
    "lyapunov_curve": "by halving in NumPy",
    "lyapunov_exponents": "a function of counts, or lyapunov_curve",
    "decay_lag": "exact fractions",
    "overflow_step": "exact fractions",
    "input_correlations": "a function, by a transform in NumPy",
    "log_grad_blocks": "on a circle whose length depends on the memory",
    "log_q_blocks": "as log_grad_blocks",
    "memory_steps": "as chi_step",
    "q_state": "as chi_step",
    "tied_grad_steps": "on fixed paths, in NumPy",
    "log_tied_lags": "as tied_grad_steps",
    "tied_exponent": "an average over a law in NumPy",
    "alignment_steps": "NumPy, for one given matrix",
    "dead_probability": "a function of counts",
    "depth_limit": "a whole number of layers, by exact fractions",
    "echo_state": "NumPy, for one given matrix",
    "eigen_directions": "NumPy, for one given matrix",
    "heavy_edge": "a quantile of a number",
    "initialiser_audit": "a table of names and numbers",
    "library_audit": "as initialiser_audit",
    "log_chi_square_law": "a function of counts and of an activation's constants",
    "log_grad_variance": "quadrature, or fixed numbers, in NumPy",
    "log_update_variance": "as log_grad_variance",
    "log_growth": "NumPy, for one given matrix",
    "log_rate": "NumPy, for one given matrix",
    "memory_curve": "NumPy, for one given matrix",
    "non_normality": "NumPy, for one given matrix",
    "padding_factor": "a function of counts",
    "gram_layers": "given inputs, in NumPy",
    "log_loss_grad_layers": "quadrature over logits in NumPy",
    "pass_limit": "a whole number of layers",
    "best_loss_scale": "a power of two",
    "share_below": "plain numbers: quadrature in NumPy",
    "underflow_share": "as share_below",
    "phase": "a sign",
    "sup_dphi": "a constant of the activation",
    "transient": "NumPy, for one given matrix",
}
"""Functions that take plain numbers only, or have nothing to differentiate, with the reason."""


def test_every_theory_function_is_here() -> None:
    functions = {name for name in surface.public(theory) if name[0].islower()}
    assert {name.split(",")[0] for name in QUANTITIES} | set(PLAIN) == functions
    assert not {name.split(",")[0] for name in QUANTITIES} & set(PLAIN)


@pytest.mark.parametrize(
    "quantity", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in QUANTITIES]
)
def test_float64_from_plain_numbers_and_float32_arrays_that_compile_map_and_differentiate(quantity: str) -> None:
    at, scales = QUANTITIES[quantity], (1.8 - 1e-4, 1.8, 1.8 + 1e-4)
    exact = [at(scale) for scale in scales]
    assert all(value.dtype == np.float64 for value in exact)
    assert not jax.config.jax_enable_x64
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(at)))(jnp.array(scales))
    assert values.dtype == jnp.float32
    np.testing.assert_allclose(values, exact, rtol=50 * SINGLE)
    assert float(slopes[1]) == pytest.approx((exact[2] - exact[0]) / 2e-4, rel=10 * DIFFERENCE)


def test_signs_compile_and_map() -> None:
    scales = jnp.array([0.5, 3.0])
    assert jax.jit(jax.vmap(lambda scale: theory.phase(tanh(scale))))(scales).tolist() == [-1, 1]
