"""Gradients of the scales of residual branches, and the first step of branches that start at zero."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_scalars
from vgtheory.measure.arguments import asked, one_of
from vgtheory.measure.blocks.blocks import Draw, normed, samples
from vgtheory.measure.engine.averages import averaged, over_inputs
from vgtheory.measure.engine.networks import draw_cotangent, draw_input
from vgtheory.measure.engine.runs import chosen_devices, in_format, lanes_for, run
from vgtheory.networks.blocks import Residual


@asked()
def log_grad_alpha_layers(
    key: Array,
    net: Residual,
    *,
    depth: int,
    width: int,
    num_nets: int,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    r"""Log of the gradient with respect to every block's ``alpha``, relative to the top.

    .. math:: \ln \frac{|\partial E / \partial \alpha_l|}{|\partial E / \partial h_L|}, \qquad
        l = 1 \dots L

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype, how
        As for ``measure.log_grad_layers``; ``net`` is a ``Residual`` and ``depth`` counts blocks.

    Returns
    -------
    Estimate
        Mean over networks of the natural log, shape ``(depth,)``; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Residual, measure
    >>> net, size = Residual("tanh", alpha=0.0), {"depth": 8, "width": 64, "num_nets": 4}
    >>> measure.blocks.log_grad_alpha_layers(jax.random.key(0), net, **size).value.shape
    (8,)
    """
    expect(isinstance(net, Residual), "log_grad_alpha_layers", "a Residual ensemble", net=type(net).__name__)
    logs = samples(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how)
    return averaged(over_inputs(logs.log_grad_alpha, how), np.full(depth, depth), dtype)


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    learned: str
    dtype: str


def _branch(net: Residual, draw: Draw, index: Array, h: Array, theta: Array) -> Array:
    """Output of one branch, shape (1, width), whose factor or last matrix is ``theta``."""
    u, last = normed(h, net.norm) if net.norm is not None else h, net.branch_layers - 1
    for layer in range(net.branch_layers):
        x = net.activation.phi(u)
        if layer == last and theta.ndim:
            return x @ theta
        u = draw.times((index - 1) * net.branch_layers + layer + 1, x, jnp.zeros(1, x.dtype))
    return theta * u


def _decrease(words: Array, net: Residual, size: _Size) -> Array:
    """Squared gradients of all that is learned, over the top's."""
    h, top = draw_input(words, size.width, size.dtype, 1), draw_cotangent(words, size.width, size.dtype, 1)
    draw = Draw(net, words, free=False)
    shape = (size.width, size.width) if size.learned == "last" else ()

    def energy(thetas: Array) -> Array:
        block = lambda h, given: (h + _branch(net, draw, given[0], h, given[1]), None)
        return jnp.vdot(top, jax.lax.scan(block, h, (jnp.arange(1, size.depth + 1), thetas))[0])

    down = jax.grad(energy)(jnp.zeros((size.depth, *shape), h.dtype))
    return jnp.sum(down**2) / jnp.sum(top**2) / (size.width if shape else 1)


@asked(learned=one_of(("alpha", "last")))
def first_decrease(
    key: Array,
    net: Residual,
    *,
    depth: int,
    width: int,
    num_nets: int,
    learned: str = "alpha",
    dtype: str = "float32",
    devices: Sequence[jax.Device] | None = None,
) -> Estimate:
    r"""Decrease of the loss by the first gradient step of branches that start at zero.

    .. math:: \sum_l \frac{|\partial E / \partial \theta_l|^2}{|\partial E / \partial h_L|^2}

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype, devices
        As for ``measure.samples``; ``net`` is a ``Residual`` with ``alpha=0``, and ``depth`` counts
        blocks.
    learned
        ``"alpha"``, every branch's factor, or ``"last"``, its last layer.

    Returns
    -------
    Estimate
        Mean over networks, of ``"last"`` over the width; ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Residual, measure
    >>> net, size = Residual.fixup(depth=4), {"depth": 4, "width": 64, "num_nets": 8}
    >>> seen = measure.blocks.first_decrease(jax.random.key(0), net, learned="last", **size)
    >>> bool(abs(seen.value - 0.5) < 0.1)
    True
    """
    where = "first_decrease"
    ok = isinstance(net, Residual) and net.norm != "batch" and (net.norm is None or net.place == "pre")
    expect(ok, where, 'a Residual ensemble without norm, or with place="pre" and no batch norm', net=net)
    zero = not isinstance(net.alpha, str | tuple) and bool(np.all(np.asarray(net.alpha) == 0))
    expect(zero, where, "alpha=0", "Give Residual.skip_init or Residual.fixup.", alpha=net.alpha)
    expect_scalars(where, sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    chosen = chosen_devices(devices)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "devices": chosen}
    how["lanes"] = lanes_for(width**2 * (depth if learned == "last" else 1), num_nets, chosen)
    found = run(_decrease, key, in_format(net, dtype), _Size(depth, width, learned, dtype), **how)
    return averaged(np.asarray(found, np.float64), depth, dtype)
