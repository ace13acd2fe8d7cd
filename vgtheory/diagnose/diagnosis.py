"""Diagnosis of a user's own model: its activations and gradients by layer, and their causes."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from vgtheory.diagnose.arguments import expect_predicted, expect_rngs
from vgtheory.diagnose.rows import Row, notes, table
from vgtheory.diagnose.runs import Removal, Runs
from vgtheory.diagnose.tracing.backward import Pass
from vgtheory.diagnose.tracing.calls import expect_model, hooked
from vgtheory.diagnose.tracing.trace import Trace
from vgtheory.diagnose.twin import InfiniteWidth, infinite_width
from vgtheory.diagnose.verdict import Verdict, is_finite, judged
from vgtheory.expect import expect, expect_count, expect_one_of, expect_runs
from vgtheory.frame import needed

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas

_DRAWS = 4
"""Draws of the twin that are averaged."""


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnosis:
    """Result of a diagnosis; print it.

    Attributes
    ----------
    verdict
        Word, place, sentences and numbers.
    rows
        One for each layer call, in order.
    chain
        Names of the calls along the longest path from parameters to loss, which the verdict is
        about.
    weights
        Log of the norm of the loss's gradient with respect to each parameter.
    loss
        Value of the loss.
    unseen
        Layers that could not be looked into (called inside a ``while_loop`` or a function with a
        derivative of its own).
    """

    verdict: Verdict
    rows: tuple[Row, ...]
    chain: tuple[str, ...]
    weights: dict[str, float]
    loss: float
    unseen: tuple[str, ...]
    _runs: "Runs" = dataclasses.field(repr=False)

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table of the rows, as a ``pandas.DataFrame``."""
        return needed("Diagnosis.frame", "pandas", "plot").DataFrame(list(self.rows), columns=Row._fields)

    def __str__(self) -> str:
        return "\n".join([*table(self.rows), "", self.verdict.text, *notes(self.rows, self.unseen)])

    def _repr_html_(self) -> str:
        words = "".join(f"<p>{line}</p>" for line in [self.verdict.text, *notes(self.rows, self.unseen)])
        return words + "<pre>" + "\n".join(table(self.rows)) + "</pre>"

    def plot(self) -> "matplotlib.figure.Figure":
        """Picture of activations and of gradients (by outputs and weights), by layer call.

        Returns
        -------
        matplotlib.figure.Figure
            Two axes, one above the other.
        """
        from vgtheory.diagnose.plot import figure

        return figure(self)

    def killers(self, top: int = 5) -> list[Removal]:
        """Change of the gradient at the bottom when one Jacobian on the chain becomes the identity.

        The forward pass stays as it is.

        Parameters
        ----------
        top
            Number of layers, and of activations between them, to try: those that change the
            gradient's norm most.

        Returns
        -------
        list of Removal
            Largest effect first.

        Notes
        -----
        Costs one compilation and ``top`` additional passes.
        """
        return self._runs.killers(top)

    def critical_scale(self) -> float | None:
        """Factor of the chain's kernels with which the gradient keeps its norm from end to end.

        The kernels are those of dense and convolutional layers on the chain except the first;
        biases stay.

        Returns
        -------
        float or None
            The factor nearest to 1 (in the log) between 1/64 and 64, to 1e-3, measured in this
            model on this batch; None if there is none.

        Notes
        -----
        Costs some forty passes, and no compilation.
        """
        return self._runs.critical_scale()


def _rows(trace: Trace, seen: Pass, share: Mapping[int, Any], predicted: Mapping[str, Sequence[float]]) -> list[Row]:
    """Rows of the table."""
    between = {a: (b, plain) for a, b, plain in zip(trace.chain, trace.chain[1:], trace.plain, strict=False)}
    rows = []
    for k, site in enumerate(trace.sites):
        above, plain = between.get(k, (-1, False))
        kind = ("slopes" if plain else "skips") if k in between else ""
        sigma_w = float(np.exp(seen.log_weight[k]) * np.sqrt(site.fan_in))
        with np.errstate(invalid="ignore"):
            numbers = {
                "log_rms": seen.log_rms[k],
                "not_finite": share.get(k, 0.0),
                "log_grad": seen.log_grad[k],
                "log_grad_weight": seen.log_grad_weight[k],
                "log_through": seen.log_below[k] - seen.log_grad[k],
                "log_between": seen.log_grad[k] - seen.log_below[above] if k in between else np.nan,
            } | dict(zip(Row._fields[-3:], predicted.get(site.path, (np.nan,) * 3), strict=True))
        rest = {name: float(number) for name, number in numbers.items()}
        rows.append(Row(layer=site.path, kind=site.kind, shape=site.shape, sigma_w=sigma_w, between=kind, **rest))
    return rows


