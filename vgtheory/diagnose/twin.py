"""The infinite-width twin of any model: its own program, with layers that keep no weights."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx
from jax import Array, lax

from vgtheory.diagnose.arguments import expect_rngs
from vgtheory.diagnose.passes.sizes import Raw
from vgtheory.diagnose.passes.weighing import holds, weighed
from vgtheory.diagnose.program.models import Model, opened
from vgtheory.diagnose.program.trace import Trace, split_arrays, traced
from vgtheory.diagnose.replicas.bands import Bands, bands_of, single
from vgtheory.diagnose.replicas.laws import LayerLaw, copies_of, laws_of, weights_of
from vgtheory.diagnose.replicas.particles import REPLICAS
from vgtheory.diagnose.replicas.plan import Design, TwinPlan, designed
from vgtheory.diagnose.replicas.run import engine, parameters, passes
from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_count, expect_flag


@dataclass(frozen=True, eq=False)
class InfiniteWidth:
    """A model's infinite-width twin; made by ``infinite_width``.

    Attributes
    ----------
    model
        The model's parameters, and its loss or output as a function of them.
    num_particles
        Least number of units over which a wide layer of median width takes its covariance.
    tied
        Whether a layer that is called again uses the same weights.
    has_loss
        Whether there is a loss.
    """

    model: Model
    num_particles: int
    tied: bool
    has_loss: bool

    def plan(self, *args: Any, **kwargs: Any) -> TwinPlan:
        """Plan of the twin, from a trace of the model with its arguments."""
        return self._designed("plan", args, kwargs, is_loss=self.has_loss)[1].plan

    def _designed(self, where: str, args: tuple, kwargs: dict, *, is_loss: bool) -> tuple[Trace, Design]:
        model = self.model._replace(loss=functools.partial(self.model.loss, **kwargs))
        trace = traced(model, args, where, is_loss=is_loss)
        return trace, designed(trace, model.leaves, self.num_particles)

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
        trace, design = self._designed("infinite_width", args, kwargs, is_loss=False)
        arrays, _ = split_arrays(args)
        program, tree = trace.program, jax.tree.structure(trace.result)

        def one(arrays: list) -> list:
            env = dict(zip(program.inputs, [*parameters(design, key, self.model.leaves), *arrays], strict=True))
            engine(trace, design, key, self.tied).forward(trace.layers, env)
            return [env[atom] if isinstance(atom, int) else jnp.asarray(atom.val) for atom in program.outputs]

        mapped = functools.partial(jax.vmap, axis_name=REPLICAS, axis_size=design.plan.replicas)

        @jax.custom_vjp
        def every(arrays: list) -> list:
            return mapped(one)(copies_of(design.plan.replicas, arrays))

        def back(arrays: list, cotangent: Any) -> tuple[list]:
            # The model runs again inside the map, where the replicas see each other.
            pull = lambda arrays, cotangent: jax.vjp(one, arrays)[1](cotangent)[0]
            parts = mapped(pull)(copies_of(design.plan.replicas, arrays), cotangent)
            return (jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), parts),)

        every.defvjp(lambda arrays: (every(arrays), arrays), back)
        return jax.tree.unflatten(tree, every(arrays))

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
            ``LayerLaw`` by path of the call, as ``diagnose`` names it, in order.

        Raises
        ------
        ValueError
            If the twin was made without a loss that returns a single number.

        Notes
        -----
        Every cotangent has an exponent of its own, as in ``diagnose``: the gradient neither vanishes
        nor overflows in a deep chain.
        """
        trace, design, draws = self._drawn("layers", key, args, kwargs, num_draws)
        return laws_of(trace, design, draws)

    def weights(self, key: Array, *args: Any, num_draws: int = 8, **kwargs: Any) -> dict[str, Estimate]:
        """Predicted log-norm of the gradient with respect to matrices that are in no replaced layer.

        Parameters
        ----------
        key
            A JAX key.
        args
            Arguments of the loss after the model.
        num_draws
            Number of independent draws; an error needs at least 2.
        kwargs
            Passed on as they are.

        Returns
        -------
        dict
            ``Estimate`` of ln ``|dE/dW|`` by name, as in ``Diagnosis.weights``: the mean over draws
            and replicas of what is drawn at its own width (``TwinPlan.drawn``).

        Raises
        ------
        ValueError
            If the twin was made without a loss that returns a single number.

        Notes
        -----
        Where no layer is replaced, the replicas are independent networks, and this is their mean.
        """
        trace, design, draws = self._drawn("weights", key, args, kwargs, num_draws)
        return weights_of(trace, design, draws)

    def bands(self, key: Array, *args: Any, num_draws: int = 256, **kwargs: Any) -> Bands:
        """Predicted spread over networks of the model's own width, at every call and matrix.

        One replica alone is such a network, whose wide layers act with Gaussian weights that are never
        formed.

        Parameters
        ----------
        key
            A JAX key.
        args
            Arguments of the loss after the model, the same for all networks.
        num_draws
            Number of networks, at least 2; a standard deviation has a relative error of
            ``(2 * num_draws)**-0.5``.
        kwargs
            Passed on as they are.

        Returns
        -------
        Bands
            A ``Law`` of every quantity, by path of the call and by name of the matrix.

        Raises
        ------
        ValueError
            If the twin was made without a loss that returns a single number.
        """
        expect_count("bands", 2, num_draws=num_draws)
        trace, design = self._designed("bands", args, kwargs, is_loss=True)
        design = single(trace, design, self.model.leaves)
        arrays, _ = split_arrays(args)
        run = passes(trace, design, self.tied)
        every = jax.jit(lambda leaves, keys, *rest: lax.map(lambda own: run(leaves, own, *rest), keys))
        raw = self._weighed(trace, every, jax.random.split(key, num_draws), copies_of(1, arrays))
        return bands_of(trace, design, raw)

    def _drawn(self, where: str, key: Array, args: tuple, kwargs: dict, num_draws: int) -> tuple[Trace, Design, list]:
        """Sizes in every replica, for each draw."""
        expect_count(where, num_draws=num_draws)
        trace, design = self._designed(where, args, kwargs, is_loss=True)
        arrays, _ = split_arrays(args)
        run, copies = jax.jit(passes(trace, design, self.tied)), copies_of(design.plan.replicas, arrays)
        return trace, design, [self._weighed(trace, run, own, copies) for own in jax.random.split(key, num_draws)]

    def _weighed(self, trace: Trace, run: Callable[..., Raw], key: Array, copies: list) -> Raw:
        """Result of a compiled pass of all replicas, on the host."""
        # The parameters are an argument, so that a compilation cache has one program for all weights of a model.
        leaves = self.model.leaves
        once = lambda multiple: jax.device_get(run(leaves, key, copies, jnp.float32(multiple)))
        return weighed(once, functools.partial(holds, trace, leaves))


