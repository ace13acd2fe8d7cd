"""A good and small call of every public function and class: what the fuzz spoils, one argument at a time."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import vgtheory
import vgtheory.diagnose
from tests import surface
from vgtheory import (
    GRU,
    LSTM,
    Conv,
    Dense,
    Estimate,
    FixedRecurrent,
    InputDecay,
    Law,
    LinearRecurrence,
    Recurrent,
    Residual,
    Ring,
    Transformer,
    theory,
)

KEY = jax.random.key(7)
TANH, LINEAR, RELU = Dense("tanh", 1.5, 0.3), Dense("linear", 1.1), Dense("relu", 2**0.5)
CONV, GIVEN = Conv("tanh", 1.5, 0.3), FixedRecurrent("tanh", matrix=np.array([[0.9, 0.4], [-0.3, 0.7]]))
PLAIN = FixedRecurrent("linear", matrix=np.array([[1.1, 0.2], [0.1, 0.9]]))
CELL, DRIVEN = GRU(sigma_in=1.0), LSTM(sigma_in=1.0, forget_bias=1.0)
MATRIX, VECTOR = np.array([[0.9, 0.5], [0.0, 0.6]]), np.array([1.0, 0.5])
RUN: dict[str, Any] = {"key": KEY, "net": TANH, "depth": 3, "width": 4, "num_nets": 2}
PROFILE: dict[str, Any] = RUN | {"num_inputs": 2, "keep": None, "memory": None, "devices": None}
STEPS: dict[str, Any] = {"key": KEY, "cell": CELL, "width": 4, "steps": 3, "num_nets": 2, "burn_in": 2, "devices": None}
BATCHES: dict[str, Any] = RUN | {"batch": 2, "num_draws": 2}
SPACE: dict[str, Any] = RUN | {"net": CONV, "positions": 4, "devices": None}
DECODER = Transformer("relu", heads=2, is_causal=True)
STACK: dict[str, Any] = RUN | {"net": Transformer("relu", heads=2), "positions": 3, "c_0": 0.1, "devices": None}
SEEN: dict[str, Any] = {"positions": 4, "head_width": 8, "width": 16, "c": 0.2, "c_cotangent": 0.1, "dropout": 0.1}
RING = LinearRecurrence(Ring(0.5, 0.9), "gamma")
MAMBA = InputDecay("mamba", -2.0, 0.5)
LAGS: dict[str, Any] = {"key": KEY, "net": RING, "lags": [0, 3], "width": 4, "num_nets": 2}
VARYING: dict[str, Any] = {"depth": 4, "batch": 2, "num_draws": 4, "width": 16, "c_0": 0.1, "c_cotangent": 0.1}
ROWS = np.random.default_rng(0).normal(size=(24, 6)).cumsum(axis=1)
POINTS = np.random.default_rng(1).uniform(size=20)
INPUTS = np.random.default_rng(2).normal(size=(8, 3)).astype(np.float32)
SCALES = {"activation": "tanh", "sigma_w": 1.5, "sigma_b": 0.3}
GATED = {"sigma_w": 1.0, "sigma_gate": 0.8, "sigma_in": 0.5}

_MODEL = nn.Sequential([nn.Dense(4), nn.tanh, nn.Dense(4), nn.tanh, nn.Dense(1)])
_VARIABLES = jax.tree.map(lambda leaf: jnp.ones(leaf.shape) / 4, jax.eval_shape(_MODEL.init, KEY, INPUTS))


def loss(model: Any, x: Any) -> Any:
    return jnp.mean(model(x) ** 2)


def half(h: Any) -> Any:
    return 0.5 * h


def one_half(h: Any) -> Any:
    return jnp.full_like(h, 0.5)


def _each(names: tuple[str, ...], given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The same call of several functions."""
    return {name: given for name in names}


def _recorded() -> Any:
    rule = vgtheory.diagnose.record_norms([0, 1])
    state = rule.init({"a": {"kernel": jnp.ones(2)}})
    return jax.jit(rule.update)({"a": {"kernel": jnp.ones(2)}}, state)[1]


