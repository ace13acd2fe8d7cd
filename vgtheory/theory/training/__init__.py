"""Consequences for training: plateaus, stable steps, weight decay, tangent kernel.

- How long does a deep chain stay on its plateau? ``log_escape_time`` answers for gradient flow,
  ``log_escape_steps`` for SGD, momentum, sign descent and Adam, and ``log_mode_times`` for the
  modes of a deep linear network.
- Which layer learns first? ``log_layer_times`` tells, and ``chain_flow`` gives the whole course.
- What is the largest learning rate? ``stable_step``. Which weights does weight decay leave?
  ``chain_decay``.
- How do the first steps of a wide network go? ``tangent_kernel``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.training.decay import ChainDecay, chain_decay
    from vgtheory.theory.training.escape_steps import log_escape_steps
    from vgtheory.theory.training.escape_time import log_escape_time
    from vgtheory.theory.training.flow import chain_flow, log_layer_times
    from vgtheory.theory.training.kernel import TangentKernel, tangent_kernel
    from vgtheory.theory.training.largest_step import StableStep, stable_step
    from vgtheory.theory.training.modes import log_mode_times

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "ChainDecay",
    "StableStep",
    "TangentKernel",
    "chain_decay",
    "chain_flow",
    "log_escape_steps",
    "log_escape_time",
    "log_layer_times",
    "log_mode_times",
    "stable_step",
    "tangent_kernel",
]
