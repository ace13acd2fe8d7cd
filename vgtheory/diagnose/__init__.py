"""The porch: what a user points at their own model.

``diagnose`` measures activations and gradients of every layer call of a Flax model on one batch and says in words what is wrong;
``infinite_width`` predicts them from the model's code alone; ``record_norms`` keeps gradient norms per layer during training.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.diagnose.diagnosis import Diagnosis, Row, diagnose
    from vgtheory.diagnose.record import NormHistory, NormRecord, norm_history, record_norms
    from vgtheory.diagnose.runs import Removal
    from vgtheory.diagnose.twin import InfiniteWidth, LayerLaw, TwinPlan, infinite_width
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
