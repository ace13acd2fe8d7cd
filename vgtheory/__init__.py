"""Why gradients vanish or explode, how fast, and what to do about it: theory beside measurement, with error bars.

Three rooms: ``theory`` (what should happen), ``measure`` (what does happen in real networks), ``compare`` (how far apart
they are). They share the nouns ``Dense``, ``Conv``, ``Residual``, ``Normed``, ``Transformer``, ``Recurrent``, the cells ``Leaky``, ``Skip``, ``LSTM``,
``GRU`` and ``MGU``, ``Activation``, ``Estimate`` and ``Law``.
"""

from vgtheory import compare, measure, theory
from vgtheory.activation import ACTIVATIONS, Activation
from vgtheory.blocks import Normed, Residual
from vgtheory.cells import GRU, LSTM, MGU, Leaky, Skip
from vgtheory.ensemble import Conv, Dense, Recurrent
from vgtheory.estimate import Estimate, Law
from vgtheory.transformer import Transformer

__version__ = "0.1.0"
__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LSTM",
    "MGU",
    "Activation",
    "Conv",
    "Dense",
    "Estimate",
    "Law",
    "Leaky",
    "Normed",
    "Recurrent",
    "Residual",
    "Skip",
    "Transformer",
    "compare",
    "measure",
    "theory",
]
