"""Blocks as they are built: every option of ``Transformer`` against real stacks, and against what follows without any integral."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from vgtheory import Transformer, measure, theory

SIGMAS = 4.5
SECOND_ORDER = 0.02
"""Of half a log, from terms of second order in the widths: T / N is 1/4 in the wide stacks, and 1/2 in the small ones."""
DECODER = {"norm": "rms", "is_gated": True, "kv_heads": 2, "mlp_ratio": 2.5}
OPTIONS: dict[str, Transformer] = {
    "rms": Transformer("gelu", norm="rms"),
    "gated": Transformer("silu", is_gated=True, mlp_ratio=2.5),
    "shared keys": Transformer("gelu", kv_heads=2),
    "peri": Transformer("gelu", place="peri"),
    "parallel": Transformer("gelu", is_parallel=True),
    "parallel peri": Transformer("gelu", is_parallel=True, place="peri"),
    "branch factor": Transformer("gelu", alpha="1/sqrt(2L)", sigma_w=1.3),
    "scales": Transformer("gelu", sigma_v=1.4, sigma_o=0.6, sigma_1=1.5, sigma_2=0.5),
    "dropout": Transformer("gelu", dropout=0.2),
    "DyT": Transformer("gelu", norm="dyt", norm_slope=0.5),
    "Derf": Transformer("gelu", norm="derf", norm_slope=0.8),
    "DeepNorm": Transformer("gelu", place="post", alpha=8**-0.25),
    "rotary": Transformer("gelu", is_rotary=True),
    "rotary DyT": Transformer("gelu", norm="dyt", is_rotary=True),
    "rotary post-norm": Transformer("gelu", place="post", is_rotary=True),
}
SMALL: dict[str, Transformer] = {
    "decoder": Transformer("silu", heads=4, is_rotary=True, is_parallel=True, dropout=0.1, **DECODER),
    "peri": Transformer("gelu", heads=4, place="peri", alpha=0.7, sigma_v=1.3, sigma_o=0.8, sigma_1=1.2, sigma_2=0.9),
    "DyT": Transformer("gelu", heads=4, norm="dyt"),
    "decoder without norms": Transformer("gelu", heads=4, norm="dyt", is_causal=True, dropout=0.1),
}


def of_mean_square(logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the log of the mean square over networks, which is what the law speaks of, and its error."""
    squares = np.exp(2 * (logs - logs.mean(axis=0)))
    mean, err = squares.mean(axis=0), squares.std(axis=0, ddof=1) / len(logs) ** 0.5
    return logs.mean(axis=0) + np.log(mean) / 2, err / mean / 2


def departures(net: Transformer, logs: Any, **how: Any) -> np.ndarray:
    """Of everything measured from the law of ``net``, over the error of both."""
    groups, top = theory.blocks.log_grad_groups(net, **how), logs.log_grad_groups["mlp_out"][:, -1:]
    pairs = [(logs.log_grad[:, :-1], theory.log_grad_layers(net, **how).mean[:-1])]
    pairs.append((logs.log_q / 2, theory.log_q_layers(net, **how).mean / 2))
    for name in net.groups:
        kept = slice(-1) if name == "mlp_out" else slice(None)
        pairs.append(((logs.log_grad_groups[name] - top)[:, kept], groups[name].mean[kept]))
    seen = [(*of_mean_square(each), law) for each, law in pairs]
    return np.concatenate([(mean - law) / np.hypot(err, SECOND_ORDER / SIGMAS) for mean, err, law in seen])


@pytest.mark.parametrize("name", SMALL)
def test_small_stacks_obey_the_law(name: str, key: jax.Array) -> None:
    net, how = SMALL[name], {"depth": 2, "positions": 64, "width": 128}
    logs = measure.samples(key, net, num_nets=24, **how)
    assert np.abs(departures(net, logs, **how)).max() < SIGMAS
    off = net.replace(alpha=1.25 * net.alpha)
    assert np.abs(departures(off, logs, **how)).max() > SIGMAS


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_wide_stacks_obey_the_law(name: str, key: jax.Array) -> None:
    net, how = OPTIONS[name], {"depth": 4, "positions": 64, "width": 256}
    logs = measure.samples(key, net, num_nets=32, **how)
    assert np.abs(departures(net, logs, **how)).max() < SIGMAS


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["sigma_w", "sigma_qk"])
def test_three_percent_are_seen(scale: str, key: jax.Array) -> None:
    """In the scale of all weights, or of queries and keys."""
    net, how = Transformer("gelu", alpha=0.5), {"depth": 4, "positions": 32, "width": 512}
    logs = measure.samples(key, net, num_nets=64, **how)
    assert np.abs(departures(net, logs, **how)).max() < SIGMAS
    off = net.replace(**{scale: 1.03 * getattr(net, scale)})
    assert np.abs(departures(off, logs, **how)).max() > SIGMAS


