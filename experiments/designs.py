"""Q11. Which design of a transformer keeps stream and gradient: place of the norm, factor of the branches, DyT, at 12, 96 and 1,000 blocks?

Every design at standard scales: the law of softmax attention at the network's own width beside real stacks, up to the depth at which they can be
measured. For a decoder also how much every input token moves the last output.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of, thinned
from vgtheory import Estimate, Transformer, measure, theory

PARTS = ("summary",)
GROUPS = ("query", "key", "value", "output", "mlp_in", "mlp_out")
EPS = 1e-6
LAW_ERR = 0.02
"""Of the law's log, from terms of second order in the widths."""
ROUNDING = 1e-13
"""Gradient of queries over that of values below which rounding to float64 rules it."""
OUTSIDE = "the tokens differ by so little that rounding to float64 makes the gradient of queries"


@dataclass(frozen=True)
class Config:
    design: tuple[str, ...] = (
        *("pre-norm", "1/sqrt(2L)", "1/L", "post-norm"),
        *("peri-norm", "DeepNorm", "DyT", "decoder"),
    )
    depth: tuple[int, ...] = (12, 96, 1000)
    deepest: int = 96
    width: int = 256
    positions: int = 32
    context: int = 64
    heads: int = 8
    num_nets: int = 32
    seed: int = 24


SMOKE = Config(design=("pre-norm",), depth=(2,), width=64, positions=8, heads=2, num_nets=4)


