"""Recurrent cells (leaky, skip, LSTM, GRU, MGU), measured in Flax.

``log_grad_steps`` gives the gradient at every step and ``q_state`` the mean square of the state,
with one set of weights or with new ones.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.cells.untied import CellLogs, cell_logs, log_grad_steps, q_state

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["CellLogs", "cell_logs", "log_grad_steps", "q_state"]
