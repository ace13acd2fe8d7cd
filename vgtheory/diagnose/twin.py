"""The infinite-width twin of any Flax model: its own graph, with layers that keep no weights."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.diagnose.arguments import expect_rngs
from vgtheory.diagnose.layer_laws import LayerLaw, TwinPlan, copies_of, mean_of
from vgtheory.diagnose.particles import REPLICAS, Linear, apart, convolution, fresh, pooled_norm, pooled_tap, together
from vgtheory.diagnose.tracing.calls import Call, Hooked, expect_model, hooked
from vgtheory.diagnose.tracing.kinds import CONV, contracted, is_replaced, num_out, takes_off_mean
from vgtheory.diagnose.tracing.trace import necks, traced
from vgtheory.expect import expect, expect_count, expect_flag
from vgtheory.measure import log_norm


class _State(NamedTuple):
    """One run: its plan, key, slots and taps; what it has found, and weights that are used again."""

    plan: TwinPlan
    key: Array
    slots: dict[str, Array]
    taps: dict[str, Array]
    logs: dict[str, Array]
    shared: dict[str, tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class InfiniteWidth:
    """A model's infinite-width twin; made by ``infinite_width``.

    Attributes
    ----------
    model
        The model (or its loss) as a function that hooks can be put into.
    num_particles
        Units over which each layer's covariance is taken, at least, in a layer of median width.
    tied
        Whether a layer that is called again uses the same weights.
    """

    model: Hooked
    num_particles: int
    tied: bool

    def plan(self, *args: Any, **kwargs: Any) -> TwinPlan:
        """What the twin will do, from a dry run on shapes.

        Parameters
        ----------
        args, kwargs
            What the model takes.
        """
        widths: list[int] = []
        calls: dict[str, None] = {}
        uses: dict[str, int] = {}
        kept: dict[str, None] = {}

        def hook(call: Call, inputs: tuple, run: Any) -> Any:
            y = run(*inputs)
            uses[call.layer] = call.use + 1
            if inputs and is_replaced(call):
                calls[call.path] = None
                widths.append(num_out(call, inputs[0]))
            elif call.kind not in ("norm", "embed"):
                kept[call.layer] = None
            return y

        jax.eval_shape(lambda params, args: self.model.apply(params, hook, *args, **kwargs), self.model.params, args)
        expect(len(calls) > 0, "infinite_width", "a model with a dense layer or a convolution", layers=list(uses))
        replicas = max(2, -(-self.num_particles // int(np.median(widths))))
        return TwinPlan(replicas, tuple(calls), uses, (*kept, *self.model.unseen))

    def __call__(self, key: Array, *args: Any, **kwargs: Any) -> Any:
        """What the model returns, in every replica: leaves have a first axis of that length.

        Parameters
        ----------
        key
            A JAX key.
        args
            Pytrees of arrays, as the model takes them; may be differentiated with respect to.
        kwargs
            Passed on as they are.
        """
        plan = self.plan(*args, **kwargs)
        one = lambda args: self._run(plan, key, ({}, {}), args, kwargs)[0]
        mapped = functools.partial(jax.vmap, axis_name=REPLICAS)

        @jax.custom_vjp
        def every(args: tuple) -> Any:
            return mapped(one)(copies_of(plan, args))

        def back(args: tuple, cotangent: Any) -> tuple[Any]:
            # Again inside the map, where the replicas see each other.
            pull = lambda args, cotangent: jax.vjp(one, args)[1](cotangent)[0]
            parts = mapped(pull)(copies_of(plan, args), cotangent)
            return (jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), parts),)

        every.defvjp(lambda args: (every(args), args), back)
        return every(args)

    def layers(self, key: Array, *args: Any, num_draws: int = 8, **kwargs: Any) -> dict[str, LayerLaw]:
        """Predicted sizes of signals and gradients at every call of a dense layer or a convolution.

        Parameters
        ----------
        key
            A JAX key.
        args
            What the loss takes after the model.
        num_draws
            Independent draws of all particles; from 2 on there is an error.
        kwargs
            Passed on as they are.

        Returns
        -------
        dict
            ``LayerLaw`` by path of the call, in order.

        Raises
        ------
        ValueError
            If ``num_draws`` is no positive integer, or what the twin was made of does not return a single number.

        Notes
        -----
        The gradient is renormalised wherever all of it passes through one layer's output, so that a deep chain's neither vanishes nor overflows.
        """
        expect_count("layers", num_draws=num_draws)
        plan = self.plan(*args, **kwargs)
        narrow = necks(traced(self.model._replace(apply=functools.partial(self.model.apply, **kwargs)), args, "layers"))
        slots = {path: jnp.zeros(2) for path in plan.calls}
        taps = {path: jnp.zeros(()) for path in plan.calls if path in narrow}

        def energy(slots: Any, key: Array, args: tuple) -> tuple[Array, Any]:
            value, sizes = self._run(plan, key, slots, args, kwargs)
            return value[0] if isinstance(value, tuple) else value, sizes

        @jax.jit
        def draw(key: Array, args: tuple) -> Any:
            one = jax.vmap(jax.grad(energy, has_aux=True), in_axes=(None, None, 0), axis_name=REPLICAS)
            return jax.tree.map(lambda leaf: leaf[0], one((slots, taps), key, copies_of(plan, args)))

        drawn = [draw(each, args) for each in jax.random.split(key, num_draws)]
        (grads, taken), sizes = jax.tree.map(lambda *leaves: np.stack(leaves).astype(float), *drawn)
        above, laws = np.zeros(num_draws), {}
        for path in reversed(plan.calls):
            above = above + taken.get(path, 0.0)
            laws[path] = LayerLaw(*map(mean_of, (sizes[path], *(grads[path].T + above))))
        return dict(reversed(laws.items()))

    def _run(
        self,
        plan: TwinPlan,
        key: Array,
        slots: tuple[dict[str, Array], dict[str, Array]],
        args: tuple,
        kwargs: dict[str, Any],
    ) -> tuple[Any, Any]:
        """One replica: the model's output, and the log of every replaced layer's root mean square."""
        state = _State(plan, key, slots[0], slots[1], {}, {})
        hook = functools.partial(self._hook, state)
        return self.model.apply(self.model.params, hook, *args, **kwargs), state.logs

    def _hook(self, state: _State, call: Call, args: tuple, run: Any) -> Any:
        """What stands in a layer's place."""
        if not args:
            return run()
        centred = takes_off_mean(call.module)
        if call.kind == "norm" and centred is not None:
            return pooled_norm(args[0], call.kernel, call.bias, epsilon=call.module.epsilon, centred=centred)
        if call.kind == "embed":
            return _looked_up(state, call, args[0])
        if not is_replaced(call):
            return run(*args)
        y = self._replaced(state, call, args[0])
        y = y if call.bias is None else y + jnp.broadcast_to(call.bias, y.shape)
        units = together(y)
        state.logs[call.path] = log_norm(units)[0] - np.log(units.size) / 2
        return pooled_tap(y, state.taps[call.path]) if call.path in state.taps else y

    def _replaced(self, state: _State, call: Call, x: Array) -> Array:
        """A dense layer or a convolution, drawn anew."""
        kernel, slot = jnp.asarray(call.kernel), state.slots.get(call.path, jnp.zeros(2))
        if isinstance(call.module, CONV):
            op = Linear(kernel.shape[-1], call.bias is not None, convolution(call.module, kernel.ndim - 2))
            rms = jnp.sqrt(jnp.mean(kernel**2, axis=(-2, -1)))
            return fresh(op, self._sources(state, call, kernel.shape[:-2], x.shape[-1], op.out), rms, x, slot)
        axes = contracted(call.module, x)
        lead = tuple(a for a in range(x.ndim) if a not in axes)
        flat = jnp.transpose(x, lead + axes).reshape(*(x.shape[a] for a in lead), -1)
        op, out = Linear(num_out(call, x), call.bias is not None), kernel.shape[len(axes) :]
        sources = self._sources(state, call, (), flat.shape[-1], op.out)
        y = fresh(op, sources, jnp.sqrt(jnp.mean(kernel**2)), flat, slot)
        return y.reshape(*flat.shape[:-1], *out)

    def _sources(
        self, state: _State, call: Call, taps: tuple[int, ...], num_in: int, num_out: int
    ) -> tuple[Array, Array]:
        """Keys for a layer that is called once (or untied); for another the same weights at every call."""
        key = jax.random.fold_in(state.key, call.place)
        if not self.tied or state.plan.uses[call.layer] == 1:
            up, down = jax.random.split(jax.random.fold_in(key, call.use))
            return up, down
        if call.layer not in state.shared:
            ins, outs = state.plan.replicas * num_in, state.plan.replicas * num_out
            shapes = ((*taps, ins, outs), (*taps, ins, outs) if taps else (outs, ins))
            keys = jax.random.split(key)
            up, down = (jax.random.normal(each, shape) for each, shape in zip(keys, shapes, strict=True))
            state.shared[call.layer] = (up, down)
        return state.shared[call.layer]


