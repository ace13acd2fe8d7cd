"""Measurements of real JAX and Flax networks: a key first, every number with its standard error.

How large is the gradient in each layer? ``log_grad_layers(key, net, depth=..., width=...,
num_nets=...)`` averages over networks, and ``log_grad_weight_layers`` and ``log_q_layers`` do so
for weights and signals. A function here has the name of the law in ``theory`` that predicts it,
in the wing of the same name, so that ``help(theory)`` is the guide to both.

Where does a number format give out? ``pass_limit``. Do all directions keep their length?
``jacobian_singular_values``. Is a recurrence chaotic? ``lyapunov_exponents``. Why do gradients
differ in size? ``log_grad_variance``.

How do I keep gradients from under- or overflowing in my own code? ``tap`` and ``log_norm``.

Will it fit into memory? ``plan`` tells before anything runs.

Wings: ``layers``, ``blocks``, ``attention``, ``spectra``, ``recurrent``, ``linear``, ``cells``,
``training``, ``magnitudes``, and ``engine``, which draws and runs the networks.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure import (
        attention,
        blocks,
        cells,
        decoders,
        engine,
        layers,
        linear,
        magnitudes,
        recurrent,
        spectra,
        training,
    )
    from vgtheory.measure.engine.dispatch import samples
    from vgtheory.measure.engine.taps import log_norm, tap
    from vgtheory.measure.layers.chains import plan
    from vgtheory.measure.layers.formats import pass_limit
    from vgtheory.measure.layers.profiles import log_grad_layers, log_grad_weight_layers, log_q_layers
    from vgtheory.measure.magnitudes.split import log_grad_variance
    from vgtheory.measure.recurrent.lyapunov import lyapunov_exponents
    from vgtheory.measure.spectra.values import jacobian_singular_values

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "attention",
    "blocks",
    "cells",
    "decoders",
    "engine",
    "jacobian_singular_values",
    "layers",
    "linear",
    "log_grad_layers",
    "log_grad_variance",
    "log_grad_weight_layers",
    "log_norm",
    "log_q_layers",
    "lyapunov_exponents",
    "magnitudes",
    "pass_limit",
    "plan",
    "recurrent",
    "samples",
    "spectra",
    "tap",
    "training",
]
