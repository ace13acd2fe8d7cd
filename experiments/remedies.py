"""Q12. What do batch norm, ReLU and weight decay, and clipping (Q10), leave of the problem, and who trains with them?

Digits, SGD. Clipping, of networks whose gradients explode: by the whole gradient's norm, by entry, by each layer's norm, with bounds that all hold the whole to a norm of 1; what it does to the layers' shares is read off one step,
taken from the same weights on the same batch with and without it. Batch norm: sigmoid and ReLU networks with and without it. Weight decay: the scale of the weights and so the factor per layer is predicted to go down exponentially until the
data's gradient holds it. A network succeeds if half of the unseen digits are right at the end. Of each case's rates the one counts that did best on pilots that are not counted.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts.digits import INPUTS, OUTPUTS
from experiments.parts.optimisers import CLIPS, clipped, decayed
from experiments.parts.pilots import ENOUGH, GROUP, Plan, best_rate, logs_of
from experiments.sequence_length import interval
from vgtheory import Dense, Estimate, Normed, theory

PARTS = ("digits", "optimisers", "pilots", "sequence_length", "summary")
COMPARED = "No law says which networks learn. Compared are rates at the start, shares of a step clipped by value, and scales under decay alone."
"""What the comparisons are of."""
FAR = 1e10
"""Rate of the one step that is looked at: what it leaves is the step, and no rounding of the weights."""
SQUARE_B = 0.05


class Case(NamedTuple):
    """What is trained, and how."""

    remedy: str
    activation: str
    sigma_w: float
    depth: int
    how: str | float
    rates: tuple[float, ...]
    num_updates: int


def _decades(first: int, last: int) -> tuple[float, ...]:
    return tuple(10.0**power for power in range(first, last + 1))


FINE = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1.0)
"""Of steps whose norm is at most 1, and of gradients that do not explode beyond all rates."""
DEPTHS = (4, 8, 16, 32)
DECAYS = (0.0, 1e-4, 1e-2)
SCALES = {"sigmoid": 1.0, "relu": 2**0.5}
CASES = {
    **{f"clip, tanh, {how}": Case("clip", "tanh", 2.5, 32, how, FINE, 200) for how in CLIPS},
    "clip, relu, none": Case("clip", "relu", 2.5, 32, "none", _decades(-8, 0), 200),
    **{f"clip, relu, {how}": Case("clip", "relu", 2.5, 32, how, FINE, 200) for how in CLIPS[1:]},
    **{f"overflow, relu, {how}": Case("clip", "relu", 4.0, 64, how, (1e-4, 1e-2), 200) for how in ("norm", "layer")},
    **{f"clip, mild, {how}": Case("clip", "tanh", 2.0, 32, how, FINE, 200) for how in CLIPS},
    **{
        f"norm, {name}, {how}, {depth}": Case("norm", name, sigma_w, depth, how, _decades(-2, 0), 200)
        for name, sigma_w in SCALES.items()
        for how in ("none", "batch")
        for depth in DEPTHS
    },
    **{
        f"decay, {sigma_w}, {how:g}": Case("decay", "tanh", sigma_w, 16, how, (0.1,), 1200)
        for sigma_w in (3.0, 1.0)
        for how in DECAYS
    },
}


@dataclass(frozen=True)
class Config:
    case: tuple[str, ...] = tuple(CASES)
    shrink: int = 1
    width: int = 128
    batch: int = 64
    num_records: int = 12
    num_nets: int = 20
    seed: int = 10


SMOKE = Config(
    case=("clip, tanh, layer", "decay, 3.0, 0.01"),
    **{"shrink": 8, "width": 16, "batch": 16, "num_records": 3, "num_nets": 4},
)


def _plan(config: Config) -> Plan:
    case, width = CASES[config.case[0]], config.width
    depth = max(3, case.depth // config.shrink)
    optimiser = decayed(0.0)
    if case.remedy == "decay":
        optimiser = decayed(float(case.how))
    if case.remedy == "clip":
        entries = (INPUTS + 1) * width + (depth - 2) * (width + 1) * width + (width + 1) * OUTPUTS
        optimiser = clipped("none", 0, 0) if case.how == "none" else clipped(str(case.how), depth, entries)
    net = Dense(case.activation, case.sigma_w, SQUARE_B**0.5 if case.remedy != "norm" else 0.0)
    if case.how == "batch":
        net = Normed(case.activation, "batch", case.sigma_w, batch=config.batch)
    return Plan(net, optimiser, depth, width, config.batch, case.num_updates // config.shrink)


def _steps(key: jax.Array, plan: Plan, groups: int) -> np.ndarray:
    """Log-norm of each layer's first step over ``FAR``, of every network: shape (networks, layers)."""
    logs = logs_of(key, plan, FAR, groups, [0, 1])
    fan_out = np.array([plan.width] * (plan.depth - 1) + [OUTPUTS])
    return logs.log_moved[:, -1] + logs.log_scale[:, 0] + np.log(fan_out) / 2 - np.log(FAR)