def _looked_up(state: _State, call: Call, tokens: Array) -> Array:
    """An embedding whose table is drawn anew for every replica."""
    num, features = call.kernel.shape
    key = jax.random.fold_in(state.key, call.place)
    table = jnp.sqrt(jnp.mean(call.kernel**2)) * jax.random.normal(key, (num, state.plan.replicas * features))
    return jnp.take(apart(table), tokens, axis=0)


def infinite_width(
    model: Any,
    num_particles: int = 4096,
    *,
    variables: Any = None,
    loss: Callable[..., Any] | None = None,
    tied: bool = True,
    rngs: Any = None,
) -> InfiniteWidth:
    r"""The infinite-width twin of a Flax model: its own graph, each dense layer and convolution replaced by one without weights.

    Upwards such a layer returns fresh Gaussians whose covariance over inputs (examples and positions) is
    :math:`\sigma_w^2\, x x^{\mathsf T} / M`, taken over M particles, with sigma_w the root mean square of the model's own weights
    times the root of the fan-in, and its own bias; downwards, of the gradients that come in likewise, independent of all that went up. Skips,
    norms, gates, attention and whatever else the model does stay as they are, so that the model computes its own mean-field limit.

    Parameters
    ----------
    model
        A ``flax.nnx`` model, or a ``flax.linen`` module with its ``variables``; not changed.
    num_particles
        M, at least, in a layer of median width: so many copies of the model run together.
    variables
        Of a Linen module: what its ``init`` returned.
    loss
        ``loss(model, *args)``, which calls the model as it likes; needed for ``layers``. None: the model's own output.
    tied
        Whether a layer that is called again (a recurrence) uses the same weights. False: new ones at each call, the usual independence
        assumption; the difference is what that costs.
    rngs
        Of a Linen module: as in its ``apply``.

    Returns
    -------
    InfiniteWidth
        A function of a key and the model's arguments, to be compiled and differentiated; and ``layers``, the sizes of signals and gradients.

    Raises
    ------
    ValueError
        If ``num_particles`` is no positive integer, or a Linen module comes without ``variables``.

    Notes
    -----
    Accuracy: sampling, of relative order M^(-1/2) in each layer, and a bias of order 1/M; ``layers`` gives the error. Cost: proportional
    to M; layers called again, and convolutions, form their weights, at M^2.
    Assumes: weights that are random, of mean zero and independent, none of them read elsewhere in the model (tied embeddings); a loss whose gradient does
    not depend on the weights through more than a few outputs. Heads keep their width: the limit is that of many heads. The width-normalising parts of a
    model that are not Flax norms see one copy's units alone.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from flax import nnx
    >>> from vgtheory.diagnose import infinite_width
    >>> model = nnx.Sequential(nnx.Linear(8, 64, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(64, 64, rngs=nnx.Rngs(1)))
    >>> twin = infinite_width(model, 1024, loss=lambda model, x: jnp.sum(model(x) ** 2))
    >>> laws = twin.layers(jax.random.key(0), jnp.ones((4, 8)))
    >>> list(laws)
    ['layers/0', 'layers/2']
    """
    expect_count("infinite_width", num_particles=num_particles)
    expect_flag("infinite_width", tied=tied)
    expect_rngs("infinite_width", rngs)
    expect_model("infinite_width", model, variables, loss)
    return InfiniteWidth(hooked(model, variables, loss=loss, rngs=rngs), num_particles, tied)
