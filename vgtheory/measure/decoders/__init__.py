"""Real decoders, token by token: ``log_q_tokens``, ``log_grad_tokens``, ``log_influence``.

They are the twins of the laws in ``theory.decoders``, and take transformers without a mask as well.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure.decoders.tokens import log_grad_tokens, log_influence, log_q_tokens

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["log_grad_tokens", "log_influence", "log_q_tokens"]
