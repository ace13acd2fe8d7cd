"""Effects of a finite number of units.

``theory.log_grad_layers(net, depth=..., width=...)`` gives the spread between networks of one
ensemble. The functions here are its ingredients. ``log_chi_square_law`` is the law of the log of
one ReLU or linear layer's factor. ``dead_probability`` is the probability that a ReLU network is
dead.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.width.chi_square import log_chi_square_law
    from vgtheory.theory.width.expansion import dead_probability

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["dead_probability", "log_chi_square_law"]