def _shares(steps: np.ndarray) -> np.ndarray:
    return steps - steps[:, -1:]


def _clip_columns(config: Config, plan: Plan, groups: int) -> dict[str, Any]:
    """Layers' shares in one step, raw and clipped, and the law of the latter."""
    case = CASES[config.case[0]]
    key = jax.random.key(config.seed)
    steps = _steps(key, plan, groups)
    raw = _steps(key, plan._replace(optimiser=clipped("none", 0, 0)), groups)
    entries = np.array([INPUTS * plan.width] + [plan.width**2] * (plan.depth - 2) + [plan.width * OUTPUTS])
    laws = {"value": np.log(entries / entries[-1]) / 2, "layer": np.zeros(plan.depth)}
    shares, before = _shares(steps), _shares(raw)
    law = laws.get(str(case.how), before.mean(axis=0))
    expected = law[None] if case.how in laws else before
    return {
        "x": np.arange(1, plan.depth + 1),
        "value": shares.mean(axis=0),
        "value_err": shares.std(axis=0, ddof=1) / len(shares) ** 0.5,
        "law": law,
        "log_step": float(np.logaddexp.reduce(2 * steps, axis=1).mean() / 2),
        "log_raw": float(np.logaddexp.reduce(2 * raw, axis=1).mean() / 2),
        "still": float(np.isneginf(steps).all(axis=1).mean()),
        "raw": before.mean(axis=0),
        "off": float(np.abs(np.nan_to_num(shares - expected)).max()),
    }


