"""Chains and networks in training, measured.

Each function has the name of its law in ``theory.training``; ``training_logs`` trains networks.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.training.decay import ChainDecay, chain_decay
    from vgtheory.measure.training.escape_steps import log_escape_steps
    from vgtheory.measure.training.escape_time import log_escape_time
    from vgtheory.measure.training.flow import chain_flow, log_layer_times
    from vgtheory.measure.training.largest_step import StableStep, stable_step
    from vgtheory.measure.training.modes import log_mode_times
    from vgtheory.measure.training.networks import TrainingLogs, training_logs

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "ChainDecay",
    "StableStep",
    "TrainingLogs",
    "chain_decay",
    "chain_flow",
    "log_escape_steps",
    "log_escape_time",
    "log_layer_times",
    "log_mode_times",
    "stable_step",
    "training_logs",
]
