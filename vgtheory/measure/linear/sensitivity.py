"""Sensitivity of real linear recurrences to their parameters, by automatic differentiation over many inputs."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.estimate import Estimate
from vgtheory.expect import expect
from vgtheory.measure.arguments import asked, count, number, one_of, optional
from vgtheory.measure.linear.draws import Drawn, drawn, on_device, width_of
from vgtheory.measure.linear.inputs import Parameter, made, parameter_of, spectrum_root, stationary, values_of
from vgtheory.measure.linear.scans import SCANS, log_jacobians, states
from vgtheory.measure.linear.state import is_law, log_of_means
from vgtheory.networks.linear_recurrence import LinearRecurrence, StateSpace

PARAMETERS = ("dt", "eigenvalue", "input", "log_dt", "log_theta", "nu", "output", "theta")
_checks = {"width": optional(count()), "parameter": one_of(PARAMETERS)}


def _expect_steps(where: str, net: LinearRecurrence, parameter: str) -> None:
    stepped = isinstance(net.eigenvalues, StateSpace) or not parameter.endswith("dt")
    expect(stepped, where, "a StateSpace for parameter='dt'", eigenvalues=net.eigenvalues)


@partial(jax.jit, static_argnames=("parameter", "steps", "num_inputs", "scan"))
def _squares(
    key: Array, values: Array, units: Drawn, root: Array, parameter: Parameter, steps: int, num_inputs: int, scan: str
) -> Array:
    """|dh_T / dp|^2 of every unit, for each of the inputs, shape (num_inputs, units)."""

    def one(index: Array) -> Array:
        x = stationary(jax.random.fold_in(key, index), root, steps)

        def last(values: Array) -> Array:
            eigenvalues, scales = made(values, units, parameter)
            return states(jnp.broadcast_to(eigenvalues, (steps, values.size)), scales[None] * x[:, None], scan)[-1]

        h, pull = jax.vjp(last, values)
        real, imaginary = (pull(jnp.full_like(h, cotangent))[0] for cotangent in (1.0, 1.0j))
        if jnp.iscomplexobj(values):  # h is analytic in a complex parameter: either pass has the whole derivative
            return jnp.abs(real) ** 2
        return real**2 + imaginary**2

    return lax.map(one, jnp.arange(num_inputs))


@asked(**_checks, scan=one_of(SCANS), num_inputs=count())
def log_sensitivity(
    key: Array,
    net: LinearRecurrence,
    parameter: str,
    *,
    steps: int,
    num_inputs: int,
    num_nets: int,
    width: int | None = None,
    scan: str = "associative",
    dtype: str = "float32",
) -> Estimate:
    """Log of the mean squared derivative of a unit's last state by one of its parameters.

    Parameters
    ----------
    key
        A JAX key.
    net
        A ``LinearRecurrence``.
    parameter
        As in ``theory.linear.log_sensitivity``.
    steps
        Number of steps from a state of 0, many times the memory.
    num_inputs, num_nets
        Number of sequences of inputs for each network, and of networks.
    width
        Number of units of a network; may be left out for given eigenvalues.
    scan, dtype
        As for ``linear.log_grad_lags``.

    Returns
    -------
    Estimate
        Natural log of a mean square, shaped as the law's; ``err`` is one standard error: over
        inputs for given eigenvalues and for one network, else over networks.

    Notes
    -----
    Accuracy: ``err``, and what is missing of the sums over the past.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import LinearRecurrence, measure
    >>> key, net = jax.random.key(0), LinearRecurrence([0.5, 0.9], "gamma")
    >>> measure.linear.log_sensitivity(key, net, "nu", steps=64, num_inputs=4, num_nets=1).value.shape
    (2,)
    """
    _expect_steps("log_sensitivity", net, parameter)
    width = width_of("log_sensitivity", net, width)
    complex_one = parameter == "eigenvalue"
    with jax.enable_x64(dtype == "float64"):
        kind = {"float32": "complex64", "float64": "complex128"}[dtype] if complex_one else dtype
        root = jnp.asarray(spectrum_root(np.asarray(net.correlation, float), 2 * steps), dtype)
        seen = []
        for index in range(num_nets):
            own = jax.random.fold_in(key, index)
            units = drawn(own, net, width)
            values = jnp.asarray(values_of(units, parameter), kind)
            given = (jax.random.fold_in(own, 2), values, on_device(units, dtype), root)
            seen.append(np.asarray(_squares(*given, parameter_of(net, parameter), steps, num_inputs, scan), float))
    return log_of_means(np.asarray(seen), not is_law(net), float(jnp.finfo(dtype).eps) * steps**0.5)


@partial(jax.jit, static_argnames=("parameter", "steps"))
def _memory(values: Array, units: Drawn, parameter: Parameter, steps: int) -> Array:
    """Steps in which each unit's gradient falls by a factor e."""
    decays = jnp.broadcast_to(made(values, units, parameter)[0], (steps, values.size))
    return -steps / log_jacobians(decays, 1, "sequential")[-1]


@asked(**_checks, step=number("(0, 0.1]"))
def log_memory_change(
    key: Array,
    net: LinearRecurrence,
    parameter: str,
    *,
    num_nets: int,
    width: int | None = None,
    step: float = 1e-6,
    steps: int = 64,
) -> Estimate:
    """Log of the relative change of a unit's memory per unit of a parameter, by a small step in it, as Adam takes it.

    Parameters
    ----------
    key
        A JAX key.
    net
        A ``LinearRecurrence``.
    parameter
        As in ``theory.linear.log_memory_change``.
    num_nets
        Number of networks.
    width
        Number of units of a network; may be left out for given eigenvalues.
    step
        Size of the step in the parameter.
    steps
        Number of steps over which the memory is measured, by automatic differentiation in float64.

    Returns
    -------
    Estimate
        Natural log, shaped as the law's; ``err`` is one standard error over networks, and for given
        eigenvalues 0.

    Notes
    -----
    Accuracy: ``err``, and the step's own size against the distance of the eigenvalue from 1.
    Assumes: nothing.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from vgtheory import LinearRecurrence, measure
    >>> seen = measure.linear.log_memory_change(jax.random.key(0), LinearRecurrence([0.99]), "nu", num_nets=1)
    >>> np.exp(seen.value).round(4).tolist()
    [1.0]
    """
    _expect_steps("log_memory_change", net, parameter)
    width = width_of("log_memory_change", net, width)
    rows = []
    with jax.enable_x64(True):
        for index in range(num_nets):
            units = drawn(jax.random.fold_in(key, index), net, width)
            values = values_of(units, parameter)
            half = step / 2 * (values / np.abs(values) if parameter == "eigenvalue" else 1.0)
            after, before = (
                _memory(jnp.asarray(each), on_device(units, "float64"), parameter_of(net, parameter), steps)
                for each in (values + half, values - half)
            )
            rows.append((np.log(np.asarray(after / before)) / step) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        if not is_law(net):
            return Estimate(np.log(rows[0]) / 2, np.zeros(rows[0].shape))
        found = log_of_means(np.asarray(rows)[:, None], False, 1e-9)
    return Estimate(found.value / 2, found.err / 2)


__all__ = ["PARAMETERS", "log_memory_change", "log_sensitivity"]
