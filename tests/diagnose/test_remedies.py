"""Every remedy works on a model that needs it: its factor is that of plain gradients of the model mended by hand."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from vgtheory.diagnose import Diagnosis, Remedy, diagnose
from vgtheory.diagnose.remedies import trials

WIDTH, INPUTS = 16, 8
ROUNDING = 1e-3
"""Of a log of a ratio of two norms in float32, some ten layers apart."""
X = jax.random.normal(jax.random.key(1), (INPUTS, WIDTH))


def kernels(depth: int, gain: float = 1.0) -> list[jax.Array]:
    keys = jax.random.split(jax.random.key(0), depth)
    return [jax.random.normal(key, (WIDTH, WIDTH)) * gain / WIDTH**0.5 for key in keys]


def plain(phi: Callable[..., Any], norm: Callable[..., Any] = lambda y: y) -> Callable[..., Any]:
    """A chain's loss, with offsets at the outputs of its layers, by which plain gradients are taken."""

    def loss(params: list, x: Any, offsets: Any = None) -> Any:
        for i, kernel in enumerate(params):
            y = x @ kernel
            y = y if offsets is None else y + offsets[i]
            x = phi(norm(y)) if i < len(params) - 1 else y
        return (x.astype(jnp.float32) ** 2).mean()

    return loss


def end_to_end(loss: Callable[..., Any], params: Any, num: int, width: int = WIDTH) -> float:
    """Log of the norm of a plain gradient at the first layer's output over that at the last's."""
    offsets = [jnp.zeros((INPUTS, width))] * num
    grads = jax.jit(jax.grad(loss, 2))(params, X, offsets)
    first, last = (float(jnp.log(jnp.linalg.norm(each))) for each in (grads[0], grads[-1]))
    return first - last


def of(found: Diagnosis, name: str, text: str = "") -> Remedy:
    return next(each for each in found.remedies() if each.name == name and each.text.startswith(text))


@pytest.fixture(scope="module")
def vanished() -> tuple[list[jax.Array], Diagnosis]:
    params = kernels(8)
    return params, diagnose(params, plain(jax.nn.sigmoid), X)


def test_remedies_begin_where_the_plain_gradient_is(vanished: Any) -> None:
    params, found = vanished
    before = end_to_end(plain(jax.nn.sigmoid), params, 8)
    assert before < -8
    for each in found.remedies():
        np.testing.assert_allclose(each.log_total_before, before, atol=ROUNDING)
    assert found.remedies() == sorted(found.remedies(), key=lambda each: round(abs(each.log_total), 1))


def test_the_critical_scale(vanished: Any) -> None:
    params, found = vanished
    remedy = of(found, "critical scale")
    mended = end_to_end(plain(jax.nn.sigmoid), [params[0], *(each * remedy.value for each in params[1:])], 8)
    np.testing.assert_allclose(remedy.log_total, mended, atol=ROUNDING)
    assert abs(mended) < 0.02
    assert remedy.helps


def test_another_activation(vanished: Any) -> None:
    params, found = vanished
    for name, phi in (("tanh", jnp.tanh), ("relu", jax.nn.relu), ("gelu", jax.nn.gelu)):
        remedy = of(found, "activation", f"{name} in place of sigmoid")
        mended = end_to_end(plain(phi), params, 8)
        np.testing.assert_allclose(remedy.log_total, mended, atol=ROUNDING)
        assert abs(mended) < abs(remedy.log_total_before) * 0.8
    both = of(found, "activation and scale", "tanh")
    scaled = [params[0], *(each * both.value for each in params[1:])]
    assert abs(end_to_end(plain(jnp.tanh), scaled, 8) - both.log_total) < ROUNDING > abs(both.log_total) - 0.02


def test_a_norm_after_every_layer() -> None:
    params = kernels(8, 0.3)
    found = diagnose(params, plain(jnp.tanh), X)
    normed = lambda y: (y - y.mean(-1, keepdims=True)) / jnp.sqrt(y.var(-1, keepdims=True) + 1e-6)
    remedy = of(found, "norm")
    mended = end_to_end(plain(jnp.tanh, normed), params, 8)
    np.testing.assert_allclose(remedy.log_total, mended, atol=ROUNDING)
    assert abs(mended) < 2 < 8 < abs(remedy.log_total_before)


def test_a_norm_in_every_step_of_a_scan() -> None:
    """Checked in the weights' gradients, which every step has of its own."""

    def loss(params: Any, x: Any, norm: Callable[..., Any] = lambda y: y) -> Any:
        step = lambda h, kernel: (jnp.tanh(norm(h @ kernel)), None)
        return (jax.lax.scan(step, x, params["stack"])[0] ** 2).mean()

    params = {"stack": jnp.stack(kernels(8, 0.3))}
    found = diagnose(params, loss, X)
    normed = lambda y: (y - y.mean(-1, keepdims=True)) / jnp.sqrt(y.var(-1, keepdims=True) + 1e-6)
    mended = diagnose(params, lambda params, x: loss(params, x, normed), X).verdict.log_total
    np.testing.assert_allclose(of(found, "norm").log_total, mended, atol=ROUNDING)
    grads = jax.grad(loss)(params, X, normed)["stack"]
    assert float(jnp.linalg.norm(grads[0]) / jnp.linalg.norm(grads[-1])) > 1e-2
    assert of(found, "critical scale").text.startswith("kernels times ")


def residual(params: dict, x: Any, offsets: Any = None) -> Any:
    """A stack of branches; the last offset is at the head."""
    x = x @ params["first"] + (0 if offsets is None else offsets[0])
    for up, down in zip(params["up"], params["down"], strict=True):
        x = x + jax.nn.relu(x @ up) @ down
    y = x @ params["head"] + (0 if offsets is None else offsets[1])
    return (y**2).mean()


