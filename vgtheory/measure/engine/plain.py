"""Plain passes without renormalisation, as in an ordinary training program."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.formats import WHOLE
from vgtheory.measure.arguments import asked, dtype_of
from vgtheory.measure.engine.draws import words_of
from vgtheory.measure.engine.networks import draw_cotangent, draw_input, draw_network
from vgtheory.measure.engine.taps import log_norm
from vgtheory.networks.ensemble import Layered


class PlainLogs(NamedTuple):
    """Natural logs of the gradients of one network by ``jax.grad``.

    Attributes
    ----------
    log_grad
        Log of |dE/dh_l|, shape ``(depth,)``, or ``(num_inputs, depth)``.
    log_grad_weight
        Log of |dE/dW_l|, shape ``(depth,)``.
    """

    log_grad: np.ndarray
    log_grad_weight: np.ndarray


@asked()
def plain_grads(
    key: Array, net: Layered, *, depth: int, width: int, num_inputs: int | None = None, dtype: str = "float32"
) -> PlainLogs:
    """Log-norms by a plain ``jax.grad`` of the unrolled network: the reference for ``samples``.

    Parameters
    ----------
    key, net, depth, width
        As for ``engine.draw_network``.
    num_inputs
        Number of inputs whose energies are added; ``None`` for one, without an axis of its own.
    dtype
        ``"float32"`` or ``"float64"``.

    Returns
    -------
    PlainLogs
        Absolute log-norms for the energy c . h_depth with the network's standard normal c; -inf
        where they underflow.

    Notes
    -----
    Accuracy: roundings of ``dtype``. Unlike in ``samples``, norms below its smallest number are
    lost.
    Assumes: nothing. Compile time grows with depth, since the network is unrolled.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("tanh", sigma_w=1.5)
    >>> measure.engine.plain_grads(jax.random.key(0), net, depth=2, width=8).log_grad.shape
    (2,)
    """
    with jax.enable_x64(dtype == "float64"):
        module, variables = draw_network(key, net, depth=depth, width=width, dtype=dtype)
        words = words_of(key)
        x_0, cotangent = (draw(words, width, dtype, num_inputs) for draw in (draw_input, draw_cotangent))

        def energy(offsets: Array, variables: Any) -> Array:
            h: Any = module.apply(variables, x_0, offsets)
            return jnp.vdot(cotangent, h)

        @jax.jit
        def log_norms(offsets: Array, variables: Any) -> tuple[Array, Array]:
            by_h, by_w = jax.grad(energy, argnums=(0, 1))(offsets, variables)
            kernels = jnp.stack([by_w["params"][f"layer_{index + 1}"]["Dense_0"]["kernel"] for index in range(depth)])
            each = jax.vmap(lambda values: log_norm(values)[0])
            return each(by_h.reshape(-1, width)).reshape(by_h.shape[:-1]), each(kernels)

        by_h, by_w = log_norms(jnp.zeros((depth, *x_0.shape), dtype), variables)
        return PlainLogs(np.asarray(by_h.T, float), np.asarray(by_w, float))


@asked(dtype=dtype_of(WHOLE))
def flushes_subnormals(dtype: str) -> bool:
    """Whether compiled arithmetic on this device flushes subnormal numbers of a format to zero.

    Parameters
    ----------
    dtype
        ``"float16"``, ``"bfloat16"``, ``"tensorfloat32"``, ``"float32"`` or ``"float64"``.

    Returns
    -------
    bool
        True if half of the smallest normal number is computed as zero.

    Examples
    --------
    >>> from vgtheory import measure
    >>> isinstance(measure.engine.flushes_subnormals("float32"), bool)
    True
    """
    with jax.enable_x64(dtype == "float64"):
        stored = WHOLE[dtype]
        halved = jax.jit(lambda tiny, half: tiny * half)(jnp.asarray(jnp.finfo(stored).tiny), jnp.asarray(0.5, stored))
        return bool(np.asarray(halved).astype(float) == 0)
