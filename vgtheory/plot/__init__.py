"""Ready pictures of what the other packages return: one call, one ``matplotlib`` figure.

How does a gradient change over depth? ``profile`` shows the law as a line with a band and the
measurement as markers with error bars. Where does my network lie? ``phase_diagram``. Do all
directions keep their length? ``spectrum``. What do default initialisers do? ``audit``.

``pip install 'vgtheory[plot]'`` brings what is needed. A figure is kept by
``figure.savefig("name.png")``.
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
