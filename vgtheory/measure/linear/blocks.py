"""Stream and gradient through stacks of blocks of a linear recurrence, pulled back block by block."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked, count, number, one_of, optional
from vgtheory.measure.engine.taps import length_of
from vgtheory.measure.linear.inputs import spectrum_root, stationary
from vgtheory.measure.linear.modules import GATES, RecurrentBlock
from vgtheory.networks.linear_recurrence import LinearRecurrence

_checks = {
    "gate": one_of(GATES),
    "alpha": number("[0, 1e6]", ndim=0),
    "num_states": optional(count()),
    "steps": count(2),
    "num_nets": count(2),
}


def _applied(graph: Any, params: Any, x: Array) -> Array:
    return nnx.merge(graph, params)(x)


_forward = jax.jit(_applied, static_argnums=0)


def _pull(graph: Any, params: Any, x: Array, cotangent: Array) -> tuple[Array, Array]:
    """The gradient below a block over its norm, and the log of that norm."""
    below = jax.vjp(lambda x: _applied(graph, params, x), x)[1](cotangent)[0]
    size, unit = length_of(below)
    return unit, jnp.log(size)


_pulled = jax.jit(_pull, static_argnums=0)


def _one(key: Array, net: LinearRecurrence, depth: int, width: int, steps: int, how: dict[str, Any]) -> np.ndarray:
    """Logs of the stream's mean square and of the gradient's square at every block, shape (2, depth + 1)."""
    root = jnp.asarray(spectrum_root(np.asarray(net.correlation, float), 2 * steps), jnp.float32)
    inputs = jax.vmap(lambda key: stationary(key, root, steps))(jax.random.split(jax.random.fold_in(key, 0), width)).T
    blocks = [
        nnx.split(RecurrentBlock(net, width, rngs=nnx.Rngs(params=jax.random.fold_in(key, 2 + index)), **how))
        for index in range(depth)
    ]
    streams = [inputs]
    for graph, params in blocks:
        streams.append(_forward(graph, params, streams[-1]))
    top = jax.random.normal(jax.random.fold_in(key, 1), (width,))
    cotangent = jnp.zeros_like(inputs).at[-1].set(length_of(top)[1])
    logs = [0.0]
    for (graph, params), stream in zip(blocks[::-1], streams[-2::-1], strict=True):
        cotangent, log = _pulled(graph, params, stream, cotangent)
        logs.append(logs[-1] + float(log))
    squares = [float(jnp.mean(stream[steps // 2 :] ** 2)) for stream in streams]
    return np.stack([np.log(squares), 2 * np.asarray(logs[::-1])])


def _log_mean(logs: np.ndarray) -> Estimate:
    """Half of the log of the mean over networks of exp(logs), with its error to first order."""
    top = logs.max(axis=0)
    sizes = np.exp(logs - top)
    mean = sizes.mean(axis=0)
    err = sizes.std(axis=0, ddof=1) / len(logs) ** 0.5 / mean / 2
    return Estimate((top + np.log(mean)) / 2, np.hypot(err, 8 * float(jnp.finfo("float32").eps)))


def _samples(
    key: Array, net: LinearRecurrence, depth: int, width: int, steps: int, num_nets: int, **how: Any
) -> np.ndarray:
    given = {"gate": how["gate"], "alpha": float(how["alpha"])}
    if not hasattr(net.eigenvalues, "poles") or net.eigenvalues.kind == "s5":
        given["width"] = how["num_states"]
    return np.stack([_one(jax.random.fold_in(key, n), net, depth, width, steps, given) for n in range(num_nets)])


@asked(**_checks)
def log_q_blocks(
    key: Array,
    net: LinearRecurrence,
    *,
    depth: int,
    width: int,
    steps: int,
    num_nets: int,
    gate: str = "none",
    alpha: float = 1.0,
    num_states: int | None = None,
) -> Estimate:
    """Log of the stream's mean square through blocks of a linear recurrence (``RecurrentBlock``).

    Parameters
    ----------
    key
        A JAX key.
    net, depth, gate, alpha
        As for the law.
    width, num_nets
        Number of channels, and of networks, at least two.
    steps
        Number of steps; the mean is over the second half.
    num_states
        Number of units of a recurrence; by default ``width``. One of S4D has its own number.

    Returns
    -------
    Estimate
        Natural log of the mean square over units, steps and networks, before each block and after the
        last, shape ``(depth + 1,)``; ``err`` is one standard error over networks.

    Notes
    -----
    Accuracy: ``err``, and what the second half remembers of the start.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import LinearRecurrence, measure
    >>> net, size = LinearRecurrence([0.5]), {"depth": 1, "width": 2, "steps": 8, "num_nets": 2}
    >>> measure.linear.log_q_blocks(jax.random.key(0), net, **size).value.shape
    (2,)
    """
    how = {"gate": gate, "alpha": alpha, "num_states": num_states}
    half = _log_mean(_samples(key, net, depth, width, steps, num_nets, **how)[:, 0])
    return Estimate(2 * half.value, 2 * half.err)


@asked(**_checks)
def log_grad_blocks(
    key: Array,
    net: LinearRecurrence,
    *,
    depth: int,
    width: int,
    steps: int,
    num_nets: int,
    gate: str = "none",
    alpha: float = 1.0,
    num_states: int | None = None,
) -> Estimate:
    """Log-norm of the gradient with respect to the stream before each block of a linear recurrence.

    A standard normal gradient at the last step of the stream after the last block is pulled back, block
    by block, with its norm kept as a log.

    Parameters
    ----------
    key, net, depth, width, steps, num_nets, gate, alpha, num_states
        As for ``linear.log_q_blocks``.

    Returns
    -------
    Estimate
        Half of the natural log of the mean over networks of the squared norm over all steps and
        channels, relative to the one after the last block, shape ``(depth + 1,)``; ``err`` is one
        standard error to first order.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import LinearRecurrence, measure
    >>> net, size = LinearRecurrence([0.5]), {"depth": 1, "width": 2, "steps": 8, "num_nets": 2}
    >>> float(measure.linear.log_grad_blocks(jax.random.key(0), net, **size).value[-1])
    0.0
    """
    how = {"gate": gate, "alpha": alpha, "num_states": num_states}
    return _log_mean(_samples(key, net, depth, width, steps, num_nets, **how)[:, 1])


__all__ = ["log_grad_blocks", "log_q_blocks"]
