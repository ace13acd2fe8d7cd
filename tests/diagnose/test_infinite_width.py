"""The infinite-width twin of a model against closed forms, and against the model itself, made wide."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from tests.diagnose.hooks import hooked
from tests.tolerances import (
    BRAIN_FLOAT,
    NETWORK_SCATTER,
    ONE_MODEL,
    PARTICLE_ERROR,
    SIGMAS,
    SINGLE,
    TWIN_BIAS,
    WIDE_GAP,
)
from vgtheory import Dense, theory
from vgtheory.diagnose import diagnose, infinite_width
from vgtheory.diagnose.program.listing import bound, listed
from vgtheory.diagnose.replicas.products import Layout, layout, product_in

DEPTH, WIDTH, INPUTS, PARTICLES = 5, 256, 3, 4096


class Chain(nnx.Module):
    """A chain of square layers: plain, with skips, or with a layer norm before each."""

    def __init__(self, kind: str, sigma_w: float, phi: Any, rngs: nnx.Rngs) -> None:
        scale = sigma_w / WIDTH**0.5
        draw = jax.nn.initializers.normal(1.0)

        def exactly(key: Any, shape: Any, dtype: Any = jnp.float32) -> Any:
            drawn = draw(key, shape, dtype)
            return scale * drawn / jnp.sqrt(jnp.mean(drawn**2))

        layer = lambda: nnx.Linear(WIDTH, WIDTH, use_bias=False, kernel_init=exactly, rngs=rngs)
        self.layers = nnx.List([layer() for _ in range(DEPTH)])
        self.norms = nnx.List([nnx.LayerNorm(WIDTH, epsilon=0.0, rngs=rngs) for _ in range(DEPTH)])
        self.kind, self.phi = kind, phi

    def __call__(self, x: Any) -> Any:
        h = self.layers[0](x)
        for layer, norm in zip(list(self.layers)[1:], list(self.norms)[1:], strict=True):
            inner = self.phi(norm(h) if self.kind == "norm" else h)
            h = h + layer(inner) if self.kind == "skip" else layer(inner)
        return h


def white_loss(model: Any, x: Any, top: Any) -> Any:
    """Its gradient at the output is given: white, and independent of the weights."""
    return jnp.sum(model(x) * top)


def inputs(key: Any) -> Any:
    x = jax.random.normal(key, (INPUTS, WIDTH))
    return x / jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True))


def rates(key: Any, kind: str, sigma_w: float, phi: Any) -> tuple[np.ndarray, np.ndarray]:
    """Predicted ln |g_l| relative to the top, at the first layers, and their errors."""
    keys = jax.random.split(key, 3)
    twin = infinite_width(Chain(kind, sigma_w, phi, nnx.Rngs(0)), PARTICLES, loss=white_loss)
    top = jax.random.normal(keys[2], (INPUTS, WIDTH))
    laws = list(twin.layers(keys[0], inputs(keys[1]), top, num_draws=8).values())
    grads = np.array([law.log_grad.value for law in laws])
    return grads - grads[-1], np.array([law.log_grad.err for law in laws])


CHAINS: dict[str, tuple[float, Any, Callable[[], Any]]] = {
    "plain": (1.5, jnp.tanh, lambda: theory.log_grad_layers(Dense("tanh", 1.5), depth=DEPTH).mean),
    # The stream's squared gradient grows by 1 + sigma_w^2 / 2 in each block.
    "skip": (1.0, jax.nn.relu, lambda: np.arange(DEPTH - 1, -1, -1) * np.log(1.5) / 2),
    # A layer makes q = sigma_w^2 / 2 of a unit input, of an input to the network sigma_w^2; the norm divides by it.
    "norm": (1.3, jax.nn.relu, lambda: np.append(np.log(0.5) / 2, np.zeros(DEPTH - 1))),
}


@pytest.mark.parametrize("kind", ["plain", pytest.param("skip", marks=pytest.mark.slow), "norm"])
def test_chains_follow_their_closed_forms(key: jax.Array, kind: str) -> None:
    sigma_w, phi, law = CHAINS[kind]
    seen, err = rates(key, kind, sigma_w, phi)
    assert (np.abs(seen - law())[:-1] < SIGMAS * err[:-1]).all()
    assert (err < PARTICLE_ERROR).all()


def test_weights_off_by_3_percent_are_seen(key: jax.Array) -> None:
    _, phi, law = CHAINS["plain"]
    seen, err = rates(key, "plain", 1.03 * 1.5, phi)
    assert (np.abs(seen - law())[:-1] > SIGMAS * err[:-1]).any()


@pytest.mark.slow
def test_a_gradient_below_all_formats_is_predicted(key: jax.Array) -> None:
    """Six layers at sigma_w = 10^-9 leave 10^-48 of it, in float32."""
    sigma_w, depth = 1e-9, 6
    draw = nnx.initializers.normal(sigma_w / 64**0.5)
    layers = [nnx.Linear(64, 64, use_bias=False, kernel_init=draw, rngs=nnx.Rngs(k)) for k in range(depth)]
    model = nnx.Sequential(*[each for layer in layers for each in (layer, nnx.sigmoid)])
    twin = infinite_width(model, 1024, loss=lambda model, x: jnp.sum(model(x)))
    laws = twin.layers(key, jax.random.normal(key, (2, 64)), num_draws=4)
    scales = [jnp.sqrt(jnp.mean(layer.kernel[...] ** 2)) * 64**0.5 for layer in layers]
    # So near 0 the sigmoid's slope is a quarter.
    down = float(np.sum(np.log(scales[1:])) + (depth - 1) * np.log(0.25))
    bottom, top = (laws[f"layers/{k}"].log_grad for k in (0, 2 * depth - 2))
    assert bottom.value < -100
    assert abs(bottom.value - top.value - down) < SIGMAS * np.hypot(bottom.err, top.err)


def test_diagnose_sets_the_twin_s_predictions_beside(key: jax.Array) -> None:
    model = Chain("plain", 1.5, jnp.tanh, nnx.Rngs(0))
    found = diagnose(model, white_loss, inputs(key), jax.random.normal(key, (INPUTS, WIDTH)), predicted=PARTICLES)
    gaps = np.array(
        [[row.predicted_log_grad - row.log_grad, row.predicted_log_rms - row.log_rms] for row in found.rows]
    )
    assert np.abs(gaps).max() < ONE_MODEL
    assert "predicted |dE/dy|" in str(found)


class Biased(nnx.Module):
    """What has biases: gelu layers whose signals fade, a gated unit, attention, a convolution."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        layer = lambda: nnx.Linear(WIDTH, WIDTH, bias_init=nnx.initializers.normal(0.1), rngs=rngs)
        self.layers, self.gate, self.up = nnx.List([layer() for _ in range(4)]), layer(), layer()
        self.attention = nnx.MultiHeadAttention(16, WIDTH, decode=False, rngs=rngs)
        self.conv = nnx.Conv(WIDTH, WIDTH, (3,), rngs=rngs)

    def __call__(self, x: Any) -> Any:
        for each in self.layers:
            x = nnx.gelu(each(x))
        x = nnx.silu(self.gate(x)) * self.up(x)
        return self.conv(x + self.attention(x))


