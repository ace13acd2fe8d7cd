"""One example call, or more, of every function of ``theory``, in plain numbers: name -> (function, arguments, keywords)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vgtheory import (
    GRU,
    LSTM,
    Conv,
    Dense,
    FixedRecurrent,
    InputDecay,
    Leaky,
    LinearRecurrence,
    Normed,
    Recurrent,
    Residual,
    Ring,
    Transformer,
    theory,
)

Example = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

MATRIX = np.random.default_rng(3).normal(size=(5, 5)) / 5**0.5
STATE, TARGET = MATRIX[0], MATRIX[1]
SMALL = 0.5 * MATRIX
NET, CHAOTIC, ORTHOGONAL = Dense("tanh", 1.5, 0.3), Dense("tanh", 2.0, 0.5), Dense("tanh", 1.5, 0.2, "orthogonal")
RING = LinearRecurrence(Ring(0.5, 0.9375), "gamma", 0.25)
DECODER = Transformer("tanh", 1.5, 0.75, is_causal=True, heads=4)
FIELD, CELL = Conv("tanh", 1.5, 0.3, padding="zero"), GRU(1.0, sigma_in=1.0, update_bias=2.0)


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Example:
    """An example, written as the call that it is."""
    return function, args, kwargs


TRACEABLE: dict[str, Example] = {
    "bound_excess": call(theory.layers.bound_excess, NET),
    "c_layers": call(theory.layers.c_layers, NET, depth=4, c_0=0.25),
    "c_map": call(theory.c_map, 0.375, NET),
    "c_map_curvature": call(theory.meanfield.c_map_curvature, 0.375, NET),
    "c_map_slope": call(theory.meanfield.c_map_slope, 0.375, NET),
    "c_star": call(theory.c_star, NET),
    "chi_1": call(theory.chi_1, NET),
    "chi_1, sin": call(theory.chi_1, Dense("sin", 2.0, 0.5)),
    "chi_c": call(theory.meanfield.chi_c, CHAOTIC),
    "cosine_distance": call(theory.blocks.cosine_distance, Transformer("tanh", 1.5), depth=3, positions=4),
    "critical": call(theory.critical, "tanh", sigma_b=0.25, size=2),
    "decade_depth": call(theory.meanfield.decade_depth, NET, decades=3.0),
    "jacobian_atom": call(theory.spectra.jacobian_atom, Dense("hard_tanh", 1.5, 0.25), 4),
    "jacobian_atom, width": call(theory.spectra.jacobian_atom, Dense("hard_tanh", 1.5, 0.25), 4, 10),
    "jacobian_cdf": call(theory.spectra.jacobian_cdf, 0.625, ORTHOGONAL, 4),
    "jacobian_cdf_of_log": call(theory.spectra.jacobian_cdf_of_log, -0.5, ORTHOGONAL, 4),
    "jacobian_condition": call(theory.spectra.jacobian_condition, Dense("leaky_relu", 1.5, 0.25, "orthogonal"), 4),
    "jacobian_density": call(theory.spectra.jacobian_density, 0.625, ORTHOGONAL, 4),
    "jacobian_density_of_log": call(theory.spectra.jacobian_density_of_log, -0.5, ORTHOGONAL, 4),
    "jacobian_edge": call(theory.jacobian_edge, ORTHOGONAL, 4),
    "jacobian_moments": call(theory.spectra.jacobian_moments, ORTHOGONAL, 4),
    "log_bound_layers": call(theory.layers.log_bound_layers, NET, depth=3),
    "log_loss_grad_layers": call(theory.layers.log_loss_grad_layers, NET, depth=3, width=16),
    "log_chi_layers": call(theory.layers.log_chi_layers, NET, depth=4, width=64),
    "log_eigen_powers": call(theory.recurrent.log_eigen_powers, MATRIX, 7),
    "log_escape_steps": call(theory.training.log_escape_steps, "adam", 5, 0.625, learning_rate=1e-6),
    "log_escape_time": call(theory.training.log_escape_time, 5, 0.375),
    "first_decrease": call(theory.blocks.first_decrease, Residual("tanh", 1.5, alpha=0.0), depth=4),
    "log_grad_alpha_layers": call(theory.blocks.log_grad_alpha_layers, Residual("tanh", 1.5, 0.25), depth=4),
    "log_grad_cross_entropy": call(
        theory.blocks.log_grad_cross_entropy, Transformer("tanh", 1.5), depth=3, positions=4, width=64, classes=50
    ),
    "log_grad_groups": call(theory.blocks.log_grad_groups, Transformer("tanh", 1.5), depth=3, positions=4),
    "log_grad_layers": call(theory.log_grad_layers, NET, depth=4),
    "log_grad_layers, width": call(theory.log_grad_layers, NET, depth=4, width=64),
    "log_grad_layers, conv": call(theory.log_grad_layers, FIELD, depth=4, positions=4),
    "log_grad_layers, residual": call(theory.log_grad_layers, Residual("tanh", 1.5, 0.0, 0.75, 2), depth=4),
    "log_grad_layers, normed": call(theory.log_grad_layers, Normed("relu", "layer", 1.5, 0.375), depth=4),
    "log_grad_layers, batch": call(theory.log_grad_layers, Normed("relu", "batch", 1.5, 0.375, batch=5), depth=4),
    "log_grad_positions": call(theory.blocks.log_grad_positions, FIELD, depth=4, positions=4),
    "log_grad_weight_layers": call(theory.log_grad_weight_layers, NET, depth=4, width=64),
    "log_mean_scalar_chain": call(theory.recurrent.log_mean_scalar_chain, 0.75, 1.5, 5),
    "log_mode_times": call(theory.training.log_mode_times, np.array([1.5, 2.0]), 5, 0.625),
    "log_parts_layers": call(theory.layers.log_parts_layers, NET, depth=4, width=64),
    "log_power_norms": call(theory.recurrent.log_power_norms, MATRIX, STATE, 7),
    "log_q_layers": call(theory.log_q_layers, NET, depth=4, width=64),
    "log_q_layers, listed": call(theory.log_q_layers, Dense("relu", (1.5, 0.5, 1.25), widths=(5, 6, 7, 8))),
    "log_q_positions": call(theory.blocks.log_q_positions, FIELD, depth=4, positions=(3, 4)),
    "log_scalar_chain": call(theory.recurrent.log_scalar_chain, 0.75, 1.5, 5),
    "log_scalar_steps": call(theory.recurrent.log_scalar_steps, 1.5, "tanh", 0.375, steps=9),
    "log_spectral_radius": call(theory.recurrent.log_spectral_radius, Recurrent("linear", 1.5), width=16),
    "lyapunov_exponent": call(theory.recurrent.lyapunov_exponent, NET),
    "lyapunov_exponent, leaky": call(theory.recurrent.lyapunov_exponent, Leaky("tanh", 2.0, 0.25, sigma_in=0.75)),
    "overshoot": call(
        theory.recurrent.overshoot,
        FixedRecurrent("linear", matrix=MATRIX),
        STATE,
        TARGET,
        np.array([1.0, 0.25]) / 64,
        steps=5,
    ),
    "phase": call(theory.phase, NET),
    "phase_diagram": call(theory.phase_diagram, NET),
    "q_map": call(theory.q_map, 0.75, NET),
    "q_slope": call(theory.meanfield.q_slope, NET),
    "q_star": call(theory.q_star, NET),
    "q_stars": call(theory.meanfield.q_stars, Dense("gelu", 1.625, 0.0)),
    "tangent_kernel": call(theory.training.tangent_kernel, NET, depth=4, width=64, c_0=0.25),
    "xi_c": call(theory.xi_c, CHAOTIC),
    "participation": call(theory.attention.participation, 1.25, positions=7),
    "softmax_attention": call(theory.attention.softmax_attention, 1.25, positions=7, head_width=16, width=64, c=0.25),
    "log_grad_tokens": call(theory.decoders.log_grad_tokens, DECODER, depth=3, positions=5),
    "log_influence": call(theory.decoders.log_influence, DECODER, depth=3, positions=5, c_0=0.25),
    "log_q_tokens": call(theory.decoders.log_q_tokens, DECODER, depth=3, positions=5, width=64),
    "xi_c_modes": call(theory.blocks.xi_c_modes, Conv("tanh", 1.5, 0.3), 5),
    "xi_grad": call(theory.xi_grad, NET),
    "xi_q": call(theory.xi_q, NET),
    "log_decay_lags": call(theory.linear.log_decay_lags, InputDecay("gla", 1.5, 0.5), 7),
    "log_mean_decay_lags": call(theory.linear.log_mean_decay_lags, InputDecay("mamba", -1.5, 0.5), 7),
    "log_grad_input_lags": call(theory.linear.log_grad_input_lags, RING, 7),
    "log_grad_lags": call(theory.linear.log_grad_lags, RING, 7, width=64),
    "log_grad_units": call(theory.linear.log_grad_units, RING, 7),
    "log_memory_change": call(theory.linear.log_memory_change, RING, "eigenvalue"),
    "log_q_state": call(theory.linear.log_q_state, RING),
    "log_sensitivity": call(theory.linear.log_sensitivity, RING, "nu"),
    "memory_lags": call(theory.linear.memory_lags, RING),
}
"""Those that compile: every floating number among the arguments may be an array of JAX, traced or not."""

PLAIN: dict[str, Example] = {
    "alignment_steps": call(theory.recurrent.alignment_steps, MATRIX, STATE, 3),
    "batch_norm_drift": call(theory.blocks.batch_norm_drift, "gelu", batch=9),
    "batch_norm_rate": call(theory.blocks.batch_norm_rate, "gelu", batch=9),
    "cell_with_memory": call(theory.cells.cell_with_memory, CELL, 50.0),
    "chain_decay": call(theory.training.chain_decay, 10, 0.0078125, y=1.5),
    "chain_flow": call(theory.training.chain_flow, [0.25, 0.5, 2.0], np.array([-1.0, 1.0]), y=1.5),
    "chi_step": call(theory.cells.chi_step, LSTM(1.0, sigma_in=1.0, forget_bias=1.5)),
    "decay_lag": call(theory.linear.decay_lag, 0.875, "float16"),
    "dead_probability": call(theory.width.dead_probability, Dense("relu", 1.5), depth=2, width=3),
    "depth_limit": call(theory.depth_limit, 0.75, "float16"),
    "echo_state": call(theory.recurrent.echo_state, SMALL),
    "eigen_directions": call(theory.recurrent.eigen_directions, MATRIX),
    "gram_layers": call(theory.layers.gram_layers, NET, np.array([[1.0, 0.5], [0.25, 1.5]]), depth=3),
    "heavy_edge": call(theory.spectra.heavy_edge, [0.125, 0.5]),
    "initialiser_audit": call(theory.initialiser_audit, ["relu"], width=64),
    "library_audit": call(theory.layers.library_audit, "relu", width=64, library="any"),
    "log_chi_square_law": call(theory.width.log_chi_square_law, 64, (1.0, 0.25)),
    "log_grad_steps": call(theory.cells.log_grad_steps, Leaky("tanh", 1.5, 0.25, leak=0.75), steps=3),
    "log_grad_variance": call(theory.log_grad_variance, NET, depth=3),
    "log_growth": call(theory.recurrent.log_growth, MATRIX, np.array([1, 5])),
    "log_layer_times": call(theory.training.log_layer_times, [0.25, 0.5, 2.0], share=0.75, y=1.5),
    "log_rate": call(theory.recurrent.log_rate, FixedRecurrent("tanh", matrix=MATRIX), STATE),
    "log_update_variance": call(theory.magnitudes.log_update_variance, NET, depth=3, batch=4, beta_1=0.5),
    "lyapunov_curve": call(theory.recurrent.lyapunov_curve, NET, [0.0, 0.75]),
    "lyapunov_exponents": call(theory.lyapunov_exponents, NET, width=8),
    "memory_curve": call(theory.recurrent.memory_curve, SMALL, STATE, 4, sigma_noise=0.125),
    "input_correlations": call(theory.linear.input_correlations, lambda w: 1.25 - np.cos(w), num_lags=2),
    "log_grad_blocks": call(theory.linear.log_grad_blocks, RING, depth=3, gate="silu", alpha=0.75),
    "log_q_blocks": call(theory.linear.log_q_blocks, RING, depth=3, gate="silu", alpha=0.75),
    "tied_exponent": call(theory.recurrent.tied_exponent, Recurrent("tanh", 1.5), width=16),
    "log_tied_lags": call(theory.recurrent.log_tied_lags, Recurrent("linear", 1.5), 7, width=16, num_paths=4),
    "memory_steps": call(theory.cells.memory_steps, CELL),
    "non_normality": call(theory.recurrent.non_normality, MATRIX),
    "padding_factor": call(theory.blocks.padding_factor, Conv("linear", 1.5, padding="zero"), 8),
    "overflow_step": call(theory.linear.overflow_step, 1.0, "float16", 96.0),
    "pass_limit": call(theory.pass_limit, NET, "float16", depth=20, width=64),
    "best_loss_scale": call(theory.magnitudes.best_loss_scale, NET, "float8_e5m2", depth=4, width=64),
    "share_below": call(theory.magnitudes.share_below, NET, 0.0078125, depth=4, width=64),
    "underflow_share": call(theory.magnitudes.underflow_share, NET, "float8_e5m2", depth=4, width=64),
    "q_state": call(theory.cells.q_state, CELL),
    "residual_growth": call(theory.blocks.residual_growth, Residual("tanh", 1.5, 0.25, 0.75)),
    "stable_step": call(theory.training.stable_step, 10, 0.625, y=1.5),
    "sup_dphi": call(theory.layers.sup_dphi, "gelu"),
    "tied_grad_steps": call(theory.cells.tied_grad_steps, CELL, steps=3, burn_in=10, num_paths=64, num_sets=2),
    "transient": call(theory.recurrent.transient, SMALL),
}
"""Those that answer plain numbers, in NumPy."""

EXAMPLES: dict[str, Example] = TRACEABLE | PLAIN
