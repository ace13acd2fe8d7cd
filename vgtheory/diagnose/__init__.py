"""Diagnosis of a model of your own.

Where does my gradient vanish or explode, and why? ``diagnose(model, loss, *batch)`` measures
activations and gradients of every layer call of a Flax model on one batch, and its printed table
ends with a verdict. What should they be? ``infinite_width(model, num_particles)`` predicts them
from the model's code alone. How do they change during training? ``record_norms`` goes into an
Optax chain, and ``norm_history`` reads it.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.diagnose.diagnosis import Diagnosis, diagnose
    from vgtheory.diagnose.layer_laws import LayerLaw, TwinPlan
    from vgtheory.diagnose.record import NormHistory, NormRecord, norm_history, record_norms
    from vgtheory.diagnose.rows import Row
    from vgtheory.diagnose.runs import Removal
    from vgtheory.diagnose.twin import InfiniteWidth, infinite_width
    from vgtheory.diagnose.verdict import Verdict

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "Diagnosis",
    "InfiniteWidth",
    "LayerLaw",
    "NormHistory",
    "NormRecord",
    "Removal",
    "Row",
    "TwinPlan",
    "Verdict",
    "diagnose",
    "infinite_width",
    "norm_history",
    "record_norms",
]