@pytest.mark.slow
def test_what_is_predicted_of_weights_and_outputs_is_what_is_measured(key: jax.Array) -> None:
    """A bias counts among what the layer reads, and in what it puts out: its gradient is many times the fading weights'."""
    model, x = Biased(nnx.Rngs(0)), jax.random.normal(key, (2, INPUTS, WIDTH))
    top = jax.random.normal(jax.random.fold_in(key, 1), x.shape)
    found = diagnose(model, white_loss, x, top, predicted=512)
    rows = {row.layer: row for row in found.rows}
    # Less what both say of |dE/dy|, which scatters from model to model.
    grads = {layer: row.predicted_log_grad - row.log_grad for layer, row in rows.items()}
    for layer, row in rows.items():
        assert abs(row.predicted_log_grad_weight - row.log_grad_weight - grads[layer]) < ONE_MODEL
        assert abs(row.predicted_log_rms - row.log_rms) < ONE_MODEL
    kernels = [found.weights[f"{layer}/kernel"] - rows[layer].predicted_log_grad_weight for layer in rows]
    assert min(kernels) < -1


class CNN(nn.Module):
    """Convolutions with a stride and two paddings, a norm, and a dense head."""

    width: int

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.relu(nn.Conv(self.width, (3, 3))(x))
        x = nn.relu(nn.Conv(self.width, (3, 3), strides=2, padding="CIRCULAR", use_bias=False)(x))
        x = nn.LayerNorm()(nn.Conv(self.width, (2, 2), padding="VALID")(x))
        return nn.Dense(6)(jnp.mean(nn.relu(x), axis=(1, 2)))


