"""What does happen: real JAX and Flax networks, ``key`` first, every number with its standard error."""

from vgtheory.measure.attention import TransformerLogs, transformer_logs
from vgtheory.measure.blocks import BlockLogs, block_logs
from vgtheory.measure.bounds import log_bound_layers
from vgtheory.measure.chain import ChainLogs, chain, plan
from vgtheory.measure.chain_decay import ChainDecay, chain_decay
from vgtheory.measure.chain_flow import chain_flow, log_layer_times
from vgtheory.measure.convolution import ConvLogs, conv_logs
from vgtheory.measure.correlation import c_layers
from vgtheory.measure.dynamics import log_escape_steps, log_escape_time
from vgtheory.measure.echo_state import memory_curve
from vgtheory.measure.gates import CellLogs, cell_logs, log_grad_steps, q_state
from vgtheory.measure.groups import log_grad_groups
from vgtheory.measure.jacobian import jacobian_top_singular_values
from vgtheory.measure.lyapunov import lyapunov_exponents, lyapunov_logs
from vgtheory.measure.modes import log_mode_times
from vgtheory.measure.moments import JacobianMoments, jacobian_moments
from vgtheory.measure.networks import Network, draw_network
from vgtheory.measure.overshoot import Overshoot, overshoot
from vgtheory.measure.parts import Parts, link_parts, log_parts_layers
from vgtheory.measure.plain import PassLimits, PlainLogs, flushes_subnormals, pass_limit, plain_grads
from vgtheory.measure.positions import log_grad_positions, log_q_positions
from vgtheory.measure.profiles import (
    log_chi_layers,
    log_grad_alpha_layers,
    log_grad_layers,
    log_grad_weight_layers,
    log_q_layers,
)
from vgtheory.measure.random_radius import log_spectral_radius
from vgtheory.measure.recurrent import gradient_steps, log_power_norms, log_rate
from vgtheory.measure.scalar import log_mean_scalar_chain, log_scalar_chain, log_scalar_steps
from vgtheory.measure.spectra import jacobian_singular_values
from vgtheory.measure.stable_step import StableStep, stable_step
from vgtheory.measure.sweep import Plan
from vgtheory.measure.tangents import map_exponents
from vgtheory.measure.tap import log_norm, tap
from vgtheory.measure.training import TrainingLogs, training_logs
from vgtheory.measure.transients import alignment_steps, log_growth

__all__ = [
    "BlockLogs",
    "CellLogs",
    "ChainDecay",
    "ChainLogs",
    "ConvLogs",
    "JacobianMoments",
    "Network",
    "Overshoot",
    "Parts",
    "PassLimits",
    "PlainLogs",
    "Plan",
    "StableStep",
    "TrainingLogs",
    "TransformerLogs",
    "alignment_steps",
    "block_logs",
    "c_layers",
    "cell_logs",
    "chain",
    "chain_decay",
    "chain_flow",
    "conv_logs",
    "draw_network",
    "flushes_subnormals",
    "gradient_steps",
    "jacobian_moments",
    "jacobian_singular_values",
    "jacobian_top_singular_values",
    "link_parts",
    "log_bound_layers",
    "log_chi_layers",
    "log_escape_steps",
    "log_escape_time",
    "log_grad_alpha_layers",
    "log_grad_groups",
    "log_grad_layers",
    "log_grad_positions",
    "log_grad_steps",
    "log_grad_weight_layers",
    "log_growth",
    "log_layer_times",
    "log_mean_scalar_chain",
    "log_mode_times",
    "log_norm",
    "log_parts_layers",
    "log_power_norms",
    "log_q_layers",
    "log_q_positions",
    "log_rate",
    "log_scalar_chain",
    "log_scalar_steps",
    "log_spectral_radius",
    "lyapunov_exponents",
    "lyapunov_logs",
    "map_exponents",
    "memory_curve",
    "overshoot",
    "pass_limit",
    "plain_grads",
    "plan",
    "q_state",
    "stable_step",
    "tap",
    "training_logs",
    "transformer_logs",
]
