"""What should happen: closed-form predictions; no randomness, no ``key``; float64 for plain numbers."""

from vgtheory.theory.bounds import log_bound_layers, sup_dphi
from vgtheory.theory.depth_scales import DepthLimit, PassLimit, depth_limit, pass_limit
from vgtheory.theory.finite_width import dead_probability, log_chi_square_law
from vgtheory.theory.meanfield import chi_1, q_map, q_star
from vgtheory.theory.profiles import log_grad_layers, log_grad_weight_layers, log_q_layers
from vgtheory.theory.recurrent import log_eigen_powers, log_power_norms, log_rate
from vgtheory.theory.scalar import log_mean_scalar_chain, log_scalar_chain, log_scalar_steps

__all__ = [
    "DepthLimit",
    "PassLimit",
    "chi_1",
    "dead_probability",
    "depth_limit",
    "log_bound_layers",
    "log_chi_square_law",
    "log_eigen_powers",
    "log_grad_layers",
    "log_grad_weight_layers",
    "log_mean_scalar_chain",
    "log_power_norms",
    "log_q_layers",
    "log_rate",
    "log_scalar_chain",
    "log_scalar_steps",
    "pass_limit",
    "q_map",
    "q_star",
    "sup_dphi",
]
