"""Q11. How do gradients travel through transformers at initialisation: pre-norm against post-norm, and what is attention's own part?

Real stacks of blocks beside the law of softmax attention at their own width, and beside the infinite-width twin of the same blocks written in
Flax: for logits from nearly none to large. The gradients of the six groups of matrices likewise.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts.models import Stack
from vgtheory import Estimate, Transformer, compare, diagnose, measure, theory

PARTS = ("models", "summary")
GROUPS = ("query", "key", "value", "output", "mlp_in", "mlp_out")
EPS = 1e-6
MOST = 1.4
"""Scale of queries and keys up to which the law's terms of first order in the width of a head suffice; beyond it declines."""
OUTSIDE = "logits this large need higher orders in the width of a head"
LAW_ERR = 0.01
"""Of the law's log, from terms of second order in the widths, where it holds."""


@dataclass(frozen=True)
class Config:
    place: tuple[str, ...] = ("pre", "post")
    sigma_qk: tuple[float, ...] = (0.1, 1.0, 1.5, 2.0)
    depth: int = 8
    width: int = 256
    positions: int = 16
    heads: int = 8
    num_nets: int = 48
    num_particles: int = 1024
    num_draws: int = 8
    seed: int = 12


SMOKE = Config(place=("pre",), sigma_qk=(1.0,), depth=1, width=64, num_nets=4, num_particles=64, num_draws=2)


def _loss(model: Any, x: Any, top: Any) -> Any:
    return jnp.sum(model(x) * top)


def _of_mean_square(logs: np.ndarray) -> Estimate:
    """Half the log of the mean square over networks, of which both laws speak, and its error."""
    centre = logs.mean(axis=0)
    squares = np.exp(2 * (logs - centre))
    mean = squares.mean(axis=0)
    return Estimate(centre + np.log(mean) / 2, squares.std(axis=0, ddof=1) / len(logs) ** 0.5 / mean / 2)


def _twin(config: Config, key: jax.Array) -> dict[str, Estimate]:
    """Predicted log-norms of each group's gradient in every block, relative to the top's second of the perceptron."""
    model = Stack(config.depth, config.width, config.heads, config.place[0], 1.0, config.sigma_qk[0])
    keys = jax.random.split(key, 4)
    shape = (config.positions, config.width)
    x, top = jax.random.normal(keys[0], shape), jax.random.normal(keys[1], shape)
    x = x / jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True))
    twin = diagnose.infinite_width(model, config.num_particles, variables=model.init(keys[2], x), loss=_loss)
    laws = twin.layers(keys[3], x, top, num_draws=config.num_draws)
    names = {group: [f"{group}_{block}" for block in range(config.depth)] for group in GROUPS}
    logs = {group: [laws[name].log_grad_weight for name in names[group]] for group in GROUPS}
    last = logs["mlp_out"][-1]
    return {
        group: Estimate(np.array([each.value - last.value for each in row]), np.array([each.err for each in row]))
        for group, row in logs.items()
    }


