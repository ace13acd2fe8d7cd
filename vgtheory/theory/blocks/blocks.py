"""Profiles over depth of chains of residual blocks and of normalised layers, at infinite width and, where there is a law, below."""

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.estimate import Law
from vgtheory.expect import expect, expect_count, expect_scalars
from vgtheory.networks.blocks import BLOCKS, Blocks, Normed, Residual, alpha_of
from vgtheory.theory.blocks import normed, residual, residual_width
from vgtheory.theory.blocks.residual import Profile
from vgtheory.theory.width.chi_square import sides

_LOG_NORMAL = Law(-(np.euler_gamma + np.log(2)) / 2, np.pi / 8**0.5)
"""Of ln |z|, z standard normal."""


def _walked(where: str, net: Blocks, depth: int, width: int | None = None) -> Profile:
    """Check the question and walk the blocks."""
    expect_count(where, depth=depth)
    if width is not None:
        expect_count(where, width=width)
    expect_scalars(
        where,
        sigma_w=net.sigma_w,
        sigma_b=net.sigma_b,
        alpha=alpha_of(net, depth) if isinstance(net, Residual) else 0.0,
    )
    return normed.profile(net, depth) if isinstance(net, Normed) else residual.profile(net, depth)


def _is_straight(net: Blocks) -> bool:
    """Whether there is a law at finite width."""
    plain = isinstance(net, Residual) and net.norm is None and net.branch_layers == 1
    unbiased = isinstance(net.sigma_b, float | int) and net.sigma_b == 0
    return plain and unbiased and sides(net.activation) is not None


def _law(where: str, net: Blocks, log_square: jax.Array, depth: int, width: int | None, of_grad: bool) -> Law:
    """Law of the log of a mean square whose value at infinite width is given."""
    if width is None:
        return Law(log_square, jnp.zeros_like(log_square))
    slopes = sides(net.activation)
    if not _is_straight(net) or slopes is None or not isinstance(net, Residual):
        return Law(log_square, jnp.full_like(log_square, jnp.inf))
    scales = {"sigma_w": net.sigma_w, "alpha": alpha_of(net, depth)}
    for name, value in scales.items():
        expect(
            not isinstance(value, jax.core.Tracer),
            where,
            f"a number {name} that is known, with a width",
            **{name: value},
        )
    beta2 = float(scales["sigma_w"] * scales["alpha"]) ** 2
    counts = np.arange(depth - 1, -1, -1) if of_grad else np.arange(1, depth + 1)
    if slopes[0] == slopes[1]:
        block = residual_width.log_block_law(beta2 * slopes[0] ** 2, width)
        return Law(
            jnp.asarray(counts * block.mean, log_square.dtype), jnp.asarray(counts**0.5 * block.std, log_square.dtype)
        )
    order = (residual_width.log_grad_law if of_grad else residual_width.log_q_law)(beta2, slopes, depth, width)
    return Law(log_square + jnp.asarray(order.mean, log_square.dtype), jnp.asarray(order.std, log_square.dtype))


def grad_law(where: str, net: Blocks, depth: int, width: int | None) -> Law:
    """``profiles.log_grad_layers`` of blocks.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    net
        The ensemble.
    depth, width
        Numbers of blocks and units.
    """
    law = _law(where, net, _walked(where, net, depth, width).log_grad, depth, width, True)
    return Law(law.mean / 2, law.std / 2)


def q_law(where: str, net: Blocks, depth: int, width: int | None) -> Law:
    """``profiles.log_q_layers`` of blocks.

    Parameters
    ----------
    where, net, depth, width
        As ``grad_law``.
    """
    return _law(where, net, _walked(where, net, depth, width).log_q, depth, width, False)


__all__ = ["BLOCKS", "grad_law", "q_law"]
