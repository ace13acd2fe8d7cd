"""Point it at your own model: what its activations and gradients do, layer by layer, why, and what to do about it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from vgtheory.diagnose.arguments import expect_predicted, expect_rngs
from vgtheory.diagnose.runs import Removal, Runs
from vgtheory.diagnose.tracing.backward import Pass
from vgtheory.diagnose.tracing.calls import expect_model, hooked
from vgtheory.diagnose.tracing.trace import Trace
from vgtheory.diagnose.twin import InfiniteWidth, infinite_width
from vgtheory.diagnose.verdict import Verdict, is_finite, judged, shown
from vgtheory.expect import expect, expect_count, expect_one_of, expect_runs
from vgtheory.frame import needed

_DRAWS = 4
"""Draws of the twin that are averaged."""
_SHOWN = 24
"""Rows of a printed table; of longer ones the first and last."""


class Row(NamedTuple):
    """One layer call. All logs are natural; NaN where there is nothing to tell, inf where it is not finite.

    Attributes
    ----------
    layer
        Path; ``@1``, ``@2`` ... are later calls of the same layer.
    kind
        ``"dense"``, ``"conv"``, ``"norm"``, ``"embed"`` or ``"other"``.
    shape
        Of the output.
    sigma_w
        Root mean square of the kernel times the root of its fan-in.
    log_rms
        Root mean square of the output.
    not_finite
        Share of the output's entries that are NaN or infinite.
    log_grad
        Norm of the loss's gradient with respect to the output.
    log_grad_weight
        The same with respect to what this call reads of the parameters.
    log_through
        From the gradient at the output to that at the input: what the layer itself does to it.
    log_between
        On the chain: from the gradient at the next call's input to that at this one's output: what lies between them does.
    between
        ``"slopes"`` if all of the gradient comes from that next call; ``"skips"`` where the graph branches; else empty.
    predicted_log_rms, predicted_log_grad, predicted_log_grad_weight
        As given.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    sigma_w: float
    log_rms: float
    not_finite: float
    log_grad: float
    log_grad_weight: float
    log_through: float
    log_between: float
    between: str
    predicted_log_rms: float
    predicted_log_grad: float
    predicted_log_grad_weight: float


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found in a model; print it.

    Attributes
    ----------
    verdict
        Word, place, sentences and numbers.
    rows
        One for each layer call, in order.
    chain
        Names of the calls along the longest path from parameters to loss, which the verdict is about.
    weights
        Log of the norm of the loss's gradient with respect to each parameter.
    loss
        Its value.
    unseen
        Layers that could not be looked into (called inside a ``while_loop`` or a function with a derivative of its own).
    """

    verdict: Verdict
    rows: tuple[Row, ...]
    chain: tuple[str, ...]
    weights: dict[str, float]
    loss: float
    unseen: tuple[str, ...]
    _runs: "Runs" = dataclasses.field(repr=False)

    @property
    def frame(self) -> Any:
        """The rows as a ``pandas.DataFrame``."""
        return needed("Diagnosis.frame", "pandas", "plot").DataFrame(list(self.rows), columns=Row._fields)

    def __str__(self) -> str:
        return "\n".join([*_table(self), "", self.verdict.text, *_notes(self)])

    def _repr_html_(self) -> str:
        words = "".join(f"<p>{line}</p>" for line in [self.verdict.text, *_notes(self)])
        return words + "<pre>" + "\n".join(_table(self)) + "</pre>"

    def plot(self) -> Any:
        """A ``matplotlib`` figure: activations, and gradients with respect to outputs and weights, by layer call."""
        from vgtheory.diagnose.plot import figure

        return figure(self)

    def killers(self, top: int = 5) -> list[Removal]:
        """What becomes of the gradient at the bottom if one Jacobian on the chain is the identity, the forward pass being as it was.

        Parameters
        ----------
        top
            Number of layers, and of activations between them, tried: those that change the gradient's norm most.

        Returns
        -------
        list of Removal
            Largest effect first.

        Notes
        -----
        Costs one compilation and ``top`` passes more.
        """
        return self._runs.killers(top)

    def critical_scale(self) -> float | None:
        """The number to multiply the chain's kernels by so that the gradient keeps its norm from end to end; None if none is found.

        Returns
        -------
        float or None
            The nearest to 1 (in the log) between 1/64 and 64, to 1e-3; measured in this model on this batch.

        Notes
        -----
        Costs some forty passes, and no compilation. Kernels of dense and convolutional layers on the chain but its first one are multiplied;
        biases stay.
        """
        return self._runs.critical_scale()


def _table(found: Diagnosis) -> list[str]:
    """The rows in aligned columns; numbers, not logs."""
    head = ("layer", "kind", "shape", "sigma_w", "rms", "|dE/dy|", "|dE/dW|", "through", "between")
    lines: list[tuple[str, ...]] = [head]
    for row in found.rows:
        logs = (row.log_rms, row.log_grad, row.log_grad_weight, row.log_through, row.log_between)
        cells = ["-" if np.isnan(log) else shown(log) for log in logs]
        cells[4] += {"slopes": "", "skips": " *", "": ""}[row.between]
        sigma_w = "-" if np.isnan(row.sigma_w) else f"{row.sigma_w:.3g}"
        lines.append((row.layer, row.kind, "x".join(map(str, row.shape)), sigma_w, *cells))
    said = [row.predicted_log_grad for row in found.rows]
    if not np.all(np.isnan(said)):
        cells = ["-" if np.isnan(log) else shown(log) for log in said]
        lines = [(*line, cell) for line, cell in zip(lines, ["predicted |dE/dy|", *cells], strict=True)]
    if any(row.not_finite > 0 for row in found.rows):
        shares = ("not finite", *(f"{row.not_finite:.2%}" for row in found.rows))
        lines = [(*line, share) for line, share in zip(lines, shares, strict=True)]
    if len(lines) > _SHOWN + 1:
        half = _SHOWN // 2
        lines = [*lines[: half + 1], ("...", *[""] * (len(lines[0]) - 1)), *lines[-half:]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _notes(found: Diagnosis) -> list[str]:
    """What a reader of the table has to know."""
    notes = []
    if any(row.between == "skips" for row in found.rows):
        notes.append("* the graph branches here: a change by skips, gates or attention as well as by slopes.")
    if found.unseen:
        notes.append(f"Not looked into (inside a while_loop or a custom_vjp): {', '.join(found.unseen)}.")
    return notes


def _rows(trace: Trace, seen: Pass, share: Mapping[int, Any], predicted: Mapping[str, Sequence[float]]) -> list[Row]:
    """The table."""
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
    r"""Whether a model's gradient vanishes or explodes on one batch, where, and why.

    .. math:: \Bigl|\frac{\partial E}{\partial y_l}\Bigr|, \qquad \Bigl|\frac{\partial E}{\partial W_l}\Bigr|
        \qquad\text{for every layer call } l

    Parameters
    ----------
    model
        A ``flax.nnx`` model; a ``flax.linen`` module with its ``variables``; or any pytree of parameters.
    loss
        ``loss(model, *batch)``, one number (or a tuple that starts with it). A Linen module arrives bound: call it as
        ``model(x)``. A pytree arrives as it is; Linen modules applied in the loss are seen.
    batch
        What the loss takes after the model.
    variables
        Of a Linen module: what its ``init`` returned.
    rngs
        Of a Linen module: keys for dropout, as in ``apply``.
    predicted
        A number of particles: the model's infinite-width twin predicts (``infinite_width``; it compiles a program of its own). Or, by
        layer path, predicted ``(log_rms, log_grad, log_grad_weight)``. To set beside what is measured.

    Returns
    -------
    Diagnosis
        Print it; ``frame`` is the table, ``verdict`` the conclusion, ``plot()`` a figure.

    Raises
    ------
    ValueError
        If ``loss`` does not return one number, the model comes without what it needs, or a layer in ``predicted`` is unknown.

    Notes
    -----
    Accuracy: some roundings of float32 (or of the model's own format) per layer; matrix products are taken at full precision. Exact in any graph:
    skips, gates, attention, shared weights. The gradient is renormalised on its way, so it neither vanishes nor overflows here
    where all that is alive in the backward pass does so together; a branch 10^-38 below the rest is reported as 0.
    Assumes: one batch, at the parameters as they are. Scans are unrolled, so that compile time grows with a recurrence's length.
    What the model rematerialises is kept. Layers inside a ``while_loop`` are part of the sum but not of the table (``unseen``).

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from flax import nnx
    >>> from vgtheory.diagnose import diagnose
    >>> rngs = nnx.Rngs(0)
    >>> layers = [each for _ in range(30) for each in (nnx.Linear(16, 16, rngs=rngs), nnx.sigmoid)]
    >>> found = diagnose(nnx.Sequential(*layers), lambda model, x: model(x).mean(), jnp.ones((4, 16)))
    >>> found.verdict.word, found.verdict.where, found.verdict.depth, round(found.verdict.factor, 1)
    ('vanishes', 'layers/0', 29, 0.2)
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