class Block(nn.Module):
    """A pre-norm transformer block after an embedding."""

    width: int
    heads: int

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Dense(self.width, name="embed")(x)
        n = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(self.heads, deterministic=True)(n)
        n = nn.LayerNorm()(x)
        return x + nn.Dense(self.width, name="down")(nn.gelu(nn.Dense(4 * self.width, name="up")(n)))


class Recurrence(nnx.Module):
    """An LSTM over a sequence, read at its end."""

    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.rnn = nnx.RNN(nnx.LSTMCell(width, width, rngs=rngs))

    def __call__(self, x: Any) -> Any:
        return self.rnn(x)[:, -1]


def gaps(
    key: jax.Array,
    make: Callable[[Any], Any],
    x: Any,
    top: Any,
    num_nets: int,
    num_particles: int,
    num_draws: int,
    tied: bool = True,
) -> Any:
    """Predicted less measured ln |dE/dy| at every call, by zeros added to real models' outputs; and the difference's error."""
    keys = jax.random.split(key, num_nets + 2)
    model, variables = make(keys[0])
    twin = infinite_width(model, num_particles, variables=variables, loss=white_loss, tied=tied)
    laws = twin.layers(keys[1], x, top, num_draws=num_draws)
    run = hooked(model, variables, loss=white_loss)

    def energy(offsets: Any, params: Any, shapes: Any) -> Any:
        def hook(call: Any, inputs: tuple, layer: Any) -> Any:
            y = layer(*inputs)
            shapes[call.path] = y.shape
            return y + offsets[call.path] if call.path in offsets else y

        return run.apply(params, hook, x, top)

    shapes: dict[str, tuple] = {}
    jax.eval_shape(lambda params: energy({}, params, shapes), run.params)
    zeros = {path: jnp.zeros(shapes[path]) for path in laws}
    norms = jax.jit(lambda params: jax.tree.map(jnp.linalg.norm, jax.grad(energy)(zeros, params, {})))
    seen = [norms(hooked(*make(each)).params) for each in keys[2:]]
    with np.errstate(divide="ignore"):
        rows = np.log([[each[path] for path in laws] for each in seen])
    predicted, errs = (np.array([getattr(law.log_grad, name) for law in laws.values()]) for name in ("value", "err"))
    # A gate that multiplies a state of zero has no gradient, here and there.
    alive = np.isfinite(predicted)
    assert (alive == np.isfinite(rows).all(axis=0)).all()
    err = np.hypot(errs, np.where(alive, rows, 0.0).std(axis=0, ddof=1) / num_nets**0.5)[alive]
    return (predicted - np.where(alive, rows, 0.0).mean(axis=0))[alive], err


def cnn(width: int) -> Callable[[Any], tuple[Any, Any]]:
    return lambda key: (CNN(width), CNN(width).init(key, jnp.zeros((2, 8, 8, 3))))


