"""Do linear recurrences and state-space models escape vanishing and exploding gradients, and does |lambda| close to 1 suffice for memory?

Gradients by lag under six laws of eigenvalues and two discretisations, measured through the scans that are in use, beside the law; sensitivity to
parameters with eigenvalues of modulus up to 0.999, for white and for slow inputs; decays that depend on the input, with an LSTM's gate and Mamba's at one
memory; the lag at which bfloat16 forgets; and gradients in depth through blocks with a norm, a gate and a skip.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Estimate, InputDecay, LinearRecurrence, Ring, StateSpace, compare, measure, theory

SIZE = 4
LAWS: dict[str, Ring | StateSpace] = {
    "LRU": Ring(0.9, 0.999),
    "LRU, long": Ring(0.99, 0.9999),
    **{
        f"{kind.upper().replace('LIN', 'Lin').replace('INV', 'Inv').replace('REAL', 'Real').replace('LEGS', 'LegS')}, {method}": StateSpace(
            kind, SIZE, method=method
        )
        for kind in ("s4d-lin", "s4d-inv", "s4d-real", "s4d-legs", "s5")
        for method in ("zoh", "bilinear")
    },
}
LAGS = (1, 8, 64, 512, 4096)
MODULI = {"sensitivity 0.9": 0.9, "sensitivity 0.99": 0.99, "sensitivity 0.999": 0.999}
BY = ("eigenvalue", "nu", "theta")
CORRELATIONS = (0.0, 0.9)
MEMORY = 100
FORMATS = ("bfloat16", "float16")
STACKS = {
    "white": LinearRecurrence(Ring(0.5, 0.95), "gamma"),
    "slow": LinearRecurrence(Ring(0.5, 0.95, 0.3), "gamma", 0.7),
    "S4D": LinearRecurrence(StateSpace("s4d-lin", SIZE, dt_min=0.05, dt_max=0.5), "step", 0.5),
}
DEPTH, STACK_STEPS, STACK_NETS = 6, 400, 16


@dataclass(frozen=True)
class Config:
    subject: tuple[str, ...] = (*LAWS, *MODULI, "decays", "formats", "blocks")
    width: int = 1024
    num_nets: int = 64
    num_inputs: int = 160
    seed: int = 31


SMOKE = Config(subject=("LRU", "sensitivity 0.9", "decays", "formats"), width=64, num_nets=4, num_inputs=16)


def _row(quantity: str, at: float, value: Any, seen: Estimate | None = None) -> dict[str, Any]:
    """One number: predicted, and measured where it was."""
    hat, err = (float(seen.value), float(seen.err)) if seen is not None else (np.nan, np.nan)
    return {"quantity": quantity, "at": float(at), "size": float(value), "size_hat": hat, "size_hat_err": err}


def _by_lag(config: Config) -> list[dict[str, Any]]:
    """Half the log of the mean squared gradient at five lags, with new networks for each; a typical unit and the spread over units."""
    net, key = LinearRecurrence(LAWS[config.subject[0]]), key_of(config)
    sizes: dict[str, Any] = {"width": config.width, "num_nets": config.num_nets, "scan": "sequential"}
    rows = []
    for index, lag in enumerate(LAGS):
        seen = measure.linear.log_grad_lags(jax.random.fold_in(key, index), net, lag, **sizes)
        rows.append(_row("gradient", lag, theory.linear.log_grad_lags(net, lag).mean, seen))
    fine = np.unique(np.geomspace(1, 65_536, 60).round().astype(int))
    rows += [_row("gradient", *pair) for pair in zip(fine, theory.linear.log_grad_lags(net, fine).mean, strict=True)]
    sizes["scan"] = "associative"
    mean, std = measure.linear.log_grad_units(jax.random.fold_in(key, 9), net, LAGS[2], **sizes)
    law = theory.linear.log_grad_units(net, LAGS[2])
    rows += [_row("typical unit", LAGS[2], law.mean, mean), _row("spread over units", LAGS[2], law.std, std)]
    return [
        *rows,
        _row("memory", np.nan, theory.linear.memory_lags(net)),
        _row("tenth", np.nan, theory.linear.memory_lags(net, 0.1)),
    ]


def _sensitivity(config: Config) -> list[dict[str, Any]]:
    """Log of the mean squared derivative, over units of one modulus.

    Their angles are eight widths of a resonance apart, so that they see unlike frequencies and their errors are independent.
    """
    modulus, rows = MODULI[config.subject[0]], []
    units = min(32, int(np.pi / (8 * (1 - modulus))))
    angles = np.pi * (np.arange(units) + 0.5) / units
    memory = -1 / np.log(modulus)
    for index, (correlation, parameter) in enumerate((c, p) for c in CORRELATIONS for p in BY):
        net = LinearRecurrence(modulus * np.exp(1j * angles), "gamma", correlation)
        law = theory.linear.log_sensitivity(net, parameter)
        found = measure.linear.log_sensitivity(
            jax.random.fold_in(key_of(config), index), net, parameter,
            steps=int(12 * memory), num_inputs=config.num_inputs * 32 // units, num_nets=1, scan="sequential",
        )  # fmt: skip
        ratios = np.exp(found.value - law)
        mean, err = ratios.mean(), np.sqrt(np.sum((ratios * found.err) ** 2)) / ratios.size
        whole = float(np.log(np.mean(np.exp(law))))
        words = f"{'white' if correlation == 0 else 'slow'} inputs, by {parameter}"
        rows.append(_row(words, memory, whole, Estimate(whole + np.log(mean), err / mean)))
    for parameter in BY:
        changed = theory.linear.log_memory_change(LinearRecurrence([modulus]), parameter)[0]
        rows.append(_row(f"step of Adam, by {parameter}", memory, changed))
    return rows


def _decays(config: Config) -> list[dict[str, Any]]:
    """An LSTM's forget gate, Mamba's decay and others at one typical memory, their biases chosen for it."""
    rows = []
    for index, (kind, rate) in enumerate(
        (("lstm", 1.0), ("mamba", 1.0), ("mamba", 16.0), ("gla", 1 / 16), ("rwkv", 1.0))
    ):
        grid = np.linspace(-12, 12, 4801)
        typical = theory.linear.log_decay_lags(InputDecay(kind, grid, 1.0, rate), 1).mean
        net = InputDecay(kind, float(grid[np.argmin(np.abs(typical + 1 / MEMORY))]), 1.0, rate)
        law = theory.linear.log_decay_lags(net, MEMORY)
        key = jax.random.fold_in(key_of(config), index)
        mean, std = measure.linear.log_decay_lags(key, net, MEMORY, num_inputs=16 * config.num_inputs)
        name = f"{kind}, rate {rate:g}"
        rows += [_row(f"{name}: typical", MEMORY, law.mean, mean), _row(f"{name}: spread", MEMORY, law.std, std)]
    return rows


def _formats(_: Config) -> list[dict[str, Any]]:
    """Lag at which a rounded gradient has fallen to 1/e, over the exact one; inf where it never does."""
    rows = []
    for dtype in FORMATS:
        for memory in np.unique(np.geomspace(8, 8192, 31).round()):
            decay = float(np.exp(-1 / memory))
            law, seen = (room.linear.decay_lag(decay, dtype) for room in (theory, measure))
            lags = [np.inf if each.lag is None else each.lag for each in (law, seen)]
            rows.append(_row(f"{dtype} decay", memory, lags[0], Estimate(lags[1], 0.0)))
    return rows


def _blocks(config: Config) -> list[dict[str, Any]]:
    """Stream and gradient through blocks with a norm, a gate and a skip, measured at the far end by networks of their own."""
    rows, key = [], key_of(config)
    depth, num_nets = (DEPTH, STACK_NETS) if config.width > 64 else (2, 2)
    sizes: dict[str, Any] = {"width": config.width // 4, "steps": STACK_STEPS, "num_nets": num_nets}
    for index, (name, gate) in enumerate((name, gate) for name in STACKS for gate in ("none", "silu")):
        net, how = STACKS[name], {"depth": depth, "gate": gate}
        keys = jax.random.split(jax.random.fold_in(key, index))
        for quantity, each, end in (("log_q_blocks", keys[0], depth), ("log_grad_blocks", keys[1], 0)):
            law = getattr(theory.linear, quantity)(net, **how)
            seen = getattr(measure.linear, quantity)(each, net, **how, **sizes)
            label = f"{'stream' if quantity == 'log_q_blocks' else 'gradient'} through blocks, {name}, gate {gate}"
            for block, value in enumerate(law):
                rows.append(
                    _row(label, block, value, Estimate(seen.value[end], seen.err[end]) if block == end else None)
                )
    return rows


def run(config: Config) -> dict[str, Any]:
    name = config.subject[0]
    kinds = {"decays": _decays, "formats": _formats, "blocks": _blocks, **dict.fromkeys(MODULI, _sensitivity)}
    rows = kinds.get(name, _by_lag)(config)
    return {column: [row[column] for row in rows] for column in rows[0]}


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Every number that was measured by sampling beside its prediction, each from draws of its own."""
    rows = []
    for _, row in frame[frame.size_hat_err > 0].iterrows():
        label = f"{row.subject}: {row.quantity} at {row['at']:.0f}"
        seen = Estimate(row.size_hat, row.size_hat_err)
        rows.append(
            {"cell": row.cell}
            | comparison(label, "linear recurrence", seen, row["size"], row.size_hat_err, "log ratio")
        )
    return pd.DataFrame(rows)


