r"""Overlaps that softmax attention makes of overlaps: outputs forward; queries, keys and values backward.

All tokens are alike: two of them have the correlation c, two of their cotangents the correlation b
(``tie``). Every overlap is a pair of numbers, of a position with itself and with another one. In a
stream of N units the overlaps of the tokens' own parts scatter by a variance of
``scatter`` around their mean. Many tokens feel it: a softmax of T tokens leans towards those that
happen to lie along its query, by a length that does not fall with T. Hence terms of relative order
T / N. There are no higher ones: all sizes are of second order in the tokens' covariance under the
shares, whose part along the query's image is known, and whose other parts no share depends on.

The shares sum to 1, so that the overlaps of all values' cotangents sum to those of the outputs', and
the overlaps of all keys' to 0. A token's value and key see the same cotangents (``cross``): a query
that attends to the token has a large logit with it.

Rotary positions (``turns``) turn queries and keys, not values. What the tokens have in common then
moves logits apart, all the more so the further apart two keys are: to first order in the logits'
variance as an own part would. The tokens that a query favours lie along one direction for each
distance, so that they have less in common.
"""

from typing import Any, NamedTuple

from vgtheory.theory.arrays import library
from vgtheory.theory.attention.moments import Moments
from vgtheory.theory.attention.turns import UNTURNED, Turns, logit_gap, turned_gap, waves

_LEAST = 0.9
"""Power of the least number of a format below which a divisor is held."""


class Scene(NamedTuple):
    """What one layer of attention sees.

    Attributes
    ----------
    gap
        1 - c of its tokens.
    tie
        b of its outputs' cotangents.
    kappa
        Variance of the logits of uncorrelated tokens.
    count
        Number of positions T.
    head
        1 over the width of a head.
    scatter
        Variance of the overlaps of the tokens' own parts.
    sphere
        As ``Sizes.sphere``.
    loose
        1 over the number of units, if the tokens' lengths scatter like those of Gaussian vectors.
    vary
        ln E[(1 - c)^2] / E[1 - c]^2, means over networks.
    turns
        Of rotary positions.
    """

    gap: Any
    tie: Any
    kappa: Any
    count: Any
    head: float
    scatter: Any
    sphere: Any
    loose: Any = 0.0
    vary: Any = 0.0
    turns: Turns = UNTURNED

    @property
    def logit_gap(self) -> Any:
        """1 - c of what a query sees of two keys."""
        return logit_gap(self.gap, self.turns)

    @property
    def turned_gap(self) -> Any:
        """The same of two queries."""
        return turned_gap(self.gap, self.turns)

    @property
    def coherent(self) -> Any:
        """Share of the tokens' lean towards a query that one value sees of another."""
        return self.turns.once * self.gap / _positive(self.logit_gap)


def _positive(gap: Any) -> Any:
    """A divisor of what vanishes with it; the derivative of the ratio is finite at 0."""
    xp = library(gap)
    return xp.maximum(gap, float(xp.finfo(xp.result_type(gap)).tiny) ** _LEAST)


def _stirred(found: Moments, scene: Scene) -> Any:
    """Factor of ``swing`` by the keys' common part, whose logits are waves over the positions."""
    same, moved = waves(scene.gap, scene.kappa, scene.turns, (found.same + found.lean - 1) / found.same)
    return moved / same


class Backward(NamedTuple):
    """Overlaps of the gradient by path, over those of the outputs' cotangents behind W_o; pairs of numbers.

    ``cross`` is what the paths of values and keys have in common.
    """

    query: tuple[Any, Any]
    key: tuple[Any, Any]
    value: tuple[Any, Any]
    cross: tuple[Any, Any]


class Weights(NamedTuple):
    """Squared gradients of a layer's matrices, over T times the squared cotangent behind W_o and their own scales.

    Those of queries and keys are over ``logit_gap`` as well: they fall as its square, below all numbers
    in deep stacks.
    """

    query: Any
    key: Any
    value: Any


def forward(found: Moments, scene: Scene, dropout: Any = 0.0) -> tuple[Any, Any]:
    """Overlaps of the outputs before W_o, for values of unit mean square.

    Parameters
    ----------
    found
        Moments at this gap.
    scene
        What the layer sees.
    dropout
        Probability with which a share is dropped; the others are scaled up.
    """
    gap, scatter = scene.gap, scene.scatter
    noise = dropout / (1 - dropout)
    # A token of a given length that lies along a query has less left in all other directions, and for its common part.
    along = (found.reach - found.same) * scene.sphere / _positive(gap)
    common = (1 - gap) * (1 - along)
    own = found.same * (1 - scatter - (found.far - 1) * scene.sphere) + found.reach * scatter
    own = own - (1 - scene.coherent) * scatter * (found.reach - found.far * found.same)
    other = found.shared + scene.kappa * gap * (found.along + found.images) * scatter
    dropped = found.same * (1 + gap * (found.far - 1) * scene.loose)
    return common + gap * own + noise * dropped, common + gap * other


