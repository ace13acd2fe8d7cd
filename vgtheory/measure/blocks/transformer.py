"""Gradients through real transformer blocks, by automatic differentiation in the log domain."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_flag, expect_scalars
from vgtheory.frame import frame_of_nets
from vgtheory.measure.arguments import asked, count, number
from vgtheory.measure.attention.block import Layer, block, drawn, norm_of, product
from vgtheory.measure.engine.averages import averaged, from_top, half_log_of_mean
from vgtheory.measure.engine.dispatch import measures
from vgtheory.measure.engine.draws import COTANGENT, INPUT, WEIGHTS, normal, signed_uniform
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


class Size(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    positions: int
    dtype: str


def _one(words: Array, given: tuple[Transformer, Array], size: Size) -> tuple[Array, Array, dict[str, Array]]:
    """Mean squares, log-factors of the stream's gradient per block, and log-norms by matrix."""
    (net, c_0), (_, width, positions, dtype) = given, size
    _, top = log_norm(normal(words, COTANGENT, 0, (positions, width), dtype))
    return _gradients(words, net, inputs_of(words, c_0, size), top, size)[1:]


def inputs_of(words: Array, c_0: Array, size: Size) -> Array:
    """Tokens of one length and of correlation ``c_0``.

    Parameters
    ----------
    words
        Key of the network.
    c_0
        Correlation of two positions.
    size
        Static arguments.
    """
    tokens = normal(words, INPUT, 0, (size.positions + 1, size.width), size.dtype)
    x_0 = jnp.sqrt(1 - c_0) * tokens[1:] + jnp.sqrt(c_0) * tokens[:1]
    return x_0 * lax.rsqrt(jnp.mean(x_0**2, axis=1, keepdims=True))


def _gradients(
    words: Array, net: Transformer, x_0: Array, top: Array, size: Size
) -> tuple[Array, Array, Array, dict[str, Array]]:
    """The top's stream, mean squares, log-factors of the gradient per block, and log-norms by matrix."""
    depth, width, _, dtype = size

    def link(x: Array, inputs: tuple[Array, Array, dict[str, Array]]) -> tuple[Array, Array]:
        index, slot, slots = inputs
        layer = Layer(words, index, drawn(words, net, index, width, dtype), slots)
        after = block(net, tap(x, slot), layer)
        return after, jnp.mean(lax.stop_gradient(after) ** 2)

    def energy(slots: tuple[Array, dict[str, Array]]) -> tuple[Array, tuple[Array, Array]]:
        # Weights are drawn again in the backward pass; if kept, they would fill the memory.
        end, squares = lax.scan(jax.checkpoint(link, prevent_cse=False), x_0, (jnp.arange(depth), *slots))
        return jnp.vdot(top, end), (end, squares)

    zeros = jnp.zeros(depth, dtype)
    (rows, groups), (end, squares) = jax.grad(energy, has_aux=True)((zeros, dict.fromkeys(net.groups, zeros)))
    return end, squares, rows, groups


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
    size, chosen = Size(depth, width, positions, dtype), chosen_devices(devices)
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


class _Model(NamedTuple):
    """Static arguments of the compiled program."""

    size: Size
    classes: int
    is_tied: bool


def _below_cross_entropy(
    words: Array, given: tuple[Transformer, Array, Array], model: _Model
) -> tuple[Array, Array, Array, dict[str, Array]]:
    """Log-norms of the head's gradient and of the stream's at the top, log-factors below, log-norms by matrix."""
    (net, c_0, sigma), (size, classes, is_tied) = given, model
    x_0 = inputs_of(words, c_0, size)
    head = normal(words, WEIGHTS, size.depth * len(net.groups), (classes, size.width), size.dtype)
    head = head.at[: size.positions].set(x_0) if is_tied else head
    head = (sigma * head * np.asarray(size.width**-0.5, size.dtype)).astype(size.dtype)
    drawn = signed_uniform(words, COTANGENT, 0, (size.positions,), size.dtype)[0]
    targets = jnp.minimum((drawn * classes).astype(int), classes - 1)
    read = (lambda x: x) if net.place == "post" else norm_of(net)

    def loss(end: Array, head: Array) -> Array:
        logs = jax.nn.log_softmax(product(read(end), head.T))
        return -jnp.mean(jnp.take_along_axis(logs, targets[:, None], axis=1))

    # The stream at the top does not depend on the gradient there.
    end = _gradients(words, net, x_0, x_0, size)[0]
    top, of_head = (log_norm(each) for each in jax.grad(loss, argnums=(0, 1))(end, head))
    return of_head[0], top[0], *_gradients(words, net, x_0, top[1], size)[2:]


@asked(positions=count(), classes=count(2), sigma_head=number("(0, 2.5]"), c_0=number("[0, 1]"), is_tied=expect_flag)
def log_grad_cross_entropy(
    key: Array,
    net: Transformer,
    *,
    depth: int,
    width: int,
    positions: int,
    classes: int,
    num_nets: int,
    sigma_head: float = 1.0,
    c_0: float = 0.0,
    is_tied: bool = False,
    dtype: str = "float32",
    devices: Any = None,
) -> dict[str, Estimate]:
    """Log-norms of the weight gradients of real language models at initialisation.

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``; ``net`` is a ``Transformer`` and ``depth`` counts
        blocks.
    positions, classes, sigma_head, c_0, is_tied
        As in ``theory.blocks.log_grad_cross_entropy``.
    devices
        As for ``measure.samples``.

    Returns
    -------
    dict
        By matrix, an ``Estimate`` of half the log of the mean square over networks, shape ``(depth,)``;
        and ``head``, of shape ``()``. ``err`` is one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Transformer, measure
    >>> size = {"depth": 2, "width": 16, "positions": 4, "classes": 100, "num_nets": 3}
    >>> found = measure.blocks.log_grad_cross_entropy(jax.random.key(0), Transformer(heads=2), **size)
    >>> found["query"].value.shape
    (2,)
    """
    where = "log_grad_cross_entropy"
    net = net.replace(alpha=branch_factor(net, depth))
    expect_scalars(where, alpha=net.alpha, **{name: getattr(net, name) for name in SCALES})
    expect(width % net.heads == 0, where, f"a width that is a multiple of heads={net.heads}", width=width)
    expect(
        not is_tied or classes >= positions, where, f"as many as positions={positions} for a tied head", classes=classes
    )
    model, chosen = _Model(Size(depth, width, positions, dtype), classes, is_tied), chosen_devices(devices)
    given = in_format((net, c_0, sigma_head), dtype)
    of_head, top, rows, groups = run(
        _below_cross_entropy, key, given, model, num_nets=num_nets, dtype=dtype, devices=chosen
    )
    below = from_top(np.pad(np.asarray(rows, float)[:, 1:], ((0, 0), (0, 1)))) + np.asarray(top, float)[:, None]
    averaged = functools.partial(half_log_of_mean, dtype=dtype)
    links = np.full(depth, depth)
    found = {name: averaged(leaf.astype(float) + below, links) for name, leaf in groups.items()}
    head = averaged(np.asarray(of_head, float)[:, None], np.ones(1, int))
    return found | {"head": Estimate(head.value[0], head.err[0])}
