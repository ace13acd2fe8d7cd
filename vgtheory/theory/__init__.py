"""Predictions for random networks: which function answers which question.

Is my initialisation critical? ``chi_1(net)`` is the growth factor of the squared gradient per
layer. A factor of 1 is critical, above it gradients explode, and below it they vanish.
``phase(net)`` gives the sign of its logarithm, and ``xi_grad(net)`` the number of layers in which
the squared gradient changes by a factor e.

Which scale should I use? ``critical(activation, sigma_b=...)`` lists every sigma_w at which the
factor is 1. Use one whose ``is_stable`` is True, because the signal leaves the others. Orthogonal
weights have the critical scales of Gaussian ones, and with a small ``sigma_b`` they keep all
directions close together, see ``jacobian_edge(net, depth)``. ``initialiser_audit(activation)``
lists the effect of the default initialisers.

How large is the gradient in each layer? ``log_grad_layers(net, depth=..., width=...)`` gives the
mean and the spread over networks of its log-norm. ``log_grad_weight_layers`` is its counterpart for
the weights, and ``log_q_layers`` for the signal.

Where does a number format give out? ``pass_limit(net, "bfloat16", depth=..., width=...)`` names the
layers where the forward and the backward pass are lost, or None.
``depth_limit(chi_1**0.5, "bfloat16")`` gives the depths at which the powers of one factor are lost.

Do two inputs stay apart? ``c_star(net)`` is their final correlation, ``xi_c(net)`` the depth scale
of convergence, and ``c_map`` one layer. ``q_star``, ``xi_q`` and ``q_map`` describe the length of
one input. ``phase_diagram`` computes a grid of scales at once.

Why do gradients differ in size? ``log_grad_variance`` splits their variance. Is a recurrence
chaotic? ``lyapunov_exponents`` tells.

The other functions are in subpackages, each with such a guide: ``help(theory.cells)``.

- ``meanfield``: infinite width; lengths, correlations, criticality, depth scales.
- ``layers``: profiles over depth, bounds, initialisers, number formats.
- ``blocks``: residual blocks, normalisation, convolutions, transformers.
- ``attention``: softmax attention, one layer.
- ``decoders``: transformers with a causal mask, token by token.
- ``width``: effects of a finite number of units.
- ``spectra``: singular values of the Jacobian: do all directions keep their length?
- ``recurrent``: one matrix applied again and again.
- ``linear``: diagonal linear recurrences and state-space models (LRU, S4D, S5).
- ``cells``: memory of an LSTM, a GRU or another cell.
- ``training``: time to leave a plateau, and the largest stable step.
- ``magnitudes``: variation of gradients from entry to entry.

Nothing here draws a network: there is no ``key``. Plain numbers give float64, and JAX arrays can be
compiled, mapped and differentiated.
"""

from typing import TYPE_CHECKING

from vgtheory._door import door

if TYPE_CHECKING:
    from vgtheory.theory import (
        attention,
        blocks,
        cells,
        decoders,
        layers,
        linear,
        magnitudes,
        meanfield,
        recurrent,
        spectra,
        training,
        width,
    )
    from vgtheory.theory.layers.formats import depth_limit, pass_limit
    from vgtheory.theory.layers.initialisers import initialiser_audit
    from vgtheory.theory.layers.profiles import log_grad_layers, log_grad_weight_layers, log_q_layers
    from vgtheory.theory.magnitudes.split import log_grad_variance
    from vgtheory.theory.meanfield.correlation import c_map
    from vgtheory.theory.meanfield.correlation_limit import c_star
    from vgtheory.theory.meanfield.criticality import critical
    from vgtheory.theory.meanfield.depth_scales import phase, xi_c, xi_grad, xi_q
    from vgtheory.theory.meanfield.length import chi_1, q_map, q_star
    from vgtheory.theory.meanfield.phases import phase_diagram
    from vgtheory.theory.recurrent.lyapunov import lyapunov_exponents
    from vgtheory.theory.spectra.edge import jacobian_edge

__getattr__, __dir__ = door(__name__, __file__)
__all__ = [
    "attention",
    "blocks",
    "c_map",
    "c_star",
    "cells",
    "chi_1",
    "critical",
    "decoders",
    "depth_limit",
    "initialiser_audit",
    "jacobian_edge",
    "layers",
    "linear",
    "log_grad_layers",
    "log_grad_variance",
    "log_grad_weight_layers",
    "log_q_layers",
    "lyapunov_exponents",
    "magnitudes",
    "meanfield",
    "pass_limit",
    "phase",
    "phase_diagram",
    "q_map",
    "q_star",
    "recurrent",
    "spectra",
    "training",
    "width",
    "xi_c",
    "xi_grad",
    "xi_q",
]
