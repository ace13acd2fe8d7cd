"""Recurrent cells (leaky, skip, LSTM, GRU, MGU): gradients per step, and memory.

How long does a cell remember? ``memory_steps(LSTM(sigma_in=1.0, forget_bias=3.0))`` is the number
of steps in which its gradient falls by e. It depends on the size of the input, ``sigma_in``. By
default every step has new weights. With ``tied=True`` all steps share one set of weights, as in a
real cell; this takes some ten seconds.

Which bias gives a wanted memory? ``cell_with_memory(cell, memory)``.

What happens at each step? ``chi_step`` is the growth factor of the squared gradient in the
stationary state, ``q_state`` the mean square of that state, and ``log_grad_steps`` the whole
profile. ``tied_grad_steps`` is the profile with one set of weights.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.cells.memory import cell_with_memory, memory_steps, tied_grad_steps
    from vgtheory.theory.cells.untied import chi_step, log_grad_steps, q_state

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["cell_with_memory", "chi_step", "log_grad_steps", "memory_steps", "q_state", "tied_grad_steps"]