def network(config: Config) -> Transformer:
    """The design of a cell, at standard scales but for DeepNorm's own initialiser."""
    (design,), (depth,) = config.design, config.depth
    plain = Transformer("gelu", heads=config.heads)
    small = (8 * depth) ** -0.25
    changes: dict[str, dict[str, Any]] = {
        "pre-norm": {},
        "1/sqrt(2L)": {"alpha": "1/sqrt(2L)"},
        "1/L": {"alpha": "1/L"},
        "post-norm": {"place": "post"},
        "peri-norm": {"place": "peri"},
        "DeepNorm": {"place": "post", "alpha": (2 * depth) ** -0.25, "sigma_w": small},
        "DyT": {"norm": "dyt"},
        "decoder": {
            "activation": "silu",
            "norm": "rms",
            "is_gated": True,
            "is_causal": True,
            "is_rotary": True,
            "kv_heads": max(config.heads // 4, 1),
        },
    }
    return plain.replace(**changes[design])


def _of_mean_square(logs: np.ndarray) -> Estimate:
    """Half the log of the mean square over networks, of which the law speaks, and its error."""
    centre = logs.mean(axis=0)
    squares = np.exp(2 * (logs - centre))
    mean = squares.mean(axis=0)
    return Estimate(centre + np.log(mean) / 2, squares.std(axis=0, ddof=1) / len(logs) ** 0.5 / mean / 2 + EPS)


def _law(net: Transformer, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """Half logs of mean squares, block by block; groups of matrices relative to the top's second of the perceptron."""
    if net.norm == "dyt":
        net = net.replace(norm_slope=jnp.asarray(net.norm_slope))  # compiled: every block has integrals of its own
    groups = theory.blocks.log_grad_groups(net, **sizes)
    found = {name: groups[name].mean for name in GROUPS}
    found["stream"] = theory.log_q_layers(net, **sizes).mean / 2
    found["gradient"] = theory.log_grad_layers(net, **sizes).mean
    return {name: np.asarray(each, float) for name, each in found.items()}


def _seen(config: Config, net: Transformer, sizes: dict[str, int]) -> dict[str, Estimate]:
    """The same of real stacks."""
    # Behind many post-norms tokens differ by less than float32 holds.
    dtype = "float64" if net.place == "post" else "float32"
    logs = measure.samples(key_of(config), net, num_nets=config.num_nets, dtype=dtype, **sizes)
    top = logs.log_grad_groups["mlp_out"][:, -1:]
    found = {name: _of_mean_square(logs.log_grad_groups[name] - top) for name in GROUPS}
    return found | {"stream": _of_mean_square(logs.log_q / 2), "gradient": _of_mean_square(logs.log_grad)}


def _influence(config: Config, net: Transformer) -> dict[str, Any]:
    """Of every input token on the decoder's last output."""
    (depth,), at = config.depth, thinned(config.context)
    sizes = {"depth": depth, "positions": config.context, "width": config.width}
    law = theory.decoders.log_influence(net, **sizes).mean
    seen = Estimate(np.full(len(law), np.nan), np.full(len(law), np.nan))
    if depth <= config.deepest:
        key = jax.random.fold_in(key_of(config), 1)
        seen = measure.decoders.log_influence(key, net, num_nets=config.num_nets, **sizes)
    return _rows("influence", at, law, seen)


def _rows(quantity: str, at: np.ndarray, law: np.ndarray, seen: Estimate) -> dict[str, Any]:
    return {
        "quantity": np.full(len(at), quantity),
        "at": at,
        "predicted": law[at - 1],
        "hat": np.asarray(seen.value)[at - 1],
        "hat_err": np.asarray(seen.err)[at - 1],
    }


def run(config: Config) -> dict[str, Any]:
    (depth,), net = config.depth, network(config)
    sizes = {"depth": depth, "positions": config.positions, "width": config.width}
    law, at = _law(net, sizes), thinned(depth, 24)
    unseen = dict.fromkeys(law, Estimate(np.full(depth, np.nan), np.full(depth, np.nan)))
    seen = _seen(config, net, sizes) if depth <= config.deepest else unseen
    # What queries get over what values get tells how much of the tokens' differences is left.
    law["ratio"] = law["query"] - law["value"]
    first, second = seen["query"], seen["value"]
    seen["ratio"] = Estimate(first.value - second.value, np.hypot(first.err, second.err))
    parts = [_rows(name, at, law[name], seen[name]) for name in law]
    if net.is_causal:
        parts.append(_influence(config, net))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _at(cell: pd.DataFrame, quantity: str, end: str) -> Any:
    """A quantity at the cell's bottom, middle or top."""
    rows = cell[cell.quantity == quantity].sort_values("at")
    return rows.iloc[{"bottom": 0, "middle": len(rows) // 2, "top": -1}[end]]


COMPARED = (
    *(("stream", "top"), ("gradient", "bottom"), ("query", "bottom"), ("query", "top"), ("value", "bottom")),
    *(("value", "top"), ("mlp_in", "bottom"), ("mlp_out", "bottom")),
)


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Stream, gradient and matrices at both ends of every stack that was measured, and the decoder's first, middle and last token."""
    rows = []
    for (cell, design, depth), each in frame.dropna(subset="hat").groupby(["cell", "design", "depth"]):
        places = COMPARED + tuple(("influence", end) for end in ("bottom", "middle", "top") if design == "decoder")
        for quantity, end in places:
            row = _at(each, quantity, end)
            holds = quantity != "query" or _at(each, "ratio", end).predicted > np.log(ROUNDING)
            if design in ("post-norm", "DeepNorm") and quantity == "stream":
                continue  # 1, by the norm
            place = (
                {"bottom": "first token", "middle": "middle token", "top": "last token"}
                if quantity == "influence"
                else {}
            )
            label = f"{design}, {depth} blocks, {quantity}, {place.get(end, end)}"
            seen, err = Estimate(row.hat, row.hat_err), float(np.hypot(row.hat_err, LAW_ERR)) if holds else np.inf
            rows.append({"cell": cell} | comparison(label, "transformer", seen, row.predicted, err, "log ratio"))
    return pd.DataFrame(rows)


def _digits(value: float) -> str:
    """Two or three digits."""
    return (
        f"{value:.0f}"
        if abs(value) >= 99.5
        else f"{value:.2g}"
        if abs(value) < 0.1 or value >= 9.95
        else f"{value:.2f}"
    )


def _cell_numbers(cell: pd.DataFrame, column: str, prefix: str) -> dict[str, str]:
    """Of one cell, by the law (``predicted``) or in real stacks (``hat``)."""
    get = lambda quantity, end: float(_at(cell, quantity, end)[column])
    stream = 2 * get("stream", "top")
    sizes = {
        "square": np.exp(stream),
        "added": np.expm1(stream) / float(cell.depth.iloc[0]),
        "share": -100 * np.expm1(-stream),
        "gradient": np.exp(get("gradient", "bottom")),
        "perceptron": np.exp(get("mlp_out", "bottom")),
        "ratio_bottom": np.exp(get("ratio", "bottom")),
    }
    found = {f"{prefix}/{name}": _digits(value) for name, value in sizes.items()}
    return found | {f"{prefix}/ratio_top": f"{get('ratio', 'top') / np.log(10):.1f}"}


def _numbers(frame: pd.DataFrame) -> dict[str, str]:
    """Of all cells; real stacks where they were measured."""
    found: dict[str, str] = {}
    for (design, depth), cell in frame.groupby(["design", "depth"]):
        for source, column in (("law", "predicted"), ("nets", "hat")):
            if cell[column].isna().all():
                continue
            prefix = f"{design}/{depth}/{source}"
            found |= _cell_numbers(cell, column, prefix)
            if (cell.quantity == "influence").any():
                found |= _influence_numbers(cell, column, prefix)
    return found


def _influence_numbers(cell: pd.DataFrame, column: str, prefix: str) -> dict[str, str]:
    """Influence of the first token, the middle one, the weakest, and the last one; and where the weakest stands."""
    rows = cell[cell.quantity == "influence"].sort_values("at")
    values = np.exp(rows[column].to_numpy())
    lowest = int(values.argmin())
    chosen = {"first": values[0], "middle": values[len(values) // 2], "weakest": values[lowest], "last": values[-1]}
    found = {f"{prefix}/{name}": _digits(value) for name, value in chosen.items()}
    return found | {
        f"{prefix}/weakest_at": f"{rows['at'].iloc[lowest]}",
        f"{prefix}/ends": _digits(values[0] / values[lowest]),
    }


def findings(frame: pd.DataFrame) -> Findings:
    numbers = _numbers(frame)
    decided = comparisons(frame)
    decided = decided[np.isfinite(decided.predicted_err)]
    numbers |= {
        "rows": f"{len(decided)}",
        "agree": f"{decided.verdict.str.startswith('agrees').sum()}",
        "median": f"{100 * np.median(np.abs(decided.measured - decided.predicted)):.1f}",
        "worst": f"{100 * np.abs(decided.measured - decided.predicted).max():.1f}",
        "deepest": f"{int(frame.depth.max())}",
        "context": f"{int(frame.context.max())}",
        "width": f"{int(frame.width.max())}",
    }
    depth = int(frame.depth.max())
    parts = [
        f"{design} {numbers[f'{design}/{depth}/law/gradient']} (mean square of the stream {numbers[f'{design}/{depth}/law/square']})"
        for design in frame.design.unique()
    ]
    verdict = (
        f"The stream's gradient below {depth} blocks over that at the top, by the law: {'; '.join(parts)}. {numbers['agree']} of {numbers['rows']} "
        f"numbers of real stacks agree, at a median distance of {numbers['median']} %."
    )
    return Findings(verdict, numbers)
