"""Why gradients vanish or explode, how fast, and what to do about it: theory beside measurement, with error bars.

Three rooms: ``theory`` (what should happen), ``measure`` (what does happen in real networks), ``compare`` (how far apart
they are). They share the nouns ``Dense``, ``Conv``, ``Residual``, ``Normed``, ``Transformer``, ``Recurrent``, ``FixedRecurrent``, the cells ``Leaky``, ``Skip``, ``LSTM``,
``GRU`` and ``MGU``, ``Activation``, ``Estimate`` and ``Law``.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory import compare, diagnose, measure, theory
    from vgtheory.activation import ACTIVATIONS, Activation
    from vgtheory.estimate import Estimate, Law
    from vgtheory.networks.blocks import Normed, Residual
    from vgtheory.networks.cells import GRU, LSTM, MGU, Leaky, Skip
    from vgtheory.networks.conv import Conv
    from vgtheory.networks.dense import Dense
    from vgtheory.networks.recurrent import FixedRecurrent, Recurrent
    from vgtheory.networks.transformer import Transformer

__version__ = "0.1.0"
__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LSTM",
    "MGU",
    "Activation",
    "Conv",
    "Dense",
    "Estimate",
    "FixedRecurrent",
    "Law",
    "Leaky",
    "Normed",
    "Recurrent",
    "Residual",
    "Skip",
    "Transformer",
    "compare",
    "diagnose",
    "measure",
    "theory",
]
