"""One causal layer of infinite width against drawn logits, for tokens and cotangents of uneven overlaps."""

import numpy as np
import pytest

from vgtheory.theory.attention.moments import Sizes
from vgtheory.theory.decoders.attention import backward, forward
from vgtheory.theory.decoders.climb import Stream
from vgtheory.theory.decoders.places import places
from vgtheory.theory.decoders.sight import sight

COUNT, DRAWS = 14, 3000


def drawn(kappa: float, tokens: np.ndarray, grads: np.ndarray) -> list[np.ndarray]:
    """Means over drawn logits: outputs, gradient through the values, through the queries, through the keys."""
    rng, root = np.random.default_rng(2), np.linalg.cholesky(tokens)
    later, sums = np.tri(len(tokens), dtype=bool), [np.zeros_like(tokens)] * 4
    for _ in range(DRAWS):
        logits = kappa**0.5 * root @ rng.normal(size=tokens.shape) @ root.T
        share = np.where(later, np.exp(logits), 0.0)
        share /= share.sum(axis=1, keepdims=True)
        slopes = np.einsum("tj,jk->tjk", share, np.eye(len(tokens))) - np.einsum("tj,tk->tjk", share, share)
        seen = slopes @ tokens  # [t, j, k]
        swings = np.einsum("tjk,skj->ts", seen, seen)
        tied = np.einsum("ts,sab->tab", tokens * grads, slopes)
        key = np.einsum("tjk,tka->ja", seen, tied)
        means = share @ tokens @ share.T, share.T @ grads @ share, kappa * grads * swings, kappa * key
        sums = [each + mean / DRAWS for each, mean in zip(sums, means, strict=True)]
    return sums


def uneven(rng: np.random.Generator, least: float, falling: float) -> tuple[np.ndarray, np.ndarray]:
    """Overlaps that fall with the later position, as causal attention makes them, and vary by chance.

    On the diagonal the first has those of a position with itself, and the second those of neighbours.
    """
    at = np.arange(1, COUNT + 1)
    smooth = least + falling / np.maximum.outer(at, at) ** 0.5
    noise = rng.normal(size=(COUNT, 40)) / 40**0.5
    uneven = smooth + 0.1 * (noise @ noise.T) * (1 - np.eye(COUNT))
    return np.where(np.eye(COUNT, dtype=bool), 1.0, uneven), uneven


@pytest.mark.parametrize(("kappa", "longer"), [(0.3, 0.0), (1.0, 0.0), (0.6, 0.25)])
def test_a_layer_is_that_of_drawn_logits(kappa: float, longer: float) -> None:
    """The tokens' differences count to first order, which leaves up to 3 % of a token's gradient, and less of all else.

    Without a norm the first tokens are longer than later ones: here 1.5 times, squared.
    """
    rng, here, sizes = np.random.default_rng(1), places(COUNT), Sizes(0.0, 0.0, is_normed=True)
    (tokens, pairs), (grads, ties) = uneven(rng, 0.1, 0.3), uneven(rng, 0.0, 0.4)
    length = 1 + longer / np.arange(1, COUNT + 1)
    tokens, pairs = (each * np.outer(length, length) / length.mean() ** 2 for each in (tokens, pairs))
    output, value, query, key = drawn(kappa, tokens, grads)
    stream = Stream(np.diag(tokens), pairs, 0 * tokens, 0 * tokens)
    view = sight(here, np.asarray(kappa), stream, sizes)
    found = backward(here, np.asarray(kappa), view, (np.diag(grads), ties), sizes)
    swings = kappa * found.query[0], kappa * found.query[1]
    cases = (
        (forward(here, np.asarray(kappa), view)[:2], output, 0.01),
        (found.tokens, value + query + key, 0.03),
        (swings, query, 0.02),
    )
    for (same, beside), known, within in cases:
        alone, two = np.diag(known)[1:], ~np.eye(COUNT - 1, dtype=bool)
        np.testing.assert_allclose(same[1:], alone, rtol=within)
        off = (beside - known)[1:, 1:][two] / np.sqrt(np.outer(alone, alone))[two]
        assert np.abs(off).max() < 0.015
        assert np.median(np.abs(off)) < 0.003