def infinite_width(
    model: Any,
    num_particles: int = 4096,
    *,
    variables: Any = None,
    loss: Callable[..., Any] | None = None,
    tied: bool = True,
    rngs: Any = None,
) -> InfiniteWidth:
    r"""Infinite-width twin of a model: its own program, with layers of infinite width.

    The model may be of any library. Each product or convolution of the data with a matrix of
    parameters is replaced by one without weights, as ``diagnose`` finds and names them: dense layers,
    attention's projections, ``jnp.einsum``, matrices multiplied by hand. Forward, it returns
    Gaussians whose covariance over inputs (examples and positions) is :math:`\sigma_w^2\, x
    x^{\mathsf T} / M` over M particles. Here sigma_w is the root mean square of the model's own
    weights times the root of the fan-in, and the bias is the model's own. Backward, it uses the same
    weights: only what the forward pass saw of them is kept. Norms of more than 32 features take
    their statistics over all particles. Skips, gates, attention and the rest of the model stay as
    they are. The model thus computes its own mean-field limit.

    Layers of at most 32 units in or out keep their width and are drawn anew, and so are all other
    matrices: channels of their own (depthwise convolutions), weights that are masked, repeated,
    complex or of a mean that is not zero, those that a ``cond`` or a function with a derivative of
    its own reads, and those that are added, as positions are. Tables are drawn anew
    too, unit by unit. Infinite width has no meaning for a bottleneck, whose units scatter from
    network to network. ``plan`` names what becomes of each.

    Parameters
    ----------
    model
        A ``flax.nnx`` model; a ``flax.linen`` module with its ``variables``; or, with a ``loss``, any
        pytree with parameters in it: an Equinox module, Haiku's parameters, a dictionary. It is not
        changed.
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
    and a bias of order 1/M. A loss on n outputs of layers of N units is right to first order in n/N.
    Real networks of N units scatter by a variance of order depth / N, and their mean log lies lower
    by as much; ``bands`` gives both, and ``TwinPlan.warnings`` says where they count. The cost is
    proportional to M; layers called again, and convolutions, form their weights at a cost of M^2. Scans
    are walked, and compile as one step.
    Assumes:

    - random independent weights of mean zero, none of them used in two places (tied embeddings are
      drawn twice);
    - many attention heads, since heads keep their width;
    - norms whose statistics ``diagnose`` recognises; all others take those of one replica.

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
    is_called = isinstance(model, nnx.Module | nn.Module)
    remedy = "It takes the parameters first: loss(params, batch)."
    expect(is_called or loss is not None, "infinite_width", "a loss beside a pytree of parameters", remedy, loss=loss)
    run = loss if loss is not None else lambda model, *args, **kwargs: model(*args, **kwargs)
    found = opened(model, variables, run, rngs, "infinite_width")
    return InfiniteWidth(found, num_particles, tied, loss is not None)