def block(width: int) -> Callable[[Any], tuple[Any, Any]]:
    return lambda key: (Block(width, width // 64), Block(width, width // 64).init(key, jnp.zeros((12, 32))))


def lstm(width: int) -> Callable[[Any], tuple[Any, Any]]:
    return lambda key: (Recurrence(width, nnx.Rngs(key)), None)


MODELS = [
    # The model with biases, above, has attention and a convolution in one dimension; the chains have norms.
    pytest.param(cnn(128), (2, 8, 8, 3), (2, 6), 512, id="convolutions", marks=pytest.mark.slow),
    pytest.param(block(256), (12, 32), (12, 256), 2048, id="transformer", marks=pytest.mark.slow),
    pytest.param(lstm(256), (2, 3, 256), (2, 256), 2048, id="lstm", marks=pytest.mark.slow),
]
WIDE = [
    pytest.param(block(2048), (12, 32), (12, 2048), id="transformer"),
    pytest.param(lstm(2048), (16, 2, 2048), (16, 2048), id="lstm"),
]


def vectors(key: jax.Array, *shapes: tuple) -> list[Any]:
    return [jax.random.normal(jax.random.fold_in(key, k), shape) for k, shape in enumerate(shapes)]


@pytest.mark.parametrize(("make", "shape", "out", "num_particles"), MODELS)
def test_models_follow_their_twins(key: jax.Array, make: Any, shape: tuple, out: tuple, num_particles: int) -> None:
    gap, err = gaps(key, make, *vectors(key, shape, out), 8, num_particles, 4)
    assert (np.abs(gap) < SIGMAS * err + TWIN_BIAS).all()


@pytest.mark.slow
@pytest.mark.parametrize(("make", "shape", "out"), WIDE)
def test_wide_models_follow_their_twins_within_2_percent(key: jax.Array, make: Any, shape: tuple, out: tuple) -> None:
    gap, err = gaps(key, make, *vectors(key, shape, out), 10, 8192, 12)
    print(gap.round(4), err.round(4))
    assert (np.abs(gap) < WIDE_GAP).all()


class Again(nnx.Module):
    """One layer applied to the same input four times, its outputs summed for another."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.step, self.out = (nnx.Linear(WIDTH, WIDTH, use_bias=False, rngs=rngs) for _ in range(2))

    def __call__(self, x: Any) -> Any:
        return self.out(sum(self.step(x) for _ in range(4)))


@pytest.mark.parametrize("tied", [pytest.param(True, marks=pytest.mark.slow), False])
def test_shared_weights_are_shared(key: jax.Array, tied: bool) -> None:
    """One matrix makes the sum four times as large, four matrices twice; backwards likewise."""
    model = Again(nnx.Rngs(0))
    twin = infinite_width(model, 1024, loss=lambda model, x: jnp.sum(model(x) ** 2), tied=tied)
    laws = twin.layers(key, inputs(key), num_draws=8)
    scales = [float(jnp.sqrt(jnp.mean(each.kernel[...] ** 2)) * WIDTH**0.5) for each in (model.step, model.out)]
    log_rms = laws["out"].log_rms
    assert abs(log_rms.value - np.log(scales[0] * scales[1] * (4 if tied else 2))) < SIGMAS * log_rms.err
    assert list(laws) == ["step", "step@1", "step@2", "step@3", "out"]


@pytest.mark.slow
def test_a_recurrence_s_gradient_needs_its_weights_to_be_shared(key: jax.Array) -> None:
    """Six steps of an LSTM with a constant input: with weights drawn anew at each step it would be half as large."""
    x, top = vectors(key, (4, 1, 128), (4, 128))
    x = jnp.broadcast_to(x, (4, 6, 128))
    gap, err = gaps(key, lstm(128), x, top, 10, 1024, 4)
    assert (np.abs(gap) < SIGMAS * err + TWIN_BIAS).all()
    gap, err = gaps(key, lstm(128), x, top, 10, 1024, 4, tied=False)
    assert (gap / err).min() < -SIGMAS


def ladder(sizes: tuple[int, ...], linear: tuple[int, ...], rngs: Any) -> Any:
    """Layers with He's weights and ReLUs between, but after those in ``linear``."""
    he = nnx.initializers.he_normal()
    layers = [nnx.Linear(m, n, kernel_init=he, rngs=rngs) for m, n in itertools.pairwise(sizes)]
    acts = [(lambda x: x) if k in linear else nnx.relu for k in range(len(layers) - 1)]
    pairs = zip(layers, [*acts, lambda x: x], strict=True)
    return nnx.Sequential(*[each for pair in pairs for each in pair])


def ladder_gaps(key: jax.Array, sizes: tuple, linear: tuple, loss: Any, x: Any, particles: int) -> Any:
    """Predicted less mean measured ln |dE/dW| by layer, over 48 networks and 24 draws, and its error."""
    twin = infinite_width(ladder(sizes, linear, nnx.Rngs(0)), particles, loss=loss)
    graph, _ = nnx.split(ladder(sizes, linear, nnx.Rngs(0)))
    norms = lambda grads: [jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(each))) for each in grads]

    def one(key: Any) -> Any:
        params = nnx.split(ladder(sizes, linear, nnx.Rngs(key)))[1]
        grads = jax.grad(lambda params: loss(nnx.merge(graph, params), x))(params)
        return jnp.log(jnp.stack(norms([grads["layers"][k] for k in sorted(grads["layers"])])))

    rows = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(key, 48)), float)
    laws = [law.log_grad_weight for law in twin.layers(jax.random.fold_in(key, 1), x, num_draws=24).values()]
    predicted, errs = np.array([law.value for law in laws]), np.array([law.err for law in laws])
    return predicted - rows.mean(axis=0), np.hypot(errs, rows.std(axis=0, ddof=1) / 48**0.5)


