"""Mean square of the states of linear recurrences that run on drawn inputs."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.measure.arguments import asked, count, one_of, optional
from vgtheory.measure.linear.draws import Drawn, drawn, on_device, width_of
from vgtheory.measure.linear.inputs import spectrum_root, stationary
from vgtheory.measure.linear.scans import SCANS, states
from vgtheory.networks.linear_recurrence import LinearRecurrence, Ring, StateSpace


@partial(jax.jit, static_argnames=("steps", "num_inputs", "scan"))
def _squares(key: Array, units: Drawn, root: Array, steps: int, num_inputs: int, scan: str) -> Array:
    """Mean square over the second half of the steps, shape (num_inputs, units)."""
    eigenvalues, scales = units.eigenvalues, units.scales

    def one(index: Array) -> Array:
        x = stationary(jax.random.fold_in(key, index), root, steps)
        decays = jnp.broadcast_to(eigenvalues, (steps, eigenvalues.size))
        h = states(decays, scales[None] * x[:, None], scan)[steps // 2 :]
        return jnp.mean(h.real**2 + h.imag**2, axis=0)

    return lax.map(one, jnp.arange(num_inputs))


def log_of_means(samples: np.ndarray, by_unit: bool, rounding: float) -> Estimate:
    """ln of means over networks and inputs, by unit or over units too, from squares of shape (nets, inputs, units)."""
    nets, inputs, units = samples.shape
    if by_unit:
        rows = samples.reshape(nets * inputs, units)
    else:
        rows = samples.mean(axis=(1, 2))[:, None] if nets > 1 else samples.mean(axis=2).reshape(inputs, 1)
    mean, number = rows.mean(axis=0), len(rows)
    spread = rows.std(axis=0, ddof=1) / number**0.5 if number > 1 else np.full(mean.shape, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = Estimate(np.log(mean), np.hypot(spread / mean, rounding))
    return found if by_unit else Estimate(found.value[0], found.err[0])


def is_law(net: LinearRecurrence) -> bool:
    """Whether eigenvalues are drawn."""
    return isinstance(net.eigenvalues, Ring | StateSpace)


@asked(width=optional(count()), scan=one_of(SCANS), num_inputs=count())
def log_q_state(
    key: Array,
    net: LinearRecurrence,
    *,
    steps: int,
    num_inputs: int,
    num_nets: int,
    width: int | None = None,
    scan: str = "associative",
    dtype: str = "float32",
) -> Estimate:
    """Log of the mean square of states.

    Parameters
    ----------
    key
        A JAX key.
    net
        A ``LinearRecurrence``.
    steps
        Number of steps from a state of 0; the mean is over the second half, and the first should be
        many memories long.
    num_inputs, num_nets
        Number of sequences of inputs for each network, and of networks.
    width
        Number of units of a network; may be left out for given eigenvalues.
    scan, dtype
        As for ``linear.log_grad_lags``.

    Returns
    -------
    Estimate
        Natural log of a mean square, shaped as the law's. ``err`` is one standard error: over
        inputs for given eigenvalues and for one network, else over networks.

    Notes
    -----
    Accuracy: ``err``, and what a state remembers of its start.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import LinearRecurrence, measure
    >>> net = LinearRecurrence([0.0, 0.5], "gamma")
    >>> measure.linear.log_q_state(jax.random.key(0), net, steps=64, num_inputs=2, num_nets=1).value.shape
    (2,)
    """
    width = width_of("log_q_state", net, width)
    with jax.enable_x64(dtype == "float64"):
        root = jnp.asarray(spectrum_root(np.asarray(net.correlation, float), 2 * steps), dtype)
        seen = []
        for index in range(num_nets):
            own = jax.random.fold_in(key, index)
            units = on_device(drawn(own, net, width), dtype)
            seen.append(np.asarray(_squares(jax.random.fold_in(own, 2), units, root, steps, num_inputs, scan), float))
    return log_of_means(np.asarray(seen), not is_law(net), float(jnp.finfo(dtype).eps) * 8)


__all__ = ["is_law", "log_of_means", "log_q_state"]
