"""Decoders: transformers with a causal mask, token by token.

- How large is the stream at each position? ``log_q_tokens``.
- And the gradient? ``log_grad_tokens``.
- How much does each input token move the last output? ``log_influence``.

Sums over positions are in ``theory.log_grad_layers``, ``theory.log_q_layers`` and
``theory.blocks.log_grad_groups``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.decoders.tokens import log_grad_tokens, log_influence, log_q_tokens

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["log_grad_tokens", "log_influence", "log_q_tokens"]
