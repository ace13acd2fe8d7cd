"""Can a model nobody described be predicted? The infinite-width twin of Flax models as they come, against the models themselves at every width.

Each model's own layers are replaced by ones that keep no weights (``vgtheory.diagnose.infinite_width``); the norm of every layer's weight gradient
that results is set beside those of real networks, of the widths that people use. Nothing about a model is told but its code.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts.models import ConvNet, Encoder, Gated, ResNet
from vgtheory import Estimate, diagnose

PARTS = ("models", "summary")
MODELS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "conv net": (ConvNet, (4, 8, 8, 3)),
    "ResNet": (ResNet, (8, 8, 8, 3)),
    "transformer": (Encoder, (4, 8, 16)),
    "LSTM step": (Gated, (16, 32)),
}
PARTICLES = {"conv net": 256, "ResNet": 256}
MOST_PARTICLES = 2048


@dataclass(frozen=True)
class Config:
    model: tuple[str, ...] = ("conv net", "ResNet", "transformer", "LSTM step")
    width: tuple[int, ...] = (16, 32, 64, 128, 256)
    num_nets: int = 24
    num_draws: int = 12
    seed: int = 6


SMOKE = Config(model=("LSTM step",), width=(16,), num_nets=4, num_draws=2)


def _loss(model: Any, x: Any, top: Any) -> Any:
    """Its gradient at the outputs is given: white, and independent of the weights."""
    return jnp.sum(model(x) * top)


def _by_layer(params: Any) -> dict[str, list[Any]]:
    """Weights and biases of the layers that have weights, by path, in order of the tree."""
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    found: dict[str, dict[str, Any]] = {}
    for path, leaf in leaves:
        names = [part.key for part in path]
        found.setdefault("/".join(names[:-1]), {})[names[-1]] = leaf
    return {layer: list(owned.values()) for layer, owned in found.items() if "kernel" in owned}


def _real(key: jax.Array, model: Any, x: Any, top: Any, num_nets: int) -> dict[str, np.ndarray]:
    """ln |dE/dW| of every layer, weights and bias together, in so many networks, by plain autodiff."""

    @jax.jit
    def logs(key: jax.Array) -> dict[str, Any]:
        variables = model.init(key, x)
        rest = {name: value for name, value in variables.items() if name != "params"}

        def energy(params: Any) -> Any:
            y = model.apply({"params": params, **rest}, x, mutable=list(rest))[0]
            return jnp.sum(y * top)

        grads = _by_layer(jax.grad(energy)(variables["params"]))
        square = lambda owned: sum(jnp.sum(leaf**2) for leaf in owned)
        return {name: jnp.log(square(owned)) / 2 for name, owned in grads.items()}

    rows = [logs(each) for each in jax.random.split(key, num_nets)]
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def _typical(key: jax.Array, model: Any, x: Any, num_nets: int) -> Any:
    """Variables whose kernels have the mean square of many draws: one small kernel's own is some per cent off."""
    draw = jax.jit(lambda key: model.init(key, x))
    drawn = [draw(each) for each in jax.random.split(key, num_nets)]
    square = lambda *leaves: jnp.mean(jnp.stack([jnp.mean(leaf**2) for leaf in leaves]))

    def scaled(path: Any, *leaves: Any) -> Any:
        first = leaves[0]
        return first * jnp.sqrt(square(*leaves) / square(first)) if path[-1].key == "kernel" else first

    return jax.tree_util.tree_map_with_path(scaled, *drawn)


def run(config: Config) -> dict[str, Any]:
    (name,), (width,) = config.model, config.width
    kind, shape = MODELS[name]
    keys = jax.random.split(key_of(config), 5)
    x, top = jax.random.normal(keys[0], shape), jax.random.normal(keys[1], (shape[0], 10))
    model = kind(width)
    seen = _real(keys[2], model, x, top, config.num_nets)
    variables = _typical(keys[3], model, x, config.num_nets)
    twin = diagnose.infinite_width(model, PARTICLES.get(name, MOST_PARTICLES), variables=variables, loss=_loss)
    laws = twin.layers(keys[4], x, top, num_draws=config.num_draws)
    logs = np.stack([seen[layer] for layer in laws])
    return {
        "layer": np.array(list(laws)),
        "log_grad": np.array([float(law.log_grad_weight.value) for law in laws.values()]),
        "log_grad_err": np.array([float(law.log_grad_weight.err) for law in laws.values()]),
        "log_grad_hat": logs.mean(axis=1),
        "log_grad_hat_err": logs.std(axis=1, ddof=1) / config.num_nets**0.5,
    }


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Every layer of every model and width."""
    rows = []
    for row in frame.itertuples():
        seen = Estimate(row.log_grad_hat, row.log_grad_hat_err)
        err = float(np.hypot(row.log_grad_err, row.log_grad_hat_err))
        label = f"{row.model}, width {row.width}, {row.layer}"
        rows.append({"cell": row.cell} | comparison(label, "twin", seen, row.log_grad, err, "log"))
    return pd.DataFrame(rows)


def _gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """By model and width: root mean square over layers of measured less predicted, in the log, and what errors alone would make."""
    gap = frame.log_grad_hat - frame.log_grad
    err = np.hypot(frame.log_grad_err, frame.log_grad_hat_err)
    rows = frame.assign(square=gap**2, noise=err**2).groupby(["model", "width"])[["square", "noise"]].mean()
    return np.sqrt(rows)


def findings(frame: pd.DataFrame) -> Findings:
    gaps = _gaps(frame)
    numbers = {"models": f"{frame.model.nunique()}", "layers": f"{len(frame.groupby(['model', 'layer']))}"}
    lines = []
    for name, rows in gaps.groupby("model"):
        (_, small), (_, large) = rows.index[0], rows.index[-1]
        first, last = rows.iloc[0], rows.iloc[-1]
        slug = str(name).replace(" ", "_")
        numbers |= {f"{slug}/small": f"{100 * first.square:.1f}", f"{slug}/large": f"{100 * last.square:.1f}"}
        numbers |= {f"{slug}/noise": f"{100 * last.noise:.1f}", "narrow": f"{small}", "wide": f"{large}"}
        lines.append(f"{name} {100 * last.square:.1f} % (its own error {100 * last.noise:.1f} %)")
    rows = comparisons(frame)
    numbers |= {"rows": f"{len(rows)}", "spread": f"{rows.z.std():.2f}", "furthest": f"{rows.z.abs().max():.1f}"}
    verdict = (
        f"Yes. With no more than its code, the weight gradients of every layer of {numbers['models']} Flax models are predicted; root mean square gap over layers at width "
        f"{numbers['wide']}: {', '.join(lines)}. Over all {numbers['rows']} layers and widths z has a standard deviation of {numbers['spread']}; the "
        f"furthest layer lies {numbers['furthest']} standard errors off."
    )
    return Findings(verdict, numbers)
