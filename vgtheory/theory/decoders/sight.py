r"""What the rows of causal softmax attention see of their tokens.

The logits of row t are Gaussian of covariance :math:`\kappa C_{jk}` over its tokens. A softmax does
not feel what all logits have in common, so that :math:`C` counts as centred by the mean shares
:math:`m_{tj}`. Its part that is proportional to the unit matrix is that of independent logits, for
which the moments of a row are exact at every t. The rest, and the covariance
:math:`\kappa C_{ts} C_{jk}` between two rows, are kept to first order.

===========  ===================================================================  ================
symbol       meaning                                                              shape
===========  ===================================================================  ================
``same``     overlaps of a position with itself                                   (places,)
``size``     mean square of a token                                               (places,)
``pairs``    overlaps of two positions; on the diagonal, of two neighbours        (places, places)
``share``    m, the mean share of a token in a row                                (places, places)
``seen``     sum over j of ``m[t, j] C[j, k]``, k another token than all j        (places, places)
``common``   the same, summed over k with ``m[s, k]``                             (places, places)
``own``      1 - C of a token and its neighbour                                   (places,)
``gap``      1 - C of two tokens of a row, on the mean, as the logits have it     (places,)
``plain``    the same without rotary positions                                    (places,)
``even``     sum of squared mean shares                                           (places,)
``ripple``   variance of C over the pairs of tokens of two rows, centred          (places, places)
``noise``    the same of what a finite stream adds by chance                      (places, places)
``meet``     sum over j of ``m[t, j] m[s, j]``                                    (places, places)
``alike``    by how much this sum grows because the logits of two rows are alike  (places, places)
``stir``     factor of the logits' squared gradient over that of mean shares,
             at one token of two rows                                             (places, places)
``still``    the same at two tokens                                               (places, places)
``sphere``   as in ``Sizes``, by row                                              (places,)
``turns``    factor of the logits' covariance by rotary positions, or None        (places, places)
===========  ===================================================================  ================
"""

from typing import Any, NamedTuple

import numpy as np

from vgtheory.theory.arrays import library
from vgtheory.theory.attention.moments import Sizes
from vgtheory.theory.attention.turns import rates
from vgtheory.theory.decoders.by_count import Moments, moments_at
from vgtheory.theory.decoders.places import Places, over_past


class Sight(NamedTuple):
    """What the rows of one layer see; the table above has the symbols."""

    size: Any
    pairs: Any
    share: Any
    seen: Any
    common: Any
    own: Any
    gap: Any
    plain: Any
    ripple: Any
    noise: Any
    meet: Any
    alike: Any
    stir: Any
    still: Any
    found: Moments
    sphere: Any
    turns: Any


def diagonal(matrix: Any) -> Any:
    """The diagonal, shape (places,)."""
    return library(matrix).diagonal(matrix)


def mean_size(weights: Any, size: Any) -> Any:
    """Mean square of a row's tokens, which is 1 behind a norm, to the last digit."""
    return size[-1] + weights @ (size - size[-1])


def _shares(here: Places, kappa: Any, pairs: Any, size: Any, own: Any, moved: Any) -> Any:
    """Mean shares: a token whose logit goes along with those of many others has less, for it raises them all.

    A long token has logits that vary much, and a larger share on the mean.
    """
    xp = library(pairs)
    uniform = here.past / here.at[:, None].astype(pairs.dtype)
    along = uniform @ pairs + own[None] / here.at[:, None].astype(pairs.dtype)
    along = along - xp.sum(uniform * along, axis=1)[:, None] - (size - size[-1])[None] / 2
    weight = xp.exp(-kappa * (moved * size)[:, None] * along)
    return weight / xp.sum(here.past * weight, axis=1)[:, None]


