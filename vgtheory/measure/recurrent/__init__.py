"""One matrix applied again and again, measured.

Each function has the name of its law in ``theory.recurrent``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.recurrent.directions import alignment_steps
    from vgtheory.measure.recurrent.echo import memory_curve
    from vgtheory.measure.recurrent.exponents import map_exponents
    from vgtheory.measure.recurrent.lyapunov import lyapunov_exponents, lyapunov_logs
    from vgtheory.measure.recurrent.overshooting import Overshoot, overshoot
    from vgtheory.measure.recurrent.powers import log_growth, log_power_norms
    from vgtheory.measure.recurrent.scalar_chain import log_mean_scalar_chain, log_scalar_chain, log_scalar_steps
    from vgtheory.measure.recurrent.settled import gradient_steps, log_rate
    from vgtheory.measure.recurrent.spectral_radius import log_spectral_radius
    from vgtheory.measure.recurrent.tied_lags import log_tied_lags

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "Overshoot",
    "alignment_steps",
    "gradient_steps",
    "log_growth",
    "log_mean_scalar_chain",
    "log_power_norms",
    "log_rate",
    "log_scalar_chain",
    "log_scalar_steps",
    "log_spectral_radius",
    "log_tied_lags",
    "lyapunov_exponents",
    "lyapunov_logs",
    "map_exponents",
    "memory_curve",
    "overshoot",
]
