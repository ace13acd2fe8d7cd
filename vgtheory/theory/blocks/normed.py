"""Infinite width: chains with a norm in every layer, and the rate of batch norm."""

from typing import Any

import jax
import numpy as np

from vgtheory.activation import Activation, Pointwise, as_activation
from vgtheory.estimate import Law
from vgtheory.expect import expect, expect_count, expect_scalars
from vgtheory.networks.blocks import Normed
from vgtheory.networks.conv import expect_positions
from vgtheory.networks.noise import added_square, factor_square, lone_scales
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import compiled, library
from vgtheory.theory.blocks.batch_norm import batch_rates, drift
from vgtheory.theory.blocks.residual import Profile, from_top, log_squares
from vgtheory.theory.integrals import gaussian
from vgtheory.theory.integrals.rules import values
from vgtheory.theory.integrals.squares import resolved
from vgtheory.theory.laws import Question, grad_law, q_law
from vgtheory.theory.precision import Values, numbers


@compiled("activation")
def _moments(log_q: Values, activation: Activation) -> tuple[Values, Values, Values]:
    """E phi, and the logs of E phi^2 and E phi'^2, at one ln q."""
    q = resolved(library(log_q).exp(log_q), activation)
    at = lambda z: values(activation, library(q).sqrt(q) * z)[0]
    return gaussian.mean(at, q, activation.kinks), *log_squares(log_q, activation)


def _stacked(first: Values, others: Values, depth: int) -> Values:
    """The first layer's value, then the others'."""
    xp = library(first, others)
    return xp.where(xp.arange(depth) == 0, first, others)


def _units(net: Normed, scales: list[Values], depth: int) -> Profile:
    """Layer or RMS norm."""
    sigma_w, sigma_b = scales
    xp = library(scales)
    start, log_w = xp.log(sigma_w**2 + sigma_b**2), 2 * xp.log(sigma_w)
    mean, log_f, log_g = _moments(start if net.place == "post" else xp.zeros_like(start), net.activation)
    if net.place == "post":
        if net.norm == "layer":
            log_f = xp.log(xp.exp(log_f) - mean**2)
        log_q, log_chi = xp.broadcast_to(start, (depth,)), xp.broadcast_to(log_w + log_g - log_f, (depth,))
    else:
        log_q = _stacked(start, xp.log(sigma_w**2 * xp.exp(log_f) + sigma_b**2), depth)
        log_chi = xp.concatenate([log_q[:1], log_w + log_g - log_q[:-1]])
    return Profile(log_q, from_top(log_chi), log_q)


def _inputs(net: Normed, scales: list[Values], depth: int) -> Profile:
    """Batch norm; the gradient at the top is independent between inputs."""
    (sigma_w, sigma_b), factor = scales, factor_square(net)
    xp, rates = library(scales), batch_rates(net.activation, net.batch, factor)
    log_chi = np.full(depth, np.log(rates.seen * rates.variance))
    log_chi[depth - 1] += np.log((rates.seen + rates.unseen) * (net.batch - 1) / net.batch / rates.seen)
    added = added_square(net) * factor / sigma_w**2 if net.sigma_noise > 0 else xp.zeros_like(sigma_w)
    first, others = xp.asarray([factor, rates.variance], sigma_w.dtype)
    log_spread = xp.log(_stacked(first, others, depth) + added)
    log_q = xp.log(sigma_w**2 * xp.asarray([1.0, rates.square], sigma_w.dtype) + sigma_b**2)
    log_q = _stacked(log_q[0], log_q[1], depth)
    log_chi = xp.asarray(log_chi, sigma_w.dtype) - xp.concatenate([log_spread[:1], log_spread[:-1]])
    return Profile(log_q, from_top(log_chi), log_q)


def profile(net: Normed, depth: int) -> Profile:
    """Mean squares of ``h`` and of its gradient along a normalised chain with scalar numbers."""
    scales = numbers(net.activation, *lone_scales(net))
    return _inputs(net, scales, depth) if net.norm == "batch" else _units(net, scales, depth)


