"""Softmax attention of real layers: to how many tokens a head attends, and the gradients through it.

``participation`` and ``softmax_attention`` are the twins of the laws in ``theory.attention``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.attention.layer import AttentionEstimates, participation, softmax_attention

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["AttentionEstimates", "participation", "softmax_attention"]