def test_the_branch_scale() -> None:
    up, down = kernels(10, 2**0.5), [each.T for each in kernels(11, 1.5)[1:]]
    params = {"first": kernels(1)[0], "up": up, "down": down, "head": kernels(1)[0]}
    found = diagnose(params, residual, X)
    assert found.verdict.word == "explodes"
    remedy = of(found, "branch scale")
    mended = params | {"down": [each / 10**0.5 for each in down]}
    assert remedy.value == 10**-0.5
    np.testing.assert_allclose(remedy.log_total, end_to_end(residual, mended, 2), atol=ROUNDING)
    assert abs(remedy.log_total) < 0.4 * remedy.log_total_before


class Reader(nnx.Module):
    """An LSTM whose answer depends on its last step."""

    def __init__(self, cell: Any, rngs: nnx.Rngs) -> None:
        self.rnn, self.head = nnx.RNN(cell(4, WIDTH, rngs=rngs)), nnx.Linear(WIDTH, 1, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.rnn(x)[:, -1])


@pytest.mark.parametrize(
    ("cell", "owner", "entries"),
    [
        (nnx.OptimizedLSTMCell, "dense_h", slice(WIDTH, 2 * WIDTH)),
        pytest.param(nnx.LSTMCell, "hf", slice(None), marks=pytest.mark.slow),
    ],
)
def test_the_forget_bias(cell: Any, owner: str, entries: slice) -> None:
    """Checked in the gradient by the first input, over that by the last: what the network remembers."""
    model, x = Reader(cell, nnx.Rngs(0)), jax.random.normal(jax.random.key(0), (INPUTS, 24, 4))
    loss = lambda model, x: (model(x) ** 2).mean()
    found = diagnose(model, loss, x)
    assert found.verdict.word == "vanishes"

    def memory(model: Any) -> float:
        graph, state = nnx.split(model)
        by_input = jax.jit(jax.grad(lambda x: loss(nnx.merge(graph, state, copy=True), x)))(x)
        return float(jnp.log(jnp.linalg.norm(by_input[:, 0]) / jnp.linalg.norm(by_input[:, -1])))

    before, best = memory(model), next(each for each in found.remedies() if each.name == "forget bias")
    bias = getattr(model.rnn.cell, owner).bias
    bias[...] = bias[...].at[entries].set(best.value)
    again = diagnose(model, loss, x)
    np.testing.assert_allclose(again.verdict.log_total, best.log_total, atol=ROUNDING)
    assert abs(best.log_total) < 0.5 * abs(best.log_total_before)
    assert memory(model) > before + 5
    assert f"forget-gate bias +{best.value:.0f} (rnn/cell/{owner}/bias)" in str(found)


def test_a_loss_scale_for_float16() -> None:
    params = [each.astype(jnp.float16) for each in kernels(8, 0.35)]
    x, loss = X.astype(jnp.float16), plain(jnp.tanh)
    found = diagnose(params, loss, x)
    remedy = of(found, "loss scale")
    assert remedy.about == "format"
    assert remedy.log_total_before < 0 == remedy.log_total
    assert f"a loss scale of 2^{remedy.value:.0f} (float16 loses it from " in str(found)
    lost = jax.grad(loss)(params, x)
    wide = jax.grad(loss)([each.astype(jnp.float32) for each in params], X)
    kept = jax.grad(lambda params, x: loss(params, x) * 2.0**remedy.value)(params, x)
    off = lambda one, other: float(jnp.linalg.norm(one.astype(jnp.float32) - other) / jnp.linalg.norm(other))
    assert off(lost[0], wide[0]) > 0.9
    for one, other in zip(kept, wide, strict=True):
        assert off(one.astype(jnp.float32) / 2.0**remedy.value, other) < 0.02  # eight layers of float16's roundings
    brains = jax.grad(loss)([each.astype(jnp.bfloat16) for each in params], X.astype(jnp.bfloat16))
    assert of(found, "bfloat16").log_total == 0
    assert off(brains[0], wide[0]) < 0.1


def test_clipping_where_only_steps_are_too_large() -> None:
    params = kernels(4, 2**0.5)
    large = lambda params, x: plain(jax.nn.relu)(params, x) * 1e7
    found = diagnose(params, large, X)
    assert found.verdict.word == "large"
    (remedy,) = found.remedies()
    grads = jax.grad(large)(params, X)
    clipped, _ = optax.clip_by_global_norm(1.0).update(grads, optax.EmptyState())
    np.testing.assert_allclose(remedy.log_total_before, np.log(optax.tree.norm(grads)), atol=ROUNDING)
    np.testing.assert_allclose(optax.tree.norm(clipped), np.exp(remedy.log_total), rtol=1e-5)
    np.testing.assert_allclose(clipped[0], grads[0] * remedy.value, rtol=1e-5)
    assert "clip_by_global_norm(1.0)" in str(found)


def test_nothing_is_tried_on_what_is_healthy() -> None:
    found = diagnose(kernels(3, 2**0.5), plain(jax.nn.relu), X)
    assert (found.verdict.word, found.remedies()) == ("healthy", [])
    assert "What helps" not in str(found)


def test_a_large_model_is_not_compiled_again_to_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "_MOST_OPS", 10)
    found = diagnose(kernels(8, 0.4), plain(jnp.tanh), X)
    text = str(found)
    assert "remedies() tries all" in text
    assert "kernels but the first times" in text
    assert "norm after" not in text