def test_what_gates_multiply_is_the_square_of_a_linear_perceptron() -> None:
    """With the identity for an activation, E[(h1 h3)^2] = s^2 and its overlap is s^2 c^2."""
    how: dict[str, Any] = {"depth": 1, "positions": 1}
    net = Transformer("linear", sigma_qk=0.0, is_gated=True, sigma_v=0.0, sigma_1=1.3, sigma_2=0.7)
    q = np.exp(theory.log_q_layers(net, **how).mean[0])
    assert q == pytest.approx(1 + 0.7**2 * 1.3**4, rel=1e-12)


def test_a_branch_of_no_weight_leaves_the_identity() -> None:
    for net in (Transformer(alpha=0.0), Transformer(alpha=0.0, place="peri"), Transformer(alpha=0.0, is_parallel=True)):
        how: dict[str, Any] = {"depth": 3, "positions": 5}
        np.testing.assert_allclose(theory.log_grad_layers(net, **how).mean, 0.0, atol=1e-14)
        np.testing.assert_allclose(theory.log_q_layers(net, **how).mean, 0.0, atol=1e-14)


def test_peri_norm_adds_one_for_each_branch_whatever_the_scales() -> None:
    """The stream grows by the squared factor of each branch, so that its mean square is a straight line over depth."""
    net = Transformer("gelu", 0.3, place="peri", alpha=0.5)
    q = np.exp(theory.log_q_layers(net, depth=50, positions=8).mean)
    np.testing.assert_allclose(q, 1 + 2 * 0.25 * np.arange(1, 51), rtol=1e-12)


def test_blocks_by_one_word_are_those_of_llama_and_of_bert() -> None:
    decoder, encoder = Transformer.decoder(sigma_w=0.9), Transformer.encoder(place="post")
    assert (decoder.norm, decoder.is_gated, decoder.is_causal, decoder.is_rotary) == ("rms", True, True, True)
    assert (decoder.heads, decoder.kv_heads, decoder.mlp_ratio, decoder.sigma_o) == (32, 8, 3.5, 0.9)
    assert encoder == Transformer("gelu", place="post", heads=12)
    assert [Transformer.decoder(heads=heads).kv_heads for heads in (8, 9)] == [2, None]
    assert Transformer.decoder(heads=9, kv_heads=3).kv_heads == 3
    deep = Transformer.deep_norm(depth=6, mlp_ratio=2)
    assert (deep.place, deep.sigma_qk, deep.sigma_v) == ("post", 1.0, 48**-0.25)
    assert deep.alpha == 12**-0.25
    # Xavier's variance, 2 over the sum of the fans, times the fan-in.
    assert (deep.sigma_1**2, deep.sigma_2**2) == pytest.approx((48**-0.5 * 2 / 3, 48**-0.5 * 4 / 3))


def test_words_for_the_branch_factor_are_numbers() -> None:
    how: dict[str, Any] = {"depth": 8, "positions": 4}
    for word, number in {"1/L": 1 / 8, "1/sqrt(L)": 8**-0.5, "1/sqrt(2L)": 0.25}.items():
        laws = [theory.log_grad_layers(Transformer(alpha=alpha), **how).mean for alpha in (word, number)]
        np.testing.assert_allclose(*laws, rtol=1e-14)


def test_what_has_no_law_is_refused(refused: Callable) -> None:
    with refused("Transformer", "norm", "Did you mean 'layer'"):
        Transformer(norm="layr")
    with refused("Transformer", "kv_heads"):
        Transformer(kv_heads=3)
    with refused("Transformer", "place"):
        Transformer(is_parallel=True, place="post")
    with refused("Transformer", "dropout"):
        Transformer(dropout=1.0)
    with refused("log_q_layers", "place", "Measure it"):
        theory.log_q_layers(Transformer(norm="dyt", place="peri"), depth=2, positions=4)
