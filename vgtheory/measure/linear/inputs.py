"""Stationary inputs of any correlation, and the parameters that a unit's eigenvalue and input factor are made of."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.measure.linear.draws import Drawn, discretised
from vgtheory.networks.linear_recurrence import LinearRecurrence, StateSpace


class Parameter(NamedTuple):
    """A parameter's name, the discretisation of the time step, and whether that sets the factor of the input too."""

    name: str
    method: str
    follows: bool


def parameter_of(net: LinearRecurrence, name: str) -> Parameter:
    """A parameter of a network."""
    law = net.eigenvalues
    return Parameter(name, law.method if isinstance(law, StateSpace) else "zoh", net.scale == "step")


def spectrum_root(correlation: np.ndarray, steps: int) -> np.ndarray:
    """Root of the power at each frequency of a sequence on a circle, real, shape ``(steps,)``."""
    turn = np.exp(-2j * np.pi * np.arange(steps) / steps)
    if correlation.ndim == 0:
        return np.sqrt(1 - float(correlation) ** 2) / np.abs(1 - float(correlation) * turn)
    on_circle = np.bincount(np.arange(1, correlation.size + 1) % steps, correlation, minlength=steps)
    return np.sqrt(np.maximum(1 + 2 * np.fft.fft(on_circle).real, 0.0))


def stationary(key: Array, root: Array, steps: int) -> Array:
    """One sequence of inputs of mean 0 and variance 1, shape ``(steps,)``."""
    white = jax.random.normal(key, root.shape, root.dtype)
    return jnp.fft.ifft(jnp.fft.fft(white) * root).real[:steps]


def values_of(units: Drawn, parameter: str) -> np.ndarray:
    """A parameter's value in every unit."""
    eigenvalues = units.eigenvalues
    with np.errstate(divide="ignore"):
        radius, angle = np.abs(eigenvalues), np.angle(eigenvalues) % (2 * np.pi)
        choices = {
            "eigenvalue": eigenvalues,
            "nu": np.log(-np.log(radius)),
            "theta": angle,
            "log_theta": np.log(angle),
            "dt": units.dt,
            "log_dt": np.log(units.dt),
        }
    return choices.get(parameter, np.ones(eigenvalues.size))


def made(values: Array, units: Drawn, parameter: Parameter) -> tuple[Array, Array]:
    """Eigenvalues and factors of the inputs from a parameter of every unit, in a program.

    Parameters
    ----------
    values
        The parameter.
    units
        Everything else about the units, arrays of JAX. A weight of the output map multiplies the
        state as one of the input map does.
    parameter
        What it is.
    """
    eigenvalues, scales = units.eigenvalues, units.scales
    name, method, follows = parameter
    if name == "eigenvalue":
        return values, scales
    if name in ("input", "output"):
        return eigenvalues, scales * values
    if name.endswith("dt"):
        dt = jnp.exp(values) if name == "log_dt" else values
        stepped, factors = discretised(method, dt, units.poles, jnp)
        return stepped, factors if follows else scales
    if name == "nu":
        return jnp.exp(-jnp.exp(values) + 1j * jnp.angle(eigenvalues)), scales
    angle = jnp.exp(values) if name == "log_theta" else values
    return jnp.abs(eigenvalues) * jnp.exp(1j * angle), scales


__all__ = ["Parameter", "made", "parameter_of", "spectrum_root", "stationary", "values_of"]