def findings(frame: pd.DataFrame) -> Findings:
    numbers: dict[str, str] = {}
    compared = comparisons(frame)
    near = compared.z.abs() < compare.SIGMAS
    numbers |= {
        "rows": f"{len(compared)}",
        "agree": f"{near.sum()}",
        "spread": f"{compared.z.std():.2f}",
        "bias": f"{compared.z.mean():+.2f}",
    }
    lags = frame[(frame.quantity == "gradient") & frame.size_hat.notna()]
    gap = 100 * np.expm1((lags.size_hat - lags["size"]).abs())
    numbers |= {"gap": f"{gap.max():.1f}", "gap/median": f"{gap.median():.1f}"}
    units = frame[frame.quantity == "spread over units"]
    numbers |= {"units": f"{100 * (units.size_hat / units['size'] - 1).abs().max():.1f}"}
    sensitive = frame[frame.quantity.str.contains("inputs, by")]
    numbers |= {"sensitivity": f"{100 * np.expm1((sensitive.size_hat - sensitive['size']).abs()).max():.1f}"}
    for subject, rows in frame.groupby("subject"):
        name = subject.lower().replace(", ", "-")
        if subject in LAWS:
            memory = rows[rows.quantity == "memory"]["size"].iloc[0]
            law = rows[(rows.quantity == "gradient") & rows.size_hat.isna()].sort_values("at")
            ten = np.interp(np.log(10_000), np.log(law["at"]), law["size"]) / np.log(10)
            numbers |= {f"{name}/memory": f"{memory:,.0f}", f"{name}/ten": f"{ten:.1f}"}
    for subject, modulus in MODULI.items():
        rows = frame[frame.subject == subject]
        for name in BY:
            each = rows[rows.quantity == f"white inputs, by {name}"]
            if len(each):
                numbers |= {f"{name}/{modulus:g}": f"{np.exp(each['size'].iloc[0]):.3g}"}
    rounded = frame[frame.quantity == "bfloat16 decay"]
    lost = rounded[~np.isfinite(rounded["size"])]["at"].min()
    numbers |= {"lost": f"{lost:.0f}", "exact": f"{(rounded['size'] == rounded.size_hat).sum()} of {len(rounded)}"}
    wide = frame[frame.quantity.str.endswith("spread")].set_index("quantity")["size"]
    numbers |= {f"wide/{name.split(':')[0].replace(', rate ', '-')}": f"{value:.2f}" for name, value in wide.items()}
    stacks = frame[(frame.subject == "blocks") & frame.size_hat.notna()].set_index("quantity")
    if len(stacks):
        through = stacks.loc["gradient through blocks, slow, gate silu"]
        far = (stacks.size_hat - stacks["size"]).abs().max()
        numbers |= {"blocks": f"{len(stacks)}", "blocks/gap": f"{100 * np.expm1(far):.0f}"}
        numbers |= {
            "blocks/silu": f"{np.exp(through['size']):.2f}",
            "blocks/silu/hat": f"{np.exp(through.size_hat):.2f}",
        }
    verdict = (
        f"Gradients by lag obey the law of eigenvalues under six laws and two discretisations: {numbers['agree']} of {numbers['rows']} numbers agree, z has a standard deviation of "
        f"{numbers['spread']}. They never explode in the state, but in the parameters they do: the mean square by the eigenvalue grows "
        "as the square of the memory, with gamma. By nu it stays the same."
    )
    return Findings(verdict, numbers)