def _alike(here: Places, variance: Any, found: Moments, pairs: Any) -> tuple[Any, Any, Any]:
    """``alike``, ``stir`` and ``still``: exact for independent rows, and for a row and itself."""
    xp = library(pairs)
    at = here.at.astype(pairs.dtype)
    is_first = np.less_equal.outer(here.at, here.at)
    earlier = lambda each: xp.where(is_first, each[:, None], each[None])
    later = np.maximum.outer(here.at, here.at).astype(pairs.dtype)
    moved = 1 - found.same
    start = xp.outer(moved, moved) * later / np.maximum(later - 1, 1)
    end = earlier((at * found.same - 1) / xp.maximum(xp.expm1(variance), 1e-9))
    tau = xp.sqrt(variance)
    grown = xp.expm1(xp.outer(tau, tau) * pairs)
    alike = grown * (start + pairs * (end - start))
    plain = np.maximum(1 - 1 / at, 0.5)
    still = xp.outer(moved / plain, moved / plain)
    whole = earlier(found.swing / plain / found.same)
    return alike, (1 + alike) * (still + pairs * (whole - still)), still


def _gap(here: Places, pairs: Any, size: Any) -> Any:
    """1 - C of two tokens of a row, on the mean."""
    xp = library(pairs)
    at = here.at.astype(pairs.dtype)
    uniform = here.past / at[:, None]
    twice = diagonal(uniform @ pairs @ uniform.T) - uniform @ diagonal(pairs) / at
    return xp.clip(mean_size(uniform, size) - twice / np.maximum(1 - 1 / at, 0.5), 0.0, 1.0)


def _ripple(weights: Any, seen: Any, common: Any, pairs: Any, along: Any) -> Any:
    """Covariance of ``pairs`` and ``along`` over the pairs of tokens of two rows, centred."""
    moved = seen if along is pairs else weights @ along
    shared = common if along is pairs else moved @ weights.T
    cross = (seen * moved) @ weights.T
    return weights @ (pairs * along) @ weights.T - cross - cross.T + common * shared


def turned(here: Places, head: float) -> np.ndarray:
    """Factor of the covariance of logits whose keys are turned by their positions, shape (places, places).

    Parameters
    ----------
    here
        The places.
    head
        1 over the width of a head; 0 for infinite.
    """
    apart = np.abs(here.at[:, None] - here.at[None]).astype(float)
    # Tokens that one place stands for are a third of its cell apart, on the mean.
    cells = np.gradient(here.at.astype(float)) if len(here.at) > 1 else np.ones(1)
    apart[np.diag_indices(len(apart))] = np.maximum(1.0, cells / 3)
    return np.mean(np.cos(apart[..., None] * rates(head)), axis=-1).astype(here.whole.dtype)


def sight(here: Places, kappa: Any, tokens: Any, sizes: Sizes, turns: Any = None) -> Sight:
    """What the rows see.

    Parameters
    ----------
    here
        The places.
    kappa
        Variance of the logits of uncorrelated tokens.
    tokens
        Overlaps of a token with itself (``same``) and of two tokens (``pairs``), and the variance of the latter over
        networks (``scatter``).
    sizes
        What is finite.
    turns
        As ``turned``, for rotary positions.
    """
    size, pairs, scatter = tokens.same, tokens.pairs, tokens.scatter
    xp = library(pairs)
    along = pairs if turns is None else pairs * turns
    gap, plain = _gap(here, along, size), _gap(here, pairs, size)
    variance = kappa * size * gap + 1e9 * xp.finfo(gap.dtype).tiny
    found = moments_at(variance, here.at, sizes)
    own = size - diagonal(pairs)
    share = _shares(here, kappa, along, size, size - diagonal(along), 1 - found.same)
    root = xp.sqrt(size)
    weights = here.past * share
    seen = weights @ pairs
    common = seen @ weights.T
    return Sight(
        size,
        pairs,
        share,
        seen,
        common,
        own,
        gap,
        plain,
        _ripple(weights, seen, common, pairs, along),
        weights @ scatter @ weights.T,
        over_past(here, share, share),
        *_alike(here, variance, found, along / xp.outer(root, root)),
        found,
        sizes.sphere(plain),
        turns,
    )


__all__ = ["Sight", "diagonal", "mean_size", "sight", "turned"]
