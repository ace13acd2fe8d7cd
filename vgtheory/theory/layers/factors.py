"""Contributions of weights and of slopes to the norm of the gradient, layer by layer."""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.estimate import Law
from vgtheory.networks.ensemble import Ensemble
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import compiled, library, scan
from vgtheory.theory.laws import Question, grad_law
from vgtheory.theory.layers.dense import layers_of, scales_of
from vgtheory.theory.precision import Values, in_float64
from vgtheory.theory.width import expansion
from vgtheory.weights import expect_known_law


class Parts(NamedTuple):
    """The two factors of a layer's gradient, as natural logs.

    Attributes
    ----------
    weights
        Factor by which ``W^T`` changes the norm.
    slopes
        Factor by which the slopes of the activation change it after that.
    """

    weights: Law
    slopes: Law


@compiled()
def _excess(layers: expansion.Layers) -> Values:
    """Excess u of g's component along the input, at layers 2 ... depth."""

    def step(u: Any, layer: expansion.Layers) -> tuple[Values, Values]:
        return layer.kick + u * layer.grip, u

    below = expansion.Layers(*(field[:-1] for field in layers))
    return scan(step, library(layers).zeros_like(layers.log_q[0]), below, reverse=True)[1]


@asked()
@in_float64
@np.errstate(all="ignore")
def log_parts_layers(net: Ensemble, *, depth: int, width: int | None = None) -> Parts:
    r"""Log-factors by which each layer's weights and slopes change the norm of the gradient.

    .. math:: \ln \frac{|W_{l+1}^{\mathsf T} g_{l+1}|}{|g_{l+1}|} \to \ln \sigma_w, \qquad
        \ln \frac{|D_l W_{l+1}^{\mathsf T} g_{l+1}|}{|W_{l+1}^{\mathsf T} g_{l+1}|} \to
        \tfrac12 \ln E[\phi'(\sqrt{q_l} z)^2], \qquad l = 1 \dots L - 1

    Parameters
    ----------
    net
        A ``Dense`` or ``Recurrent`` ensemble with scalar ``sigma_w`` and ``sigma_b``.
    depth, width
        As in ``log_grad_layers``.

    Returns
    -------
    Parts
        Two ``Law`` of natural logs of norms over networks, each of shape ``(depth,)``, the last
        entry 0. The means, summed from the top, add up to those of ``log_grad_layers``.

    Notes
    -----
    Accuracy: 1e-13 at infinite width. At finite width the sum of the means is as accurate as
    ``log_grad_layers``. Its split and the standard deviations are accurate to order 1/N. For
    orthogonal weights the spread due to their alignment with the input is missing.
    Assumes: as ``log_grad_layers``.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> parts = theory.layers.log_parts_layers(Dense("relu", sigma_w=2.0), depth=3)
    >>> [part.mean[0].round(4).item() for part in parts]  # ln 2 and half of ln 1/2
    [0.6931, -0.3466]
    """
    question = Question("log_parts_layers", depth, width)
    layers = layers_of(question.where, net, depth, width)
    xp, total = library(layers), grad_law(net, question).mean
    total = xp.append(total[:-1] - total[1:], 0.0)
    kept, log_w = xp.arange(depth) < depth - 1, xp.log(scales_of(net, depth)[0])
    if width is None:
        weights, still = xp.where(kept, log_w, 0.0), xp.zeros_like(total)
        return Parts(Law(weights, still), Law(total - weights, still))
    expect_known_law(question.where, net)
    free = 0.0 if net.weights == "orthogonal" else 1.0
    shift = free * xp.append(_excess(layers) - 1, 0.0) / (2 * width)
    weights = xp.where(kept, log_w + shift, 0.0)
    r_var = expansion.forward_fluctuation(layers, width)[1]
    spread = xp.maximum((layers.back - 2 * free) / width + layers.a**2 * r_var, 0.0)
    own, rest = xp.full_like(total, 2 * free / width), spread
    return Parts(*(Law(m, xp.where(kept, xp.sqrt(v) / 2, 0.0)) for m, v in ((weights, own), (total - weights, rest))))
