r"""Chains of residual blocks and of normalised layers: profiles over depth, and the rate of batch norm."""

import jax.numpy as jnp
from jax import Array

from vgtheory.activation import Activation
from vgtheory.blocks import Blocks, Normed
from vgtheory.estimate import Law
from vgtheory.expect import expect, expect_count
from vgtheory.theory import gaussian, residual
from vgtheory.theory.batch import batch_rates
from vgtheory.theory.precision import floats
from vgtheory.theory.residual import Profile, from_top, log_squares


def _mean(log_q: Array, activation: Activation) -> Array:
    """E phi at one ln q."""
    q = gaussian.settled(jnp.exp(log_q), activation)
    return gaussian.mean(lambda z: activation.phi(jnp.sqrt(q) * z), q, activation.kinks)


def _stacked(first: Array, others: Array, depth: int) -> Array:
    """The first layer's value, then the others'."""
    return jnp.where(jnp.arange(depth) == 0, first, others)


def _units(net: Normed, scales: list[Array], depth: int) -> Profile:
    """Layer or RMS norm."""
    sigma_w, sigma_b = scales
    start, log_w = jnp.log(sigma_w**2 + sigma_b**2), 2 * jnp.log(sigma_w)
    log_f, log_g = log_squares(start if net.place == "after" else jnp.zeros_like(start), net.activation)
    if net.place == "after":
        if net.norm == "layer":
            log_f = jnp.log(jnp.exp(log_f) - _mean(start, net.activation) ** 2)
        log_q, log_chi = jnp.broadcast_to(start, (depth,)), jnp.broadcast_to(log_w + log_g - log_f, (depth,))
    else:
        log_q = _stacked(start, jnp.log(sigma_w**2 * jnp.exp(log_f) + sigma_b**2), depth)
        log_chi = jnp.concatenate([log_q[:1], log_w + log_g - log_q[:-1]])
    return Profile(log_q, from_top(log_chi), log_q)


def _inputs(net: Normed, scales: list[Array], depth: int) -> Profile:
    """Batch norm: the first layer sees the data's variance, the last a gradient that is independent from input to input."""
    (sigma_w, sigma_b), rates = scales, batch_rates(net.activation, net.batch)
    log_chi = jnp.full((depth,), float(jnp.log(rates.seen)), sigma_w.dtype)
    apart = float(jnp.log((rates.seen + rates.unseen) * (net.batch - 1) / net.batch / rates.seen))
    log_chi = log_chi.at[depth - 1].add(apart).at[1 % depth].add(float(jnp.log(rates.variance)))
    log_q = jnp.log(sigma_w**2 * jnp.asarray([1.0, rates.square], sigma_w.dtype) + sigma_b**2)
    log_q = _stacked(log_q[0], log_q[1], depth)
    return Profile(log_q, from_top(log_chi), log_q)


def walked_blocks(where: str, net: Blocks, depth: int, width: int | None) -> Profile:
    """Check the question and walk the blocks.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    net
        The ensemble.
    depth, width
        Numbers of blocks and units.
    """
    expect_count(where, depth=depth)
    if width is not None:
        expect_count(where, width=width)
    scales = floats(net.sigma_w, net.sigma_b)
    scalar = scales[0].ndim == scales[1].ndim == 0
    expect(scalar, where, "scalar sigma_w and sigma_b", "Use jax.vmap.", sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    if not isinstance(net, Normed):
        return residual.profile(net, depth)
    return _inputs(net, scales, depth) if net.norm == "batch" else _units(net, scales, depth)


def log_grad_layers(where: str, net: Blocks, depth: int, width: int | None) -> Law:
    """``profiles.log_grad_layers`` of blocks.

    Parameters
    ----------
    where, net, depth, width
        As ``walked_blocks``.
    """
    mean = walked_blocks(where, net, depth, width).log_grad / 2
    return Law(mean, jnp.zeros_like(mean))


def log_q_layers(where: str, net: Blocks, depth: int, width: int | None) -> Law:
    """``profiles.log_q_layers`` of blocks.

    Parameters
    ----------
    where, net, depth, width
        As ``walked_blocks``.
    """
    mean = walked_blocks(where, net, depth, width).log_q
    return Law(mean, jnp.zeros_like(mean))