def _asked(net: Normed, question: Question) -> Profile:
    expect_positions(question.where, net, question.positions)
    expect_scalars(question.where, sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    return profile(net, question.depth)


def _at_width(mean: Values, width: int | None) -> Law:
    xp = library(mean)
    return Law(mean, xp.full_like(mean, 0.0 if width is None else xp.inf))


@grad_law.register(Normed)
def _grad(net: Normed, question: Question) -> Law:
    """Gradient of a chain with a norm in every layer.

    Notes
    -----
    Accuracy: 1e-13 per layer at infinite width. At finite width the mean is that of infinite width,
    and ``std`` inf. With batch norm the mean is half the log of the mean square of the whole
    batch's gradient. With noise every input has its own, also within a batch.
    Assumes: a cotangent independent of the weights; with batch norm, a batch of inputs that are all
    alike.
    """
    return _at_width(_asked(net, question).log_grad / 2, question.width)


@q_law.register(Normed)
def _q(net: Normed, question: Question) -> Law:
    """Mean square of the pre-activations of a chain with a norm in every layer.

    Notes
    -----
    Accuracy: as of the gradient.
    Assumes: an input of normal entries, independent of the weights.
    """
    return _at_width(_asked(net, question).log_q, question.width)


def _counted(where: str, batch: Any) -> int:
    """The batch as an integer of at least 4."""
    expect_count(where, batch=batch)
    expect(batch >= 4, where, "a batch of at least 4", "Of 3 the mean square is infinite.", batch=batch)
    return int(batch)


@asked()
def batch_norm_rate(
    activation: str | Activation | Pointwise, *, batch: int | None = None, dropout: float = 0.0
) -> float:
    r"""Squared-gradient growth factor per layer of weights, batch norm and activation.

    .. math:: \frac{(B - 1) E[\phi'^2] + E[\phi'_1 \phi'_2] - E[y^2 \phi'^2]
        + E[y_1 \phi'_1 y_2 \phi'_2]}{(B - 3)\,(E[\phi^2] - E[\phi_1 \phi_2])}
        \;\to\; \frac{E[\phi'^2]}{\mathrm{Var}\,\phi} \ge 1 \qquad (B \to \infty)

    ``y_1`` and ``y_2`` are the values of one unit for two inputs, after the norm, which removes
    ``sigma_w`` and ``sigma_b``. The rate of ``linear`` is (B - 2)/(B - 3). The rate of ``relu`` is
    [J' + B - 2 + J]/[(B - 3)(1 - J)], with J the normalised arc-cosine kernel at c = -1/(B - 1).
    The bound 1 is Poincare's inequality; only a straight line attains it. Dropout behind the
    activation divides all terms in one input by 1 - p, and lowers the rate: the norm divides by
    the standard deviation, to which it adds.

    Parameters
    ----------
    activation
        A name in ``ACTIVATIONS``, an ``Activation``, or an elementwise JAX function.
    batch
        Number of inputs B, >= 4; None for infinitely many.
    dropout
        Probability p with which a unit of what the weights multiply is dropped, drawn for each
        input, in [0, 1).

    Returns
    -------
    float
        Factor per layer of the squared norm.

    Notes
    -----
    Accuracy: 1e-11 for smooth functions and for ``relu``, 1e-8 for other kinks.
    Assumes: infinite width, no epsilon, and a batch of inputs that are all alike, so that the
    centred Gram matrix is a multiple of the identity. Independent inputs start in this state, and
    stay in it only where ``batch_norm_drift`` is below 1:

    - At large batch sizes ``gelu``, ``silu``, ``softplus``, ``mish``, ``hard_swish``,
      ``relu_squared`` and ``cube`` leave it, and narrow networks leave it sooner. With 512 units
      and batch 128, ``gelu`` settles at exp(0.33) per layer instead of exp(0.286).
    - Where the drift is near 1 (``relu``, ``linear`` and nearly straight functions, at large batch
      sizes), a finite width moves the batch away by order layer/width, up to batch/width. The width
      must then be well above the batch size.
    - For B <= 5 the factors of single units have no variance, and single networks stay below the
      mean squared norm up to large widths.

    References
    ----------
    Yang et al. (2019), arXiv:1902.08129 (``relu`` and ``linear``; derived anew here for any
    activation).

    Examples
    --------
    >>> from vgtheory import theory
    >>> round(theory.blocks.batch_norm_rate("linear", batch=5), 12)
    1.5
    >>> round(theory.blocks.batch_norm_rate("sigmoid", batch=16), 4)  # without norm: 0.0557
    1.1056
    >>> round(theory.blocks.batch_norm_rate("relu"), 4), round(theory.blocks.batch_norm_rate("relu", dropout=0.2), 4)
    (1.4669, 1.3416)
    """
    chosen, factor = as_activation(activation), 1 / (1 - dropout)
    if batch is not None:
        return batch_rates(chosen, _counted("batch_norm_rate", batch), factor).seen
    with jax.enable_x64(True):
        mean, log_f, log_g = map(float, _moments(*numbers(chosen, 0.0), chosen))
        return float(np.exp(log_g) / (np.exp(log_f) - mean**2 / factor))


@asked()
def batch_norm_drift(activation: str | Activation | Pointwise, *, batch: int) -> float:
    r"""Factor per layer of a small difference between two inputs' mean squares under batch norm.

    Batch norm fixes the spread of each unit over the batch, and the activation decides how the
    inputs share it. The factor tends to

    .. math:: \frac{\mathrm{Cov}[(\phi(y) - E\phi)^2, y^2]}{2\, \mathrm{Var}\,\phi} \qquad
        (B \to \infty)

    It is 1 for functions that are straight on either side of 0. Where it is above 1, one input
    dominates the batch in the end.

    Parameters
    ----------
    activation, batch
        As in ``batch_norm_rate``; ``batch`` is finite.

    Returns
    -------
    float
        Factor per layer; below 1, a batch of inputs that are all alike is stable.

    Notes
    -----
    Accuracy: as ``batch_norm_rate``.
    Assumes: infinite width, and a small difference.

    References
    ----------
    Yang et al. (2019), arXiv:1902.08129, treat such modes for ``relu`` and ``linear``; derived anew
    here.

    Examples
    --------
    >>> from vgtheory import theory
    >>> round(theory.blocks.batch_norm_drift("linear", batch=9), 12)
    0.8
    """
    return drift(as_activation(activation), _counted("batch_norm_drift", batch))
