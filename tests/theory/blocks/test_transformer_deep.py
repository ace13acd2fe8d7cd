"""Tokens that agree to more digits than any number holds: gradients of queries and keys far down a post-norm stack."""

import numpy as np
import pytest

from vgtheory import Transformer, theory


@pytest.mark.optimised
def test_queries_keep_falling_at_one_rate_where_tokens_agree_beyond_all_digits() -> None:
    """1 - c falls by one factor per block; the gradient of queries, nearly as it does, down to e^-650 and below."""
    net = Transformer("gelu", heads=8, place="post")
    groups = theory.blocks.log_grad_groups(net, depth=1000, positions=32, width=256)
    for name in ("query", "key"):
        steps = np.diff(groups[name].mean)
        assert np.all(np.isfinite(steps))
        np.testing.assert_allclose(steps[60:-60], np.median(steps), rtol=0.01)
    assert groups["query"].mean[-60] < -600
