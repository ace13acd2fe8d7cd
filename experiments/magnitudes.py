"""Q4. Hinton: gradient magnitudes vary widely across weights (hence RMSProp). Is that minibatch noise, the activation, or depth?

The variance of log|g| over all weights of a network and over minibatches is split exactly: over layers (depth), over the entries within a layer (what the units
keep from one minibatch to the next: the activation, and what the examples have in common), and over minibatches. Then the same of what RMSProp, Adam and sign updates make of it, at weights that
stand still.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts import fixed_weights
from experiments.parts.fixed_weights import BETA_OF, EPS, RULES, Setting
from vgtheory import Dense, Estimate, compare, measure, theory

PARTS = ("fixed_weights",)
NAMES = ("layers", "entries", "draws")
NETS = {
    "tanh below": Dense("tanh", 0.8),
    "tanh critical": Dense("tanh", 1.0),
    "tanh above": Dense("tanh", 1.5),
    "relu critical": Dense("relu", 2**0.5),
    "sigmoid": Dense("sigmoid", 1.0),
}
"""Ensembles by name: below, at and above tanh's critical scale, He's ReLU, and the classical sigmoid."""
NEXT_ORDER = 0.05
"""Of a share, times depth / width: what the law leaves out (of order 1/N^2 for tanh, of 1/N for ReLU: its Notes), as large as was
seen at widths 256 and 512."""
ROUNDING = 1e-7
GROUPS = 3
"""Of ``num_small`` networks each, whose updates are looked at: the standard error of four is itself known to a half only."""
STEP = 0.1
"""Of a layer: two neighbours are joined by a straight line of log-sizes, and a network's own gradient is not yet the mean's."""


class Case(NamedTuple):
    """One cell: a network, its depth and batch, and which question is asked of it."""

    net: str
    depth: int
    batch: int
    kind: str = "split"


CASES = {
    f"{net}, {depth} layers, batch {batch}": Case(net, depth, batch)
    for net in NETS
    for depth in (8, 32, 128)
    for batch in (1, 32)
}
CASES |= {
    f"{net}, updates": Case(net, 8, 32, "updates")
    for net in ("tanh below", "tanh critical", "tanh above", "relu critical", "sigmoid")
}
CASES |= {"sigmoid, epsilon": Case("sigmoid", 20, 32, "epsilon")}
SMALL = {"small": Case("tanh critical", 3, 32), "small, updates": Case("tanh critical", 3, 2, "updates")}
"""For the smoke run."""

IDENTITIES = r", sign: "
"""Labels that are tests and no comparisons: sign updates all have one size."""
OUTSIDE = "momentum where minibatches often bring gradients of exactly 0"
"""Why the law declines where it does."""


@dataclass(frozen=True)
class Config:
    case: tuple[str, ...] = tuple(CASES)
    width: int = 256
    deep_width: int = 512
    num_nets: int = 16
    num_deep: int = 6
    num_draws: int = 16
    num_small: int = 4
    burn_in: int = 4000
    apart: int = 100
    seed: int = 4


SMOKE = Config(case=tuple(SMALL), width=32, num_nets=4, num_small=2, num_draws=4, burn_in=100, apart=5)


def _of(split: Any, k: int) -> np.ndarray:
    """The three parts' values (0) or errors (1)."""
    return np.array([getattr(split, name)[k] for name in NAMES])


def _shares(split: Any) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the three parts, and their errors as if the parts were independent."""
    values, errs = _of(split, 0), _of(split, 1)
    shares = values / values.sum()
    change = (np.eye(3) - shares[:, None]) / values.sum()
    return shares, np.sqrt(change**2 @ errs**2)


def _left(split: Any, before: Any) -> tuple[np.ndarray, np.ndarray]:
    """What an optimiser leaves of the gradients' variance."""
    whole = _of(before, 0).sum()
    return _of(split, 0) / whole, _of(split, 1) / whole


def _rows(label: str, rule: str, seen: Any, law: Any, shares: Any, unit: str, depth: int, width: int) -> dict[str, Any]:
    """Parts and shares, predicted and measured, one row for each part."""
    (share, share_err), (hat, hat_err) = shares(law), shares(seen)
    # A prediction within its numerical error and what its order leaves out, a measurement within its own.
    sampled = np.array([share[1] / width, 0.0, 0.0])
    err = np.sqrt(share_err**2 + hat_err**2 + (NEXT_ORDER * depth / width * share) ** 2 + sampled**2 + ROUNDING**2)
    compared = [
        comparison(f"{label}: {name}", "variance of log g", Estimate(hat[k], hat_err[k]), share[k], err[k], unit)
        for k, name in enumerate(NAMES)
    ]
    return {
        "part": np.array(NAMES),
        "rule": np.full(3, rule),
        "share": share,
        "share_hat": hat,
        "share_hat_err": hat_err,
        "variance": _of(law, 0),
        "variance_hat": _of(seen, 0),
        "variance_hat_err": _of(seen, 1),
        "zeros": np.full(3, law.zeros.value),
        "zeros_hat": np.full(3, seen.zeros.value),
        **{column: np.array([row[column] for row in compared]) for column in compared[0]},
    }


