"""Does the finite-width law hold in networks run in bfloat16, or with fewer bits yet?

Weights, activations, slopes and gradients are rounded to so many bits of mantissa in every layer, sums are kept in float32, and gradients near
one, as hardware and mixed precision do. The same networks are run with every number of bits, so that what rounding adds can be told from chance.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array, lax
from scipy.stats import norm

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, rate_columns
from vgtheory import Dense, theory

NETS = {
    "linear": (1.0, 0.0),
    "relu": (2**0.5, 0.0),
    "tanh": (1.3, 0.2),
    "gelu": (1.4, 0.5),
    "silu": (1.6, 0.5),
    "sigmoid": (4.0, 0.2),
}
BITS = {"float32": 23, "float16": 10, "bfloat16": 7, "float8, e4m3": 3, "float8, e5m2": 2}
"""Bits of mantissa of each format; all have the exponents of float32 here, for what range does is the question of ``overflow``."""
STRAIGHT = {"linear": 1.0, "relu": 2.0}
"""Activations for which the shift has a law, and the mean square of a gradient's entries that are not zero."""
LEAST = -126
"""Exponent of the smallest normal number; smaller ones are rounded to its multiples."""
FINE = 12
"""What more bits than these change is below what is measured."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = tuple(NETS)
    factor: tuple[float, ...] = (0.8, 1.0, 1.25)
    width: int = 128
    depth: int = 64
    num_nets: int = 48
    seed: int = 47


SMOKE = Config(activation=("relu",), factor=(1.0,), width=16, depth=6, num_nets=4)


def log_grads(key: Array, net: Dense, depth: int, width: int) -> Array:
    """Log of |g_l| / |g_L| at every layer of one network, with the numbers of every format, shape (formats, depth)."""
    scale, phi, slope = net.sigma_w / width**0.5, net.activation.phi, net.activation.dphi
    layers = jax.random.split(jax.random.fold_in(key, 0), depth)
    unit = lambda each: each / jnp.sqrt(jnp.mean(each**2, axis=-1, keepdims=True))
    bits = jnp.array(list(BITS.values()))

    def stored(rows: Array) -> Array:
        """Nearest numbers, ties to even, one row for every format; a single row is what all have in common."""
        last = jnp.frexp(rows)[1] - 1 - bits.reshape(-1, *[1] * (rows.ndim - 1))
        ulp = jnp.ldexp(1.0, jnp.maximum(last, LEAST))
        return jnp.round(rows / ulp) * ulp

    def product(each: Array, x: Array, back: bool) -> Array:
        """The layer's weights in every format, times its rows."""
        weights = stored(scale * jax.random.normal(each, (1, width, width)))
        return jnp.einsum("fij,fi->fj" if back else "fij,fj->fi", weights, x, precision=lax.Precision.HIGHEST)

    def up(x: Array, each: Array) -> tuple[Array, Array]:
        bias = stored(net.sigma_b * jax.random.normal(jax.random.fold_in(each, 1), (1, width)))
        h = stored(product(each, x, back=False) + bias)
        return stored(phi(h)), h

    def down(g: Array, layer: tuple[Array, Array]) -> tuple[Array, Array]:
        h, above = layer
        g = stored(slope(h)) * product(above, g, back=True)
        return stored(unit(g)), jnp.log(jnp.mean(g**2, axis=-1)) / 2

    x, top = (jax.random.normal(jax.random.fold_in(key, place), (1, width)) for place in (1, 2))
    hs = lax.scan(up, stored(unit(x)), layers)[1]
    steps = lax.scan(down, stored(unit(top)), (hs[:-1], layers[1:]), reverse=True)[1]
    return jnp.pad(jnp.cumsum(steps[::-1], axis=0)[::-1], ((0, 1), (0, 0))).T