@pytest.mark.slow
def test_a_bottleneck_is_seen_and_its_scatter_is_in_the_error(key: jax.Array) -> None:
    """Four latents: with infinitely many the gradient would be less than half as large."""
    x = jax.random.normal(key, (8, 32))
    loss = lambda model, x: jnp.mean(jnp.sum((model(x) - x) ** 2, axis=-1))
    gap, err = ladder_gaps(key, (32, 256, 4, 256, 32), (1,), loss, x, 1024)
    assert (np.abs(gap) < SIGMAS * err).all()
    assert err[0] < NETWORK_SCATTER


def test_the_backward_pass_knows_the_forward_pass(key: jax.Array) -> None:
    """Squares of ten outputs: weights drawn anew for the way down would lose a third of the gradient in six layers."""
    x = jax.random.normal(key, (8, 32))
    loss = lambda model, x: jnp.mean(jnp.sum(model(x) ** 2, axis=-1))
    gap, err = ladder_gaps(key, (32, *[128] * 6, 10), (), loss, x, 1024)
    assert abs(gap[1] - gap[-1]) < NETWORK_SCATTER
    assert (np.abs(gap) < SIGMAS * err).all()


@pytest.mark.slow
def test_the_twin_may_be_differentiated(key: jax.Array) -> None:
    """All replicas' outputs, weighed by gradients of their own, together make one gradient of a common input."""
    twin = infinite_width(Chain("plain", 1.5, jnp.tanh, nnx.Rngs(0)), 2048)
    x, replicas = inputs(key), 2048 // WIDTH
    top = jax.random.normal(key, (replicas, *x.shape)) / replicas**0.5
    pull = jax.jit(jax.grad(lambda x, key: jnp.sum(twin(key, x) * top)))
    grads = np.log([jnp.linalg.norm(pull(x, each)) for each in jax.random.split(key, 8)])
    to_input = np.log(1.5 * (INPUTS * WIDTH) ** 0.5)
    law = theory.log_grad_layers(Dense("tanh", 1.5), depth=DEPTH).mean[0] + to_input
    assert abs(grads.mean() - law) < SIGMAS * np.hypot(grads.std(), (INPUTS * WIDTH * replicas) ** -0.5) / 8**0.5


