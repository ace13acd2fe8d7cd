"""Diagonal linear recurrences and state-space models, measured through sequential and associative scans.

Each function has the name of its law in ``theory.linear``. ``RecurrentLayer`` (LRU, S4D, S5),
``SelectiveLayer`` (Mamba-style) and ``RecurrentBlock`` are Flax modules to train or to take apart.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.linear.blocks import log_grad_blocks, log_q_blocks
    from vgtheory.measure.linear.decays import log_decay_lags, log_mean_decay_lags
    from vgtheory.measure.linear.formats import DecayLag, Overflow, decay_lag, overflow_step
    from vgtheory.measure.linear.lags import log_grad_input_lags, log_grad_lags, log_grad_units, memory_lags
    from vgtheory.measure.linear.modules import RecurrentBlock, RecurrentLayer, SelectiveLayer
    from vgtheory.measure.linear.sensitivity import log_memory_change, log_sensitivity
    from vgtheory.measure.linear.state import log_q_state

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "DecayLag",
    "Overflow",
    "RecurrentBlock",
    "RecurrentLayer",
    "SelectiveLayer",
    "decay_lag",
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
