"""Ready pictures of what the rooms return: each call gives a ``matplotlib`` figure, and leaves no other trace.

``pip install 'vgtheory[plot]'`` brings what is needed. Predictions are lines with a band, measurements markers with error bars; the
colours are told apart by colour-blind readers. A figure is kept by ``figure.savefig("name.png")``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.plot.audits import audit
    from vgtheory.plot.diagrams import phase_diagram
    from vgtheory.plot.profiles import profile
    from vgtheory.plot.spectra import spectrum

__getattr__, __dir__ = door(__name__, __file__)
__all__ = ["audit", "phase_diagram", "profile", "spectrum"]
