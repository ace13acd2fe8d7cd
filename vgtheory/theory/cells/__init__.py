"""Recurrent cells (leaky, skip, LSTM, GRU, MGU): gradient factors per step, and how long a cell remembers."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.cells.memory import cell_with_memory, memory_steps, tied_grad_steps
    from vgtheory.theory.cells.untied import chi_step, log_grad_steps, q_state

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["cell_with_memory", "chi_step", "log_grad_steps", "memory_steps", "q_state", "tied_grad_steps"]