def _predicted(twin: InfiniteWidth, batch: tuple) -> dict[str, tuple[float, float, float]]:
    """Predictions of the infinite-width twin, by layer path."""
    laws = twin.layers(jax.random.key(0), *batch, num_draws=_DRAWS)
    return {path: (law.log_rms.value, law.log_grad.value, law.log_grad_weight.value) for path, law in laws.items()}


def diagnose(
    model: Any,
    loss: Callable[..., Any],
    *batch: Any,
    variables: Any = None,
    rngs: Any = None,
    predicted: Mapping[str, Sequence[float]] | int | None = None,
) -> Diagnosis:
    r"""Diagnosis of vanishing or exploding gradients of a model on one batch, with place and cause.

    .. math:: \Bigl|\frac{\partial E}{\partial y_l}\Bigr|, \qquad
        \Bigl|\frac{\partial E}{\partial W_l}\Bigr| \qquad\text{for every layer call } l

    Parameters
    ----------
    model
        A ``flax.nnx`` model; a ``flax.linen`` module with its ``variables``; or any pytree of
        parameters.
    loss
        ``loss(model, *batch)``, one number (or a tuple that starts with it). A Linen module arrives
        bound: call it as ``model(x)``. A pytree arrives as it is; Linen modules applied in the loss
        are seen.
    batch
        Arguments of the loss after the model.
    variables
        For a Linen module: the result of its ``init``.
    rngs
        For a Linen module: keys for dropout, as in ``apply``.
    predicted
        Predictions to set beside the measurement. Either a number of particles, with which the
        model's infinite-width twin predicts (``infinite_width``; it compiles its own program); or
        ``(log_rms, log_grad, log_grad_weight)`` by layer path.

    Returns
    -------
    Diagnosis
        Print it; ``frame`` is the table, ``verdict`` the conclusion, ``plot()`` a figure.

    Raises
    ------
    ValueError
        If ``loss`` does not return one number, ``variables`` or ``loss`` is missing, or a layer in
        ``predicted`` is unknown.

    Notes
    -----
    Accuracy: a few roundings of float32 (or of the model's own format) per layer, with matrix
    products at full precision. It is exact in any graph: skips, gates, attention, shared weights.
    The gradient is renormalised on its way, so that its norm neither vanishes nor overflows. Only a
    branch 10^-38 below the rest of the backward pass is reported as 0.
    Assumes: one batch, at the present parameters. Scans are unrolled, so compile time grows with a
    recurrence's length, and rematerialised values are kept. Layers inside a ``while_loop`` enter
    the gradient but not the table (``unseen``).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from vgtheory.diagnose import diagnose
    >>> rngs = nnx.Rngs(0)
    >>> layers = [each for _ in range(6) for each in (nnx.Linear(8, 8, rngs=rngs), nnx.sigmoid)]
    >>> model, x = nnx.Sequential(*layers), jnp.ones((4, 8))
    >>> found = diagnose(model, lambda model, x: model(x).mean(), x)
    >>> found.verdict.word, found.verdict.where, found.verdict.depth
    ('vanishes', 'layers/0', 5)
    """
    remedy = "It takes the model first: loss(model, batch)."
    expect(callable(loss), "diagnose", "a loss that can be called", remedy, loss=type(loss))
    expect_model("diagnose", model, variables, loss)
    expect_rngs("diagnose", rngs)
    if predicted is None or isinstance(predicted, Mapping):
        expect_predicted("diagnose", predicted, 3)
    else:
        expect_count("diagnose", predicted=predicted)
    laws: Any = predicted or {}
    with expect_runs("diagnose", "a loss that takes the model and the batch", "loss"):
        runs = Runs(hooked(model, variables, loss=loss, rngs=rngs, anywhere=True), batch)
    if not isinstance(laws, Mapping):
        laws = _predicted(infinite_width(model, laws, variables=variables, loss=loss, rngs=rngs), batch)
    for layer in laws:
        expect_one_of([site.path for site in runs.trace.sites], "diagnose", layer=layer)
    seen, found = runs.seen(), None
    if not is_finite(seen):
        found = runs.faults()
    sites = runs.trace.sites
    rows = _rows(runs.trace, seen, found.outputs if found else {}, laws)
    weights = dict(zip(runs.trace.leaves, map(float, seen.leaves), strict=True))
    chain = tuple(sites[k].path for k in runs.trace.chain)
    return Diagnosis(
        judged(runs.trace, seen, found), tuple(rows), chain, weights, seen.loss, tuple(runs.trace.unseen), runs
    )
