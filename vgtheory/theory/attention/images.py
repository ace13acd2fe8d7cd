r"""Lengths and overlaps of what the queries' matrix and the keys' make of tokens, and rules to average over them.

The logits of query i are :math:`p_i \cdot x_j` with the image :math:`p = \sigma_{qk}^2 W_k^T W_q x / \sqrt d`
of its token in a stream of N units. Gaussian matrices turn one token's image in any direction, which no
token knows: given the image of query i, the logits of all tokens' own parts are independent and Gaussian
of the variance :math:`\sigma_{qk}^4 (1 - c) v`. Here v = a r s is the product of three independent
chi-square variables over their degrees of freedom: N for the token's squared length (a), d for the
query's (r), and N for the image's (s). The image of another token is c times that of the first plus that
of an independent token, which lies along the first by ``turn`` times its length.

==========  ============================================================================  ==========
symbol      meaning                                                                       shape
==========  ============================================================================  ==========
``square``  v at the nodes of a rule                                                      (nodes,)
``weight``  weights of the rule                                                           (nodes,)
``token``   mean of a at each node                                                        (nodes,)
``query``   mean of a r at each node                                                      (nodes,)
``key``     mean of s at each node                                                        (nodes,)
``spread``  standard deviation of ``turn`` at each node                                   (nodes,)
``others``  ``turn`` over ``spread``, the rest of the other's squared length, and weight  (others, 3)
==========  ============================================================================  ==========
"""

import functools
from typing import Any, NamedTuple

import numpy as np
import scipy

ROWS, PAIRS = 5, 3
"""Nodes of v for moments of one softmax and of two."""
_FINE = 10
"""Nodes of each chi-square variable, of which rules for their product are made."""
_TURNS, _REST = 3, 2


class Sizes(NamedTuple):
    """What is finite; hashable.

    Attributes
    ----------
    head
        1 over the width of a head; 0 for infinite.
    stream
        1 over the width of the stream; 0 for infinite.
    is_normed
        Whether all tokens have one length, and not that of Gaussian vectors.
    """

    head: float
    stream: float
    is_normed: bool

    @property
    def lengths(self) -> float:
        """Half the relative variance of v, to first order."""
        return self.head + self.stream + self.token

    @property
    def angles(self) -> float:
        """Variance of the correlation of two queries' logits."""
        return self.head + 2 * self.stream

    @property
    def token(self) -> float:
        """Half the relative variance of a token's squared length."""
        return 0.0 if self.is_normed else self.stream

    def sphere(self, gap: Any) -> Any:
        """1 over the units of own parts of one length; with a common part they have it in part only."""
        return gap**2 * (self.stream if self.is_normed else 0.0)


class Lengths(NamedTuple):
    """A rule for v; the table above has the symbols."""

    square: np.ndarray
    weight: np.ndarray
    token: np.ndarray
    query: np.ndarray
    key: np.ndarray
    spread: np.ndarray


def _chi_square(inverse: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss's nodes and weights for a chi-square variable over its degrees of freedom, 1 / inverse."""
    if inverse == 0:
        return np.ones(1), np.ones(1)
    order, alpha = np.arange(_FINE), 0.5 / inverse - 1
    diagonal, beside = 2 * order + 1 + alpha, np.sqrt(order[1:] * (order[1:] + alpha))
    nodes, vectors = scipy.linalg.eigh_tridiagonal(diagonal, beside)
    return nodes * 2 * inverse, vectors[0] ** 2


def _grid(inverses: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Independent chi-square variables, shape (number, points), and the weights of the points."""
    rules = [_chi_square(inverse) for inverse in inverses]
    nodes, weights = (np.stack(np.meshgrid(*each, indexing="ij")) for each in zip(*rules, strict=True))
    return nodes.reshape(len(rules), -1), np.prod(weights, axis=0).ravel()


def _rule(values: np.ndarray, weights: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss's nodes and weights for a discrete measure: orthogonal polynomials by Stieltjes' recursion."""
    if len(values) == 1:
        return values, weights
    before, now, last = np.zeros_like(values), np.ones_like(values), 1.0
    diagonal, beside = [], []
    for _ in range(order):
        size = weights @ now**2
        diagonal.append(weights @ (values * now**2) / size)
        beside.append(size / last)
        before, now, last = now, (values - diagonal[-1]) * now - beside[-1] * before, size
    nodes, vectors = scipy.linalg.eigh_tridiagonal(np.array(diagonal), np.sqrt(np.array(beside[1:])))
    return nodes, vectors[0] ** 2


@functools.lru_cache(64)
def lengths(sizes: Sizes, order: int) -> Lengths:
    """Gauss's rule for v, exact for polynomials of degree 2 ``order`` - 1.

    Parameters
    ----------
    sizes
        What is finite.
    order
        Number of nodes; without any finite size, one is enough.
    """
    (token, query, key), weights = _grid((sizes.token, sizes.head, sizes.stream))
    v = token * query * key
    nodes, weight = _rule(v, weights, order)
    # Means at a node are those with Lagrange's polynomial of that node.
    apart = lambda k: np.delete(nodes, k)[:, None]
    basis = np.array([np.prod((v - apart(k)) / (nodes[k] - apart(k)), axis=0) for k in range(len(nodes))])
    mean = lambda values: basis @ (weights * values) / weight
    stream, head = sizes.stream, sizes.head
    turns = mean(query * key) * stream + mean(key) * (1 - stream) * head + (1 - stream) * (1 - head) * stream
    return Lengths(nodes, weight, mean(token), mean(token * query), mean(key), np.sqrt(np.maximum(turns, 0.0)))


@functools.lru_cache(64)
def others(sizes: Sizes) -> np.ndarray:
    """Rule for the image of an independent token, seen from that of another, shape (others, 3).

    Parameters
    ----------
    sizes
        What is finite.
    """
    stream, head = sizes.stream, sizes.head
    left = [1 / (1 / each - 1) if each else 0.0 for each in (sizes.token, head, stream)]
    factors, weights = _grid((left[0], left[1], left[2]))
    rest, weight = _rule(np.prod(factors, axis=0), weights, _REST)
    rest = rest * (1 - stream) ** 2 * (1 - head)
    turns, chances = np.polynomial.hermite_e.hermegauss(_TURNS if sizes.angles else 1)
    chances = chances / chances.sum()
    return np.array(
        [[t, u, p * w] for t, p in zip(turns, chances, strict=True) for u, w in zip(rest, weight, strict=True)]
    )


__all__ = ["PAIRS", "ROWS", "Lengths", "Sizes", "lengths", "others"]
