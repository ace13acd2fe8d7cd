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
    """State of one run: plan, key, slots, taps, recorded logs, and weights that are used again."""

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
        The model (or its loss) as a function with hooks.
    num_particles
        Least number of units over which a layer of median width takes its covariance.
    tied
        Whether a layer that is called again uses the same weights.
    """

    model: Hooked
    num_particles: int
    tied: bool

    def plan(self, *args: Any, **kwargs: Any) -> TwinPlan:
        """Plan of the twin, from a dry run on shapes with the model's arguments."""
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
        """Output of the model in every replica; leaves have a first axis of replicas.

        Parameters
        ----------
        key
            A JAX key.
        args
            Pytrees of arrays, as the model takes them; differentiable.
        kwargs
            Passed on as they are.
        """
        plan = self.plan(*args, **kwargs)
        one = lambda args: self._run(plan, self.model.params, key, ({}, {}), args, kwargs)[0]
        mapped = functools.partial(jax.vmap, axis_name=REPLICAS)

        @jax.custom_vjp
        def every(args: tuple) -> Any:
            return mapped(one)(copies_of(plan, args))

        def back(args: tuple, cotangent: Any) -> tuple[Any]:
            # The model runs again inside the map, where the replicas see each other.
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
            Arguments of the loss after the model.
        num_draws
            Number of independent draws of all particles; an error needs at least 2.
        kwargs
            Passed on as they are.

        Returns
        -------
        dict
            ``LayerLaw`` by path of the call, in order.

        Raises
        ------
        ValueError
            If the twin was made without a loss that returns a single number.

        Notes
        -----
        The gradient is renormalised wherever all of it passes through one layer's output, so that
        it neither vanishes nor overflows in a deep chain.
        """
        expect_count("layers", num_draws=num_draws)
        plan = self.plan(*args, **kwargs)
        narrow = necks(traced(self.model._replace(apply=functools.partial(self.model.apply, **kwargs)), args, "layers"))
        slots = {path: jnp.zeros(2) for path in plan.calls}
        taps = {path: jnp.zeros(()) for path in plan.calls if path in narrow}

        def energy(slots: Any, params: Any, key: Array, args: tuple) -> tuple[Array, Any]:
            value, sizes = self._run(plan, params, key, slots, args, kwargs)
            return value[0] if isinstance(value, tuple) else value, sizes

        # The parameters are an argument, so that a compilation cache has one program for all weights of a model.
        @jax.jit
        def draw(params: Any, key: Array, args: tuple) -> Any:
            one = jax.vmap(jax.grad(energy, has_aux=True), in_axes=(None, None, None, 0), axis_name=REPLICAS)
            return jax.tree.map(lambda leaf: leaf[0], one((slots, taps), params, key, copies_of(plan, args)))

        drawn = [draw(self.model.params, each, args) for each in jax.random.split(key, num_draws)]
        (grads, taken), sizes = jax.tree.map(lambda *leaves: np.stack(leaves).astype(float), *drawn)
        above, laws = np.zeros(num_draws), {}
        for path in reversed(plan.calls):
            above = above + taken.get(path, 0.0)
            laws[path] = LayerLaw(*map(mean_of, (sizes[path], *(grads[path].T + above))))
        return dict(reversed(laws.items()))

    def _run(
        self,
        plan: TwinPlan,
        params: Any,
        key: Array,
        slots: tuple[dict[str, Array], dict[str, Array]],
        args: tuple,
        kwargs: dict[str, Any],
    ) -> tuple[Any, Any]:
        """Output of one replica, and the log of every replaced layer's root mean square."""
        state = _State(plan, key, slots[0], slots[1], {}, {})
        hook = functools.partial(self._hook, state)
        return self.model.apply(params, hook, *args, **kwargs), state.logs

    def _hook(self, state: _State, call: Call, args: tuple, run: Any) -> Any:
        """Replacement of one layer call."""
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
        """Keys for a layer called once (or untied); else weights shared by all calls."""
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
    r"""Infinite-width twin of a Flax model: its own graph, with layers of infinite width.

    Each dense layer and convolution is replaced by one without weights. Forward, it returns new
    Gaussians whose covariance over inputs (examples and positions) is :math:`\sigma_w^2\, x
    x^{\mathsf T} / M` over M particles. Here sigma_w is the root mean square of the model's own
    weights times the root of the fan-in, and the bias is the model's own. Backward, it does the
    same with the incoming gradients, independently of the forward pass. Skips, norms, gates,
    attention and the rest of the model stay as they are. The model thus computes its own mean-field
    limit.

    Parameters
    ----------
    model
        A ``flax.nnx`` model, or a ``flax.linen`` module with its ``variables``; not changed.
    num_particles
        Least number M of particles in a layer of median width; it sets the number of replicas.
    variables
        For a Linen module: the result of its ``init``.
    loss
        ``loss(model, *args)``, which calls the model; needed for ``layers``. None for the model's
        own output.
    tied
        Whether a layer that is called again (a recurrence) uses the same weights. False draws new
        ones at each call, the usual assumption of independence; the difference shows its effect.
    rngs
        For a Linen module: as in its ``apply``.

    Returns
    -------
    InfiniteWidth
        A function of a key and the model's arguments, which can be compiled and differentiated; its
        ``layers`` gives the sizes of signals and gradients.

    Notes
    -----
    Accuracy: a sampling error of relative order M^(-1/2) in each layer, which ``layers`` reports,
    and a bias of order 1/M. The cost is proportional to M; layers called again, and convolutions,
    form their weights at a cost of M^2.
    Assumes:

    - random independent weights of mean zero, none of them read elsewhere in the model (tied
      embeddings);
    - a loss whose gradient depends on the weights only through a few outputs;
    - many attention heads, since heads keep their width;
    - Flax norms; normalisation written by hand is over one replica instead of all particles.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from vgtheory.diagnose import infinite_width
    >>> rngs = nnx.Rngs(0)
    >>> layers = nnx.Linear(8, 64, rngs=rngs), nnx.relu, nnx.Linear(64, 64, rngs=rngs)
    >>> twin = infinite_width(nnx.Sequential(*layers), 1024, loss=lambda model, x: model(x).mean())
    >>> plan = twin.plan(jnp.ones((4, 8)))  # of twin.layers(key, x), which predicts
    >>> plan.replicas, plan.calls
    (16, ('layers/0', 'layers/2'))
    """
    expect_count("infinite_width", num_particles=num_particles)
    expect_flag("infinite_width", tied=tied)
    expect_rngs("infinite_width", rngs)
    expect_model("infinite_width", model, variables, loss)
    return InfiniteWidth(hooked(model, variables, loss=loss, rngs=rngs), num_particles, tied)