def run(config: Config) -> dict[str, Any]:
    key, (place,), (sigma_qk,) = key_of(config), config.place, config.sigma_qk
    net = Transformer("gelu", 1.0, sigma_qk, place, heads=config.heads)
    sizes = {"depth": config.depth, "positions": config.positions}
    logs = measure.samples(jax.random.fold_in(key, 0), net, width=config.width, num_nets=config.num_nets, **sizes)
    twin, law = (
        _twin(config, jax.random.fold_in(key, 1)),
        theory.blocks.log_grad_groups(net, width=config.width, **sizes),
    )
    stream = _of_mean_square(logs.log_grad)
    top = logs.log_grad_groups["mlp_out"][:, -1:]
    out: dict[str, Any] = {"block": np.arange(1, config.depth + 1)}
    out |= {"log_grad": theory.log_grad_layers(net, width=config.width, **sizes).mean}
    out |= {"log_grad_hat": stream.value, "log_grad_hat_err": stream.err + EPS}
    for group in GROUPS:
        seen = _of_mean_square(logs.log_grad_groups[group] - top)
        out |= {group: law[group].mean, f"{group}_twin": twin[group].value, f"{group}_twin_err": twin[group].err}
        out |= {f"{group}_hat": seen.value, f"{group}_hat_err": seen.err + EPS}
    return out


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Every group of matrices in every block beside the twin, and beside the law: beyond its range in the lowest block only."""
    rows = []
    for (cell, place, sigma_qk), blocks in frame.groupby(["cell", "place", "sigma_qk"]):
        holds = sigma_qk <= MOST
        for group in GROUPS:
            for _, row in blocks.iterrows():
                if group == "mlp_out" and row.block == blocks.block.max():
                    continue  # what all others are measured from
                label = f"{place}-norm, logits {sigma_qk:g}, {group} of block {row.block}"
                seen = Estimate(row[f"{group}_hat"], row[f"{group}_hat_err"])
                err = float(np.hypot(row[f"{group}_twin_err"], seen.err))
                found = [comparison(f"{label}, twin", "transformer", seen, row[f"{group}_twin"], err, "log ratio")]
                if holds or row.block == blocks.block.min():
                    err = float(np.hypot(seen.err, LAW_ERR)) if holds else np.inf
                    found += [comparison(f"{label}, law", "transformer", seen, row[group], err, "log ratio")]
                rows += [{"cell": cell} | each for each in found]
    return pd.DataFrame(rows)


def mean_off(rows: pd.DataFrame) -> float:
    """By how many per cent the gradients of matrices exceed the law on average, over groups and blocks."""
    logs = np.array([rows[f"{group}_hat"] - rows[group] for group in GROUPS])
    free = (
        np.array([rows[group] for group in GROUPS]) != 0
    )  # all else is relative to this, so that it is 0 by construction
    return float(100 * np.expm1(logs[free]).mean())


def findings(frame: pd.DataFrame) -> Findings:
    numbers: dict[str, str] = {"depth": f"{frame.block.max()}", "positions": "16", "width": f"{frame.width.max()}"}
    numbers |= {"nets": f"{frame.num_nets.max()}"}
    gap = lambda rows, law: float(
        np.sqrt(np.mean([(rows[f"{group}_hat"] - rows[f"{group}{law}"]) ** 2 for group in GROUPS]))
    )
    for (place, sigma_qk), rows in frame.groupby(["place", "sigma_qk"]):
        name = f"{place}/{sigma_qk:g}"
        numbers |= {f"{name}/law": f"{100 * gap(rows, ''):.1f}", f"{name}/twin": f"{100 * gap(rows, '_twin'):.1f}"}
        numbers |= {f"{name}/mean": f"{mean_off(rows):.1f}"}
        bottom, top = (rows[rows.block == at].iloc[0] for at in (rows.block.min(), rows.block.max()))
        numbers |= {f"{name}/stream": f"{np.exp(bottom.log_grad_hat):.2f}"}
        numbers |= {f"{name}/query": f"{np.exp(bottom.value_hat - bottom.query_hat):.1f}"}
        numbers |= {
            f"{name}/fade": f"{np.exp((top.query_hat - top.value_hat) - (bottom.query_hat - bottom.value_hat)):.2f}"
        }
    scales = sorted(frame.sigma_qk.unique())
    at = min(scales, key=lambda each: abs(each - 1))
    ratios = [np.exp(frame[f"{of}_hat"] - frame[of])[frame.sigma_qk == at] for of in ("log_grad", *GROUPS)]
    numbers["largest"] = f"{100 * max(float(abs(ratio - 1).max()) for ratio in ratios):.0f}"
    shown = [
        f"{place}-norm {numbers[f'{place}/{at:g}/stream']}" for place in sorted(frame.place.unique(), reverse=True)
    ]
    gaps = [f"{numbers[f'{place}/{at:g}/law']} %" for place in sorted(frame.place.unique(), reverse=True)]
    twins = [f"{numbers[f'{place}/{at:g}/twin']} %" for place in sorted(frame.place.unique(), reverse=True)]
    decided = (rows := comparisons(frame))[np.isfinite(rows.predicted_err)]
    for law in ("twin", "law"):
        each = decided[decided.label.str.endswith(law)]
        if not len(each):
            continue
        far = each[each.z.abs() > compare.SIGMAS]
        numbers |= {
            f"{law}/rows": f"{len(each)}",
            f"{law}/agree": f"{len(each) - len(far)}",
            f"{law}/spread": f"{each.z.std():.1f}",
        }
    verdict = (
        f"The stream's gradient below {numbers['depth']} blocks over that at the top: {' and '.join(shown)}, at standard initialisation. The law of softmax attention gives every "
        f"group's gradient there to {' and '.join(gaps)} (root mean square), and the infinite-width twin to {' and '.join(twins)}."
    )
    if "law/rows" in numbers:
        verdict += (
            f" {numbers['law/agree']} of {numbers['law/rows']} groups agree with the law and {numbers['twin/agree']} of {numbers['twin/rows']} with the twin; z has a "
            f"standard deviation of {numbers['law/spread']} and {numbers['twin/spread']}."
        )
    return Findings(verdict, numbers)