def added(std: float, bits: int) -> float:
    """Change that rounding to the nearest makes to the mean square of normal numbers, relatively: a sum over all numbers of the format."""
    if bits > FINE:
        return 0.0
    numbers = np.sort(np.outer(2.0 ** np.arange(-40, 8), 1 + np.arange(2**bits) / 2**bits).ravel())
    edges = np.concatenate([[0.0], (numbers[1:] + numbers[:-1]) / 2, [np.inf]]) / std
    return float(2 * (numbers**2 * np.diff(norm.cdf(edges))).sum() / std**2 - 1)


def run(config: Config) -> dict[str, Any]:
    (activation,), (factor,) = config.activation, config.factor
    sigma_w, sigma_b = NETS[activation]
    net, size = Dense(activation, factor * sigma_w, sigma_b), {"depth": config.depth, "width": config.width}
    law, keys = theory.log_grad_layers(net, **size), jax.random.split(key_of(config), config.num_nets)
    runs = jax.jit(jax.vmap(log_grads, (0, None, None, None)), static_argnums=(1, 2, 3))
    found = np.asarray(runs(keys, net, config.depth, config.width), float)
    logs = {name: found[:, place] for place, name in enumerate(BITS)}
    rows = []
    for name, bits in BITS.items():
        row = rate_columns(f"{activation}, {factor:g} x {sigma_w:.3g}, {name}", "rounded", logs[name], law)
        moved = (logs[name] - logs["float32"])[:, 0] / (config.depth - 1)
        shift = np.nan
        if activation in STRAIGHT:
            shift = (added(net.sigma_w / config.width**0.5, bits) + added(STRAIGHT[activation] ** 0.5, bits)) / 2
        err = float(moved.std(ddof=1) / config.num_nets**0.5)
        rows.append(
            row | {"format": name, "bits": bits, "shift": shift, "shift_hat": moved.mean(), "shift_hat_err": err}
        )
    return {name: column.to_numpy() for name, column in pd.DataFrame(rows).items()}


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """The rates in bfloat16; those of the other formats come from the same networks, and those of float8 are beyond the law."""
    return frame[frame.format == "bfloat16"]


def findings(frame: pd.DataFrame) -> Findings:
    known = frame[np.isfinite(frame.predicted_err)]
    numbers = {"nets": f"{frame.num_nets.max()}", "width": f"{frame.width.max()}", "depth": f"{frame.depth.max()}"}
    for name, rows in known.groupby("format", sort=False):
        short = name.replace("float8, ", "")
        numbers[f"{short}/cells"] = f"{len(rows)}"
        numbers[f"{short}/agree"] = f"{(rows.z.abs() <= 5).sum()}"
        numbers[f"{short}/std"] = f"{rows.z.pow(2).mean() ** 0.5:.2f}"
        numbers[f"{short}/furthest"] = f"{rows.z.abs().max():.1f}"
        numbers[f"{short}/moved"] = f"{rows.shift_hat.abs().max():.1g}"
    told = frame[frame["shift"].notna() & (frame.bits < BITS["float32"])]
    few = told[told.bits == told.bits.min()]
    off = (told.shift_hat - told["shift"]) / told.shift_hat_err
    law = few["shift"].mean()
    numbers |= {
        "shift/furthest": f"{off.abs().max():.1f}",
        "shift/few": f"{few.shift_hat.mean():.4f}",
        "shift/few_law": f"{law:.4f}",
    }
    verdict = (
        f"Yes. In bfloat16 {numbers['bfloat16/agree']} of {numbers['bfloat16/cells']} rates agree with the law (root mean square of z {numbers['bfloat16/std']}, float32 on "
        f"the same networks {numbers['float32/std']}); rounding moves none by more than {numbers['bfloat16/moved']} per layer. With the two bits of float8 e5m2 it changes the rate of straight networks by "
        f"{numbers['shift/few']} per layer, as the energy that rounding takes away says ({numbers['shift/few_law']})."
    )
    return Findings(verdict, numbers)
