"""One matrix applied again and again: powers, transients, exponents, echo states, scalar chains.

How fast does a gradient grow or shrink at late times? ``log_spectral_radius`` answers for a random
matrix, and ``log_rate`` for a tanh recurrence on its attractor. ``lyapunov_exponent`` is the
largest Lyapunov exponent, ``lyapunov_exponents`` gives all of them, and ``lyapunov_curve`` all at
infinite width. ``tied_exponent`` is the largest one of a tanh recurrence of finite width, with its
spread over networks, and tells where infinite width is no guide. ``log_tied_lags`` is the gradient
by lag, with its spread over networks.

What happens before that? ``transient`` gives the peak that a non-normal matrix reaches first, and
``non_normality`` measures how non-normal it is. ``log_growth`` and ``log_power_norms`` give every
step, and ``log_eigen_powers`` the powers of the eigenvalues. ``eigen_directions`` and
``alignment_steps`` tell where gradients turn, and ``overshoot`` what a step of gradient descent
then does.

How much does an echo-state network remember? See ``echo_state`` and ``memory_curve``.

What does a chain of single random weights do? ``log_scalar_chain`` is the typical product,
``log_mean_scalar_chain`` the mean product, and ``log_scalar_steps`` a given recurrence.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.recurrent.directions import EigenDirections, alignment_steps, eigen_directions
    from vgtheory.theory.recurrent.echo import EchoState, echo_state, memory_curve
    from vgtheory.theory.recurrent.leading_mode import TiedExponent, tied_exponent
    from vgtheory.theory.recurrent.lyapunov import lyapunov_curve, lyapunov_exponent, lyapunov_exponents
    from vgtheory.theory.recurrent.overshooting import Overshoot, overshoot
    from vgtheory.theory.recurrent.powers import log_eigen_powers, log_growth, log_power_norms
    from vgtheory.theory.recurrent.scalar_chain import log_mean_scalar_chain, log_scalar_chain, log_scalar_steps
    from vgtheory.theory.recurrent.settled import log_rate
    from vgtheory.theory.recurrent.spectral_radius import log_spectral_radius
    from vgtheory.theory.recurrent.tied_lags import log_tied_lags
    from vgtheory.theory.recurrent.transients import NonNormality, Transient, non_normality, transient

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "EchoState",
    "EigenDirections",
    "NonNormality",
    "Overshoot",
    "TiedExponent",
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
    "log_tied_lags",
    "lyapunov_curve",
    "lyapunov_exponent",
    "lyapunov_exponents",
    "memory_curve",
    "non_normality",
    "overshoot",
    "tied_exponent",
    "transient",
]