NOUNS: dict[str, dict[str, Any]] = {
    "Activation": {"name": "half", "phi": half, "dphi": one_half, "kinks": (), "sup_dphi": 0.5, "degree": 1.0},
    "Conv": SCALES,
    "Dense": SCALES | {"widths": (4, 3, 2), "fan": "avg"},
    "FixedRecurrent": {"activation": "tanh", "matrix": MATRIX, "sigma_b": 0.3},
    "GRU": GATED | {"update_bias": 1.0},
    "LSTM": GATED | {"forget_bias": 1.0},
    "InputDecay": {"kind": "mamba", "bias": -2.0, "sigma_z": 0.5, "rate": 2.0},
    "Leaky": SCALES | {"sigma_in": 0.5, "leak": 0.5},
    "LinearRecurrence": {"eigenvalues": [0.5, 0.9], "scale": "gamma", "correlation": 0.5},
    "MinimalRNN": {"sigma_w": 1.5, "sigma_v": 0.8, "sigma_in": 0.5, "update_bias": 1.0},
    "MGU": GATED | {"forget_bias": 1.0},
    "Normed": SCALES | {"norm": "batch", "batch": 8},
    "Recurrent": SCALES,
    "Residual": SCALES,
    "Ring": {"r_min": 0.5, "r_max": 0.9, "max_phase": 1.0},
    "Skip": SCALES | {"sigma_skip": 0.5, "sigma_in": 0.5, "lag": 3},
    "StateSpace": {"kind": "s4d-lin", "size": 4, "dt_min": 0.01, "dt_max": 0.1},
    "Transformer": {"activation": "relu"},
}
_NET: dict[str, Any] = {"net": TANH}
_DEEP: dict[str, Any] = {"net": TANH, "depth": 4}
_INPUT = {"input_square": 1.0}
THEORY: dict[str, dict[str, Any]] = {
    **_each(("bound_excess", "c_star", "chi_1", "chi_c", "decade_depth", "lyapunov_exponent", "phase"), _NET),
    **_each(("phase_diagram", "q_slope", "q_star", "q_stars", "xi_c", "xi_grad", "xi_q"), _NET),
    **_each(("jacobian_atom", "jacobian_condition", "jacobian_edge", "jacobian_moments"), _DEEP),
    **_each(("c_layers", "log_bound_layers", "log_parts_layers"), _DEEP),
    **_each(("log_chi_layers", "log_grad_layers", "log_grad_weight_layers", "log_q_layers"), _DEEP | _INPUT),
    "gram_layers": _DEEP | {"inputs": np.eye(2), "cotangent": np.eye(2)},
    "log_loss_grad_layers": _DEEP | {"width": 16, "loss": "squared"},
    **_each(("c_map", "c_map_curvature", "c_map_slope"), {"c": 0.4, "net": TANH}),
    **_each(("jacobian_cdf", "jacobian_density"), {"s": 0.5, **_DEEP}),
    **_each(("jacobian_cdf_of_log", "jacobian_density_of_log"), {"log_s": -0.5, **_DEEP}),
    **_each(("chi_step", "memory_steps", "q_state"), {"cell": CELL}),
    **_each(("echo_state", "eigen_directions", "non_normality", "transient"), {"matrix": MATRIX}),
    **_each(("log_eigen_powers", "log_growth"), {"matrix": MATRIX, "steps": 3}),
    **_each(("alignment_steps", "log_power_norms"), {"matrix": MATRIX, "vector": VECTOR, "steps": 3}),
    **_each(("log_mean_scalar_chain", "log_scalar_chain"), {"mean": 0.9, "std": 0.1, "depth": 3}),
    **_each(("log_grad_positions", "log_q_positions"), {"net": CONV, "depth": 3, "positions": 4}),
    **_each(("padding_factor", "xi_c_modes"), {"net": CONV, "positions": 4}),
    "log_grad_lags": {"net": RING, "lags": [0, 3], "width": 4},
    **_each(("log_grad_input_lags", "log_grad_units"), {"net": RING, "lags": [0, 3]}),
    "log_q_state": {"net": RING},
    "input_correlations": {"spectrum": one_half, "num_lags": 3},
    **_each(("log_grad_blocks", "log_q_blocks"), {"net": RING, "depth": 2, "gate": "silu", "alpha": 0.5}),
    **_each(("log_decay_lags", "log_mean_decay_lags"), {"net": MAMBA, "lags": [0, 3]}),
    "decay_lag": {"decay": 0.9, "dtype": "bfloat16", "share": 0.3, "decay_dtype": "float32"},
    "overflow_step": {"decay": 1.0, "dtype": "float16", "size": 100.0, "decay_dtype": "float32"},
    **_each(("log_memory_change", "log_sensitivity"), {"net": RING, "parameter": "nu"}),
    "memory_lags": {"net": RING, "share": 0.3},
    "cosine_distance": {"net": Transformer("relu"), "depth": 2, "positions": 4},
    "participation": {"logit_variance": 1.0, "positions": 4},
    "softmax_attention": SEEN | {"sigma_qk": 1.0},
    **_each(("log_grad_tokens", "log_influence", "log_q_tokens"), {"net": DECODER, "depth": 2, "positions": 4}),
    "batch_norm_drift": {"activation": "relu", "batch": 8},
    "batch_norm_rate": {"activation": "relu", "batch": 8},
    "cell_with_memory": {"cell": CELL, "memory": 20.0},
    "chain_decay": {"depth": 4, "decay": 0.01},
    "chain_flow": {"weights": [0.2, 0.5, 2.0], "log_time": [0.0, 1.0]},
    "critical": {"activation": "tanh", "sigma_b": 0.2},
    "dead_probability": {"net": RELU, "depth": 2, "width": 3},
    "depth_limit": {"factor": 0.5, "dtype": "float16"},
    "heavy_edge": {"probability": 0.5},
    "initialiser_audit": {"activations": ["relu"]},
    "library_audit": {"activation": "relu", "width": 8, "library": "any"},
    "log_chi_square_law": {"width": 16},
    "log_escape_steps": {"optimiser": "adam", "depth": 3, "w0": 0.3, "learning_rate": 1e-3},
    "log_escape_time": {"depth": 3, "w0": 0.3},
    "first_decrease": {"net": Residual("tanh", 1.5, alpha=0.0), "depth": 3, "learned": "last"},
    "log_grad_alpha_layers": {"net": Residual("tanh", 1.5, alpha=0.5), "depth": 3},
    "log_grad_cross_entropy": {
        "net": Transformer("relu", heads=2),
        "depth": 2,
        "positions": 4,
        "width": 16,
        "classes": 20,
        "sigma_head": 0.7,
    },
    "log_grad_groups": {"net": Transformer("relu"), "depth": 2, "positions": 4},
    "log_grad_steps": {"cell": CELL, "steps": 3},
    "log_grad_variance": {"net": TANH, **VARYING},
    "log_layer_times": {"weights": [0.2, 0.5, 2.0]},
    "log_mode_times": {"singular_values": [2.0, 1.0], "depth": 2, "w0": 0.5},
    "log_rate": {"net": GIVEN, "state": VECTOR},
    "log_scalar_steps": {"w": 0.9, "activation": "tanh", "h_0": 1.0, "steps": 3},
    "log_spectral_radius": {"net": Recurrent("linear", 1.0), "width": 16},
    "log_tied_lags": {"net": Recurrent("linear", 1.0), "lags": [0, 3], "width": 16, "num_paths": 2},
    "tied_exponent": {"net": Recurrent("tanh", 1.5), "width": 16},
    "log_update_variance": {"net": TANH, **VARYING, "beta_1": 0.9},
    "lyapunov_curve": {"net": LINEAR, "x": [0.2, 0.7]},
    "lyapunov_exponents": {"net": LINEAR, "width": 4},
    "memory_curve": {"matrix": MATRIX, "w_in": VECTOR, "num_lags": 3, "sigma_noise": 0.1},
    "overshoot": {"net": PLAIN, "state": VECTOR, "target": [0.0, 0.0], "learning_rates": 0.01, "steps": 3},
    "pass_limit": {"net": TANH, "dtype": "float16", "depth": 4, "width": 8},
    "best_loss_scale": _DEEP | _INPUT | {"cast": "float8_e5m2", "width": 8},
    "share_below": _DEEP | _INPUT | {"bound": 1e-3, "width": 8, "loss_scale": 2.0},
    "underflow_share": _DEEP | _INPUT | {"cast": "float8_e5m2", "width": 8, "loss_scale": 2.0},
    "q_map": {"q": 0.7, "net": TANH},
    "residual_growth": {"net": Residual("tanh", 1.5)},
    "stable_step": {"depth": 4, "w0": 0.5},
    "sup_dphi": {"activation": "tanh"},
    "tangent_kernel": {"net": TANH, "depth": 3, "width": 16, "num_inputs": 2},
    "tied_grad_steps": {"cell": DRIVEN, "steps": 3, "burn_in": 4, "num_paths": 16, "num_sets": 2},
}
_CHANGE = {"change": 0.05}
MEASURE: dict[str, dict[str, Any]] = {
    **_each(
        ("samples", "log_chi_layers", "log_grad_layers", "log_grad_weight_layers", "log_q_layers"), PROFILE | _INPUT
    ),
    **_each(("c_layers", "jacobian_moments", "link_parts", "log_bound_layers", "log_parts_layers"), RUN),
    **_each(("jacobian_singular_values", "jacobian_top_singular_values"), RUN),
    "gram_layers": RUN | {"inputs": np.eye(2, 4), "cotangent": np.eye(2)},
    "log_loss_grad_layers": RUN | {"loss": "squared"},
    "first_decrease": RUN | {"net": Residual("tanh", 1.5, alpha=0.0), "learned": "last", "devices": None},
    **_each(("log_grad_alpha_layers",), PROFILE | {"net": Residual("tanh", 1.5, alpha=0.5)}),
    **_each(("log_grad_positions", "log_q_positions"), SPACE),
    **_each(("cosine_distance", "log_grad_groups"), STACK),
    **_each(("log_grad_cross_entropy",), STACK | {"classes": 5, "sigma_head": 0.7, "is_tied": False}),
    **_each(("log_grad_lags", "log_grad_input_lags", "log_grad_units"), LAGS),
    **_each(("log_decay_lags", "log_mean_decay_lags"), {"key": KEY, "net": MAMBA, "lags": [0, 3], "num_inputs": 2}),
    "decay_lag": {"decay": 0.9, "dtype": "bfloat16", "share": 0.3, "decay_dtype": "float32", "steps": 100},
    "overflow_step": {"decay": 1.0, "dtype": "float16", "size": 100.0, "decay_dtype": "float32", "steps": 1000},
    **_each(
        ("log_grad_blocks", "log_q_blocks"),
        {
            "key": KEY,
            "net": RING,
            "depth": 2,
            "width": 4,
            "steps": 8,
            "num_nets": 2,
            "gate": "silu",
            "alpha": 0.5,
            "num_states": 4,
        },
    ),
    "log_memory_change": {"key": KEY, "net": RING, "parameter": "nu", "width": 4, "num_nets": 2, "step": 1e-6},
    **_each(("RecurrentBlock", "RecurrentLayer"), {"net": RING, "features": 4, "width": 4, "rngs": nnx.Rngs(0)}),
    "SelectiveLayer": {"net": MAMBA, "features": 4, "scan": "sequential", "rngs": nnx.Rngs(0)},
    "log_q_state": {"key": KEY, "net": RING, "width": 4, "num_nets": 2, "num_inputs": 2, "steps": 8},
    "log_sensitivity": {
        "key": KEY,
        "net": RING,
        "parameter": "nu",
        "width": 4,
        "num_nets": 2,
        "num_inputs": 2,
        "steps": 8,
    },
    "memory_lags": {"key": KEY, "net": RING, "share": 0.3, "width": 4, "num_nets": 2, "steps": 64},
    "participation": {"key": KEY, "logit_variance": 1.0, "positions": 4, "num_draws": 3},
    "softmax_attention": SEEN | {"key": KEY, "sigma_qk": 1.0, "num_nets": 2},
    **_each(("log_grad_tokens", "log_influence", "log_q_tokens"), STACK | {"net": DECODER}),
    **_each(("cell_logs", "log_grad_steps", "q_state"), STEPS),
    **_each(("log_grad_entries", "log_grad_variance"), BATCHES),
    **_each(("draw_network", "plain_grads"), {"key": KEY, "net": TANH, "depth": 2, "width": 4}),
    "log_growth": {"matrix": MATRIX, "steps": 3},
    **_each(("alignment_steps", "log_power_norms"), {"matrix": MATRIX, "vector": VECTOR, "steps": 3}),
    "averaged_split": {"split": vgtheory.measure.magnitudes.VarianceSplit(*(np.array([1.0, 2.0]),) * 4)},
    "chain_decay": {"depth": 3, "decay": 0.05, "steps": 50},
    "chain_flow": {"weights": [0.2, 0.5, 2.0], "log_time": [0.0, 1.0], **_CHANGE},
    "flushes_subnormals": {"dtype": "float32"},
    "gradient_steps": {"net": GIVEN, "state": VECTOR, "cotangent": VECTOR, "steps": 3},
    "log_escape_steps": {"optimiser": "sgd", "depth": 3, "w0": 0.3, "learning_rate": 0.1, "most": 1000},
    "log_escape_time": {"depth": 3, "w0": 0.3, **_CHANGE},
    "log_layer_times": {"weights": [0.2, 0.5, 2.0], **_CHANGE},
    **_each(
        ("log_mean_scalar_chain", "log_scalar_chain"), {"key": KEY, "mean": 0.9, "std": 0.1, "depth": 3, "num_nets": 2}
    ),
    "log_mode_times": {"key": KEY, "singular_values": [2.0, 1.0], "depth": 2, "w0": 0.5, "width": 3, **_CHANGE},
    "log_norm": {"values": jnp.array([1.0, 2.0])},
    "log_rate": {"key": KEY, "net": GIVEN, "state": VECTOR, "steps": 16},
    "log_scalar_steps": {"w": 0.9, "activation": "tanh", "h_0": 1.0, "steps": 3},
    "log_spectral_radius": {"key": KEY, "net": Recurrent("linear", 1.0), "width": 4, "num_nets": 2},
    "log_tied_lags": {
        "key": KEY,
        "net": Recurrent("linear", 1.0),
        "lags": [0, 3],
        "width": 4,
        "num_nets": 2,
        "burn_in": 2,
        "devices": None,
    },
    **_each(
        ("lyapunov_exponents", "lyapunov_logs"),
        {"key": KEY, "net": LINEAR, "width": 4, "steps": 4, "num_nets": 2, "burn_in": 4, "block": 2, "devices": None},
    ),
    "map_exponents": {"step": half, "state": 0.3, "steps": 16},
    "memory_curve": {"key": KEY, "matrix": MATRIX, "w_in": VECTOR, "num_lags": 3, "sigma_noise": 0.1, "steps": 40},
    "nested_variances": {"logs": ROWS, "num_axes": 2},
    "overshoot": {"net": PLAIN, "state": VECTOR, "target": [0.0, 0.0], "learning_rates": 0.01, "steps": 3},
    "pass_limit": RUN | {"dtype": "float16"},
    "best_loss_scale": RUN | _INPUT | {"cast": "float8_e5m2"},
    "share_below": RUN | _INPUT | {"bound": 1e-3, "loss_scale": 2.0},
    "underflow_share": RUN | _INPUT | {"cast": "float8_e5m2", "loss_scale": 2.0},
    "plan": {"net": TANH, "depth": 4, "width": 8, "num_nets": 2, "memory": 2**24},
    "stable_step": {"depth": 2, "w0": 0.5, "steps": 20},
    "tap": {"x": jnp.array([1.0, 2.0]), "slot": jnp.zeros(())},
    "training_logs": RUN
    | {"inputs": INPUTS, "targets": INPUTS[:, :1], "optimiser": optax.sgd(0.1), "num_updates": 2, "batch": 2},
    "variance_split": {"logs": ROWS.reshape(4, 6, 6)},
}
COMPARE: dict[str, dict[str, Any]] = {
    "calibration": {"z": np.linspace(-2, 2, 9)},
    "ks_test": {"samples": POINTS, "cdf": POINTS, "cdf_below": POINTS, "resolution": 0.001},
    "log_rate_layers": {"samples": ROWS},
    "profile_test": {"samples": ROWS, "predicted": np.zeros(6), "rounding": 1e-6},
    "verdict": {"measured": Estimate(1.05, 0.1), "predicted": 1.0, "predicted_err": 0.02},
    "z_score": {"measured": Estimate(1.05, 0.1), "predicted": 1.0, "predicted_err": 0.02},
}
DIAGNOSE: dict[str, dict[str, Any]] = {
    "assert_healthy": {"model": _MODEL, "loss": loss, "batch": INPUTS, "variables": _VARIABLES},
    "diagnose": {"model": _MODEL, "loss": loss, "batch": INPUTS, "variables": _VARIABLES},
    "infinite_width": {"model": _MODEL, "num_particles": 16, "variables": _VARIABLES, "loss": loss},
    "norm_history": {"state": _recorded()},
    "record_norms": {"steps": [0, 1, 2]},
}
FRONT: dict[str, dict[str, Any]] = {
    "critical_kernel": {"activation": "tanh", "sigma_b": 0.1, "in_axis": 1, "out_axis": 0},
    "initialise": {"model": _MODEL, "loss": loss, "batch": INPUTS, "variables": _VARIABLES, "activation": "tanh"},
}
"""Offered by the front door and by ``scales``."""
PLOT: dict[str, dict[str, Any]] = {
    "audit": {"rows": [theory.layers.InitialiserAudit("tanh", "he", *[1] * 13)]},
    "phase_diagram": {"diagram": theory.meanfield.PhaseDiagram(*np.ones((9, 2, 2))), "net": TANH},
    "profile": {"law": Law(VECTOR, VECTOR), "estimate": Estimate(VECTOR, VECTOR), "quantity": "size", "along": "step"},
    "spectrum": {"log_s": np.array([-1.0, 1.0]), "density": VECTOR, "logs": ROWS},
}
ROOMS = {"theory": THEORY, "measure": MEASURE, "compare": COMPARE, "diagnose": DIAGNOSE, "plot": PLOT}
ROOMS = {"": NOUNS | FRONT, **ROOMS}
GOOD = {f"{room}.{name}".lstrip("."): given for room, table in ROOMS.items() for name, given in table.items()}

RECORDS = {"diagnose.Bands", "diagnose.Diagnosis", "diagnose.InfiniteWidth", "diagnose.NormRecord", "measure.Network"}
"""Built by the functions beside them, not by a user; so are all named tuples. They take what they are given."""


def is_record(name: str, value: Any) -> bool:
    """Tell whether a public class only holds what a function of its room returns."""
    return name in RECORDS or (isinstance(value, type) and issubclass(value, tuple))


def public() -> dict[str, Callable[..., Any]]:
    """Return every public function and class that takes arguments of a user, by its name in the package."""
    found = {}
    for room in ROOMS:
        module = getattr(vgtheory, room) if room else vgtheory
        offered = surface.public(module) if room else {name: getattr(module, name) for name in module.__all__}
        for name, value in offered.items():
            where = f"{room}.{name}".lstrip(".")
            if callable(value) and not is_record(where, value):
                found[where] = value
    return found
