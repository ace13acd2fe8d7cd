"""Gradients of a real loss over classes in real networks: absolute sizes, not relative to the top."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vgtheory.estimate import Estimate
from vgtheory.expect import expect, expect_number
from vgtheory.measure.arguments import asked, free, one_of, units
from vgtheory.measure.arguments import listed as may_be_listed
from vgtheory.measure.engine.averages import averaged
from vgtheory.measure.engine.draws import MASK, signed_uniform
from vgtheory.measure.engine.log_pass import Walk, walk
from vgtheory.measure.engine.runs import chosen_devices, lanes_for, run
from vgtheory.measure.layers.chains import logs_of
from vgtheory.measure.layers.listed import Listed, Plan, planned_layers, unit_of
from vgtheory.networks.dense import Dense
from vgtheory.networks.listed import LOSSES

_LABELS = 2**27
"""Stream of the labels, which no layer has."""


class _Size(NamedTuple):
    """Static arguments of the compiled program."""

    plan: Plan
    dtype: str
    scalable: bool
    loss: str


def _derivative(loss: str, logits: Array, is_class: Array, is_label: Array) -> Array:
    """dE/dh_L; zero where no unit is."""
    if loss == "squared":
        return (logits - is_label) * is_class
    shares = jax.nn.softmax(jnp.where(is_class > 0, logits, -jnp.inf))
    others = shares * (1 - is_label)
    # The label's entry is minus the sum of the others, without rounding where its share is nearly 1.
    return others - is_label * jnp.sum(others)


def _one(words: Array, given: tuple[Any, Array | None, Array | None], size: _Size) -> Walk:
    """Run one network on one example, given or drawn."""
    rows, inputs, labels = given
    layers = Listed(words, size.plan, jax.tree.map(jnp.asarray, rows), size.dtype, size.scalable)
    is_class = layers.mask(len(rows.sigma_w))
    draw = signed_uniform(words, MASK, _LABELS, (2,), jnp.float32)[0]
    pick = lambda share, count: jnp.minimum((share * count).astype(jnp.int32), count - 1)
    x_0, label = layers.start(1), pick(draw[0], layers.rows.sizes[-1])
    if inputs is not None and labels is not None:
        example = pick(draw[1], len(inputs))
        x_0 = jnp.zeros_like(x_0).at[0, : inputs.shape[1]].set(inputs[example].astype(x_0.dtype))
        label = labels[example]
    is_label = (jnp.arange(size.plan.widest) == label).astype(x_0.dtype)

    def cotangent(h: Array, log_scale: Array) -> Array:
        logits = h[0] * jnp.exp(log_scale[0]).astype(h.dtype)
        return _derivative(size.loss, logits, is_class, is_label)[None]

    return walk(
        layers.weights,
        unit_of(Dense("linear")),
        x_0,
        cotangent,
        len(rows.sigma_w),
        size.scalable,
        inputs_of=layers.inputs,
    )


def _expect_examples(inputs: Any, labels: Any, widths: tuple[int, ...]) -> None:
    """Raise unless data fit the network."""
    where = "log_loss_grad_layers"
    together = (inputs is None) == (labels is None)
    expect(together, where, "inputs and labels together", "", inputs=inputs is not None, labels=labels is not None)
    if inputs is None:
        return
    expect_number(where, ndim=2, inputs=inputs)
    expect_number(where, f"[0, {widths[-1] - 1}]", ndim=1, integer=True, labels=labels)
    fits = np.shape(inputs) == (len(labels), widths[0])
    expect(fits, where, f"inputs of shape ({len(labels)}, {widths[0]})", shape=np.shape(inputs))


@asked(net=may_be_listed, depth=units, width=units, loss=one_of(LOSSES), inputs=free, labels=free)
def log_loss_grad_layers(
    key: Array,
    net: Dense,
    *,
    depth: int | None = None,
    width: int | None = None,
    num_nets: int,
    loss: str = "cross_entropy",
    input_square: float = 1.0,
    inputs: Any = None,
    labels: Any = None,
    dtype: str = "float32",
) -> Estimate:
    r"""Log-norm of the gradient of a loss with respect to every layer's weights.

    .. math:: \ln \left| \frac{\partial E}{\partial W_l} \right|_F, \qquad l = 1 \dots L

    for one example in each network. The last ``h`` of the network are the logits of as many classes
    as it has units. The loss is the cross-entropy of their softmax, or half the squared distance
    between them and the label's one-hot vector.

    Parameters
    ----------
    key, net, depth, width, num_nets, dtype
        As for ``measure.log_grad_layers``; the network is a ``Dense``, as a rule with ``widths``.
    loss
        ``"cross_entropy"`` or ``"squared"``.
    input_square
        Mean square of the drawn inputs.
    inputs, labels
        Data, shapes ``(examples, widths[0])`` and ``(examples,)``, of which every network takes one
        example at random. By default the input is drawn, and a label independent of it.

    Returns
    -------
    Estimate
        Mean over networks of the natural log of the Frobenius norm, shape ``(depth,)``; ``err`` is
        one standard error.

    Notes
    -----
    Accuracy: ``err``.
    Assumes: nothing. A network with a dead layer, or an error of exactly zero, makes the mean -inf.

    Examples
    --------
    >>> import jax
    >>> from vgtheory import Dense, measure
    >>> net = Dense("relu", sigma_w=2**0.5, widths=(64, 32, 10))
    >>> measure.layers.log_loss_grad_layers(jax.random.key(0), net, num_nets=4).value.shape
    (2,)
    """
    plan, rows, layers = planned_layers("log_loss_grad_layers", net, depth, width, input_square, dtype)
    _expect_examples(inputs, labels, layers.sizes)
    data = tuple(None if each is None else np.asarray(each) for each in (inputs, labels))
    devices = chosen_devices(None)
    how: dict[str, Any] = {"num_nets": num_nets, "dtype": dtype, "lanes": lanes_for(plan.widest**2, num_nets, devices)}
    found = run(_one, key, (rows, *data), _Size(plan, dtype, plan.scalable, loss), **how, devices=devices)
    logs = logs_of(found, plan.scalable, relative=False).log_grad_weight
    return averaged(logs, np.arange(logs.shape[-1], 0, -1), dtype)
