"""What a finite number of units changes."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory.width.chi_square import log_chi_square_law
    from vgtheory.theory.width.expansion import dead_probability

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["dead_probability", "log_chi_square_law"]
