"""What a twin tells of a model's layers: a dry run's plan, and each layer's law over draws."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.estimate import Estimate


class LayerLaw(NamedTuple):
    """What a layer does in the twin; natural logs, ``err`` one standard error over draws.

    Attributes
    ----------
    log_rms
        Of the root mean square of the layer's output, bias included.
    log_grad
        Of ``|dE/dy|``, the norm over all of the output.
    log_grad_weight
        Of ``|dE/dW|``, the norm with respect to weights and bias together, as ``diagnose`` measures it; of this call's share
        where the layer is called more than once.
    """

    log_rms: Estimate
    log_grad: Estimate
    log_grad_weight: Estimate


class TwinPlan(NamedTuple):
    """What a dry run of the model has found.

    Attributes
    ----------
    replicas
        Copies of the model whose units together are the particles.
    calls
        Paths of the calls that are replaced, in order.
    uses
        By layer, how often it is called.
    kept
        Layers that run as they are, with their own weights at their own width: convolutions in groups, transposed convolutions,
        ``Einsum``, layers with parameters of a kind of their own, layers called by keyword, and layers that no hook
        reaches.
    """

    replicas: int
    calls: tuple[str, ...]
    uses: dict[str, int]
    kept: tuple[str, ...]


def copies_of(plan: TwinPlan, args: Any) -> Any:
    """Arguments for every replica.

    Parameters
    ----------
    plan
        The twin's.
    args
        The model's arguments.
    """
    return jax.tree.map(lambda leaf: jnp.broadcast_to(jnp.asarray(leaf), (plan.replicas, *jnp.shape(leaf))), args)


def mean_of(draws: np.ndarray) -> Estimate:
    """Mean over draws, and its standard error; inf from one alone.

    Parameters
    ----------
    draws
        Shape ``(draws,)``.
    """
    with np.errstate(invalid="ignore"):
        err = draws.std(ddof=1) / len(draws) ** 0.5 if len(draws) > 1 else np.inf
    return Estimate(draws.mean(), float(err))
