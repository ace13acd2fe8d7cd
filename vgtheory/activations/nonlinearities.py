"""Functions of the activation table and their slopes, for JAX's arrays and for NumPy's."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.activations.elementwise import arctan, arctan_slope

Real = Array | np.ndarray | np.floating


def _library(h: object) -> ModuleType:
    return jnp if isinstance(h, jax.Array) else np


def _special(name: str) -> Callable[[Real], Real]:
    """A special function of SciPy, imported when first needed."""

    def function(h: Real) -> Real:
        import scipy.special

        return getattr(scipy.special, name)(h)

    return function


def _of(function: Callable[[Array], Array], h: Real) -> Real:
    """A function of JAX at h, or NumPy's with the same values."""
    return function(h) if isinstance(h, jax.Array) else in_numpy(function)(h)


def _cube(h: Real) -> Real:
    # NumPy's power takes ten times as long as two products.
    return h**3 if isinstance(h, jax.Array) else h * h * h


def _linear(h: Real) -> Real:
    return h


def _one(h: Real) -> Real:
    xp = _library(h)
    return xp.ones_like(h)


def _step(h: Real) -> Real:
    xp = _library(h)
    return xp.where(h > 0, xp.ones_like(h), xp.zeros_like(h))


def _leaky_relu(h: Real) -> Real:
    xp = _library(h)
    return xp.where(h > 0, h, 0.01 * h)


def _leaky_step(h: Real) -> Real:
    xp = _library(h)
    return xp.where(h > 0, xp.ones_like(h), xp.full_like(h, 0.01))


def _tanh_slope(h: Real) -> Real:
    xp = _library(h)
    decay = xp.exp(-2 * xp.abs(h))
    return 4 * decay / (1 + decay) ** 2


def _erf_slope(h: Real) -> Real:
    xp = _library(h)
    return 2 / xp.sqrt(xp.pi).astype(h.dtype) * xp.exp(-(h**2))


def _sigmoid_slope(h: Real) -> Real:
    xp = _library(h)
    decay = xp.exp(-xp.abs(h))
    return decay / (1 + decay) ** 2


def _gelu(h: Real) -> Real:
    return jax.nn.gelu(h, approximate=False) if isinstance(h, jax.Array) else 0.5 * h * _erfc(-h / 2**0.5)


def _gelu_slope(h: Real) -> Real:
    if isinstance(h, jax.Array):
        return jax.scipy.stats.norm.cdf(h) + h * jax.scipy.stats.norm.pdf(h)
    return _ndtr(h) + h * np.exp(-(h**2) / 2) / (2 * np.pi) ** 0.5


def _silu_slope(h: Real) -> Real:
    gate = _of(jax.nn.sigmoid, h)
    return gate + h * _sigmoid_slope(h)


def _elu(h: Real) -> Real:
    xp = _library(h)
    return xp.where(h > 0, h, xp.expm1(xp.minimum(h, 0)))


def _elu_slope(h: Real) -> Real:
    xp = _library(h)
    return xp.where(h > 0, xp.ones_like(h), xp.exp(xp.minimum(h, 0)))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _selu(h: Real) -> Real:
    xp = _library(h)
    return SELU_SCALE * xp.where(h > 0, h, SELU_ALPHA * xp.expm1(xp.minimum(h, 0)))


def _selu_slope(h: Real) -> Real:
    xp = _library(h)
    return SELU_SCALE * xp.where(h > 0, xp.ones_like(h), SELU_ALPHA * xp.exp(xp.minimum(h, 0)))


def _hard_tanh(h: Real) -> Real:
    xp = _library(h)
    return xp.clip(h, -1, 1)


def _box(h: Real) -> Real:
    xp = _library(h)
    return xp.where(xp.abs(h) < 1, xp.ones_like(h), xp.zeros_like(h))


def _hard_sigmoid_slope(h: Real) -> Real:
    xp = _library(h)
    return xp.where(xp.abs(h) < 3, xp.full_like(h, 1 / 6), xp.zeros_like(h))


def _hard_swish_slope(h: Real) -> Real:
    xp = _library(h)
    return xp.where(xp.abs(h) < 3, (2 * h + 3) / 6, _step(h))


def _mish_slope(h: Real) -> Real:
    xp = _library(h)
    e = xp.exp(-xp.abs(h))
    right = e**2 * (1 + e) / (1 + 2 * e + 2 * e**2) ** 2
    left = e * (1 + e) / (2 + 2 * e + e**2) ** 2
    return xp.tanh(_of(jax.nn.softplus, h)) + 4 * h * xp.where(h > 0, right, left)


def _softsign_slope(h: Real) -> Real:
    xp = _library(h)
    return 1 / (1 + xp.abs(h)) ** 2


