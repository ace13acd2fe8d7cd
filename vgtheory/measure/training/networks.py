"""Training of many random networks at once, with records of every layer's gradient."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from jax.typing import ArrayLike

from vgtheory.expect import Numbers, expect_scalars
from vgtheory.frame import frame_of_nets
from vgtheory.measure.arguments import asked, count, free, number, optimiser_of_optax, optional, pair, when
from vgtheory.measure.engine.draws import BIAS, drawn, normal, words_of
from vgtheory.measure.engine.networks import orthogonal
from vgtheory.measure.engine.runs import chosen_devices, compiled, fetched, lanes_for, over_networks
from vgtheory.measure.engine.taps import log_norm
from vgtheory.measure.training.tasks import WHERE, examples_of, expect_loss, loss_of, updates_of
from vgtheory.networks.blocks import Normed
from vgtheory.networks.dense import Dense

if TYPE_CHECKING:
    import pandas

_EPSILON = 1e-5
"""Epsilon of the norms, as usual in training."""
_FEWEST_LAYERS = 2


class TrainingLogs(NamedTuple):
    """Records of networks in training, one by one.

    Attributes
    ----------
    updates
        Number of updates made before each record, shape ``(records,)``.
    log_grad_weight
        Natural log of the norm of the loss's gradient with respect to each layer's matrix, over the
        probed examples; shape ``(num_nets, records, depth)``. -inf where it has underflowed, NaN or
        inf where the network has diverged.
    log_moved
        Log of the distance of each layer's matrix from its start, over its norm at the start; same
        shape.
    log_scale
        Log of each matrix's root mean square entry times the root of its fan-in, which is its
        present sigma_w; same shape.
    loss
        Loss over the probed examples, shape ``(num_nets, records)``.
    score
        Share of unseen examples classified correctly; without classes, the loss on them; same
        shape.
    finite
        Whether all parameters are finite at the end, shape ``(num_nets,)``.
    """

    updates: np.ndarray
    log_grad_weight: np.ndarray
    log_moved: np.ndarray
    log_scale: np.ndarray
    loss: np.ndarray
    score: np.ndarray
    finite: np.ndarray

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table with a row for each layer, record and network, as a ``pandas.DataFrame``."""
        columns = {name: field for name, field in self._asdict().items() if name != "updates"}
        layers = np.arange(1, self.log_scale.shape[2] + 1)
        return frame_of_nets(self, {"updates": self.updates, "layer": layers}, columns)


class _Sizes(NamedTuple):
    """Static arguments of the compiled program."""

    depth: int
    width: int
    num_inputs: int
    num_outputs: int
    batch: int
    num_probes: int
    optimiser: optax.GradientTransformation
    loss: Callable[[Array, Array], Array]
    is_class: bool


def _drawn(net: Dense | Normed, words: Array, layer: ArrayLike, fan_in: int, fan_out: int) -> dict[str, Array]:
    """One layer, biases and norm included."""
    weights = getattr(net, "weights", "gaussian")
    if weights == "orthogonal":
        size = max(fan_in, fan_out)
        square = orthogonal(drawn(words, "gaussian", layer, (size, size), jnp.float32))
        matrix = square[:fan_in, :fan_out] * (size / fan_in) ** 0.5
    else:
        matrix = drawn(words, weights, layer, (fan_in, fan_out), jnp.float32) * fan_in**-0.5
    bias = net.sigma_b * normal(words, BIAS, layer, (fan_out,), jnp.float32)
    norm = {"gain": jnp.ones(fan_out), "shift": jnp.zeros(fan_out)} if isinstance(net, Normed) else {}
    return {"kernel": net.sigma_w * matrix, "bias": bias, **norm}


def _initial(net: Dense | Normed, words: Array, sizes: _Sizes) -> dict[str, dict[str, Array]]:
    """Parameters: the first layer, the stacked layers between, and the last, which has no norm."""
    between = jnp.arange(2, sizes.depth)
    hidden = lax.map(lambda layer: _drawn(net, words, layer, sizes.width, sizes.width), between)
    last = _drawn(net, words, sizes.depth, sizes.width, sizes.num_outputs)
    return {
        "first": _drawn(net, words, 1, sizes.num_inputs, sizes.width),
        "hidden": hidden,
        "last": {"kernel": last["kernel"], "bias": last["bias"]},
    }


