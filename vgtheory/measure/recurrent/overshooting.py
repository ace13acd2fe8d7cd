"""One real step of gradient descent on a real linear recurrence, by automatic differentiation."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activation import Activation
from vgtheory.expect import Numbers, expect
from vgtheory.measure.arguments import asked, expect_fit, number
from vgtheory.measure.engine.taps import log_norm
from vgtheory.networks.recurrent import FixedRecurrent


class Overshoot(NamedTuple):
    """Effect of a step ``W - rate dE/dW`` of gradient descent on ``E = |h_T - y|^2 / 2``; float64.

    Attributes
    ----------
    log_loss
        Natural log of E before the step.
    log_grad
        Natural log of the Frobenius norm of dE/dW.
    stable_rate
        Twice the squared gradient over the second derivative of E along it; inf where that
        derivative is not positive.
    log_ratio
        Natural log of E after the step over E before it, at each learning rate.
    """

    log_loss: np.ndarray
    log_grad: np.ndarray
    stable_rate: np.ndarray
    log_ratio: np.ndarray


def _last(matrix: Array, x: Array, activation: Activation, steps: int) -> Array:
    """State h_T of the real recurrence h' = W phi(h)."""

    def step(h: Array, _: None) -> tuple[Array, None]:
        return jnp.dot(matrix, activation.phi(h), precision=lax.Precision.HIGHEST), None

    return lax.scan(step, x, None, length=steps)[0]


def _log_loss(matrix: Array, x: Array, y: Array, activation: Activation, steps: int) -> Array:
    """Log of the loss, from a state that is divided by powers of two as it runs."""

    def step(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        h, exponent = carry
        h = jnp.dot(matrix, activation.phi(h), precision=lax.Precision.HIGHEST)
        size = jnp.max(jnp.abs(h))
        more = jnp.where(size > 0, jnp.floor(jnp.log2(size)), 0.0)
        return (h * jnp.exp2(-more), exponent + more), None

    (h, exponent), _ = lax.scan(step, (x, jnp.zeros((), x.dtype)), None, length=steps)
    unit = jnp.maximum(exponent, jnp.floor(jnp.log2(jnp.max(jnp.abs(y)))))
    goal = jnp.where(y == 0, 0.0, y * jnp.exp2(-unit))
    return 2 * log_norm(h * jnp.exp2(exponent - unit) - goal)[0] + np.log(2) * (2 * unit - 1)


@functools.partial(jax.jit, static_argnames=("activation", "steps"))
def _stepped(matrix: Array, x: Array, y: Array, rates: Array, activation: Activation, steps: int) -> tuple[Array, ...]:
    """Log-loss, log-gradient, second derivative along it, and log-losses after the step."""

    def loss(w: Array) -> Array:
        return jnp.sum((_last(w, x, activation, steps) - y) ** 2) / 2

    grad = jax.grad(loss)(matrix)
    log_grad, unit = log_norm(grad)
    curvature = jnp.vdot(unit, jax.jvp(jax.grad(loss), (matrix,), (unit,))[1])
    after = lax.map(lambda rate: _log_loss(matrix - rate * grad, x, y, activation, steps), rates)
    return _log_loss(matrix, x, y, activation, steps), log_grad, curvature, after


@asked(state=number(ndim=1), target=number(ndim=1))
def overshoot(
    net: FixedRecurrent,
    state: Numbers,
    target: Numbers,
    learning_rates: Numbers,
    *,
    steps: int,
    dtype: str = "float32",
) -> Overshoot:
    """Loss before and after one real step of gradient descent on W, and the gradient.

    Parameters
    ----------
    net
        A ``FixedRecurrent`` with ``sigma_b = 0`` and an activation homogeneous of degree 1 (linear,
        ReLU, leaky ReLU, abs).
    state, target
        Start h_0 and target y, each of shape ``(width,)``.
    learning_rates
        Learning rates >= 0, shape ``(num_rates,)`` or ``()``.
    steps
        Number of steps T, >= 1.
    dtype
        Format of weights and arithmetic, ``"float32"`` or ``"float64"``.

    Returns
    -------
    Overshoot
        Loss, gradient and second derivative before the step must lie in the range of ``dtype``; the
        loss after the step need not.

    Notes
    -----
    Accuracy: a few roundings of ``dtype`` per step; a learning rate far above the stable one
    multiplies them by T.
    Assumes: nothing. ReLU, which ``theory.recurrent.overshoot`` does not treat, obeys the linear
    law while no unit changes sign.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import FixedRecurrent, measure
    >>> net = FixedRecurrent("linear", matrix=np.array([[1.1]]))
    >>> step = measure.recurrent.overshoot(net, [1.0], [0.0], 0.01, steps=50)
    >>> round(float(step.log_ratio / np.log(10)))
    376
    """
    expect_fit("overshoot", net.matrix, state=state, target=target)
    degree = net.activation.degree
    expect(degree == 1, "overshoot", "an activation homogeneous of degree 1", activation=net.activation.name)
    expect(bool(np.all(np.asarray(net.sigma_b) == 0)), "overshoot", "a net with sigma_b = 0", sigma_b=net.sigma_b)
    x, y, rates = (np.asarray(each, dtype=float) for each in (state, target, learning_rates))
    with jax.enable_x64(dtype == "float64"):
        given = [jnp.asarray(each, dtype) for each in (np.asarray(net.matrix), x, y, rates.ravel())]
        out = _stepped(*given, net.activation, int(steps))
        log_loss, log_grad, curvature, after = (np.asarray(each, dtype=float) for each in out)
    with np.errstate(divide="ignore"):
        stable_rate = np.where(curvature > 0, 2 / np.maximum(curvature, 0.0), np.inf)
    return Overshoot(log_loss, log_grad, stable_rate, (after - log_loss).reshape(rates.shape))
