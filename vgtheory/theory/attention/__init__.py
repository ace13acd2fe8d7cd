"""Softmax attention at initialisation: to how many tokens a head attends, and what it does to gradients.

- To how many tokens does a head attend? ``participation``.
- How large are the outputs of one layer, and the gradients through its queries, keys and values?
  ``softmax_attention``.

Whole stacks are in ``theory.log_grad_layers``, ``theory.log_q_layers`` and
``theory.blocks.log_grad_groups``, for a ``Transformer``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.attention.layer import AttentionOverlaps, participation, softmax_attention

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["AttentionOverlaps", "participation", "softmax_attention"]
