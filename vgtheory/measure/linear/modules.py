"""Flax modules of linear recurrences at their own initialisation: LRU, S4D, S5 and Mamba-style layers, and a block."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from vgtheory.expect import expect, expect_count, expect_noun, expect_number, expect_one_of
from vgtheory.measure.linear.decays import decays_of
from vgtheory.measure.linear.draws import discretised, drawn, width_of
from vgtheory.measure.linear.scans import SCANS, states
from vgtheory.networks.input_decay import InputDecay
from vgtheory.networks.linear_recurrence import LinearRecurrence, StateSpace

GATES = ("none", "sigmoid", "silu")
_LARGEST_RATE = 1e30
"""Of a unit with eigenvalue 0."""


def _expect_common(where: str, kind: type, net: Any, features: Any, scan: Any, rngs: Any) -> None:
    """Raise unless what all modules share is right."""
    expect_noun(where, (kind,), net=net)
    expect_count(where, features=features)
    expect_one_of(SCANS, where, scan=scan)
    expect(isinstance(rngs, nnx.Rngs), where, "rngs, as nnx.Rngs(0)", rngs=rngs)


def _complex(pair: Any) -> Array:
    return jax.lax.complex(pair[0], pair[1])


class RecurrentLayer(nnx.Module):
    r"""A layer of a diagonal linear recurrence, in the parameters that the field learns: LRU, S4D, S5.

    .. math:: h_t = \lambda\, h_{t-1} + b\, B u_t, \qquad y_t = \Re(C h_t)

    A ``Ring`` and given eigenvalues are held as ``nu`` and ``theta``, lambda = exp(-exp(nu) + i theta),
    and their factor as ``log_gamma``; a ``StateSpace`` as ``log_dt``, ``log_rate`` and ``frequency``. The
    kinds that begin with ``s4d`` have ``size`` units of its own for each channel, B = 1, and mix
    channels after the recurrence by ``mix``; all others have matrices B and C.

    Parameters
    ----------
    net
        A ``LinearRecurrence``, from which eigenvalues are drawn.
    features
        Number of channels of the input and the output.
    width
        Number of units; by default ``features``, that of given eigenvalues, or of all channels' units.
    scan
        ``"associative"`` or ``"sequential"``.
    rngs
        Flax's random streams.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from vgtheory import LinearRecurrence, Ring, measure
    >>> lru = measure.linear.RecurrentLayer(LinearRecurrence(Ring(0.9, 0.99), "gamma"), 4, rngs=nnx.Rngs(0))
    >>> lru(jnp.ones((10, 4))).shape
    (10, 4)
    """

    def __init__(
        self,
        net: LinearRecurrence,
        features: int,
        *,
        width: int | None = None,
        scan: str = "associative",
        rngs: nnx.Rngs,
    ) -> None:
        _expect_common("RecurrentLayer", LinearRecurrence, net, features, scan, rngs)
        if width is not None:
            expect_count("RecurrentLayer", width=width)
        law = net.eigenvalues
        own = isinstance(law, StateSpace) and law.kind.startswith("s4d")
        if own:
            expect(width in (None, features * law.size), "RecurrentLayer", f"width={features * law.size}", width=width)
            width = features * law.size
        elif width is None and not hasattr(law, "__len__"):
            width = features
        width = width_of("RecurrentLayer", net, width)
        units = drawn(rngs.params(), net, width)
        normal = lambda *shape: jax.random.normal(rngs.params(), shape)
        self.scan, self.method, self.per_channel = scan, getattr(law, "method", ""), law.size if own else 0
        self.follows = net.scale == "step"
        if isinstance(law, StateSpace):
            self.log_dt, self.log_rate = _param(np.log(units.dt)), _param(np.log(-units.poles.real))
            self.frequency = _param(units.poles.imag)
        else:
            with np.errstate(divide="ignore"):
                rates = np.minimum(-np.log(np.abs(units.eigenvalues)), _LARGEST_RATE)
            self.nu, self.theta = _param(np.log(rates)), _param(np.angle(units.eigenvalues))
        if not self.follows:
            self.log_gamma = _param(np.log(units.scales.real))
        if own:
            self.mix = nnx.Param(normal(features, features) / features**0.5)
        else:
            self.b_in = nnx.Param(normal(2, features, width) / (2 * features) ** 0.5)
        self.c_out = nnx.Param(normal(2, width, 1 if own else features) / (law.size if own else width) ** 0.5)

    def dynamics(self) -> tuple[Array, Array]:
        """Eigenvalues and factors of the input, shape ``(width,)`` each."""
        if not self.method:
            eigenvalues = jnp.exp(jax.lax.complex(-jnp.exp(self.nu[...]), self.theta[...]))
            return eigenvalues, jnp.exp(self.log_gamma[...])
        poles = jax.lax.complex(-jnp.exp(self.log_rate[...]), self.frequency[...])
        eigenvalues, factors = discretised(self.method, jnp.exp(self.log_dt[...]), poles, jnp)
        return eigenvalues, factors if self.follows else jnp.exp(self.log_gamma[...])

    def states(self, x: Array) -> Array:
        """States from h = 0 on inputs of shape ``(steps, features)``, complex, shape ``(steps, width)``."""
        eigenvalues, factors = self.dynamics()
        if self.per_channel:
            inputs = jnp.repeat(x, self.per_channel, axis=1) + 0j
        else:
            inputs = jnp.matmul(x + 0j, _complex(self.b_in[...]), precision="highest")
        return states(jnp.broadcast_to(eigenvalues, inputs.shape), factors[None] * inputs, self.scan)

    def __call__(self, x: Array) -> Array:
        """Outputs on one sequence, both of shape ``(steps, features)``."""
        h, weights = self.states(x), _complex(self.c_out[...])
        if not self.per_channel:
            return jnp.matmul(h, weights, precision="highest").real
        seen = jnp.sum((h * weights[None, :, 0]).real.reshape(len(x), -1, self.per_channel), axis=2)
        return jnp.matmul(seen, self.mix[...], precision="highest")


class SelectiveLayer(nnx.Module):
    r"""A Mamba-style layer: a recurrence whose decay, input map and output map depend on the input.

    .. math:: h_t = a_t h_{t-1} + \Delta_t\, B_t u_t, \qquad y_t = C_t \cdot h_t, \qquad
        a_t = e^{-r f(z_t)}, \; z_t = \beta + \sigma_z W u_t, \; B_t = W_B u_t, \; C_t = W_C u_t

    Every channel has a pre-activation z of its own and as many units as there are rates r; B and C are
    shared by all channels. The step is softplus(z) for ``"mamba"`` and 1 for other kinds.

    Parameters
    ----------
    net
        An ``InputDecay`` with one ``bias``, or one for each channel. ``rate`` has one entry for each unit
        of a channel: (1, 2, ..., 16) in Mamba.
    features
        Number of channels.
    scan
        ``"associative"`` or ``"sequential"``.
    rngs
        Flax's random streams.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from vgtheory import InputDecay, measure
    >>> layer = measure.linear.SelectiveLayer(InputDecay("mamba", -4.6, rate=[1.0, 2.0]), 4, rngs=nnx.Rngs(0))
    >>> layer.decays(jnp.ones((10, 4))).shape, layer(jnp.ones((10, 4))).shape
    ((10, 4, 2), (10, 4))
    """

    def __init__(self, net: InputDecay, features: int, *, scan: str = "associative", rngs: nnx.Rngs) -> None:
        _expect_common("SelectiveLayer", InputDecay, net, features, scan, rngs)
        rate, bias = np.asarray(net.rate, float).ravel(), np.asarray(net.bias, float)
        expect(bias.size in (1, features), "SelectiveLayer", f"one bias, or {features}", bias=bias)
        normal = lambda *shape: nnx.Param(jax.random.normal(rngs.params(), shape) / features**0.5)
        self.kind, self.scan = net.kind, scan
        self.bias, self.log_rate = _param(np.broadcast_to(bias.ravel(), (features,))), _param(np.log(rate))
        self.w_decay = nnx.Param(float(net.sigma_z) * normal(features, features)[...])
        self.w_in, self.w_out = normal(features, rate.size), normal(features, rate.size)

    def _arguments(self, x: Array) -> Array:
        return self.bias[...][None] + jnp.matmul(x, self.w_decay[...], precision="highest")

    def decays(self, x: Array) -> Array:
        """Decays a_t on inputs of shape ``(steps, features)``; shape ``(steps, features, rates)``."""
        return decays_of(self.kind, self._arguments(x)[..., None], jnp.exp(self.log_rate[...])[None, None])

    def states(self, x: Array, start: Array | None = None) -> Array:
        """States from ``start``, shape ``(features, rates)``, or from 0; shape ``(steps, features, rates)``."""
        step = jax.nn.softplus(self._arguments(x)) if self.kind == "mamba" else jnp.ones_like(x)
        inputs = (step * x)[..., None] * jnp.matmul(x, self.w_in[...], precision="highest")[:, None, :]
        decays = self.decays(x)
        if start is not None:
            inputs = inputs.at[0].add(decays[0] * start)
        return states(decays, inputs, self.scan)

    def __call__(self, x: Array) -> Array:
        """Outputs on one sequence, both of shape ``(steps, features)``."""
        maps = jnp.matmul(x, self.w_out[...], precision="highest")
        return jnp.sum(self.states(x) * maps[:, None, :], axis=2)


class RecurrentBlock(nnx.Module):
    r"""A block of a linear recurrence: norm, ``RecurrentLayer``, gate, skip.

    .. math:: x + \alpha\, g(W u)\, \Re(C h), \qquad u = x / \mathrm{rms}(x)

    Parameters
    ----------
    net, features, width, scan, rngs
        As for ``RecurrentLayer``.
    gate
        ``"none"``, ``"sigmoid"`` or ``"silu"``.
    alpha
        Factor of the branch.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from vgtheory import LinearRecurrence, measure
    >>> block = measure.linear.RecurrentBlock(LinearRecurrence([0.5, 0.9]), 4, gate="silu", rngs=nnx.Rngs(0))
    >>> block(jnp.ones((10, 4))).shape
    (10, 4)
    """

    def __init__(
        self,
        net: LinearRecurrence,
        features: int,
        *,
        gate: str = "none",
        alpha: float = 1.0,
        width: int | None = None,
        scan: str = "associative",
        rngs: nnx.Rngs,
    ) -> None:
        _expect_common("RecurrentBlock", LinearRecurrence, net, features, scan, rngs)
        expect_one_of(GATES, "RecurrentBlock", gate=gate)
        expect_number("RecurrentBlock", "[0, 1e6]", ndim=0, alpha=alpha)
        if width is not None:
            expect_count("RecurrentBlock", width=width)
        self.norm = nnx.RMSNorm(features, epsilon=1e-12, rngs=rngs)
        self.layer = RecurrentLayer(net, features, width=width, scan=scan, rngs=rngs)
        self.gate, self.alpha = gate, float(alpha)
        if gate != "none":
            kernel = jax.random.normal(rngs.params(), (features, features)) / features**0.5
            self.w_gate = nnx.Param(kernel)

    def __call__(self, x: Array) -> Array:
        """The stream after the block; both of shape ``(steps, features)``."""
        unit = self.norm(x)
        branch = self.layer(unit)
        if self.gate != "none":
            branch = getattr(jax.nn, self.gate)(jnp.matmul(unit, self.w_gate[...], precision="highest")) * branch
        return x + self.alpha * branch


def _param(values: np.ndarray) -> nnx.Param:
    return nnx.Param(jnp.asarray(values, jnp.float32))


__all__ = ["GATES", "RecurrentBlock", "RecurrentLayer", "SelectiveLayer"]
