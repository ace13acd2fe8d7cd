"""What a user calls to diagnose a model: for a report, or in a test suite."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from vgtheory.diagnose.arguments import expect_predicted, expect_rngs
from vgtheory.diagnose.diagnosis import Diagnosis
from vgtheory.diagnose.passes.sizes import Pass
from vgtheory.diagnose.program.models import opened
from vgtheory.diagnose.rows import Row
from vgtheory.diagnose.runs import Runs, is_finite
from vgtheory.diagnose.twin import InfiniteWidth, infinite_width
from vgtheory.diagnose.verdict import judged
from vgtheory.expect import expect_count, expect_one_of

_DRAWS = 4
"""Draws of the twin that are averaged."""


def _rows(runs: Runs, seen: Pass, bad: np.ndarray, predicted: Mapping[str, Sequence[float]]) -> list[Row]:
    """Rows of the table."""
    trace, chain = runs.trace, runs.chain(seen)
    gaps = trace.graph.between(chain)
    between = {a: (b, gap.is_plain) for a, b, gap in zip(chain, chain[1:], gaps, strict=False)}
    rows = []
    for k, (path, call) in enumerate(zip(trace.paths, trace.graph.calls, strict=True)):
        site, (above, plain) = call.site, between.get(k, (-1, False))
        kind = ("slopes" if plain else "skips") if k in between else ""
        with np.errstate(invalid="ignore"):
            numbers = {
                "log_rms": seen.log_rms[k],
                "not_finite": bad[k],
                "log_grad": seen.log_grad[k],
                "log_grad_weight": seen.log_grad_weight[k],
                "log_through": seen.log_below[k] - seen.log_grad[k],
                "log_between": seen.log_grad[k] - seen.log_below[above] if k in between else np.nan,
            } | dict(zip(Row._fields[-3:], predicted.get(path, (np.nan,) * 3), strict=True))
        rest = {name: float(number) for name, number in numbers.items()}
        sigma_w = float(np.exp(seen.log_weight[k]) * np.sqrt(site.fan_in))
        rows.append(Row(layer=path, kind=site.kind, shape=site.shape, sigma_w=sigma_w, between=kind, **rest))
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
        A ``flax.nnx`` model; a ``flax.linen`` module with its ``variables``; or any pytree with
        parameters in it: an Equinox module, Haiku's parameters, a dictionary.
    loss
        ``loss(model, *batch)``, one number (or a tuple that starts with it). A Linen module arrives
        bound: call it as ``model(x)``. A pytree arrives as it is.
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
        If ``loss`` does not return one number or is no function to differentiate, ``variables`` or
        ``loss`` is missing, or a layer in ``predicted`` is unknown.

    Notes
    -----
    Accuracy: a few roundings of float32 (or of the model's own format) per layer, with matrix
    products at full precision. It is exact in any graph: skips, gates, attention, shared weights.
    Every cotangent has a binary exponent of its own, so that the gradient neither vanishes nor
    overflows; powers of two round nothing. In bfloat16, norms differ from those of ``jax.grad`` by up
    to 5e-3: gradients that meet are added in another order, and XLA leaves out other roundings. Op by
    op and with JAX's order they are equal. Only what lies 10^-38 below the rest of one array's
    gradient is reported as 0.
    A layer is an operation in which a parameter meets the data, whatever the library: a product
    (``"dense"``), a convolution, a look-up (``"embed"``). It is named by its parameter's path.
    Assumes: one batch, at the present parameters. Scans are walked step by step, and compile as one
    step; rematerialised values are kept. What is read inside a ``cond`` or a function with a
    derivative of its own enters the gradient but not the table (``unseen``). A ``while_loop``
    through which a gradient passes is refused, for JAX does not differentiate it.

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
    return diagnosed("diagnose", model, loss, batch, variables, rngs, predicted)


def diagnosed(
    where: str,
    model: Any,
    loss: Callable[..., Any],
    batch: tuple,
    variables: Any,
    rngs: Any,
    predicted: Mapping[str, Sequence[float]] | int | None,
) -> Diagnosis:
    """Diagnosis for a public function, ``where``."""
    expect_rngs(where, rngs)
    if predicted is None or isinstance(predicted, Mapping):
        expect_predicted(where, predicted, 3)
    else:
        expect_count(where, predicted=predicted)
    laws: Any = predicted or {}
    opened_model = opened(model, variables, loss, rngs, where)
    runs = Runs(opened_model, batch, where)
    if not isinstance(laws, Mapping):
        laws = _predicted(infinite_width(model, laws, variables=variables, loss=loss, rngs=rngs), batch)
    for layer in laws:
        expect_one_of(runs.trace.paths, where, layer=layer)
    seen, found, is_masked = runs.seen(), None, False
    if not is_finite(seen):
        found = runs.faults()
    elif any(np.isposinf(column).any() for column in seen[3:6]):
        seen, is_masked = runs.masked(), True
    rows = _rows(runs, seen, found.outputs if found else np.zeros(len(runs.trace.paths)), laws)
    weights = dict(zip(runs.trace.leaves, map(float, seen.leaves), strict=True))
    chain = tuple(runs.trace.paths[k] for k in runs.chain(seen))
    verdict = judged(runs.trace, seen, found, is_masked=is_masked)
    return Diagnosis(verdict, tuple(rows), chain, weights, seen.loss, tuple(runs.trace.hidden), runs)


def assert_healthy(model: Any, loss: Callable[..., Any], *batch: Any, variables: Any = None, rngs: Any = None) -> None:
    """Raise unless the gradient of a model is healthy on one batch.

    Parameters
    ----------
    model, loss, batch, variables, rngs
        As in ``diagnose``.

    Returns
    -------
    None
        If the verdict is ``"healthy"``.

    Raises
    ------
    AssertionError
        With what was found, why, and what helps.
    ValueError
        As ``diagnose`` does.

    Notes
    -----
    Costs one compilation. Assumes: one batch, at the present parameters; use a fixed key.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from vgtheory.diagnose import assert_healthy
    >>> rngs = nnx.Rngs(0)
    >>> model = nnx.Sequential(nnx.Linear(8, 8, rngs=rngs), nnx.tanh, nnx.Linear(8, 8, rngs=rngs))
    >>> assert_healthy(model, lambda model, x: model(x).mean(), jnp.ones((4, 8)))
    """
    found = diagnosed("assert_healthy", model, loss, batch, variables, rngs, None)
    if found.verdict.word != "healthy":
        said = "\n".join(f"{head}: {text}" for head, text in found.sentences())
        raise AssertionError(f"assert_healthy: the gradient is not healthy ({found.verdict.word}).\n{said}")


__all__ = ["assert_healthy", "diagnose", "diagnosed"]
