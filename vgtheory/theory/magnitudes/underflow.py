"""Shares of the entries of weight gradients that a number format loses, and the loss scale that loses the fewest."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jax.typing import DTypeLike

from vgtheory.checks import optional
from vgtheory.expect import Numbers, expect, expect_count, expect_dtype, expect_noun, expect_number
from vgtheory.formats import BLOCKED, FORMATS
from vgtheory.networks.dense import Dense
from vgtheory.networks.transformer import Transformer
from vgtheory.theory.arguments import asked, count_or_inf, one_positive
from vgtheory.theory.layers.formats import log_edges
from vgtheory.theory.magnitudes.scaled import lost
from vgtheory.theory.magnitudes.tensors import NETWORKS, WHOLE, Asked, Tensor, tensors_of
from vgtheory.theory.precision import in_float64

CASTS = (*FORMATS, *BLOCKED)
"""Formats that gradients are cast to."""


class CastShares(NamedTuple):
    """Shares of the entries of every layer's weight gradient, by what a cast makes of them.

    Attributes
    ----------
    zero
        Entries that are exactly zero already, behind units whose slope or signal is zero.
    underflow
        Other entries that become zero.
    overflow
        Entries that become infinite or NaN, or the largest number where casts saturate.
    """

    zero: Any
    underflow: Any
    overflow: Any


class LossScale(NamedTuple):
    """Best loss scale, and the shares of all entries that under- and overflow with it."""

    scale: float
    underflow: float
    overflow: float


def _by_matrix(found: dict[str, Tensor], of: Callable[[Tensor], Any]) -> Any:
    """Answers for all matrices by name, or that for the only one."""
    answers = {name: of(each) for name, each in found.items()}
    return answers.get(WHOLE, answers)


def _lost_in_blocks(cast: str, flush: bool, log_scale: float, tensor: Tensor) -> CastShares:
    """Shares that a format with a scale for each block loses."""
    each = zip(tensor.rows, tensor.outputs, tensor.inputs, strict=True)
    found = [(row.zero, *lost(row.blocks(), BLOCKED[cast], flush, log_scale, *sizes)) for row, *sizes in each]
    return CastShares(*np.array(found).T)


def _log_bounds(dtype: str, flush: bool) -> tuple[float, float]:
    """Logs below and above which an entry is lost."""
    zero, normal, largest = log_edges(dtype)
    return normal if flush else zero, largest


_asked = functools.partial(
    asked,
    cast=functools.partial(expect_dtype, CASTS),
    net=functools.partial(expect_noun, kinds=NETWORKS),
    width=count_or_inf,
    positions=optional(expect_count),
    c_0=functools.partial(expect_number, interval="[0, 1]", ndim=0),
    loss_scale=one_positive,
    bound=one_positive,
)


@_asked()
@in_float64
def share_below(
    net: Dense | Transformer,
    bound: float,
    *,
    depth: int | None = None,
    width: int | float | None = None,
    positions: int | None = None,
    c_0: Numbers = 0.0,
    loss_scale: float = 1.0,
    input_square: float = 1.0,
) -> np.ndarray | dict[str, np.ndarray]:
    r"""Share of the entries of every layer's weight gradient whose modulus is below a bound.

    .. math:: P\left(\left| \partial E / \partial W_{l, ij} \right| < b\right), \qquad l = 1 \dots L

    With Adam's ``eps`` as the bound, it is the share of weights that Adam's first step moves by less
    than half the learning rate.

    Parameters
    ----------
    net, depth, width, positions, c_0, loss_scale, input_square
        As in ``underflow_share``.
    bound
        The bound b > 0, in units of the gradient.

    Returns
    -------
    array or dict
        Mean share over networks, shape ``(depth,)``; entries that are exactly zero count. For a
        ``Transformer`` one array for each matrix.

    Notes
    -----
    Accuracy: as ``underflow_share``.
    Assumes: as ``underflow_share``.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> theory.magnitudes.share_below(Dense("tanh", sigma_w=1.0), 1e-3, depth=3).round(4).tolist()
    [0.0176, 0.0078, 0.0078]
    """
    found = tensors_of(net, Asked("share_below", depth, width, positions, c_0, input_square))
    log_bound = np.array([np.log(bound) - np.log(loss_scale)])
    return _by_matrix(
        found, lambda each: np.array([row.zero + row.beyond(log_bound, above=False)[0] for row in each.rows])
    )


@_asked()
@in_float64
def underflow_share(
    net: Dense | Transformer,
    cast: DTypeLike,
    *,
    depth: int | None = None,
    width: int | float | None = None,
    positions: int | None = None,
    c_0: Numbers = 0.0,
    loss_scale: float = 1.0,
    input_square: float = 1.0,
    flush: bool = False,
) -> CastShares | dict[str, CastShares]:
    r"""Shares of the entries of every layer's weight gradient that a cast makes zero or infinite.

    A cast makes an entry zero below half the smallest subnormal number, and infinite half a spacing
    above the largest one. In a ``Dense`` an entry of the gradient of W_l is a product of three
    independent factors: a normal number, the slope phi' of one unit, and the signal phi of another.
    In a ``Transformer`` it is a sum over T positions, and normal of a variance V that varies between
    units:

    .. math:: G_{ij} = \sum_t x_{ti}\, g_{tj}, \qquad
        V_j = P \sum_t (g_{tj} - \bar g_j)^2 + Q\, T \bar g_j^2

    P and Q are the variances of x over positions: about their mean, and of their mean times T. Where
    positions have much in common, Q rules, and most entries are small.

    In MXFP8, 32 entries along a layer's inputs share a power of two, and in NVFP4 16 entries of one
    bit of mantissa share a number in E4M3 (times one number of the whole matrix). The largest of the
    n entries of a block sets its scale, and what a cast makes zero is small beside that one:
    2^-18 of the power of two below it in E4M3, 2^-32 in E5M2, a 24th in NVFP4. A small entry is lost
    whatever its unit's size and the loss scale:

    .. math:: P = \sum_s \left[ F(2^{s+1})^{n-1} - F(2^s)^{n-1} \right] F(z\, 2^{s-e})

    F is the distribution of entries that belong to one unit. The largest number takes the place of
    what is beyond it, and counts as an overflow.

    Parameters
    ----------
    net
        A ``Dense`` without noise, whose layers may be listed, or a ``Transformer`` without a mask.
    cast
        Format that the gradient is cast to: any of ``depth_limit``, or ``"mxfp8_e4m3"``,
        ``"mxfp8_e5m2"`` or ``"nvfp4"``, whose blocks have scales of their own.
    depth, width
        As in ``log_grad_layers``.
    positions, c_0
        For a ``Transformer``, as in ``log_grad_groups``; at least 16 positions.
    loss_scale
        Root mean square of the entries of :math:`\partial E / \partial h_L`, at each position, > 0:
        the loss scale times their own, which is sqrt(C - 1) / C for a cross-entropy over C classes
        and small logits.
    input_square
        For a ``Dense``, as in ``log_grad_layers``.
    flush
        Whether subnormal numbers become zero too.

    Returns
    -------
    CastShares or dict
        Mean shares over networks, each of shape ``(depth,)``; for a ``Transformer`` one for each
        matrix, as in ``log_grad_groups``.

    Notes
    -----
    Accuracy: 1e-3 of each share for the quadrature, 1e-2 for formats with scales. At finite width a
    ``Dense`` has signals and gradients that grow together, and whose logs are skewed; in 24 layers of
    96 units of GELU at sigma_w = 1.4 shares of a per cent are right to a fifth, those of a thousandth
    to a third, and 4 in 10,000 of the first layer to a factor of 2 (of 4,000 networks, E4M3 at five
    loss scales). Where layers are listed, straight, or not
    Gaussian, the two are taken as independent: small shares are off by factors where the spread of
    ``log_q_layers`` exceeds 0.5. Networks scatter about the mean, most of all where shares are small.
    In a ``Transformer`` of 24 blocks, width 256, 4 heads and 64 positions all shares are within 2
    points. Queries and keys vary most, from head to head and from network to network, by a half or
    so; their shares are up to 5 points larger in heads of 64 units over 32
    positions, and 6 in heads of 16 units over 16. Small shares behind ReLU are up to a half larger.
    In formats with scales most shares are within their measurement's errors, a tenth of a point.
    Assumes: a standard normal cotangent, independent of the weights, times ``loss_scale``, and one
    input (batch of one, or one sequence) with normal entries. The gradient itself is exact before
    the cast. A block's power of two is not limited to eight bits, and NVFP4 needs a finite width.

    References
    ----------
    Open Compute Project (2023), OCP Microscaling Formats (MX) Specification 1.0.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> net, size = Dense("tanh", sigma_w=1.0), {"depth": 3, "width": 256}
    >>> theory.magnitudes.underflow_share(net, "float8_e4m3fn", **size).underflow.round(4).tolist()
    [0.0174, 0.0077, 0.0076]
    >>> theory.magnitudes.underflow_share(net, "nvfp4", **size).underflow.round(3).tolist()
    [0.068, 0.032, 0.045]
    """
    cast = expect_dtype(CASTS, "underflow_share", cast=cast)
    found = tensors_of(net, Asked("underflow_share", depth, width, positions, c_0, input_square))
    if cast in BLOCKED:
        sized = BLOCKED[cast].scales == "power" or getattr(net, "widths", None) or width not in (None, np.inf)
        expect(bool(sized), "underflow_share", "a finite width, on which a matrix's largest entry depends", width=width)
        return _by_matrix(found, functools.partial(_lost_in_blocks, cast, flush, float(np.log(loss_scale))))
    low, high = (np.array([bound - np.log(loss_scale)]) for bound in _log_bounds(cast, flush))
    one = lambda row: (row.zero, row.beyond(low, above=False)[0], row.beyond(high, above=True)[0])
    return _by_matrix(found, lambda each: CastShares(*np.array([one(row) for row in each.rows]).T))


@_asked()
@in_float64
def best_loss_scale(
    net: Dense | Transformer,
    cast: DTypeLike,
    *,
    depth: int | None = None,
    width: int | float | None = None,
    positions: int | None = None,
    c_0: Numbers = 0.0,
    input_square: float = 1.0,
    flush: bool = False,
) -> LossScale:
    r"""Loss scale, a power of two, at which a cast loses the fewest entries of the weight gradients.

    It minimises the share of all layers' and all matrices' entries that under- or overflow.

    Parameters
    ----------
    net, cast, depth, width, positions, c_0, input_square, flush
        As in ``underflow_share``, but for formats whose blocks have scales: what these lose does not
        depend on a loss scale.

    Returns
    -------
    LossScale
        The scale for a standard normal cotangent, and the shares that are lost with it. If the
        entries of :math:`\partial E / \partial h_L` have another size, divide the scale by it.

    Notes
    -----
    Accuracy: within a factor of 2 of the best scale of many real networks, where ``underflow_share``
    is accurate, and of 4,096 of GELU at sigma_w = 1.4, whose ln q spreads by 1.4. Few networks decide
    there, so that samples differ: the best scale of 16 networks in 24 layers of 96 units is within a
    factor of 2 of the law's in 95 % of samples for E4M3 and 67 % for E5M2 and float16, and of 64
    networks in 98 %; that of one network in 19 to 33 %. Where the format has room to spare, losses
    are tiny at many scales, and the best is just below overflow. NaN where the spread is unknown.
    Assumes: as ``underflow_share``. Scales are between 2^-1000 and 2^1000.

    Examples
    --------
    >>> from vgtheory import Dense, theory
    >>> found = theory.magnitudes.best_loss_scale(Dense("tanh", sigma_w=1.0), "float8_e5m2", depth=8)
    >>> print(found.scale)
    8192.0
    """
    cast = expect_dtype(FORMATS, "best_loss_scale", cast=cast)
    found = tensors_of(net, Asked("best_loss_scale", depth, width, positions, c_0, input_square)).values()
    rows, counts = [row for each in found for row in each.rows], np.concatenate([each.counts for each in found])
    low, high = _log_bounds(cast, flush)
    tops = np.array([(high - row.log_typical) / np.log(2) for row in rows if row.log_typical > -np.inf])
    first, last = np.clip([np.floor(tops.min()) - 16, np.ceil(tops.max()) + 8], -1000, 1000)
    powers = np.arange(first, last + 1)
    at = lambda bound, above: counts @ [row.beyond(bound - powers * np.log(2), above) for row in rows] / counts.sum()
    under, over = at(low, False), at(high, True)
    best = int(np.argmin(under + over))  # of NaN, if there is any
    scale = np.nan if np.isnan(under[best] + over[best]) else 2.0 ** float(powers[best])
    return LossScale(scale, float(under[best]), float(over[best]))


__all__ = ["CastShares", "LossScale", "best_loss_scale", "share_below", "underflow_share"]
