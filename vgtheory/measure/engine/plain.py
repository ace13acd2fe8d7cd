"""The plain pass, with nothing renormalised: what an ordinary training program sees, in any number format."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.formats import FORMATS
from vgtheory.measure.arguments import asked, dtype_of
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_network
from vgtheory.measure.engine.taps import log_norm
from vgtheory.networks.ensemble import Layered


class PlainLogs(NamedTuple):
    """Natural logs of |dE/dh_l|, shape ([inputs,] depth), and |dE/dW_l|, shape (depth,), of one network by ``jax.grad``."""

    log_grad: np.ndarray
    log_grad_weight: np.ndarray


@asked()
def plain_grads(
    key: Array, net: Layered, *, depth: int, width: int, num_inputs: int | None = None, dtype: str = "float32"
) -> PlainLogs:
    r"""Log-norms by a plain ``jax.grad`` of the unrolled Flax network: the reference for the log-domain chain.

    Parameters
    ----------
    key
        The network's own key (``fold_in(key, index)`` for network ``index`` of ``samples``).
    net
        The ensemble.
    depth, width
        Numbers of layers and units.
    num_inputs
        Inputs whose energies are added up; ``None`` for one, without an axis of its own.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    PlainLogs
        Absolute log-norms for the energy c . h_depth with the network's standard normal c; -inf where they underflow.

    Raises
    ------
    ValueError
        If a count is no positive integer.

    Notes
    -----
    Accuracy: that of ``dtype``; norms below its smallest number are lost, which is the point of ``samples``.
    Assumes: nothing. Compile time grows with depth, since the network is unrolled.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> measure.engine.plain_grads(jax.random.key(0), Dense("tanh"), depth=3, width=8).log_grad.shape
    (3,)
    """
    with jax.enable_x64(dtype == "float64"):
        module, variables = draw_network(key, net, depth=depth, width=width, dtype=dtype)
        words = words_of(key)
        x_0, cotangent = (draw(words, width, dtype, num_inputs) for draw in (draw_input, draw_cotangent))

        def energy(offsets: Array, variables: Any) -> Array:
            h: Any = module.apply(variables, x_0, offsets)
            return jnp.vdot(cotangent, h)

        by_h, by_w = jax.jit(jax.grad(energy, argnums=(0, 1)))(jnp.zeros((depth, *x_0.shape), dtype), variables)
        kernels = [by_w["params"][f"layer_{index + 1}"]["Dense_0"]["kernel"] for index in range(depth)]
        rows = np.array([[float(log_norm(row)[0]) for row in jnp.atleast_2d(layer)] for layer in by_h]).T
        log_weight = np.array([float(log_norm(kernel)[0]) for kernel in kernels])
    return PlainLogs(rows if num_inputs else rows[0], log_weight)


@asked(dtype=dtype_of(FORMATS))
def flushes_subnormals(dtype: str) -> bool:
    """Tell whether compiled arithmetic on this device flushes subnormal numbers of a format to zero.

    Parameters
    ----------
    dtype
        ``"float16"``, ``"bfloat16"``, ``"tensorfloat32"``, ``"float32"`` or ``"float64"``.

    Returns
    -------
    bool
        True if half of the smallest normal number comes out as zero.

    Raises
    ------
    ValueError
        If the format is unknown.

    Examples
    --------
    >>> from vgtheory import measure
    >>> isinstance(measure.engine.flushes_subnormals("float32"), bool)
    True
    """
    with jax.enable_x64(dtype == "float64"):
        stored = FORMATS[dtype]
        halved = jax.jit(lambda tiny, half: tiny * half)(jnp.asarray(jnp.finfo(stored).tiny), jnp.asarray(0.5, stored))
        return bool(np.asarray(halved).astype(float) == 0)