def _affine(x: Array, layer: dict[str, Array]) -> Array:
    return jnp.dot(x, layer["kernel"], precision=lax.Precision.HIGHEST) + layer["bias"][None, :]


def _normed(h: Array, net: Normed) -> Array:
    axis = 0 if net.norm == "batch" else 1
    centred = h if net.norm == "rms" else h - h.mean(axis=axis, keepdims=True)
    return centred * lax.rsqrt(jnp.mean(centred**2, axis=axis, keepdims=True) + _EPSILON)


def _outputs(net: Dense | Normed, params: Any, x: Array) -> Array:
    """Outputs for a batch; batch norm takes its statistics from the batch."""

    def bent(x: Array, layer: dict[str, Array]) -> Array:
        h = _affine(x, layer)
        if not isinstance(net, Normed):
            return net.activation.phi(h)
        scaled = lambda values: values * layer["gain"][None, :] + layer["shift"][None, :]
        if net.place == "pre":
            return net.activation.phi(scaled(_normed(h, net)))
        return scaled(_normed(net.activation.phi(h), net))

    x, _ = lax.scan(lambda x, layer: (bent(x, layer), None), bent(x, params["first"]), params["hidden"])
    return _affine(x, params["last"])


def _log_norms(tree: Any) -> Array:
    """Log-norm of every layer's matrix, from the first to the last."""
    first, last = (log_norm(tree[name]["kernel"])[0] for name in ("first", "last"))
    return jnp.concatenate([first[None], jax.vmap(lambda one: log_norm(one)[0])(tree["hidden"]["kernel"]), last[None]])


def _record(net: Any, data: Any, params: Any, start: Any, loss: Any, sizes: _Sizes) -> Any:
    """Gradient norms, distances from the start, scales, loss and score of one network."""
    inputs, targets, test_inputs, test_targets = data
    probed, wanted = inputs[: sizes.num_probes], targets[: sizes.num_probes]
    value, slope = jax.value_and_grad(lambda params: loss(params, probed, wanted))(params)
    origin = _log_norms(start)
    moved = _log_norms(jax.tree.map(jnp.subtract, params, start)) - origin
    fan_out = np.array([sizes.width] * (sizes.depth - 1) + [sizes.num_outputs])
    scale = _log_norms(params) - np.log(fan_out).astype(np.float32) / 2
    answers = _outputs(net, params, test_inputs)
    score = jnp.mean(answers.argmax(axis=1) == test_targets) if sizes.is_class else sizes.loss(answers, test_targets)
    return _log_norms(slope), moved, scale, value, jnp.where(jnp.isfinite(answers).all(), score, jnp.nan)


def _one(shared: Any, index: Array, sizes: _Sizes) -> Any:
    """Train one network."""
    net, key, rate, when, data = shared
    own = jax.random.fold_in(key, index)
    start = _initial(net, words_of(own), sizes)
    loss = lambda params, x, y: sizes.loss(_outputs(net, params, x), y)

    def update(number: Array, state: Any) -> Any:
        params, memory = state
        drawn_at = jax.random.randint(jax.random.fold_in(own, number), (sizes.batch,), 0, len(data[0]))
        slope = jax.grad(loss)(params, data[0][drawn_at], data[1][drawn_at])
        step, memory = sizes.optimiser.update(slope, memory, params)
        return jax.tree.map(lambda each, change: each + rate * change, params, step), memory

    def stretch(state: Any, ends: tuple[Array, Array]) -> Any:
        state = lax.fori_loop(ends[0], ends[1], update, state)
        return state, _record(net, data, state[0], start, loss, sizes)

    before = jnp.concatenate([jnp.zeros_like(when[:1]), when[:-1]])
    (params, _), rows = lax.scan(stretch, (start, sizes.optimiser.init(start)), (before, when))
    finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()
    return rows, finite


@compiled("sizes", "num_nets", "lanes", "devices")
def _all(shared: Any, sizes: _Sizes, num_nets: int, lanes: int, devices: tuple) -> Any:
    return over_networks(functools.partial(_one, sizes=sizes), shared, num_nets, lanes, devices)


