"""What does happen: real JAX and Flax networks, ``key`` first, every number with its standard error."""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.measure import blocks, cells, engine, layers, magnitudes, recurrent, spectra, training
    from vgtheory.measure.engine.taps import log_norm, tap
    from vgtheory.measure.layers.chains import chain, plan
    from vgtheory.measure.layers.formats import pass_limit
    from vgtheory.measure.layers.profiles import log_grad_layers, log_grad_weight_layers, log_q_layers
    from vgtheory.measure.magnitudes.split import log_grad_variance
    from vgtheory.measure.recurrent.lyapunov import lyapunov_exponents
    from vgtheory.measure.spectra.values import jacobian_singular_values

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "blocks",
    "cells",
    "chain",
    "engine",
    "jacobian_singular_values",
    "layers",
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
    "spectra",
    "tap",
    "training",
]
