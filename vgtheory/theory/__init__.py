"""What should happen: closed-form predictions; no randomness, no ``key``; float64 for plain numbers, float32 at least for JAX's."""

from vgtheory.theory.attention import log_grad_groups
from vgtheory.theory.blocks import log_grad_alpha_layers
from vgtheory.theory.bounds import bound_excess, log_bound_layers, sup_dphi
from vgtheory.theory.cell_memory import cell_with_memory, memory_steps, tied_grad_steps
from vgtheory.theory.chain_decay import ChainDecay, chain_decay
from vgtheory.theory.chain_flow import chain_flow, log_layer_times
from vgtheory.theory.chi_square import log_chi_square_law
from vgtheory.theory.convolution import log_grad_positions, log_q_positions, padding_factor
from vgtheory.theory.correlation import c_map, c_map_curvature, c_map_slope
from vgtheory.theory.correlation_profile import c_layers
from vgtheory.theory.criticality import Critical, critical
from vgtheory.theory.decorrelation import c_star, chi_c
from vgtheory.theory.depth_scales import DepthLimit, PassLimit, depth_limit, pass_limit
from vgtheory.theory.directions import EigenDirections, alignment_steps, eigen_directions
from vgtheory.theory.dynamics import log_escape_time, log_mode_times
from vgtheory.theory.echo_state import EchoState, echo_state, memory_curve
from vgtheory.theory.escape_steps import log_escape_steps
from vgtheory.theory.finite_width import dead_probability
from vgtheory.theory.fixed_points import FixedPoints
from vgtheory.theory.gates import chi_step, log_grad_steps, q_state
from vgtheory.theory.heavy_tails import heavy_edge
from vgtheory.theory.initialisers import InitialiserAudit, initialiser_audit
from vgtheory.theory.lyapunov import lyapunov_curve, lyapunov_exponent, lyapunov_exponents
from vgtheory.theory.meanfield import chi_1, q_map, q_slope, q_star, q_stars
from vgtheory.theory.mode_scales import xi_c_modes
from vgtheory.theory.normalization import batch_norm_drift, batch_norm_rate
from vgtheory.theory.overshoot import Overshoot, overshoot
from vgtheory.theory.parts import Parts, log_parts_layers
from vgtheory.theory.phase_diagram import PhaseDiagram, phase_diagram
from vgtheory.theory.powers import log_eigen_powers, log_growth, log_power_norms
from vgtheory.theory.profiles import log_chi_layers, log_grad_layers, log_grad_weight_layers, log_q_layers
from vgtheory.theory.random_radius import log_spectral_radius
from vgtheory.theory.recurrent import log_rate
from vgtheory.theory.residual_growth import ResidualGrowth, residual_growth
from vgtheory.theory.scalar import log_mean_scalar_chain, log_scalar_chain, log_scalar_steps
from vgtheory.theory.scales import decade_depth, phase, xi_c, xi_grad, xi_q
from vgtheory.theory.spectra import (
    JacobianEdge,
    JacobianMoments,
    jacobian_atom,
    jacobian_condition,
    jacobian_edge,
    jacobian_moments,
)
from vgtheory.theory.spectral_density import (
    jacobian_cdf,
    jacobian_cdf_of_log,
    jacobian_density,
    jacobian_density_of_log,
)
from vgtheory.theory.stable_step import StableStep, stable_step
from vgtheory.theory.tangent_kernel import TangentKernel, tangent_kernel
from vgtheory.theory.transients import NonNormality, Transient, non_normality, transient
from vgtheory.theory.variance_split import VarianceSplit, log_grad_variance, log_update_variance

__all__ = [
    "ChainDecay",
    "Critical",
    "DepthLimit",
    "EchoState",
    "EigenDirections",
    "FixedPoints",
    "InitialiserAudit",
    "JacobianEdge",
    "JacobianMoments",
    "NonNormality",
    "Overshoot",
    "Parts",
    "PassLimit",
    "PhaseDiagram",
    "ResidualGrowth",
    "StableStep",
    "TangentKernel",
    "Transient",
    "VarianceSplit",
    "alignment_steps",
    "batch_norm_drift",
    "batch_norm_rate",
    "bound_excess",
    "c_layers",
    "c_map",
    "c_map_curvature",
    "c_map_slope",
    "c_star",
    "cell_with_memory",
    "chain_decay",
    "chain_flow",
    "chi_1",
    "chi_c",
    "chi_step",
    "critical",
    "dead_probability",
    "decade_depth",
    "depth_limit",
    "echo_state",
    "eigen_directions",
    "heavy_edge",
    "initialiser_audit",
    "jacobian_atom",
    "jacobian_cdf",
    "jacobian_cdf_of_log",
    "jacobian_condition",
    "jacobian_density",
    "jacobian_density_of_log",
    "jacobian_edge",
    "jacobian_moments",
    "log_bound_layers",
    "log_chi_layers",
    "log_chi_square_law",
    "log_eigen_powers",
    "log_escape_steps",
    "log_escape_time",
    "log_grad_alpha_layers",
    "log_grad_groups",
    "log_grad_layers",
    "log_grad_positions",
    "log_grad_steps",
    "log_grad_variance",
    "log_grad_weight_layers",
    "log_growth",
    "log_layer_times",
    "log_mean_scalar_chain",
    "log_mode_times",
    "log_parts_layers",
    "log_power_norms",
    "log_q_layers",
    "log_q_positions",
    "log_rate",
    "log_scalar_chain",
    "log_scalar_steps",
    "log_spectral_radius",
    "log_update_variance",
    "lyapunov_curve",
    "lyapunov_exponent",
    "lyapunov_exponents",
    "memory_curve",
    "memory_steps",
    "non_normality",
    "overshoot",
    "padding_factor",
    "pass_limit",
    "phase",
    "phase_diagram",
    "q_map",
    "q_slope",
    "q_star",
    "q_stars",
    "q_state",
    "residual_growth",
    "stable_step",
    "sup_dphi",
    "tangent_kernel",
    "tied_grad_steps",
    "transient",
    "xi_c",
    "xi_c_modes",
    "xi_grad",
    "xi_q",
]
