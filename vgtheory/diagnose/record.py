"""Gradient norms by layer during training, kept in the optimiser's state."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array

from vgtheory.diagnose.arguments import expect_predicted
from vgtheory.expect import expect, expect_one_of, expect_steps
from vgtheory.measure.engine.taps import log_norm

if TYPE_CHECKING:
    import matplotlib.figure

_DECADES, _PER_DECADE = 6, 8


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NormRecord:
    """State of ``record_norms``; its structure never changes, so that ``lax.scan`` can carry it.

    Attributes
    ----------
    layers
        Names; static.
    when
        Steps at which norms are kept, shape ``(rows,)``.
    step
        Number of updates so far.
    log_norms
        Natural logs, shape ``(rows, layers)``; NaN in rows not reached yet.
    """

    layers: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    when: Any
    step: Any
    log_norms: Any


class NormHistory(NamedTuple):
    """Recorded gradient norms.

    Attributes
    ----------
    layers
        Names.
    steps
        Numbers of the updates, 0 for the first, shape ``(rows,)``.
    log_norms
        Natural logs of gradient norms, shape ``(rows, layers)``.
    predicted
        Natural logs predicted at initialisation, shape ``(layers,)``; NaN without a prediction.
    """

    layers: tuple[str, ...]
    steps: np.ndarray
    log_norms: np.ndarray
    predicted: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """Log-norm of the whole gradient, shape ``(rows,)``; it falls near a minimum."""
        return np.logaddexp.reduce(2 * self.log_norms, axis=1) / 2

    def tilt(self, first: str, last: str) -> np.ndarray:
        """Log of one layer's norm over another's, shape ``(rows,)``: the effect of depth.

        Near a minimum, gradients are small and keep the tilt of the start, or the predicted one.
        Gradients that are small in the first layers alone, from the first step on, have vanished
        (experiment ``minimum``).

        Parameters
        ----------
        first, last
            Names of layers, preferably of one shape.
        """
        for layer in (first, last):
            expect_one_of(self.layers, "tilt", layer=layer)
        one, other = (self.log_norms[:, self.layers.index(layer)] for layer in (first, last))
        return one - other

    def plot(self) -> "matplotlib.figure.Figure":
        """Picture of the norms by update, with the predicted start of each layer as dashes at the left.

        Returns
        -------
        matplotlib.figure.Figure
            One line for each layer, the first layer's darkest. Updates count from 1.
        """
        from vgtheory.diagnose.plot import history_figure

        return history_figure(self)


def _groups(tree: Any, by: str) -> dict[str, list[Any]]:
    """Floating leaves by the name of their layer, or by their own name."""
    groups: dict[str, list[Any]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value")
        name = name.rpartition("/")[0] or name if by == "layer" else name
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            groups.setdefault(name, []).append(leaf)
    return groups


def _log_norms(groups: dict[str, list[Any]]) -> Array:
    """Log-norm of each group, without under- or overflow."""
    logs = [[log_norm(leaf)[0].astype(jnp.float32) for leaf in group] for group in groups.values()]
    return jnp.stack([jax.nn.logsumexp(2 * jnp.stack(group)) / 2 for group in logs])


def record_norms(steps: Sequence[int] | None = None, *, by: str = "layer") -> optax.GradientTransformation:
    """Optimiser step that changes nothing and keeps each layer's gradient norm.

    Put it first in an ``optax.chain``.

    Parameters
    ----------
    steps
        Updates to keep, in increasing order, 0 for the first; for example ``range(0, 10_000,
        100)``. None for eight per decade up to a million.
    by
        ``"layer"``: joint norm of all parameters that share a path; ``"parameter"``: one norm each.

    Returns
    -------
    optax.GradientTransformation
        Its state is a ``NormRecord``, which ``norm_history`` finds in any optimiser's state. Norms
        are computed at the chosen steps only.

    Notes
    -----
    Accuracy: a few roundings of float32, also for norms whose squares float32 cannot hold. A
    gradient that has underflowed to 0 in the backward pass is recorded as -inf.

    Examples
    --------
    >>> import jax.numpy as jnp, optax
    >>> from vgtheory.diagnose import norm_history, record_norms
    >>> params = {"dense": {"kernel": jnp.ones((2, 2))}}
    >>> optimiser = optax.chain(record_norms(range(0, 4, 2)), optax.sgd(0.1))
    >>> state = optimiser.init(params)
    >>> for _ in range(4):
    ...     updates, state = optimiser.update(params, state)  # here the gradient is the weights
    ...     params = optax.apply_updates(params, updates)
    >>> history = norm_history(state, predicted={"dense": 0.7})
    >>> history.layers, history.steps.tolist(), history.predicted.tolist()
    (('dense',), [0, 2], [0.7])
    >>> [f"{log:.3f}" for log in history.log_norms[:, 0]]
    ['0.693', '0.482']
    """
    expect_one_of(("layer", "parameter"), "record_norms", by=by)
    if steps is None:
        tens = 10 ** np.linspace(0, _DECADES, _DECADES * _PER_DECADE + 1)
        steps = [0, *sorted({round(float(each)) for each in tens})]
    when = np.asarray(expect_steps("record_norms", list(steps) if isinstance(steps, range) else steps))
    ok = when.ndim == 1 and when.size > 0 and bool(np.all(np.diff(when) > 0))
    expect(ok, "record_norms", "increasing integer steps >= 0", steps=steps)

    def init(params: Any) -> NormRecord:
        layers = tuple(_groups(params, by))
        empty = jnp.full((when.size, len(layers)), jnp.nan, jnp.float32)
        return NormRecord(layers, jnp.asarray(when, jnp.int32), jnp.zeros((), jnp.int32), empty)

    def update(updates: Any, state: NormRecord, params: Any = None) -> tuple[Any, NormRecord]:
        del params
        row = jnp.searchsorted(state.when, state.step)
        asked = state.when[jnp.minimum(row, when.size - 1)] == state.step
        write = lambda logs: logs.at[row].set(_log_norms(_groups(updates, by)), mode="drop")
        logs = jax.lax.cond(asked, write, lambda logs: logs, state.log_norms)
        return updates, dataclasses.replace(state, step=state.step + 1, log_norms=logs)

    return optax.GradientTransformation(init, update)


def norm_history(state: Any, predicted: Mapping[str, float] | None = None) -> NormHistory:
    """Gradient norms that ``record_norms`` has kept in an optimiser's state.

    Parameters
    ----------
    state
        An optax state, or an ``nnx.Optimizer``.
    predicted
        Predicted natural logs of the norms, by layer.

    Returns
    -------
    NormHistory
        The rows reached so far.

    Raises
    ------
    ValueError
        If nothing was recorded in ``state``, or a layer in ``predicted`` is unknown.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from vgtheory.diagnose import norm_history, record_norms
    >>> norm_history(record_norms([0]).init({"a": {"w": jnp.ones(3)}})).log_norms.shape
    (0, 1)
    """
    expect_predicted("norm_history", predicted, 0)
    tree = state.opt_state if isinstance(state, nnx.Optimizer) else state
    records = [
        each
        for each in jax.tree.leaves(tree, is_leaf=lambda x: isinstance(x, NormRecord))
        if isinstance(each, NormRecord)
    ]
    expect(bool(records), "norm_history", "an optimiser's state with record_norms in it", state=type(state))
    bare = lambda value: np.asarray(value[...] if isinstance(value, nnx.Variable) else value)
    record, count = records[0], int(bare(records[0].step))
    for layer in predicted or {}:
        expect_one_of(record.layers, "norm_history", layer=layer)
    said = np.array([(predicted or {}).get(layer, np.nan) for layer in record.layers], float)
    reached = bare(record.when) < count
    return NormHistory(record.layers, bare(record.when)[reached], bare(record.log_norms)[reached], said)
