"""One matrix applied again and again: powers, transients, spectral radius, echo states, Lyapunov exponents, scalar chains."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.recurrent.directions import EigenDirections, alignment_steps, eigen_directions
    from vgtheory.theory.recurrent.echo import EchoState, echo_state, memory_curve
    from vgtheory.theory.recurrent.lyapunov import lyapunov_curve, lyapunov_exponent, lyapunov_exponents
    from vgtheory.theory.recurrent.overshooting import Overshoot, overshoot
    from vgtheory.theory.recurrent.powers import log_eigen_powers, log_growth, log_power_norms
    from vgtheory.theory.recurrent.scalar_chain import log_mean_scalar_chain, log_scalar_chain, log_scalar_steps
    from vgtheory.theory.recurrent.settled import log_rate
    from vgtheory.theory.recurrent.spectral_radius import log_spectral_radius
    from vgtheory.theory.recurrent.transients import NonNormality, Transient, non_normality, transient

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "EchoState",
    "EigenDirections",
    "NonNormality",
    "Overshoot",
    "Transient",
    "alignment_steps",
    "echo_state",
    "eigen_directions",
    "log_eigen_powers",
    "log_growth",
    "log_mean_scalar_chain",
    "log_power_norms",
    "log_rate",
    "log_scalar_chain",
    "log_scalar_steps",
    "log_spectral_radius",
    "lyapunov_curve",
    "lyapunov_exponent",
    "lyapunov_exponents",
    "memory_curve",
    "non_normality",
    "overshoot",
    "transient",
]
