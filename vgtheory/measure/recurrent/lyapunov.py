"""Lyapunov exponents of random networks."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_scalars
from vgtheory.measure.arguments import asked
from vgtheory.measure.cells.steppers import start_of, stepper
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.draws import COTANGENT, normal
from vgtheory.measure.engine.networks import draw_input, draw_weights, scale_w
from vgtheory.measure.engine.runs import chosen_devices, in_format, lanes_for, run
from vgtheory.measure.engine.taps import length_of
from vgtheory.measure.recurrent.exponents import Settle, Step, exponents_of, orthonormal
from vgtheory.networks.cells import CELLS, Cell
from vgtheory.networks.dense import Dense
from vgtheory.networks.recurrent import Tied


def _unit(h: Array) -> Array:
    """State scaled to unit mean square, for networks that do not depend on the state's size."""
    return length_of(h)[1] * np.sqrt(h.size).astype(h.dtype)


def network_map(
    net: Dense | Tied | Cell, words: Array, width: int, dtype: str, unbiased: bool, driven: bool
) -> tuple[Step, Array, Settle]:
    """One network as a map of a flat state, its start, and a rescaling allowed between steps."""
    as_is = lambda h: h
    if isinstance(net, CELLS):
        state, back = ravel_pytree(start_of(net, words, width, dtype))
        moved = stepper(net, words, width, dtype, "cells", driven)
        return lambda x, t: ravel_pytree(moved(back(x), t))[0], state, as_is
    tied = isinstance(net, Tied)
    alone = draw_weights(words, net, 0, width, dtype) if tied else None

    def step(h: Array, t: Array) -> Array:
        weights = draw_weights(words, net, t + 1, width, dtype) if alone is None else alone
        product = jnp.dot(net.activation.phi(h), weights.matrix, precision=lax.Precision.HIGHEST)
        return scale_w(net) * product + net.sigma_b * weights.bias

    return step, draw_input(words, width, dtype), _unit if unbiased and net.activation.degree == 1 else as_is


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    width: int
    num_exponents: int
    steps: int
    burn_in: int
    block: int
    dtype: str
    unbiased: bool
    driven: bool


def _one(words: Array, net: Dense | Tied | Cell, size: _Size) -> Array:
    """Exponents of one network."""
    width, num_exponents, steps, burn_in, block, dtype, unbiased, driven = size
    step, start, settle = network_map(net, words, width, dtype, unbiased, driven)
    tangents, _ = orthonormal(normal(words, COTANGENT, 1, (num_exponents, start.size), dtype))
    logs = exponents_of(step, start, tangents, settle, steps=steps, burn_in=burn_in, block=block)
    return jnp.sum(logs, axis=0) / steps


@asked(lapack=True)
def lyapunov_logs(
    key: Array,
    net: Dense | Tied | Cell,
    *,
    width: int,
    steps: int,
    num_nets: int,
    num_exponents: int = 1,
    burn_in: int = 0,
    block: int = 4,
    dtype: str = "float32",
    devices: Sequence[jax.Device] | None = None,
) -> np.ndarray:
    r"""Lyapunov exponents of many random networks, each over a run of its own.

    .. math:: \frac1T \ln |R_{kk}|, \qquad J_T \cdots J_1 Q_0 = Q R

    Parameters
    ----------
    key
        A JAX key.
    net
        ``Dense`` (new weights and biases at every step), ``Recurrent`` or a driven cell (one set of
        weights for all steps).
    width, num_nets
        Numbers of units and networks.
    steps, burn_in
        Number of steps T to average over, and number of steps before them; multiples of ``block``.
    num_exponents
        Number of exponents, from the largest.
    block
        Number of steps between two orthonormalisations. Within a block the last tangent must not
        shrink below the rounding of the first.
    dtype
        Format of weights and arithmetic, ``"float32"`` or ``"float64"``.
    devices
        JAX devices to spread the networks over; ``None`` for all.

    Returns
    -------
    numpy.ndarray
        Natural logs per step, largest first, float64, shape ``(num_nets, num_exponents)``; NaN
        where rounding takes over a tangent within a block.

    Notes
    -----
    Accuracy: a rounding of ``dtype`` per orthonormalisation.
    Assumes: nothing. Where the Jacobians are not independent, the tangents need a ``burn_in`` to
    find their directions.

    References
    ----------
    Benettin et al. (1980), Meccanica 15, 9; Engelken, Wolf and Abbott (2023), arXiv:2006.02427.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("linear", sigma_w=2.0, weights="orthogonal")
    >>> size = {"width": 8, "steps": 8, "num_nets": 2, "num_exponents": 2}
    >>> measure.recurrent.lyapunov_logs(jax.random.key(0), net, **size).round(4).tolist()
    [[0.6931, 0.6931], [0.6931, 0.6931]]
    """
    numbers = {name: value for name, value in vars(net).items() if name.startswith(("sigma", "leak"))}
    expect_scalars("lyapunov_logs", **numbers)
    expect(num_exponents <= width, "lyapunov_logs", f"at most {width} exponents", num_exponents=num_exponents)
    expect(steps % block == 0, "lyapunov_logs", f"steps a multiple of {block}", steps=steps)
    expect(burn_in % block == 0, "lyapunov_logs", f"burn_in a multiple of {block}", burn_in=burn_in)
    chosen = chosen_devices(devices)
    lanes = lanes_for(width**2, num_nets, chosen)
    unbiased = bool(np.all(np.asarray(getattr(net, "sigma_b", 1.0)) == 0))
    driven = bool(np.any(np.asarray(getattr(net, "sigma_in", 0.0)) != 0))
    size = _Size(width, num_exponents, steps, burn_in, block, dtype, unbiased, driven)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes, "devices": chosen}
    return np.asarray(run(_one, key, in_format(net, dtype), size, **how), dtype=np.float64)


@asked(lapack=True)
def lyapunov_exponents(
    key: Array,
    net: Dense | Tied | Cell,
    *,
    width: int,
    steps: int,
    num_nets: int,
    num_exponents: int = 1,
    dtype: str = "float32",
    **how: Any,
) -> Estimate:
    """Lyapunov exponents, averaged over random networks.

    Parameters
    ----------
    key, net, width, steps, num_nets, num_exponents, dtype
        As for ``recurrent.lyapunov_logs``.
    how
        ``burn_in``, ``block``, ``devices`` of ``recurrent.lyapunov_logs``.

    Returns
    -------
    Estimate
        Natural logs per step, shape ``(num_exponents,)``; ``err`` is one standard error over
        networks.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: as ``lyapunov_logs``.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("linear", sigma_w=2.0, weights="orthogonal")
    >>> size = {"width": 8, "steps": 8, "num_nets": 2, "num_exponents": 2}
    >>> seen = measure.lyapunov_exponents(jax.random.key(0), net, **size)
    >>> seen.value.round(4).tolist()  # ln 2
    [0.6931, 0.6931]
    """
    logs = lyapunov_logs(
        key, net, width=width, steps=steps, num_nets=num_nets, num_exponents=num_exponents, dtype=dtype, **how
    )
    return averaged(logs, 1, dtype)
