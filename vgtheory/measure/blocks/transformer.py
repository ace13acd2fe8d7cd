"""Gradients through real transformer blocks, by automatic differentiation in the log domain."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_scalars
from vgtheory.frame import frame_of_nets
from vgtheory.measure.arguments import asked, count, number
from vgtheory.measure.attention.block import Layer, block, drawn
from vgtheory.measure.engine.averages import averaged, from_top
from vgtheory.measure.engine.dispatch import measures
from vgtheory.measure.engine.draws import COTANGENT, INPUT, normal
from vgtheory.measure.engine.runs import chosen_devices, in_format, run
from vgtheory.measure.engine.taps import log_norm, tap
from vgtheory.networks.transformer import SCALES, Transformer, branch_factor

if TYPE_CHECKING:
    import pandas


class TransformerLogs(NamedTuple):
    """Log-norms of stacks of transformer blocks, one by one: natural logs, float64.

    Every array has the shape ``(num_nets, depth)``.

    Attributes
    ----------
    log_q
        Log of the mean square of the stream after each block, over positions and units.
    log_grad
        Log of ``|dE/dh_l| / |dE/dh_depth|``, norms over all positions.
    log_grad_groups
        By matrix, log of ``|dE/dW| / |dE/dh_depth|`` in each block.
    """

    log_q: np.ndarray
    log_grad: np.ndarray
    log_grad_groups: dict[str, np.ndarray]

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table with a row for each block of each network, as a ``pandas.DataFrame``.

        The gradient of each matrix has a column, ``log_grad_query`` and so on.
        """
        groups = {f"log_grad_{name}": logs for name, logs in self.log_grad_groups.items()}
        columns = {"log_q": self.log_q, "log_grad": self.log_grad, **groups}
        return frame_of_nets(self, {"layer": np.arange(1, self.log_q.shape[1] + 1)}, columns)


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    positions: int
    dtype: str


def _one(words: Array, given: tuple[Transformer, Array], size: _Size) -> tuple[Array, Array, dict[str, Array]]:
    """Mean squares, log-factors of the stream's gradient per block, and log-norms by matrix."""
    (net, c_0), (depth, width, positions, dtype) = given, size
    tokens = normal(words, INPUT, 0, (positions + 1, width), dtype)
    x_0 = jnp.sqrt(1 - c_0) * tokens[1:] + jnp.sqrt(c_0) * tokens[:1]
    x_0 = x_0 * lax.rsqrt(jnp.mean(x_0**2, axis=1, keepdims=True))
    _, top = log_norm(normal(words, COTANGENT, 0, (positions, width), dtype))

    def link(x: Array, inputs: tuple[Array, Array, dict[str, Array]]) -> tuple[Array, Array]:
        index, slot, slots = inputs
        layer = Layer(words, index, drawn(words, net, index, width, dtype), slots)
        after = block(net, tap(x, slot), layer)
        return after, jnp.mean(lax.stop_gradient(after) ** 2)

    def energy(slots: tuple[Array, dict[str, Array]]) -> tuple[Array, Array]:
        # Weights are drawn again in the backward pass; if kept, they would fill the memory.
        end, squares = lax.scan(jax.checkpoint(link, prevent_cse=False), x_0, (jnp.arange(depth), *slots))
        return jnp.vdot(top, end), squares

    zeros = jnp.zeros(depth, dtype)
    (rows, groups), squares = jax.grad(energy, has_aux=True)((zeros, dict.fromkeys(net.groups, zeros)))
    return squares, rows, groups


@measures(Transformer)
@asked(positions=count(), c_0=number("[0, 1]"))
def samples(
    key: Array,
    net: Transformer,
    *,
    depth: int,
    width: int,
    num_nets: int,
    positions: int,
    c_0: ArrayLike = 0.0,
    dtype: str = "float32",
    devices: Sequence[jax.Device] | None = None,
) -> TransformerLogs:
    """Log-norms in stacks of real transformer blocks; parameters as for ``measure.samples``.

    Each network has one sequence and weights of its own. ``width`` must be a multiple of the number
    of heads.

    Notes
    -----
    Accuracy: a few roundings of ``dtype`` per block.
    Assumes: nothing.
    """
    where = "samples"
    net = net.replace(alpha=branch_factor(net, depth))
    expect_scalars(where, alpha=net.alpha, **{name: getattr(net, name) for name in SCALES})
    expect(width % net.heads == 0, where, f"a width that is a multiple of heads={net.heads}", width=width)
    size, chosen = _Size(depth, width, positions, dtype), chosen_devices(devices)
    given = in_format((net, c_0), dtype)
    squares, rows, groups = run(_one, key, given, size, num_nets=num_nets, dtype=dtype, devices=chosen)
    # The tap at the input of a block belongs to the stream after the block below.
    log_grad = from_top(np.pad(np.asarray(rows, float)[:, 1:], ((0, 0), (0, 1))))
    return TransformerLogs(
        np.log(squares.astype(float)), log_grad, {name: leaf.astype(float) + log_grad for name, leaf in groups.items()}
    )


@asked(positions=count(), c_0=number("[0, 1]"))
def log_grad_groups(
    key: Array, net: Transformer, *, depth: int, width: int, num_nets: int, dtype: str = "float32", **how: Any
) -> dict[str, Estimate]:
    r"""Log-norm of the gradient with respect to each matrix of each transformer block.

    .. math:: \ln \frac{|\partial E / \partial W_{g,l}|_F}{|\partial E / \partial W_{2,L}|_F},
        \qquad l = 1 \dots L

    ``W_{2,L}`` is the second matrix of the perceptron in the last block (``"mlp_out"``).

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``; ``net`` is a ``Transformer`` and ``depth`` counts
        blocks.
    how
        ``positions``, ``c_0``, ``devices`` of ``measure.samples``.

    Returns
    -------
    dict
        By matrix, an ``Estimate`` of shape ``(depth,)``: mean over networks of the natural log;
        ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Transformer, measure
    >>> size = {"depth": 2, "width": 16, "num_nets": 3, "positions": 4}
    >>> net = Transformer("relu", heads=2)
    >>> groups = measure.blocks.log_grad_groups(jax.random.key(0), net, **size)
    >>> float(groups["mlp_out"].value[-1])
    0.0
    """
    logs = samples(key, net, depth=depth, width=width, num_nets=num_nets, dtype=dtype, **how).log_grad_groups
    top = logs["mlp_out"][:, -1:]
    return {name: averaged(each - top, np.full(depth, depth), dtype) for name, each in logs.items()}