def _split_rows(config: Config, case: Case) -> dict[str, Any]:
    deep = case.depth > 32
    width = config.deep_width if deep else config.width
    size = {"depth": case.depth, "width": width, "batch": case.batch, "num_draws": config.num_draws}
    num_nets = config.num_deep if deep else config.num_nets
    seen = measure.log_grad_variance(key_of(config), NETS[case.net], num_nets=num_nets, **size)
    law = theory.log_grad_variance(NETS[case.net], **size)
    return _rows(config.case[0], "SGD", seen, law, _shares, "share", case.depth, width)


def _updated(config: Config, case: Case) -> dict[str, np.ndarray]:
    """Logs of all rules' updates."""
    setting = Setting(case.depth, config.width // 2, case.batch, config.burn_in, config.num_draws, config.apart)
    return fixed_weights.log_updates(key_of(config), NETS[case.net], setting, GROUPS * config.num_small)


def _update_rows(config: Config, case: Case) -> dict[str, Any]:
    net, width, logs = NETS[case.net], config.width // 2, _updated(config, case)
    size = {"depth": case.depth, "width": width, "batch": case.batch, "num_draws": config.num_draws}
    laws = {"SGD": theory.log_grad_variance(net, **size)}
    laws |= {name: theory.magnitudes.log_update_variance(net, beta_1=beta, **size) for name, beta in BETA_OF.items()}
    none = Estimate(0.0, 0.0)
    laws["sign"] = laws["SGD"]._replace(layers=none, entries=none, draws=none)
    seen = {rule: fixed_weights.split_of(logs[rule]) for rule in RULES}
    blocks = []
    for rule in RULES:
        left = lambda split: _left(split, laws["SGD"] if split is laws[rule] else seen["SGD"])  # noqa: B023
        blocks.append(
            _rows(f"{case.net}, {rule}", rule, seen[rule], laws[rule], left, "of SGD's variance", case.depth, width)
        )
    return {column: np.concatenate([block[column] for block in blocks]) for column in blocks[0]}


def _size_layers(net: Dense, depth: int, batch: int) -> np.ndarray:
    """Predicted log of an entry's root mean square over minibatches in every layer."""
    weight = theory.log_grad_weight_layers(net, depth=depth).mean
    signal = theory.log_q_layers(net, depth=depth).mean[-1] - 2 * np.log(net.sigma_w)
    return weight + (signal - np.log(batch)) / 2


def _crossing(log_sizes: np.ndarray, level: float) -> float:
    """Layers from the top down to where a falling profile passes a level."""
    down = log_sizes[::-1]
    k = int(np.argmax(down < level))
    return float(k - (level - down[k]) / (down[k - 1] - down[k]))


def _epsilon_rows(config: Config, case: Case) -> dict[str, Any]:
    """How far from the top epsilon is as large as the gradient: there RMSProp's updates are half of what they were."""
    logs = _updated(config, case)["RMSProp"]
    sizes = np.log(np.mean(np.exp(2 * logs), axis=(2, 3))) / 2
    places = np.array([_crossing(each, np.log(0.5)) for each in sizes])
    seen = Estimate(float(places.mean()), float(places.std(ddof=1) / len(places) ** 0.5))
    law = _crossing(_size_layers(NETS[case.net], case.depth, case.batch), np.log(EPS))
    row = {"part": "epsilon", "rule": "RMSProp", "share": law, "share_hat": seen.value, "share_hat_err": seen.err}
    row |= comparison(
        "sigmoid, RMSProp: epsilon reached", "epsilon", seen, law, float(np.hypot(seen.err, STEP)), "layers"
    )
    return {column: np.array([value]) for column, value in row.items()}


def run(config: Config) -> dict[str, Any]:
    case = (CASES | SMALL)[config.case[0]]
    facts = {"net": case.net, "depth": case.depth, "batch": case.batch, "kind": case.kind}
    return facts | {"split": _split_rows, "updates": _update_rows, "epsilon": _epsilon_rows}[case.kind](config, case)


def _lasting(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Shares of layers, entries and draws, in per cent, less what so few draws seem to differ between entries by their own noise alone."""
    share = rows.set_index("part").loc[list(NAMES), column].to_numpy()
    noise = share[2] / (rows.num_draws.iloc[0] - 1)
    return 100 * (share + np.array([0.0, -noise, noise])) / share.sum()


def _split_numbers(frame: pd.DataFrame) -> dict[str, str]:
    """Measured and predicted shares of every cell."""
    numbers: dict[str, str] = {}
    for (net, depth, batch), rows in frame[frame.kind == "split"].groupby(["net", "depth", "batch"]):
        start = f"{net.replace(' ', '-')}/{depth}/{batch}"
        for ending, column in (("", "share_hat"), ("/law", "share")):
            found = zip(NAMES, _lasting(rows, column), strict=True)
            numbers |= {f"{start}/{name}{ending}": f"{value:.1f}" for name, value in found}
        numbers |= {f"{start}/whole": f"{rows.variance_hat.sum():.2f}"}
    return numbers


def _update_numbers(frame: pd.DataFrame) -> dict[str, str]:
    """What every rule leaves, in per cent of the gradients' variance."""
    numbers: dict[str, str] = {}
    for (net, rule), rows in frame[frame.kind == "updates"].groupby(["net", "rule"]):
        left = rows.set_index("part").share_hat
        start = f"left/{net.replace(' ', '-')}/{rule}"
        numbers |= {f"{start}/{name}": f"{100 * left[name]:.1f}" for name in NAMES}
        numbers |= {f"{start}/all": f"{100 * left.sum():.0f}", f"{start}/all/law": f"{100 * rows.share.sum():.0f}"}
    for row in frame[frame.kind == "epsilon"].itertuples():
        numbers |= {
            "epsilon/law": f"{row.share:.2f}",
            "epsilon/seen": f"{row.share_hat:.2f}",
            "epsilon/err": f"{row.share_hat_err:.2f}",
        }
    return numbers


def _sentences(numbers: dict[str, str]) -> list[str]:
    """What is said of each cell that there is."""
    lines = []
    for net, depth in (
        ("tanh-critical", 8),
        ("tanh-critical", 128),
        ("tanh-above", 128),
        ("relu-critical", 128),
        ("sigmoid", 8),
        ("sigmoid", 128),
    ):
        start = f"{net}/{depth}/32"
        if f"{start}/layers" in numbers:
            of = lambda name: f"{numbers[f'{start}/{name}']} %"  # noqa: B023
            lines.append(
                f"{net.replace('-', ' ')}, {depth} layers: {of('layers')} depth, {of('entries')} units, {of('draws')} minibatch"
            )
    return lines


def findings(frame: pd.DataFrame) -> Findings:
    numbers = _split_numbers(frame) | _update_numbers(frame)
    shares = frame[~frame.label.str.contains(IDENTITIES)]
    decided, outside = shares[np.isfinite(shares.predicted_err)], shares[np.isinf(shares.predicted_err)]
    bad = int((decided.z.abs() > compare.SIGMAS).sum())
    gap = ((outside.measured - outside.predicted) / outside.measured_err).abs()
    numbers |= {
        "comparisons": f"{len(decided)}",
        "agree": f"{len(decided) - bad}",
        "chi_square": f"{(decided.z**2).sum():.0f}",
        "width": f"{int(frame.width.max())}",
        "outside": f"{len(outside)}",
        "outside/gap": f"{gap.max():.0f}" if len(outside) else "0",
    }
    numbers |= {"deep-width": f"{int(frame.deep_width.max())}", "draws": f"{int(frame.num_draws.max())}"}
    numbers |= {"within": f"{100 * (decided.z.abs() < 3).mean():.0f}", "furthest": f"{decided.z.abs().max():.1f}"}
    verdict = f"At the start, of the variance of log|g| in batches of 32: {'; '.join(_sentences(numbers))}. "
    left = {rule: numbers.get(f"left/sigmoid/{rule}/all") for rule in ("RMSProp", "Adam")}
    if left["RMSProp"]:
        verdict += (
            f"RMSProp leaves {left['RMSProp']} % of a sigmoid network's variance and Adam {left['Adam']} %, which is minibatch noise (of a normal variable, pi^2/8, by either), and {numbers['left/tanh-critical/RMSProp/all']} % "
            f"of a critical tanh network's; sign updates leave none. "
        )
    silent = numbers.get("left/relu-critical/Adam/all")
    if silent:
        verdict += f"With ReLU Adam spreads updates more than they were, to {silent} %: momentum decays with every minibatch in which a unit is silent (beyond the law). "
    if "epsilon/law" in numbers:
        verdict += f"RMSProp's epsilon brings depth back where gradients fall below it: in sigmoid networks {numbers['epsilon/seen']} layers below the top (predicted {numbers['epsilon/law']}). "
    verdict += f"{numbers['agree']} of {numbers['comparisons']} predicted shares agree"
    if len(outside):
        verdict += f"; {numbers['outside']} more (ReLU with Adam) lie where momentum's law declines, up to {numbers['outside/gap']} measured standard errors off"
    verdict += "."
    return Findings(verdict, numbers)
