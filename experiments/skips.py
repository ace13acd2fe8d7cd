"""Q11. Skip connections redesign how gradients travel: by what law do they grow over a thousand residual blocks?

Residual chains of ReLU, tanh and linear branches: three scales of the branch, and layer norm before the branch or after the sum. Where the law at finite width is exact, real weight
matrices; where it is to order 1/N, networks without matrices that are as wide as deep; elsewhere wide ones, held against the law at infinite width. One chain of ten thousand blocks takes the law of tanh to where little but its leading term is left.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of, profile_columns, rate_columns, thinned
from vgtheory import Dense, Estimate, Residual, measure, theory

EPS = 4 * float(np.finfo(np.float32).eps)
LONG = "tanh, long"
NETS = {
    "relu": Residual("relu", 2**0.5),
    "relu, 1/sqrt(L)": Residual("relu", 2**0.5, alpha="1/sqrt(L)"),
    "relu, 1/L": Residual("relu", 2**0.5, alpha="1/L"),
    "relu, pre-norm": Residual("relu", 2**0.5, norm="layer"),
    "relu, post-norm": Residual("relu", 2**0.5, norm="layer", place="post"),
    "tanh": Residual("tanh", 1.5),
    "tanh, 1/sqrt(L)": Residual("tanh", 1.5, alpha="1/sqrt(L)"),
    "tanh, pre-norm": Residual("tanh", 1.5, norm="layer"),
    "tanh, post-norm": Residual("tanh", 1.5, norm="layer", place="post"),
    "linear": Residual("linear", 1.0),
    "linear, 1/sqrt(L)": Residual("linear", 1.0, alpha="1/sqrt(L)"),
    LONG: Residual("tanh", 1.5),
}
"""Ensembles by name."""


@dataclass(frozen=True)
class Config:
    chain: tuple[str, ...] = tuple(NETS)
    blocks: int = 1000
    width: int = 128
    known_width: int = 1024
    wide: int = 8192
    num_nets: int = 8
    long_blocks: int = 10_000
    long_width: int = 4096
    seed: int = 11


SMOKE = Config(
    chain=("relu", LONG), blocks=40, width=32, known_width=64, num_nets=4, wide=64, long_blocks=100, long_width=64
)


def run(config: Config) -> dict[str, Any]:
    (name,) = config.chain
    net, long = NETS[name], name == LONG
    depth = config.long_blocks if long else config.blocks
    known = bool(np.isfinite(theory.log_grad_layers(net, depth=2, width=config.width).std[0]))
    exact = known and net.activation.name == "linear"
    wide = config.long_width if long else config.wide
    size = {"depth": depth, "width": config.width if exact else config.known_width if known else wide}
    sampler = "networks" if exact else "matrix_free"
    logs = measure.samples(key_of(config), net, **size, num_nets=config.num_nets, sampler=sampler)
    law, layers = theory.log_grad_layers(net, **size), thinned(size["depth"], 40)
    growth, span = theory.blocks.residual_growth(net), size["depth"] - 1
    rates = logs.log_grad[:, 0] / span
    seen = Estimate(rates.mean(), float(np.hypot(rates.std(ddof=1) / len(rates) ** 0.5, EPS)))
    label = f"{name}, {size['depth']} blocks"
    if known:
        compared = rate_columns(label, "residual", logs.log_grad, law)
    else:
        compared = comparison(label, "residual", seen, law.mean[0] / span, seen.err)
    shown = law._replace(std=np.where(np.isfinite(law.std), law.std, 0.0))
    infinite = theory.log_grad_layers(net, depth=size["depth"]).mean
    return {
        "layer": layers,
        **profile_columns("log_grad", logs.log_grad, shown, layers),
        "log_q": theory.log_q_layers(net, depth=size["depth"]).mean[layers - 1],
        "log_q_hat": logs.log_q.mean(axis=0)[layers - 1],
        "infinite": infinite[layers - 1],
        "known": known,
        "units": size["width"],
        "kind": growth.kind,
        "coefficient": growth.coefficient,
        "exponent": growth.exponent,
        "gain": 2 * infinite[0],
        "gain_hat": 2 * logs.log_grad[:, 0].mean(),
        "gain_hat_err": 2 * logs.log_grad[:, 0].std(ddof=1) / config.num_nets**0.5,
        "telescoped": logs.log_q[:, -1].mean() - logs.log_q[:, 0].mean(),
        "plain": 2 * theory.log_grad_layers(Dense(net.activation, net.sigma_w), depth=size["depth"]).mean[0],
        **compared,
    }


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame[frame.layer == 1].set_index("chain")
    gain = lambda name: f"{cells.loc[name].gain_hat:.2f}"
    numbers = {
        "blocks": f"{int(frame.blocks.max()):,}",
        "width": f"{int(frame.width.max())}",
        "known_width": f"{int(frame.known_width.max()):,}",
        "chains": f"{len(cells)}",
        "wide": f"{int(frame.wide.max()):,}",
    }
    numbers |= {"furthest": f"{cells.z.abs().max():.1f}", "within": f"{int((cells.z.abs() < 3).sum())}"}
    lines = []
    if "relu" in cells.index:
        row = cells.loc["relu"]
        decades = lambda value: f"{value / 2 / np.log(10):.0f}"
        numbers |= {"relu/decades": decades(row.gain_hat), "relu/law": decades(2 * row.log_grad)}
        lines.append(
            f"ReLU at He's scale doubles the square at every block (10^{numbers['relu/decades']} in norm over {numbers['blocks']}, predicted 10^{numbers['relu/law']})"
        )
    if "relu, 1/sqrt(L)" in cells.index:
        numbers |= {"scaled/seen": gain("relu, 1/sqrt(L)"), "scaled/law": f"{cells.loc['relu, 1/sqrt(L)'].gain:.2f}"}
        lines.append(
            f"with 1/sqrt(L) the square's log grows by {numbers['scaled/seen']} in all (predicted {numbers['scaled/law']})"
        )
    if "relu, pre-norm" in cells.index:
        row = cells.loc["relu, pre-norm"]
        numbers |= {"pre/seen": gain("relu, pre-norm"), "pre/law": f"{row.gain:.2f}", "pre/q": f"{row.telescoped:.2f}"}
        lines.append(
            f"with layer norm before the branch by {numbers['pre/seen']}, the log of q_L/q_1 ({numbers['pre/q']}; predicted {numbers['pre/law']})"
        )
    if "relu, post-norm" in cells.index:
        row = cells.loc["relu, post-norm"]
        skip = -(row.blocks - 1) * np.log(2)
        numbers |= {
            "post/seen": f"{row.gain_hat:.1f}",
            "post/err": f"{row.gain_hat_err:.1f}",
            "post/skip": f"{skip:.0f}",
        }
        lines.append(
            f"after the sum by {numbers['post/seen']} +- {numbers['post/err']} (predicted 0 at infinite width; the skip's path alone would give {numbers['post/skip']})"
        )
    row = cells.loc[LONG]
    numbers |= {"tanh/coefficient": f"{row.coefficient:.3f}", "tanh/blocks": f"{int(row.long_blocks):,}"}
    numbers |= {
        "tanh/seen": f"{row.gain_hat / row.long_blocks**0.5:.3f}",
        "tanh/law": f"{row.gain / row.long_blocks**0.5:.3f}",
    }
    numbers |= {"tanh/err": f"{row.gain_hat_err / row.long_blocks**0.5:.3f}"}
    lines.append(
        f"tanh's as {numbers['tanh/seen']} +- {numbers['tanh/err']} sqrt(L) after {numbers['tanh/blocks']} blocks (predicted {numbers['tanh/law']}, in the limit {numbers['tanh/coefficient']})"
    )
    verdict = (
        f"Yes: nothing vanishes, and what is left is growth, whose law the branch decides. {'; '.join(lines)}. "
        f"{numbers['within']} of {numbers['chains']} chains within three standard errors, the furthest at {numbers['furthest']}."
    )
    return Findings(verdict, numbers)
