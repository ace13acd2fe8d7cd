"""Diagonal linear recurrences and state-space models: LRU, S4D, S5.

How does the gradient fall with the lag? ``log_grad_lags`` is the root mean square over units,
``log_grad_units`` the typical unit and the spread over units, and ``log_grad_input_lags`` the
gradient with respect to an earlier input. ``memory_lags`` is the lag at which the gradient has
fallen to a share.

How large is the state? ``log_q_state``, for white and for correlated inputs. How strongly does it
depend on its parameters? ``log_sensitivity``, by any parametrisation; and ``log_memory_change`` is
what one step of Adam in that parameter does to the memory.

What if the decay depends on the input, as in Mamba? ``log_decay_lags`` is the typical gradient and
its spread, ``log_mean_decay_lags`` the root mean square. When does a number format forget?
``decay_lag``; and when does a state overflow? ``overflow_step``.

What becomes of the stream and its gradient in depth, through blocks with a norm, a gate and a skip?
``log_q_blocks`` and ``log_grad_blocks``. An input of a given spectrum has ``input_correlations``.

Laws of recurrences take arrays of JAX too, and then compile, map and differentiate: by the radii of a
ring, the range of time steps, given eigenvalues, or the correlation of the input. Laws of number
formats and of blocks do not.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.linear.blocks import log_grad_blocks, log_q_blocks
    from vgtheory.theory.linear.decays import log_decay_lags, log_mean_decay_lags
    from vgtheory.theory.linear.formats import DecayLag, Overflow, decay_lag, overflow_step
    from vgtheory.theory.linear.lags import log_grad_input_lags, log_grad_lags, log_grad_units, memory_lags
    from vgtheory.theory.linear.sensitivity import log_memory_change, log_sensitivity
    from vgtheory.theory.linear.spectra import input_correlations
    from vgtheory.theory.linear.state import log_q_state

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "DecayLag",
    "Overflow",
    "decay_lag",
    "input_correlations",
    "log_decay_lags",
    "log_grad_blocks",
    "log_grad_input_lags",
    "log_grad_lags",
    "log_grad_units",
    "log_mean_decay_lags",
    "log_memory_change",
    "log_q_blocks",
    "log_q_state",
    "log_sensitivity",
    "memory_lags",
    "overflow_step",
]
