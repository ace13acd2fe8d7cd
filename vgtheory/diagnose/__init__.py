"""Diagnosis of a model of your own.

Where does my gradient vanish or explode, and why? ``diagnose(model, loss, *batch)`` measures
activations and gradients of every layer call of any JAX model on one batch, and its printed table
ends with a verdict and with what helps, a ``Remedy`` each that was tried. What should they be?
``infinite_width(model, num_particles)`` predicts them from the model's code alone, and its bands
say how far one network may lie from that. How do they change during training? ``record_norms`` goes
into an Optax chain, and ``norm_history`` reads it. In a test suite, ``assert_healthy`` fails with the
verdict.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.diagnose.diagnosis import Diagnosis
    from vgtheory.diagnose.entry import assert_healthy, diagnose
    from vgtheory.diagnose.record import NormHistory, NormRecord, norm_history, record_norms
    from vgtheory.diagnose.remedies.remedy import Remedy
    from vgtheory.diagnose.replicas.bands import Bands, LayerBand
    from vgtheory.diagnose.replicas.laws import LayerLaw
    from vgtheory.diagnose.replicas.plan import TwinPlan
    from vgtheory.diagnose.rows import Module, Row
    from vgtheory.diagnose.runs import Removal
    from vgtheory.diagnose.twin import InfiniteWidth, infinite_width
    from vgtheory.diagnose.verdict import Verdict

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "Bands",
    "Diagnosis",
    "InfiniteWidth",
    "LayerBand",
    "LayerLaw",
    "Module",
    "NormHistory",
    "NormRecord",
    "Remedy",
    "Removal",
    "Row",
    "TwinPlan",
    "Verdict",
    "assert_healthy",
    "diagnose",
    "infinite_width",
    "norm_history",
    "record_norms",
]
