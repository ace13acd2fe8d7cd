"""Results of an infinite-width twin: the plan of a dry run, and each layer's law over draws."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.estimate import Estimate


class LayerLaw(NamedTuple):
    """Sizes at one layer of the twin: natural logs, ``err`` one standard error over draws.

    Attributes
    ----------
    log_rms
        Log of the root mean square of the layer's output, bias included.
    log_grad
        Log of ``|dE/dy|``, the norm over all of the output.
    log_grad_weight
        Log of ``|dE/dW|``, the norm with respect to weights and bias together, as ``diagnose``
        measures it; the share of this call where the layer is called more than once.
    """

    log_rms: Estimate
    log_grad: Estimate
    log_grad_weight: Estimate


class TwinPlan(NamedTuple):
    """Plan from a dry run of the model.

    Attributes
    ----------
    replicas
        Number of copies of the model, whose units together are the particles.
    calls
        Paths of the calls that are replaced, in order.
    uses
        Number of calls by layer.
    kept
        Layers that run as they are, with their own weights at their own width: grouped and
        transposed convolutions, ``Einsum``, layers with unknown parameters, layers called by
        keyword, and layers that no hook reaches.
    """

    replicas: int
    calls: tuple[str, ...]
    uses: dict[str, int]
    kept: tuple[str, ...]


def copies_of(plan: TwinPlan, args: Any) -> Any:
    """Arguments for every replica."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(jnp.asarray(leaf), (plan.replicas, *jnp.shape(leaf))), args)


def mean_of(draws: np.ndarray) -> Estimate:
    """Mean over draws, and its standard error; inf from a single draw."""
    with np.errstate(invalid="ignore"):
        err = draws.std(ddof=1) / len(draws) ** 0.5 if len(draws) > 1 else np.inf
    return Estimate(draws.mean(), float(err))