def _norm_columns(config: Config, plan: Plan, logs: Any) -> dict[str, Any]:
    """Gradient of each layer at the start, and its rate over the lower half of the chain."""
    chosen, size = logs.log_grad_weight[:, 0], {"depth": plan.depth}
    normed = isinstance(plan.net, Normed)
    law = (
        theory.log_grad_layers(plan.net, **size)
        if normed
        else theory.log_grad_weight_layers(plan.net, width=plan.width, **size)
    )
    last = max(2, plan.depth // 2)
    rates = (chosen[:, 1] - chosen[:, last]) / (last - 1)
    return {
        "x": np.arange(1, plan.depth + 1),
        "value": _shares(chosen).mean(axis=0),
        "value_err": _shares(chosen).std(axis=0, ddof=1) / len(chosen) ** 0.5,
        "law": law.mean - law.mean[-1],
        "log_factor": float(law.mean[1] - law.mean[last]) / (last - 1),
        "log_factor_hat": float(rates.mean()),
        "log_factor_hat_err": float(rates.std(ddof=1) / rates.size**0.5),
    }


def _decay_columns(config: Config, plan: Plan, logs: Any, rate: float) -> dict[str, Any]:
    """Scale of the layers between first and last, over training, and the factor per layer that goes with it."""
    decay = float(CASES[config.case[0]].how)
    each = logs.log_scale[:, :, 1:-1].mean(axis=2)
    faded = logs.updates * np.log1p(-rate * decay)
    law = np.log(plan.net.sigma_w) + faded
    scales = plan.net.sigma_b * np.exp(faded)
    chi = lambda log_w: theory.chi_1(Dense(plan.net.activation, np.exp(log_w), scales))
    return {
        "x": logs.updates,
        "value": each.mean(axis=0),
        "value_err": each.std(axis=0, ddof=1) / len(each) ** 0.5,
        "law": law,
        "chi_1": chi(law),
        "chi_1_hat": chi(each.mean(axis=0)),
        "score_mean": logs.score.mean(axis=0),
    }


def run(config: Config) -> dict[str, Any]:
    case, plan, key = CASES[config.case[0]], _plan(config), key_of(config)
    groups, last = config.num_nets // GROUP, plan.num_updates
    record = [0, last]
    if case.remedy == "decay":
        record = np.linspace(0, last, config.num_records + 1).round().astype(int).tolist()
    rate = best_rate(jax.random.fold_in(key, 1), plan, case.rates, record)
    logs = logs_of(jax.random.fold_in(key, 2), plan, rate, groups, record)
    score = np.nan_to_num(logs.score[:, -1])
    successes = int((score >= ENOUGH).sum())
    low, high = interval(successes, score.size)
    columns = {
        "clip": lambda: _clip_columns(config, plan, groups),
        "norm": lambda: _norm_columns(config, plan, logs),
        "decay": lambda: _decay_columns(config, plan, logs, rate),
    }[case.remedy]()
    return {
        **{"remedy": case.remedy, "activation": case.activation, "how": f"{case.how}", "depth": plan.depth},
        **{"sigma_w": case.sigma_w, "rate": rate, "num_rates": len(case.rates), "score": float(score.mean())},
        **{"success": successes / score.size, "success_low": low, "success_high": high},
        "not_finite": int((~logs.finite).sum()),
        **columns,
    }


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Rates at the start, the first layer's share of a step clipped by value, and scales at a decay's end, judged by the measured error."""
    rows = []
    add = lambda row, seen, law, unit: rows.append(
        {"cell": row.cell} | comparison(f"{row.case}: {unit}", "training", seen, law, float(seen.err), unit)
    )
    for row in frame.drop_duplicates("case").itertuples():
        if row.remedy == "norm":
            add(row, Estimate(row.log_factor_hat, row.log_factor_hat_err), row.log_factor, "ln |g| per layer")
        elif row.how == "value":
            add(row, Estimate(row.value, row.value_err), row.law, "ln share")
    for row in frame[frame.remedy == "decay"].drop_duplicates("case", keep="last").itertuples():
        add(row, Estimate(row.value, row.value_err), row.law, "ln scale")
    return pd.DataFrame(rows)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _told(rows: pd.DataFrame) -> str:
    return ", ".join(f"{_percent(row.success)} ({row.how})" for row in rows.itertuples())


def _clip_sentence(rows: pd.DataFrame) -> str:
    """What clipping leaves, and who trains with it."""
    whole = rows[(rows.how == "norm") & np.isfinite(rows.raw)]
    kept = (
        f"Clipping by the whole norm moves the log of no layer's share by more than {whole.off.max():.0e}; "
        if len(whole)
        else ""
    )
    trained = "; ".join(
        f"{name} at sigma_w = {sigma_w:g}, depth {depth}: {_told(each)}"
        for (name, sigma_w, depth), each in rows.groupby(["activation", "sigma_w", "depth"], sort=False)
    )
    return f"{kept}per cent that learn at the best of their rates: {trained}. "


def _norm_sentence(rows: pd.DataFrame) -> str:
    trained = "; ".join(
        f"{name} with {'batch norm' if how == 'batch' else 'none'}: "
        + ", ".join(f"{_percent(row.success)} at depth {row.depth}" for row in each.itertuples())
        for (name, how), each in rows.groupby(["activation", "how"], sort=False)
    )
    return f"Per cent that learn, {trained}. "


def _decay_sentence(ends: pd.DataFrame) -> str:
    trained = "; ".join(
        f"from sigma_w = {sigma_w:g}: "
        + ", ".join(
            f"{_percent(row.success)} with {float(row.how):g} (chi_1 ends at {row.chi_1_hat:.2f}, decay alone {row.chi_1:.2f})"
            for row in each.itertuples()
        )
        for sigma_w, each in ends.groupby("sigma_w", sort=False)
    )
    return f"Weight decay at rate {ends.rate.iloc[0]:g}, per cent that learn {trained}."


def _numbers(rows: pd.DataFrame, ends: pd.DataFrame) -> dict[str, str]:
    numbers = {}
    for row in rows.itertuples():
        key = str(row.case).replace(", ", "/")
        numbers |= {key: _percent(row.success), f"{key}/rate": f"{row.rate:g}", f"{key}/score": f"{row.score:.2f}"}
        if row.remedy == "clip":
            numbers[f"{key}/still"] = _percent(row.still)
        if row.remedy == "clip" and np.isfinite(row.raw):
            numbers |= {
                f"{key}/off": f"{row.off:.0e}",
                f"{key}/first": f"{row.value / np.log(10):+.2f}",
                f"{key}/raw": f"{row.raw / np.log(10):+.2f}",
            }
            numbers[f"{key}/norm"] = f"{np.exp(row.log_step):.2g}"
        if row.remedy == "norm":
            numbers |= {
                f"{key}/factor": f"{np.exp(row.log_factor_hat):.3f}",
                f"{key}/factor/law": f"{np.exp(row.log_factor):.3f}",
            }
    for row in ends.itertuples():
        key = str(row.case).replace(", ", "/")
        numbers |= {f"{key}/end": f"{np.exp(row.value):.2f}", f"{key}/end/law": f"{np.exp(row.law):.2f}"}
        numbers |= {f"{key}/chi": f"{row.chi_1_hat:.2f}", f"{key}/chi/law": f"{row.chi_1:.2f}"}
    return numbers


def findings(frame: pd.DataFrame) -> Findings:
    rows, ends = frame.drop_duplicates("case"), frame.drop_duplicates("case", keep="last")
    parts = {"clip": _clip_sentence, "norm": _norm_sentence, "decay": _decay_sentence}
    said = [
        tell((ends if name == "decay" else rows).query("remedy == @name"))
        for name, tell in parts.items()
        if (rows.remedy == name).any()
    ]
    numbers = {name: f"{int(rows[name].iloc[0])}" for name in ("width", "batch", "num_nets")}
    return Findings("".join(said).strip(), numbers | _numbers(rows, ends[ends.remedy == "decay"]))
