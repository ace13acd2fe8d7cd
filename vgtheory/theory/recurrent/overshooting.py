"""One step of gradient descent on a linear recurrence."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.expect import Numbers, expect
from vgtheory.networks.recurrent import FixedRecurrent
from vgtheory.theory.arguments import asked
from vgtheory.theory.precision import Values, floats, in_float64


class Overshoot(NamedTuple):
    """A step ``W - rate dE/dW`` of gradient descent on ``E = |h_T - y|^2 / 2``.

    Attributes
    ----------
    log_loss
        Natural log of E before the step, shape ``()``.
    log_grad
        Natural log of the Frobenius norm of dE/dW, shape ``()``.
    stable_rate
        Learning rate above which the step overshoots, by E's second-order expansion along the
        gradient: ``2 |dE/dW|^2`` over the second derivative, inf where that is not positive. Shape
        ``()``.
    log_ratio
        Natural log of E after the step over E before it, at each learning rate.
    """

    log_loss: Values
    log_grad: Values
    stable_rate: Values
    log_ratio: Values


@asked()
@in_float64
def overshoot(
    net: FixedRecurrent, state: Numbers, target: Numbers, learning_rates: Numbers, *, steps: int
) -> Overshoot:
    r"""Overshoot of gradient descent: loss before and after one step on a linear recurrence.

    .. math:: E = \tfrac12 |W^T x - y|^2, \qquad \frac{\partial E}{\partial W} = \sum_{t=1}^{T}
        (W^{\mathsf T})^{T-t} (h_T - y)\, h_{t-1}^{\mathsf T}, \qquad
        \frac{E'}{E} = \frac{|(W - \eta\, \partial E / \partial W)^T x - y|^2}{|W^T x - y|^2}

    Along an eigenvector of a symmetric W, ``x = a u`` and ``y = b u``, the gradient is
    ``T lambda^(T-1) a (lambda^T a - b) u u^T``. Gradient and step are therefore of order
    ``T lambda^(2T-1)``.

    Parameters
    ----------
    net
        A linear ``FixedRecurrent`` with ``sigma_b = 0``.
    state
        h_0 = x, shape ``(width,)``.
    target
        y, shape ``(width,)``.
    learning_rates
        Shape ``(num_rates,)`` or ``()``, >= 0.
    steps
        Number of steps T, >= 1; static.

    Returns
    -------
    Overshoot
        Float64 NumPy, or arrays in the arguments' dtype if one of them is a JAX array.

    Notes
    -----
    Accuracy: T times 1e-15 relative, times the condition of W's powers. For ``log_ratio`` divide by
    the distance from an exact hit of the target. The gradient must lie in the range of the number
    format; the loss after the step need not.
    Assumes: nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import FixedRecurrent, theory
    >>> net = FixedRecurrent("linear", matrix=np.array([[1.1]]))
    >>> step = theory.recurrent.overshoot(net, [1.0], [0.0], 0.01, steps=50)
    >>> round(float(np.exp(step.log_grad) / (50 * 1.1**99)), 12)
    1.0
    >>> round(float(step.log_ratio / np.log(10)))  # one step at a rate of 0.01
    376
    """
    expect(net.activation.name == "linear", "overshoot", "a linear net", activation=net.activation.name)
    expect(bool(np.all(np.asarray(net.sigma_b) == 0)), "overshoot", "a net with sigma_b = 0", sigma_b=net.sigma_b)
    matrix, x, y, rates = floats(net.matrix, state, target, learning_rates)
    expect(x.shape == matrix.shape[:1], "overshoot", "a state that fits the matrix", shape=x.shape)
    expect(y.shape == x.shape, "overshoot", "a target that fits the state", shape=y.shape)
    return _solved(matrix, x, y, rates, steps)


@functools.partial(jax.jit, static_argnames="steps")
def _solved(matrix: Array, x: Array, y: Array, rates: Array, steps: int) -> Overshoot:
    states, errors = _orbit(matrix, x, y, steps)
    grad = _dot(errors.T, states)
    size = jnp.max(jnp.abs(grad))
    log_grad = jnp.log(size) + jnp.log(jnp.sum((grad / size) ** 2)) / 2
    log_loss = _log_loss(matrix, x, y, steps)
    after = jax.vmap(lambda rate: _log_loss(matrix - rate * grad, x, y, steps))(rates.ravel()).reshape(rates.shape)
    return Overshoot(log_loss, log_grad, _stable_rate(matrix, grad, x, y, steps), after - log_loss)


def _dot(a: Array, b: Array) -> Array:
    """Product at the highest precision."""
    return jnp.dot(a, b, precision=lax.Precision.HIGHEST)


def _orbit(matrix: Array, x: Array, y: Array, steps: int) -> tuple[Array, Array]:
    """States h_0 ... h_(T-1) and gradients of h_1 ... h_T, each of shape ``(steps, width)``."""
    last, states = lax.scan(lambda h, _: (_dot(matrix, h), h), x, None, length=steps)
    errors = lax.scan(lambda g, _: (_dot(matrix.T, g), g), last - y, None, length=steps)[1]
    return states, errors[::-1]


def _log_loss(matrix: Array, x: Array, y: Array, steps: int) -> Array:
    """Log of half the squared distance; the state keeps unit size, and its log is carried along."""

    def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        h, log_scale = carry
        h = _dot(matrix, h)
        size = jnp.max(jnp.abs(h))
        size = lax.stop_gradient(jnp.where(size > 0, size, 1.0))
        return (h / size, log_scale + jnp.log(size)), None

    (h, log_scale), _ = lax.scan(step, (x, jnp.zeros_like(x[0])), None, length=steps)
    log_unit = lax.stop_gradient(jnp.maximum(log_scale, jnp.log(jnp.max(jnp.abs(y)))))
    apart = h * jnp.exp(log_scale - log_unit) - jnp.where(y == 0, 0.0, y * jnp.exp(-log_unit))
    return 2 * log_unit + jnp.log(jnp.sum(apart**2) / 2)


def _stable_rate(matrix: Array, grad: Array, x: Array, y: Array, steps: int) -> Array:
    """2 E' / E'' along a unit step down the gradient, from derivatives of the state along it."""
    unit = grad / jnp.max(jnp.abs(grad))
    unit = unit / jnp.sqrt(jnp.sum(unit**2))

    def step(carry: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], None]:
        h, first = carry[:2]
        moved = tuple(_dot(matrix, each) for each in carry)
        pushed, twice = _dot(unit, h), 2 * _dot(unit, first)
        return (moved[0], moved[1] - pushed, moved[2] - twice), None

    (h, first, second), _ = lax.scan(step, (x, jnp.zeros_like(x), jnp.zeros_like(x)), None, length=steps)
    curvature = _dot(first, first) + _dot(h - y, second)
    return jnp.where(curvature > 0, 2 / jnp.where(curvature > 0, curvature, 1.0), jnp.inf)