def _spread(found: Moments, scene: Scene) -> tuple[Any, Any]:
    """Mean squared entries of the tokens' covariance under the shares: all, and those in the row of the image."""
    scatter, far = scene.scatter, found.far * scene.sphere
    beside, lean = 1 - scatter, found.lean * scene.coherent
    within = (found.lean - 2 * found.swing) * (1 - 2 * (found.reach - found.same) * scene.sphere) * scene.coherent
    square = found.swing * _stirred(found, scene) * ((1 - far) ** 2 - scatter) + lean * scatter**2
    return square + (within + 2 * found.pull) * beside * scatter, found.haul * beside + lean * scatter


def _shared(found: Moments, scene: Scene) -> Any:
    """What the covariances of two queries' tokens have in common without any token in common."""
    return (1 - found.same) ** 2 * scene.scatter * scene.turns.twice


def backward(found: Moments, scene: Scene, dropout: Any = 0.0) -> Backward:
    """Overlaps of the gradient with respect to the tokens, by path.

    Parameters
    ----------
    found, scene, dropout
        As in ``forward``.
    """
    gap, tie, kappa, scatter, head = scene.gap, scene.tie, scene.kappa, scene.scatter, scene.head
    others = scene.count - 1
    noise = dropout / (1 - dropout)
    apart = library(others).maximum(others, 1.0)
    tail = tie * others
    square, row = _spread(found, scene)
    behind = 1 - scatter  # the queries' matrix has the token's image for one of its columns
    value = found.same * (1 + noise) + tail * found.shared
    uneven = 1 + gap * (found.far - 1) * scene.loose
    around = (found.far - 1) * scene.sphere + scatter
    kicks = (1 - head) * (
        found.swing * _stirred(found, scene) * (1 - around) + found.pull * scatter
    ) + head * found.haul
    own_query = behind * ((1 - head) * square + head * row) + scatter * row
    query = (
        kappa
        * scene.logit_gap
        * (gap * own_query + noise * uneven * found.loud * (behind * kicks + scatter * found.haul))
    )
    own_key = found.swung * (1 - around) + found.pulled * scatter
    turned = scene.turned_gap / _positive(gap)
    between = found.images * (1 + kappa * gap * (1 - gap) * scatter)
    key = kappa * (gap * (own_key + tail * between) + noise * uneven * found.heard * found.swung)
    once, both = scene.turns.once, scene.turns.twice / scene.turns.once
    key_other = kappa * (
        gap * (own_key * once + tail * between * both) + noise * uneven * found.heard * found.swung * once
    )
    # The values' mean does not see all of the direction along which a turned key leans.
    astray = (1 - found.same) * (1 - once)
    tilt = found.tilt + astray * (found.same + tail * found.shared)
    cross = 2 * kappa * gap * (tilt + tail * found.images + 2 * noise * found.swung) * scatter
    astray = 2 * kappa * gap * astray * scatter * (1 + tail)
    return Backward(
        (query, kappa * gap**2 * tie * (found.joint * turned + _shared(found, scene))),
        (key, -key_other / apart),
        (value, (1 + others * tie + noise * found.same - value) / apart),
        (cross, (astray - cross) / apart),
    )


def weights(found: Moments, scene: Scene, dropout: Any = 0.0) -> Weights:
    """Squared gradients of the matrices.

    Parameters
    ----------
    found, scene, dropout
        As in ``forward``.
    """
    gap, head = scene.gap, scene.head
    tail = (scene.count - 1) * scene.tie
    noise = dropout / (1 - dropout)
    square, row = _spread(found, scene)
    around, noise = scene.logit_gap, noise * _stirred(found, scene)
    twice = tail * scene.turned_gap / _positive(around)
    shared = tail * (1 - gap) * _shared(found, scene) * (gap / _positive(around))
    same, other = forward(found, scene, dropout)
    spread = gap * library(gap).exp(scene.vary)
    query = (1 - head) * square + head * row + twice * found.tokens + shared
    key = square + found.long - found.swing + twice * found.queries + shared
    return Weights(
        spread * query + noise * found.swing,
        spread * key + noise * found.long,
        same + tail * other,
    )


def inherited(found: Moments, scene: Scene) -> Any:
    """Change of the overlap of two outputs with that of two tokens' own parts, which have unit mean square.

    Parameters
    ----------
    found, scene
        As in ``forward``.
    """
    turned = scene.turned_gap / _positive(scene.gap)
    return scene.kappa * scene.gap**2 * (found.shared * turned + scene.scatter * scene.turns.twice)


__all__ = ["Backward", "Scene", "Weights", "backward", "forward", "inherited", "weights"]
