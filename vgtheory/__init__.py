"""How fast gradients vanish or explode in deep networks: predicted, measured, compared.

Describe a random network by a noun: ``Dense("tanh", sigma_w=1.5)``, ``Conv``, ``Residual``,
``Normed``, ``Transformer``, ``Recurrent``, ``FixedRecurrent``, ``LinearRecurrence``, or a cell: ``LSTM``, ``GRU``,
``MGU``, ``MinimalRNN``, ``Leaky``, ``Skip``. Weights are normal with standard deviation ``sigma_w /
sqrt(fan_in)``, biases with ``sigma_b``. ``ACTIVATIONS`` lists the activations; any elementwise
JAX function serves too.

To set weights, ``critical_kernel`` is an initialiser for any library, and ``initialise`` rescales a
model of your own; both are in ``scales``.

Then ask one of five packages.

- ``theory`` predicts. Start with ``help(theory)``: it tells which function answers which
  question.
- ``measure`` runs real JAX networks. Its functions have the names of ``theory``'s and take a JAX
  key first.
- ``compare`` says how far a measurement is from a prediction, in standard errors.
- ``diagnose`` reads a model of your own, of any JAX library, on one batch and says where its gradient
  vanishes or explodes, and why.
- ``plot`` draws what the others return, one call a figure.

A measurement is an ``Estimate`` (value and standard error), a prediction over random networks a
``Law`` (mean and spread).
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory import compare, diagnose, measure, plot, scales, theory
    from vgtheory.activation import ACTIVATIONS, Activation
    from vgtheory.estimate import Estimate, Law
    from vgtheory.networks.blocks import Normed, Residual
    from vgtheory.networks.cells import GRU, LSTM, MGU, Leaky, MinimalRNN, Skip
    from vgtheory.networks.conv import Conv
    from vgtheory.networks.dense import Dense
    from vgtheory.networks.input_decay import InputDecay
    from vgtheory.networks.linear_recurrence import LinearRecurrence, Ring, StateSpace
    from vgtheory.networks.recurrent import FixedRecurrent, Recurrent
    from vgtheory.networks.transformer import Transformer
    from vgtheory.scales.kernel import critical_kernel
    from vgtheory.scales.rescaling import initialise

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
    "InputDecay",
    "Law",
    "Leaky",
    "LinearRecurrence",
    "MinimalRNN",
    "Normed",
    "Recurrent",
    "Residual",
    "Ring",
    "Skip",
    "StateSpace",
    "Transformer",
    "compare",
    "critical_kernel",
    "diagnose",
    "initialise",
    "measure",
    "plot",
    "scales",
    "theory",
]