def _relu_squared(h: Real) -> Real:
    return _of(jax.nn.relu, h) ** 2


def _relu_squared_slope(h: Real) -> Real:
    return 2 * _of(jax.nn.relu, h)


def _relu6_slope(h: Real) -> Real:
    xp = _library(h)
    return xp.where((h > 0) & (h < 6), xp.ones_like(h), xp.zeros_like(h))


def _gaussian(h: Real) -> Real:
    xp = _library(h)
    return xp.exp(-(h**2))


def _gaussian_slope(h: Real) -> Real:
    xp = _library(h)
    return -2 * h * xp.exp(-(h**2))


GELU_TANH_RATE, GELU_TANH_CUBIC = 1.5957691216057308, 0.044715  # 2 sqrt(2 / pi)


def _gelu_tanh(h: Real) -> Real:
    return h * _of(jax.nn.sigmoid, GELU_TANH_RATE * (h + GELU_TANH_CUBIC * _cube(h)))


def _gelu_tanh_slope(h: Real) -> Real:
    inner, inner_slope = h + GELU_TANH_CUBIC * _cube(h), 1 + 3 * GELU_TANH_CUBIC * h**2
    gate = _of(jax.nn.sigmoid, GELU_TANH_RATE * inner)
    return gate + GELU_TANH_RATE * h * inner_slope * _sigmoid_slope(GELU_TANH_RATE * inner)


def _cube_slope(h: Real) -> Real:
    return 3 * h**2


_expit, _erf, _erfc, _ndtr = (_special(name) for name in ("expit", "erf", "erfc", "ndtr"))
_NUMPY: dict[Any, Callable[[Any], Any]] = {
    jax.nn.relu: lambda h: np.maximum(h, 0.0),
    jax.nn.relu6: lambda h: np.clip(h, 0.0, 6.0),
    jax.nn.sigmoid: _expit,
    jax.nn.silu: lambda h: h * _expit(h),
    jax.nn.softplus: lambda h: np.logaddexp(h, 0.0),
    jax.nn.mish: lambda h: h * np.tanh(np.logaddexp(h, 0.0)),
    jax.nn.hard_sigmoid: lambda h: np.clip(h + 3, 0.0, 6.0) / 6,
    jax.nn.hard_swish: lambda h: h * (np.clip(h + 3, 0.0, 6.0) / 6),
    jax.nn.soft_sign: lambda h: h / (1 + np.abs(h)),
    jax.scipy.special.erf: _erf,
    jnp.tanh: np.tanh,
    jnp.sin: np.sin,
    jnp.cos: np.cos,
    jnp.abs: np.abs,
    jnp.sign: np.sign,
    arctan: np.arctan,
    arctan_slope: arctan_slope,
}
"""NumPy's counterparts of functions of JAX."""
FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "linear": (_linear, _one),
    "relu": (jax.nn.relu, _step),
    "leaky_relu": (_leaky_relu, _leaky_step),
    "tanh": (jnp.tanh, _tanh_slope),
    "erf": (jax.scipy.special.erf, _erf_slope),
    "sigmoid": (jax.nn.sigmoid, _sigmoid_slope),
    "gelu": (_gelu, _gelu_slope),
    "silu": (jax.nn.silu, _silu_slope),
    "softplus": (jax.nn.softplus, jax.nn.sigmoid),
    "elu": (_elu, _elu_slope),
    "selu": (_selu, _selu_slope),
    "sin": (jnp.sin, jnp.cos),
    "hard_tanh": (_hard_tanh, _box),
    "hard_sigmoid": (jax.nn.hard_sigmoid, _hard_sigmoid_slope),
    "hard_swish": (jax.nn.hard_swish, _hard_swish_slope),
    "mish": (jax.nn.mish, _mish_slope),
    "softsign": (jax.nn.soft_sign, _softsign_slope),
    "arctan": (arctan, arctan_slope),
    "relu_squared": (_relu_squared, _relu_squared_slope),
    "relu6": (jax.nn.relu6, _relu6_slope),
    "abs": (jnp.abs, jnp.sign),
    "gaussian": (_gaussian, _gaussian_slope),
    "gelu_tanh": (_gelu_tanh, _gelu_tanh_slope),
    "cube": (_cube, _cube_slope),
}
"""phi and phi' of every activation of the table, for arrays of JAX."""


def in_numpy(function: Any) -> Callable[[Any], Any]:
    """A function of ``FUNCTIONS`` for arrays of NumPy.

    Accuracy: a few units in the last place from JAX's.
    """
    return _NUMPY.get(function, function)


__all__ = ["FUNCTIONS", "SELU_ALPHA", "SELU_SCALE", "in_numpy"]
