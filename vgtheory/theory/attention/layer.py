"""One layer of softmax attention between tokens that are all alike: outputs and gradients."""

from functools import partial
from typing import NamedTuple

from vgtheory.checks import optional
from vgtheory.expect import Numbers, expect_count, expect_flag, expect_number
from vgtheory.theory.arguments import asked
from vgtheory.theory.arrays import library
from vgtheory.theory.attention.moments import Sizes, moments_at
from vgtheory.theory.attention.overlaps import Scene, backward, forward
from vgtheory.theory.attention.rows import row
from vgtheory.theory.attention.turns import UNTURNED, turns
from vgtheory.theory.precision import Values, in_float64, reals


class AttentionOverlaps(NamedTuple):
    """What a layer of attention makes of its tokens and of its cotangents; pairs of shape (2,).

    Entry 0 is the mean square per unit at a position, entry 1 the mean overlap per unit of two
    positions.

    Attributes
    ----------
    output
        Outputs of the heads, in units of the values' mean square.
    query, key, value
        Gradient with respect to the tokens, through queries, keys and values alone; in units of the
        mean squared cotangent times that of the values.
    cross
        What the overlaps of the sum of the three have beyond the sum of their overlaps: values and
        keys of a token see the same cotangents.
    """

    output: Values
    query: Values
    key: Values
    value: Values
    cross: Values

    @property
    def gradient(self) -> Values:
        """Gradient with respect to the tokens through all three, shape (2,)."""
        return self.query + self.key + self.value + self.cross


_probability = partial(expect_number, interval="[0, 1)", ndim=0)


