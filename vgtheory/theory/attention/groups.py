"""Squared gradients of a block's matrices, from the overlaps of its tokens and gradients."""

from typing import Any

from vgtheory.theory.arrays import library
from vgtheory.theory.attention.climb import Block, Facts, Widths, scene_of
from vgtheory.theory.attention.overlaps import weights
from vgtheory.theory.attention.stack import Grads, behind
from vgtheory.theory.precision import Values


def log_weights(facts: Facts, widths: Widths, stack: Block, grads: Grads) -> dict[str, Values]:
    """Logs of the squared gradients of every block's matrices, of one common scale, each of shape (depth,).

    Parameters
    ----------
    facts, widths, stack, grads
        As ``profile`` gives them.
    """
    return _of_attention(facts, widths, stack, grads) | _of_mlp(facts, widths, stack, grads)


def _of_attention(facts: Facts, widths: Widths, stack: Block, grads: Grads) -> dict[str, Values]:
    xp, net, token = library(facts), facts.net, stack.attention.token
    log_a, tie = grads.attention
    scene = scene_of(facts, widths, token, behind(net, tie))
    found, around = weights(stack.found, scene, net.dropout), xp.log(scene.logit_gap)
    at = log_a + xp.log(stack.attention.out)
    rest = at + xp.log(net.sigma_o**2 * net.sigma_v**2 * token.size)
    logits = rest - 2 * xp.log(net.sigma_qk) if net.is_qk_normed else rest + xp.log(net.sigma_qk**2 * token.size**2)
    # A query of one length has no gradient along itself, nor has a key.
    along = found.query * (1 - widths.head), found.key * (1 - widths.head)
    query, key = along if net.is_qk_normed else (found.query, found.key)
    return {
        "query": logits + around + xp.log(query),
        "key": logits + around + xp.log(key),
        "value": at + xp.log(net.sigma_o**2 * token.size * found.value),
        "output": at + xp.log(net.sigma_v**2 * token.size * found.value),
    }


def _of_mlp(facts: Facts, widths: Widths, stack: Block, grads: Grads) -> dict[str, Values]:
    xp, net, token, hidden = library(facts), facts.net, stack.mlp.token, stack.hidden
    log_a, tie = grads.mlp
    tail = (facts.positions - 1) * behind(net, tie)
    at = log_a + xp.log(stack.mlp.out)
    into = at + xp.log(net.sigma_2**2 * token.size)
    summed = lambda pair: xp.log(pair[0] + tail * (1 - token.gap) * pair[1])
    out = xp.log(widths.ratio * (hidden.same + tail * (hidden.same - hidden.own)))
    found: dict[str, Any] = {"mlp_in": into + summed(hidden.into), "mlp_out": at + out}
    return found | ({"mlp_gate": into + summed(hidden.gate)} if net.is_gated else {})


__all__ = ["log_weights"]