def test_what_keeps_its_width_is_named(key: jax.Array) -> None:
    class Odd(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            x = nn.Conv(64, (3,), feature_group_count=64, name="depthwise")(nn.Dense(64, name="first")(x))
            x = nn.Dense(64, name="named")(
                inputs=x * self.param("gain", nn.initializers.ones, (64, 1))[:, 0][None, None]
            )
            x = x + self.param("positions", nn.initializers.normal(), (1, 5, 64))
            return nn.Dense(4, name="head")(nn.Dense(64, name="up")(nn.Dense(8, name="down")(x)))

    model, x = Odd(), jnp.ones((1, 5, 48))
    twin = infinite_width(model, 256, variables=jax.jit(model.init)(key, x))
    plan = twin.plan(x)
    few = {"down": "narrow: 64 units to 8", "up": "narrow: 8 units to 64"}
    assert plan.narrow == {"depthwise": "channels do not mix"} | few
    assert plan.drawn["positions"] == "used outside of known layers"
    assert list(plan.drawn) == ["depthwise/kernel", "down/kernel", "positions", "up/kernel"]
    assert plan.kept == {"gain": "all entries are equal"}
    assert plan.calls == ("first", "depthwise", "named", "down", "up", "head")
    assert "Own width: depthwise (channels do not mix)." in str(plan)
    assert jax.jit(twin)(key, x).shape == (4, 1, 5, 4)


def product_of(function: Callable[[Any, Any], Any], x: Any, kernel: Any) -> tuple[Any, Any]:
    """The product in a function of data and weights by its layout, and as JAX computes it."""
    program = listed(jax.make_jaxpr(function)(x, kernel))
    op = product_in(program.ops)
    assert op is not None
    side = op.reads.index(program.inputs[1])
    found = layout(op, side, program.avals)
    assert isinstance(found, Layout)
    given = [jnp.asarray(np.random.default_rng(k).normal(size=v.aval.shape)) for k, v in enumerate(op.eqn.invars)]
    data, matrix = found.features_last(given[1 - side]), found.matrix(given[side])
    if found.batch:
        made = jnp.stack([jnp.matmul(*each) for each in zip(data, matrix, strict=True)])
    else:
        made = found.convolved(data, matrix) if found.conv else jnp.matmul(data, matrix)
    return found.as_made(made, op.eqn.outvars[0].aval.shape, len(found.free)), bound(op, given)[0]


@pytest.mark.parametrize(
    "text", ["BTD,DNH->BTNH", "BTNH,NHD->BTD", "BTD,SNDH->SBTNH", "DBT,VD->VBT", "BTD,DH->BH", "BND,NDH->BNH"]
)
def test_an_einsum_is_a_dense_layer(text: str) -> None:
    """Also with a matrix for each N."""
    sizes = dict(zip("BTDNHSV", (2, 3, 4, 5, 6, 7, 8), strict=True))
    left, right = text.split("->")[0].split(",")
    x, kernel = (jnp.ones([sizes[axis] for axis in each]) for each in (left, right))
    for one in (x, kernel):
        order = text if one is x else f"{right},{left}->{text.split('->')[1]}"
        run = lambda a, b, order=order, turned=one is kernel: jnp.einsum(order, *((b, a) if turned else (a, b)))
        np.testing.assert_allclose(*product_of(run, x, kernel), rtol=SINGLE, atol=SINGLE)


@pytest.mark.parametrize("function", [lambda x, w: x @ w.astype(int), lambda x, w: jnp.einsum("BTD,TD->BT", x, w)])
def test_a_product_without_new_units_is_none(function: Any) -> None:
    x, kernel = jnp.ones((2, 3, 3), int), jnp.ones((3, 3))
    op = product_in((program := listed(jax.make_jaxpr(function)(x, kernel))).ops)
    assert op is not None
    assert isinstance(layout(op, 1, program.avals), str)


def test_bfloat16_changes_little(key: jax.Array) -> None:
    """Of an Einsum and a norm; the Gaussians are drawn in float32 either way."""

    class Small(nnx.Module):
        def __init__(self, dtype: Any) -> None:
            more: Any = {"dtype": dtype, "rngs": nnx.Rngs(0)}
            self.norm, self.layer = nnx.RMSNorm(64, **more), nnx.Einsum("TD,DNH->TNH", (64, 4, 16), **more)

        def __call__(self, x: Any) -> Any:
            return self.layer(self.norm(x))

    x = jax.random.normal(key, (3, 64))
    plain, other = (jax.jit(infinite_width(Small(dtype), 128))(key, x) for dtype in (jnp.float32, jnp.bfloat16))
    assert other.dtype == jnp.bfloat16
    assert abs(np.log(jnp.linalg.norm(plain) / jnp.linalg.norm(other.astype(jnp.float32)))) < BRAIN_FLOAT


@pytest.mark.parametrize("padding", ["SAME", ((0, 1), (2, 0))])
def test_a_transposed_convolution_is_one_with_its_channels_last(padding: Any) -> None:
    more: Any = {"strides": (2, 1), "padding": padding, "kernel_dilation": (1, 2), "use_bias": False}
    graph, params = nnx.split(nnx.ConvTranspose(3, 5, (3, 2), **more, rngs=nnx.Rngs(0)))
    (kernel,) = jax.tree.leaves(params)
    run = lambda x, kernel: nnx.merge(graph, jax.tree.map(lambda _: kernel, params))(x)
    np.testing.assert_allclose(*product_of(run, jnp.ones((2, 6, 7, 3)), kernel), atol=SINGLE)


def test_stacked_weights_are_not_tied(key: jax.Array) -> None:
    """Of five layers in a scan each has its own weights."""
    layers = nnx.vmap(lambda rngs: nnx.Linear(64, 64, use_bias=False, rngs=rngs))(nnx.Rngs(0).split(5))

    def loss(layers: Any, x: Any) -> Any:
        run = nnx.scan(lambda x, layer: layer(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        return jnp.sum(run(x, layers) ** 2)

    twin = infinite_width(layers, 512, loss=loss)
    plan = twin.plan(jax.random.normal(key, (2, 64)))
    assert plan.own == ("kernel",)
    assert len(plan.calls) == 5


def test_what_the_error_does_not_hold_is_said() -> None:
    orthogonal = nnx.initializers.orthogonal()
    layers = [nnx.Linear(48, 48, kernel_init=orthogonal, rngs=nnx.Rngs(k)) for k in range(6)]
    said = infinite_width(nnx.Sequential(*layers), 256).plan(jnp.ones((2, 48))).warnings
    assert "1 / width summed over the calls is 0.12" in said[0]
    assert "Orthogonal kernels (layers/0/kernel, layers/1/kernel, layers/2/kernel, ...)" in said[1]
    assert infinite_width(nnx.Linear(48, 48, rngs=nnx.Rngs(0)), 256).plan(jnp.ones((2, 48))).warnings == ()


def test_the_plan_names_tied_weights() -> None:
    params = {
        "table": jax.random.normal(jax.random.key(0), (64, 48)),
        "w": jax.random.normal(jax.random.key(1), (48, 48)),
    }
    loss = lambda p, words: jnp.mean((jnp.tanh(p["table"][words] @ p["w"]) @ p["table"].T) ** 2)
    said = infinite_width(params, 256, loss=loss).plan(jnp.arange(4)).warnings
    assert said[-1].startswith("Tied weights (table) are drawn twice")


def test_wrong_questions(refused: Any) -> None:
    model = nnx.Linear(4, 4, rngs=nnx.Rngs(0))
    with refused("infinite_width", "num_particles"):
        infinite_width(model, 0)
    with refused("infinite_width", "variables"):
        infinite_width(nn.Dense(3))
    with refused("layers", "loss"):
        infinite_width(model, 16).layers(jax.random.key(0), jnp.ones((2, 4)), num_draws=2)
    with refused("layers", "num_draws"):
        infinite_width(model, 16).layers(jax.random.key(0), jnp.ones((2, 4)), num_draws=0)
    with refused("weights", "num_draws"):
        infinite_width(model, 16).weights(jax.random.key(0), jnp.ones((2, 4)), num_draws=0)
    with refused("infinite_width", "layers"):
        infinite_width(nnx.LayerNorm(4, rngs=nnx.Rngs(0)), 16)(jax.random.key(0), jnp.ones((2, 4)))