@asked(
    inputs=number(ndim=2),
    targets=number(ndim=None),
    optimiser=optimiser_of_optax,
    loss=free,
    unseen=optional(pair),
    record=optional(when),
    depth=count(_FEWEST_LAYERS),
)
def training_logs(
    key: Array,
    net: Dense | Normed,
    inputs: Numbers,
    targets: Numbers,
    *,
    depth: int,
    width: int,
    optimiser: optax.GradientTransformation,
    num_updates: int,
    num_nets: int,
    rate: float = 1.0,
    batch: int = 64,
    loss: str | Callable[[Array, Array], Array] | None = None,
    unseen: tuple[Numbers, Numbers] | None = None,
    record: Sequence[int] | None = None,
    num_probes: int = 256,
    devices: Sequence[jax.Device] | None = None,
) -> TrainingLogs:
    """Gradient norm of every layer of random networks during training with any optimiser.

    A network has ``depth`` matrices, drawn as ``net`` says: one from the inputs to ``width`` units,
    ``depth - 2`` square ones, and one to the outputs. Biases, and the gains and shifts of a norm,
    are trained too. Each network has its own draw and its own batches (with replacement).

    Parameters
    ----------
    key
        A JAX key.
    net
        A ``Dense`` or a ``Normed``, with scalar ``sigma_w`` and ``sigma_b``. Batch norm takes its
        statistics from the current batch, for unseen examples too; ``net.batch`` is not used.
    inputs
        Examples, shape ``(num, num_inputs)``; of unit mean square if the laws of ``theory`` are to
        hold at the start.
    targets
        Classes, integers of shape ``(num,)``; or target outputs, shape ``(num, num_outputs)``.
    depth, width
        Number of matrices, >= 2, and number of units.
    optimiser
        An Optax optimiser. Each object compiles its own program, so pass the same object again.
    num_updates, num_nets
        Numbers of updates and of networks.
    rate
        Factor of the optimiser's updates. Many values share one program, which many learning rates
        of an optimiser do not.
    batch
        Number of examples per update.
    loss
        A key of ``LOSSES`` or a function of outputs and targets; ``None`` for cross-entropy of
        classes, or half the squared error.
    unseen
        Inputs and targets to score without training on them; ``None`` for all training examples.
    record
        Numbers of updates after which to record, increasing; ``None`` for 0 and two per octave.
    num_probes
        Number of examples, from the first, whose gradient is recorded.
    devices
        JAX devices to spread the networks over; ``None`` for all.

    Returns
    -------
    TrainingLogs
        Records of every network.

    Notes
    -----
    Accuracy: training is in float32, so gradients below its smallest number are lost as in any
    training. Norms are taken in the log domain.
    Assumes: nothing.

    Examples
    --------
    >>> import jax, numpy as np, optax
    >>> from vgtheory import Dense, measure
    >>> x = np.random.default_rng(0).standard_normal((256, 4)).astype(np.float32)
    >>> size = {"depth": 3, "width": 16, "num_updates": 100, "num_nets": 2}
    >>> task = {"inputs": x, "targets": (x[:, 0] > 0).astype(int), "optimiser": optax.sgd(0.5)}
    >>> logs = measure.training.training_logs(jax.random.key(0), Dense("tanh"), **task, **size)
    >>> logs.log_grad_weight.shape == (2, logs.updates.size, 3)
    True
    >>> bool((logs.score[:, -1] > 0.95).all())
    True
    """
    expect_scalars(WHERE, sigma_w=net.sigma_w, sigma_b=net.sigma_b)
    data, is_class = examples_of(inputs, targets, unseen)
    when, chosen = updates_of(record, num_updates), chosen_devices(devices)
    num_outputs = int(np.max(targets)) + 1 if is_class else np.shape(targets)[1]
    probes, num_inputs = min(num_probes, len(data[0])), data[0].shape[1]
    found = loss_of(loss, is_class)
    expect_loss(found, batch, num_outputs, data[1])
    sizes = _Sizes(depth, width, num_inputs, num_outputs, batch, probes, optimiser, found, is_class)
    ends = np.unique([*when, num_updates]).astype(np.int32)
    given = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), net)
    shared = (given, key, jnp.float32(rate), jnp.asarray(ends), data)
    lanes = lanes_for(width * max(width, batch), num_nets, chosen)
    rows, finite = fetched(_all(shared, sizes, num_nets, lanes, chosen))
    kept = np.isin(ends, when)
    grad, moved, scale, lost, score = (np.asarray(each, np.float64)[:, kept] for each in rows)
    return TrainingLogs(when, grad, moved, scale, lost, score, finite)
