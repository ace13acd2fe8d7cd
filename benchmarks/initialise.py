"""The gradient from end to end after ``initialise``, and after AnyInit: ``python -m benchmarks.initialise [--only gelu]``.

Eight activations, four kinds of network of width 256, three seeds each. What is compared is measured by plain ``jax.grad`` with
respect to zeros that are added to the first layer's output and to the network's output: the norm of the first over that of the
second, on the batch that was given and on another one. AnyInit (``pip install anyinit``) is left out if it is not installed. The
processor seconds are those of the first call and of a later one, whose program JAX's persistent cache holds.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from benchmarks.rivals import installed
from vgtheory import initialise
from vgtheory.diagnose import diagnose

ACTIVATIONS = ("relu", "tanh", "gelu", "silu", "elu", "selu", "sigmoid", "softplus")
WIDTH, INPUTS, POSITIONS, SEEDS = 256, 32, 16, 3


class Net(nn.Module):
    """A network of one of three kinds; ``bottom`` and ``top`` are zeros, in whose gradients we are interested."""

    kind: str
    depth: int
    activation: str

    @nn.compact
    def __call__(self, x: Any, bottom: Any = 0.0, top: Any = 0.0) -> Any:
        x = nn.Dense(WIDTH)(x) + bottom
        for _ in range(self.depth):
            x = getattr(self, self.kind)(x)
        x = nn.LayerNorm()(x) if self.kind == "transformer" else self.phi(x)
        return nn.Dense(10)(x) + top

    def phi(self, x: Any) -> Any:
        return getattr(nn, self.activation)(x)

    def plain(self, x: Any) -> Any:
        return nn.Dense(WIDTH)(self.phi(x))

    def residual(self, x: Any) -> Any:
        return x + nn.Dense(WIDTH)(self.phi(nn.Dense(WIDTH)(x)))

    def transformer(self, x: Any) -> Any:
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=8, use_bias=False)(y, y)
        return x + nn.Dense(WIDTH)(self.phi(nn.Dense(4 * WIDTH)(nn.LayerNorm()(x))))


KINDS = {"plain 30": ("plain", 28), "plain 100": ("plain", 98), "residual 50": ("residual", 50)}
KINDS |= {"transformer 12": ("transformer", 12)}


class Outcome(NamedTuple):
    """Decades from top to bottom on the batch and on another, what was said, and processor seconds of the call."""

    decades: float
    elsewhere: float
    said: str
    seconds: float


def batch(kind: str, seed: int) -> tuple[Any, Any]:
    """Normal inputs and normal targets."""
    shape = (INPUTS // 4, POSITIONS) if kind == "transformer" else (INPUTS,)
    keys = jax.random.split(jax.random.key(1000 + seed))
    return jax.random.normal(keys[0], (*shape, WIDTH)), jax.random.normal(keys[1], (*shape, 10))


def loss(model: Any, x: Any, y: Any) -> Any:
    return jnp.mean((model(x) - y) ** 2)


def gradient_of(net: Net) -> Callable[..., Any]:
    """Log10 of the gradient's norm at the bottom over that at the top; compiled once for all weights."""

    @jax.jit
    def at(variables: Any, x: Any, y: Any) -> Any:
        zeros = jnp.zeros((*x.shape[:-1], WIDTH)), jnp.zeros(y.shape)
        mean = lambda bottom, top: jnp.mean((net.apply(variables, x, bottom, top) - y) ** 2)
        bottom, top = jax.grad(mean, (0, 1))(*zeros)
        size = jnp.max(jnp.abs(bottom))
        return jnp.log10(size) + jnp.log10(jnp.linalg.norm(bottom / size)) - jnp.log10(jnp.linalg.norm(top))

    return at


def ours(net: Net, variables: Any, x: Any, y: Any, **options: Any) -> tuple[Any, str]:
    try:
        return initialise(net, loss, x, y, variables=variables, **options).model, "done"
    except ValueError as error:
        return None, f"refused ({error})"


def anyinit(net: Net, variables: Any, x: Any, y: Any) -> tuple[Any, str]:
    """Its default mode; with biases, its Flax backend stops at attention."""
    import anyinit

    report = anyinit.initialize(net, "analytic", np.asarray(x), params=variables, seed=0)
    try:
        report.assert_healthy()
        said = "healthy"
    except AssertionError:
        said = "not healthy"
    return report.params, said


RIVALS = {"vgtheory": ours, "anyinit": anyinit}


def outcome(who: str, net: Net, at: Callable[..., Any], seed: int) -> Outcome:
    x, y = batch(net.kind, seed)
    variables = jax.jit(net.init)(jax.random.key(seed), x)
    start = time.process_time()
    found, said = RIVALS[who](net, variables, x, y)
    seconds = time.process_time() - start
    if found is None:
        return Outcome(np.nan, np.nan, said, seconds)
    found = found if "params" in found else {"params": found}
    found = jax.tree.map(jnp.float32, found)
    return Outcome(float(at(found, x, y)), float(at(found, *batch(net.kind, seed + 100))), said, seconds)


def one_diagnosis(net: Net) -> float:
    """Processor seconds of a diagnosis, nearly all of them for tracing and compiling."""
    x, y = batch(net.kind, 0)
    variables = jax.jit(net.init)(jax.random.key(0), x)
    start = time.process_time()
    diagnose(net, loss, x, y, variables=variables)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=ACTIVATIONS, choices=ACTIVATIONS)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--rivals", nargs="*", default=list(RIVALS), choices=list(RIVALS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    # One kind and activation is one program for all its seeds.
    jax.config.update("jax_compilation_cache_dir", tempfile.mkdtemp())
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    print(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}: decades from top to bottom, per seed", flush=True)
    rivals = installed(options.rivals)
    for kind in options.kinds:
        if "vgtheory" in rivals:
            seconds = one_diagnosis(Net(*KINDS[kind], options.only[0]))
            print(f"{kind}: one diagnosis, compilation included, takes {seconds:.1f} processor seconds", flush=True)
        for activation in options.only:
            net = Net(*KINDS[kind], activation)
            at = gradient_of(net)
            for who in rivals:
                found = [outcome(who, net, at, seed) for seed in range(SEEDS)]
                cells = ["-" if np.isnan(each.decades) else f"{each.decades:+.2f}" for each in found]
                other = ["-" if np.isnan(each.elsewhere) else f"{each.elsewhere:+.2f}" for each in found]
                said = ", ".join(dict.fromkeys(each.said for each in found))
                first, *others = (each.seconds for each in found)
                words = f"{kind:14s} {activation:8s} {who:8s} {' '.join(cells):20s} elsewhere {' '.join(other):20s}"
                print(f"{words} {first:5.1f} s, then {min(others):4.1f} s  {said[:110]}", flush=True)
        jax.clear_caches()


if __name__ == "__main__":
    main()
