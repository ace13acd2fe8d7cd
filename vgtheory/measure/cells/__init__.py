"""Recurrent cells (leaky, skip, LSTM, GRU, MGU)."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.cells.untied import CellLogs, cell_logs, log_grad_steps, q_state

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["CellLogs", "cell_logs", "log_grad_steps", "q_state"]