@asked(
    sigma_qk=partial(expect_number, interval="[0, 2.5]", ndim=0),
    positions=expect_count,
    head_width=optional(lambda where, **got: expect_count(where, 8, **got)),
    c=partial(expect_number, interval="[0, 1]", ndim=0),
    c_cotangent=_probability,
    dropout=_probability,
    is_normed=expect_flag,
    is_rotary=expect_flag,
)
@in_float64
def softmax_attention(
    sigma_qk: Numbers,
    *,
    positions: int,
    head_width: int | None = None,
    width: int | None = None,
    c: Numbers = 0.0,
    c_cotangent: Numbers = 0.0,
    dropout: Numbers = 0.0,
    is_normed: bool = True,
    is_rotary: bool = False,
) -> AttentionOverlaps:
    r"""Overlaps of outputs and gradients of softmax attention at initialisation.

    T tokens of unit mean square have the correlation c in pairs, and the cotangents of their
    outputs the correlation b. The logits of two tokens are Gaussian of variance
    :math:`\sigma_{qk}^4`. With the shares :math:`A_{ij}` of head and query i, the moments
    :math:`Y = E \sum_j A_{ij}^2` and :math:`X = E \sum_j A_{ij} A_{kj}`, and heads and streams of
    infinite width,

    .. math:: \text{outputs:}\; c + (1 - c) Y, \quad c + (1 - c) X; \qquad
        \text{values:}\; Y + (T - 1)\, b X; \qquad
        \text{queries:}\; \sigma_{qk}^4 (1 - c)^2\, E \sum_j A_{ij}^2 (1 - 2 A_{ij} + \sum_k A_{ik}^2)

    and likewise for keys. All moments are exact at every T. Heads of width d let the logits'
    variance scatter from query to query. A stream of width N adds terms of relative order T/N: the
    tokens that a query favours lie in one direction, and their mean does not average out. There are
    no terms of higher order in T/N, because shares know nothing of other directions.

    Parameters
    ----------
    sigma_qk
        Standard deviation of ``sqrt(fan_in) * W`` for queries and keys, from 0 to 2.5.
    positions
        Number of tokens T, >= 1.
    head_width
        Units d of a head, >= 8; None for infinite.
    width
        Units N of the stream; None for infinite. All heads together are as wide.
    c
        Correlation of two tokens, from 0 to 1.
    c_cotangent
        Correlation b of the cotangents at two positions, from 0 to below 1.
    dropout
        Probability with which each share is dropped after the softmax; the others are scaled up.
    is_normed
        Whether tokens have one length, as behind a norm; False for Gaussian vectors.
    is_rotary
        Whether queries and keys are turned by angles proportional to their positions (RoPE).

    Returns
    -------
    AttentionOverlaps
        Mean squares (not their roots, not logs), over weights, tokens and cotangents.

    Notes
    -----
    Accuracy: for Gaussian vectors (``is_normed=False``) against real attention at 500 settings,
    ``sigma_qk`` from 0.1 to 1.4, streams of 100 to 1,000 units, heads of 32 to 256, 300 to 1,000
    tokens: squared gradient within 0.4 % at 90 % of them and within 1.2 % at 99 %, mean square and
    overlap of outputs within 0.5 % and 1.5 %, all about the measurement's own errors
    (``benchmarks/README.md``). For tokens of one length, whose lengths enter to first order in 1/N:
    within 1 % at ``sigma_qk = 1.2`` in a stream of 96 units with 384 tokens; 4 % at 1.4 in a stream
    of 64 with heads of 16. Overlaps of two positions, which are small without a common part, within
    5 %. Moments of one softmax hold to 1e-10 for logits of variance up to 4, and to 1e-4 up to 36.
    ``cross`` is right to a quarter at ``sigma_qk = 1.4``, where it is 1 % of all.
    Assumes: independent Gaussian matrices, cotangents independent of them, no mask.

    Freezing: a head attends to a few tokens, however many there are, once the variance of its
    logits exceeds 2 ln T; at ``sigma_qk = 1.84`` for 300 tokens without a common part. The law does
    not break there: at 2 and 2.5 (width 100, heads of 32, 300 tokens) the squared gradient is within
    2 %, and within 4 % for correlated cotangents, where rules of few nodes for the overlap of two
    queries begin to fail. It remains a mean over networks. Single layers of one head scatter around
    it by 4 to 15 % at ``sigma_qk = 1`` and by 14 to 50 % at 1.4, most where tokens and cotangents are
    correlated, since all queries then share one image.

    Rotary positions: within 3 % up to ``sigma_qk = 1.4`` (heads of 64 units, 128 tokens, width 512),
    most within the measurement's 1 %; without a common part, in a stream of 96 units, gradients of
    queries and keys are 3.4 % larger, by terms of order 1/N. Assumes besides that only means over
    positions count: a token in the middle is as one at an end.

    References
    ----------
    Derrida (1981), Phys. Rev. B 24, 2613 (the random-energy model); derived in the supplement.

    Examples
    --------
    >>> from vgtheory import theory
    >>> found = theory.attention.softmax_attention(1.0, positions=300)
    >>> found.output.round(5), found.gradient.round(5)
    (array([0.00885, 0.00333]), array([0.02594, 0.00329]))
    """
    sizes = Sizes(1 / head_width if head_width else 0.0, 1 / width if width else 0.0, is_normed)
    scale, gap, tie, noise, count = reals(sigma_qk, c, c_cotangent, dropout, float(positions))
    xp = library(scale)
    gap, kappa = 1 - gap, scale**4
    turned = turns(positions, sizes.head) if is_rotary else UNTURNED
    scene = Scene(gap, tie, kappa, count, sizes.head, sizes.stream, sizes.sphere(gap), sizes.token, turns=turned)
    found = moments_at(gap, kappa, count, sizes, turned)
    paths = backward(found, scene, noise)
    return AttentionOverlaps(*(xp.stack(each) for each in (forward(found, scene, noise), *paths)))


@asked(logit_variance=partial(expect_number, interval="[0, 36]", ndim=0), positions=expect_count)
@in_float64
def participation(logit_variance: Numbers, *, positions: int) -> Values:
    r"""Mean of the sum of squared shares of a softmax over independent Gaussian logits.

    .. math:: Y = E \frac{\sum_j e^{2 \tau z_j}}{\left(\sum_j e^{\tau z_j}\right)^2}

    Its inverse is the number of tokens that a head attends to: T for logits of no variance, about
    :math:`T e^{-\tau^2}` for small ones, and a few, however large T is, once :math:`\tau^2 > 2 \ln T`.

    Parameters
    ----------
    logit_variance
        tau^2, from 0 to 36.
    positions
        Number of logits T, >= 1.

    Returns
    -------
    float
        Y, from 1/T to 1.

    Notes
    -----
    Accuracy: 1e-10 for variances up to 4, 1e-8 up to 9, 1e-5 up to 36.
    Assumes: independent Gaussian logits.

    References
    ----------
    Derrida (1981), Phys. Rev. B 24, 2613.

    Examples
    --------
    >>> from vgtheory import theory
    >>> round(1 / float(theory.attention.participation(1.0, positions=300)), 1)
    113.0
    """
    variance, count = reals(logit_variance, float(positions))
    return row(variance**0.5, count).same


__all__ = ["AttentionOverlaps", "participation", "softmax_attention"]
