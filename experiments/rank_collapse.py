"""Q11. Do queries and keys lose their gradient where attention has made the tokens alike?

Stacks of transformer blocks, norms before and after the branches: the cosine distance of the tokens at every block, and the gradients of
queries and values, by the law of softmax attention at the networks' own width and in networks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Estimate, Transformer, measure, theory

GROUPS = ("query", "value")
LAW_ERR = 0.02
"""Of the law's logs, from terms of second order in the widths."""


@dataclass(frozen=True)
class Config:
    place: tuple[str, ...] = ("pre", "post")
    sigma_qk: tuple[float, ...] = (1.0, 1.4)
    depth: int = 24
    width: int = 256
    positions: int = 16
    heads: int = 8
    num_nets: int = 96
    seed: int = 61


SMOKE = Config(place=("post",), sigma_qk=(1.0,), depth=3, width=64, num_nets=4)


def _half_log(squares: np.ndarray, over: np.ndarray | None = None) -> Estimate:
    """Half the log of the mean over networks, or of a ratio of two means, and its error."""
    shares = squares / squares.mean(axis=0)
    value = np.log(squares.mean(axis=0)) / 2
    if over is not None:
        shares, value = shares - over / over.mean(axis=0), value - np.log(over.mean(axis=0)) / 2
    return Estimate(value, shares.std(axis=0, ddof=1) / len(squares) ** 0.5 / 2)


def run(config: Config) -> dict[str, Any]:
    net = Transformer("gelu", 1.0, config.sigma_qk[0], config.place[0], heads=config.heads)
    sizes: dict[str, Any] = {"depth": config.depth, "positions": config.positions, "width": config.width}
    key, num_nets = key_of(config), config.num_nets
    seen = measure.blocks.cosine_distance(key, net, num_nets=num_nets, **sizes)
    groups = measure.samples(key, net, num_nets=num_nets, **sizes).log_grad_groups
    law = theory.blocks.log_grad_groups(net, **sizes)
    squares = {name: np.exp(2 * (groups[name] - groups["mlp_out"][:, -1:])) for name in GROUPS}
    out: dict[str, Any] = {
        "block": np.arange(1, config.depth + 1),
        "distance": theory.blocks.cosine_distance(net, **sizes).mean,
        "distance_hat": seen.value,
        "distance_hat_err": seen.err,
    }
    for name in GROUPS:
        found = _half_log(squares[name])
        out |= {name: law[name].mean, f"{name}_hat": found.value, f"{name}_hat_err": found.err}
    ratio = _half_log(squares["query"], squares["value"])
    return out | {
        "ratio": law["query"].mean - law["value"].mean,
        "ratio_hat": ratio.value,
        "ratio_hat_err": ratio.err,
    }


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """The distance, and the gradient of queries over that of values, at every block."""
    rows = []
    for _, row in frame.iterrows():
        label = f"{row.place}-norm, logits {row.sigma_qk:g}, block {row.block}"
        apart = Estimate(np.log(row.distance_hat), row.distance_hat_err / row.distance_hat)
        pairs = [("queries over values", Estimate(row.ratio_hat, row.ratio_hat_err), row.ratio)]
        if row.block > 1:  # the inputs are drawn independent
            pairs.append(("distance", apart, np.log(row.distance)))
        for what, found, law in pairs:
            err = float(np.hypot(found.err, LAW_ERR))
            rows.append({"cell": row.cell, **comparison(f"{label}, {what}", "transformer", found, law, err, "log")})
    return pd.DataFrame(rows)


def findings(frame: pd.DataFrame) -> Findings:
    told, first = comparisons(frame), min(frame.sigma_qk, key=lambda each: abs(each - 1))
    last = int(frame.block.max())
    numbers = {"blocks": f"{last}", "nets": f"{frame.num_nets.max()}", "width": f"{frame.width.max()}"}
    numbers |= {"positions": f"{frame.positions.max()}"}
    off = lambda rows, name: 100 * np.expm1(rows[f"{name}_hat"] - rows[name])
    for place, all_rows in frame.groupby("place"):
        rows = all_rows[all_rows.sigma_qk == first].sort_values("block")
        bottom, top = rows.iloc[0], rows.iloc[-1]
        numbers |= {
            f"{place}/lost": f"{(bottom.query_hat - top.query_hat) / np.log(10):.1f}",
            f"{place}/lost_law": f"{(bottom['query'] - top['query']) / np.log(10):.1f}",
            f"{place}/value": f"{(bottom.value_hat - top.value_hat) / np.log(10):.1f}",
            f"{place}/distance": f"{np.log10(top.distance_hat):.1f}",
            f"{place}/slope": f"{np.polyfit(np.log(rows.distance_hat), rows.ratio_hat, 1)[0]:.2f}",
            f"{place}/off": f"{np.abs(off(all_rows, 'ratio')).max():.0f}",
        }
    lost = [
        f"{numbers[f'{place}/lost']} ({place}-norm; predicted {numbers[f'{place}/lost_law']})"
        for place in sorted(frame.place.unique(), reverse=True)
    ]
    agree = int((told.z.abs() <= 5).sum())
    numbers |= {"rows": f"{len(told)}", "agree": f"{agree}"}
    verdict = (
        f"Yes, in proportion to the tokens' cosine distance. Over {last} blocks the gradient of queries falls by {' and '.join(lost)} powers of ten "
        f"while that of values keeps its size to within {max(abs(float(numbers[f'{place}/value'])) for place in frame.place.unique()):.1f}. "
        f"{agree} of {len(told)} distances and ratios agree with the law."
    )
    return Findings(verdict, numbers)
