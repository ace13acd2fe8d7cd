"""Gradients by lag of public code beside the law: ``python -m benchmarks.public_recurrences --minimal-lru FOLDER --bonsai FOLDER``.

The folders are checkouts of NicolasZucchet/minimal-LRU and of jax-ml/bonsai; their code runs as it is, at its own initialisation. For the LRU, the gradient
of a random readout of the last output by the input t steps before. For a mixer of Mamba-2, the gradient of the last state by the first, over
t random tokens behind an RMS norm.
"""

import argparse
import importlib
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from benchmarks.zoo.case import package
from vgtheory import InputDecay, LinearRecurrence, Ring, theory

LAGS = np.array([1, 4, 16, 64, 256])


def reported(name: str, lags: np.ndarray, squares: np.ndarray, law: np.ndarray) -> None:
    """Root mean square over networks beside its prediction, with one standard error in per cent."""
    mean, err = squares.mean(axis=0), squares.std(axis=0, ddof=1) / len(squares) ** 0.5
    gaps = 100 * (np.sqrt(mean) / np.exp(law) - 1)
    for lag, gap, each, size in zip(lags, gaps, 50 * err / mean, np.sqrt(mean), strict=True):
        print(f"{name}, lag {lag}: {size:.3e}, {gap:+.1f} % from the law, standard error {each:.1f} %", flush=True)


def lru(folder: Path, num_nets: int) -> None:
    """Public LRU layers of 256 states and 64 units at their own initialisation, r from 0 to 1 and from 0.9 to 0.999."""
    package("lru", folder / "lru")
    public = importlib.import_module("lru.model").LRU
    steps = int(LAGS[-1]) + 1
    for r_min, r_max in ((0.0, 1.0), (0.9, 0.999)):
        layer = public(d_hidden=256, d_model=64, r_min=r_min, r_max=r_max)

        @jax.jit
        def one(key: Any, layer: Any = layer) -> Any:
            x, top = jax.random.normal(key, (steps, 64)), jax.random.normal(jax.random.fold_in(key, 1), (64,))
            variables = layer.init(jax.random.fold_in(key, 2), x)
            gradient = jax.grad(lambda x: jnp.vdot(layer.apply(variables, x)[-1], top))(x)
            return jnp.sum(gradient**2, axis=1)[::-1][LAGS] / jnp.vdot(top, top)

        squares = np.asarray([one(jax.random.key(index)) for index in range(num_nets)], float)
        # Each entry of Re(C diag(b lambda^t) B) has the variance E|b lambda^t|^2 / 64, and 64 of them are summed.
        law = theory.linear.log_grad_input_lags(LinearRecurrence(Ring(r_min, r_max, 6.28), "gamma"), LAGS)
        reported(f"minimal-LRU, ring {r_min} to {r_max}", LAGS, squares, law)


def heads(num: int = 64) -> tuple[InputDecay, np.ndarray]:
    """Mamba-2's heads: A uniform from 1 to 16, dt log-uniform from 0.001 to 0.1 behind a softplus; and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(num)
    rate = 1 + 15 * (1 + nodes) / 2
    dt = np.exp(np.log(0.001) + np.log(100) * (1 + nodes) / 2)
    return InputDecay("mamba", np.log(np.expm1(dt))[:, None], 1.0, rate[None]), np.outer(weights, weights) / 4


def mamba(folder: Path, num_nets: int) -> None:
    """A public Mamba-2 mixer of 384 heads at its own initialisation, on tokens of unit mean square."""
    package("bonsai", folder / "bonsai")
    package("bonsai.models", folder / "bonsai" / "models")
    package("bonsai.models.mamba2", folder / "bonsai" / "models" / "mamba2")
    public = importlib.import_module("bonsai.models.mamba2.modeling")
    from flax import nnx

    config = public.ModelConfig(hidden_size=768, head_dim=4, state_size=4)
    kept: dict[int, list[np.ndarray]] = {int(lag): [] for lag in LAGS}

    def last(mixer: Any, x: Any, state: Any) -> Any:
        return jnp.sum(mixer(x, ssm_state=state)[2])

    grad = nnx.jit(nnx.grad(last, argnums=2))
    for index in range(num_nets):
        mixer = public.Mamba2Mixer(config, 0, rngs=nnx.Rngs(index))
        x = jax.random.normal(jax.random.key(index), (1, int(LAGS[-1]), config.hidden_size))
        x = x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True))
        for lag in LAGS:
            state = jnp.zeros((1, config.num_heads, config.head_dim, config.state_size))
            kept[int(lag)].append(np.asarray(grad(mixer, x[:, :lag], state), float)[0, :, 0, 0])
    squares = np.stack([np.mean(np.asarray(kept[int(lag)]) ** 2, axis=1) for lag in LAGS], axis=1)
    net, weights = heads()
    law = scipy.special.logsumexp(2 * theory.linear.log_mean_decay_lags(net, LAGS), b=weights, axis=(1, 2)) / 2
    reported("Mamba-2 of bonsai", LAGS, squares, law)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minimal-lru", type=Path)
    parser.add_argument("--bonsai", type=Path)
    parser.add_argument("--nets", type=int, default=200)
    options = parser.parse_args()
    if options.minimal_lru:
        lru(options.minimal_lru, options.nets)
    if options.bonsai:
        mamba(options.bonsai, options.nets)


if __name__ == "__main__":
    main()
