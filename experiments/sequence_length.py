"""Q9. Does gradient training of a plain recurrent network fail with near certainty by sequence length 10 to 20?

The latch of Bengio, Simard and Frasconi (1994): a class shown at the first step, noise afterwards, the class asked for at the end.
Success is 95 % of a thousand fresh sequences answered rightly at one of the checks, at which training then stops. Each point's
learning rate is the best of three on eight pilot seeds that are not counted; where none of the three lets a pilot succeed, nothing was tuned and
the point says nothing of the learner. Beside it stands the gradient at initialisation,
predicted and measured. At full size, for an accelerator's hour:
``python -m experiments sequence_length --length 2 5 10 20 50 100 200 500 1000 --clip 0 1 --width 128 --batch 64 --num-updates 5000
--num-checks 50 --num-seeds 200 --out build/full``.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts import time_scale
from experiments.parts.learners import LEARNERS
from experiments.parts.tasks import TASKS
from experiments.parts.training import GROUP, Outcome, Setting, drawn, outcomes
from vgtheory import Estimate, compare

PARTS = ("tasks", "learners", "time_scale", "training")
COMPARED = (
    "No law says which networks learn. Dynamical mean-field theory gives the gradient at initialisation for the sequences that the "
    "networks read, from a state of zero. It is of infinite width and states no error; the networks have 32 units."
)
"""What the comparisons are of."""
"""Scripts beside this one that make its numbers."""
NORMAL = 1.0
"""Standard errors of the intervals drawn."""
CLAIMED = (10, 20)
"""Lengths at which the claim expects failure."""


@dataclass(frozen=True)
class Config:
    learner: tuple[str, ...] = (
        *("tanh", "tanh_sgd", "small", "small_sgd", "orthogonal", "leaky", "irnn", "lstm", "gru", "esn"),
    )
    length: tuple[int, ...] = (2, 5, 10, 20, 50, 200)
    task: tuple[str, ...] = ("latch",)
    clip: tuple[float, ...] = (1.0,)
    width: int = 32
    batch: int = 16
    num_updates: int = 400
    num_checks: int = 8
    num_test: int = 1000
    num_seeds: int = 56
    seed: int = 19


SMOKE = Config(learner=("tanh",), length=(10,), num_updates=40, num_checks=2, num_seeds=8)


def interval(successes: float, num: int) -> tuple[float, float]:
    """Wilson's interval of a success probability, at one standard error; never outside of [0, 1]."""
    share, shrink = successes / num, 1 + NORMAL**2 / num
    centre = (share + NORMAL**2 / (2 * num)) / shrink
    half = NORMAL / shrink * np.sqrt(share * (1 - share) / num + NORMAL**2 / (4 * num**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def setting_of(config: Any) -> Setting:
    """The cell's setting, of any experiment that trains."""
    (learner,), (task,), (length,), (clip,) = config.learner, config.task, config.length, config.clip
    sizes = config.width, config.batch, config.num_updates, config.num_checks, config.num_test
    return Setting(learner, task, length, clip, *sizes)


def success_columns(outcome: Outcome) -> dict[str, Any]:
    """Each seed's outcome, the share of successes with its interval, and how many seeds ended with weights not finite."""
    num, successes = outcome.updates.size, int(np.isfinite(outcome.updates).sum())
    low, high = interval(successes, num)
    return {
        "updates": outcome.updates,
        "score": outcome.score,
        "finite": outcome.finite,
        "successes": successes,
        "success": successes / num,
        "success_low": low,
        "success_high": high,
        "num_not_finite": int((~outcome.finite).sum()),
    }


def _at_start(key: jax.Array, setting: Setting, num_seeds: int) -> dict[str, Any]:
    """The gradient at initialisation of as many networks, predicted for the sequence that each of them reads, and measured."""
    task, reader = TASKS[setting.task], setting.reader
    keys = jax.random.split(key, num_seeds)
    draw = lambda key: task.draw(key, setting.length, 1).inputs
    measure = lambda key, params: time_scale.log_ratio_hat(key, params, reader, draw(key))
    sequences = np.asarray(jax.vmap(draw)(keys))[:, :, 0]
    return {
        "log_ratio": np.array([time_scale.log_ratio(reader.learner, each, k) for k, each in enumerate(sequences)]),
        "time_scale": time_scale.time_scale(reader.learner, task.drive(setting.length)),
        "log_ratio_hat": np.asarray(jax.jit(jax.vmap(measure))(keys, drawn(keys, reader, task.num_inputs))),
    }


def run(config: Config) -> dict[str, Any]:
    key, setting = key_of(config), setting_of(config)
    rate, pilots, outcome = outcomes(key, setting, config.num_seeds)
    tried = {f"pilot_{index}": share for index, share in enumerate(pilots)}
    start = _at_start(jax.random.fold_in(key, 2), setting, config.num_seeds)
    chance = {"chance": TASKS[setting.task].chance, "criterion": TASKS[setting.task].criterion, "num_pilots": GROUP}
    label = {"name": LEARNERS[setting.learner].label}
    return {**success_columns(outcome), **start, "rate": rate, **tried, **chance, **label}


def points(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per point, with the typical ratios over networks whose gradient has not died, and the measured one's error."""
    finite = frame[np.isfinite(frame.log_ratio_hat)]
    alive, laws = (finite[np.isfinite(finite[name])].groupby("cell")[name] for name in ("log_ratio_hat", "log_ratio"))
    rows = frame.drop_duplicates("cell").set_index("cell")
    return rows.assign(
        log_ratio=laws.mean(), ratio_hat=alive.mean(), ratio_err=alive.sem(), alive=alive.size() / rows.num_seeds
    )


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """The gradient at initialisation of every point. The law of infinite width states no error of its own: the measured one stands for it."""
    rows = []
    for row in points(frame).reset_index().dropna(subset="ratio_err").itertuples():
        label = f"{LEARNERS[str(row.learner)].label}, {row.task}, length {row.length}"
        seen = Estimate(row.ratio_hat, row.ratio_err)
        rows.append(
            {"cell": row.cell} | comparison(label, "recurrent", seen, row.log_ratio, row.ratio_err, "ln |g_1| / |g_T|")
        )
    return pd.DataFrame(rows)


def start_numbers(frame: pd.DataFrame) -> dict[str, str]:
    """How far the law of infinite width carries at the start: the points that agree, and the largest gap per step."""
    rows = comparisons(frame)
    steps = points(frame).length.reindex(rows.cell).to_numpy() - 1
    return {
        "start/points": f"{len(rows)}",
        "start/agree": f"{int((rows.z.abs() <= compare.SIGMAS).sum())}",
        "start/off": f"{((rows.measured - rows.predicted).abs() / steps).max():.2f}",
    }


def start_sentence(frame: pd.DataFrame) -> str:
    """The same in words."""
    told = start_numbers(frame)
    return (
        f" No law says which networks learn. The gradient at the start has one, dynamical mean-field theory for the sequences that were read: {told['start/agree']} of {told['start/points']} points agree "
        f"within {compare.SIGMAS:g} standard errors of the measurement, and the furthest is off by {told['start/off']} in the logarithm per step."
    )


def reach(rows: pd.DataFrame) -> int:
    """The longest length up to which every tested length succeeds more often than not; 0 if there is none."""
    good = rows.sort_values("length").set_index("length").success > 1 / 2
    return int(good.index[good.cumprod().astype(bool)].max()) if good.iloc[0] else 0


def is_tuned(rows: pd.DataFrame) -> pd.Series:
    """Whether at least one of the rates tried let a pilot succeed."""
    return rows.filter(regex=r"^pilot_").max(axis=1) > 0


def at_the_end(rows: pd.DataFrame) -> pd.DataFrame:
    """Points that do not all succeed and whose best rate is the largest that was tried: larger ones may do better."""
    largest = rows.learner.map(lambda name: max(LEARNERS[name].rates))
    return rows[is_tuned(rows) & (rows.rate == largest) & (rows.success < 1)]


def _points_named(rows: pd.DataFrame) -> str:
    """Learners with their lengths, in words."""
    named = rows.sort_values("length").groupby("learner", sort=False)
    return "; ".join(
        f"{LEARNERS[str(name)].label} at {' and '.join(str(length) for length in each.length)}" for name, each in named
    )


def percent(success: float) -> str:
    return f"{100 * success:.0f}"


def _shown(steps: float, endless: str = "endless") -> str:
    """A time scale in words."""
    return f"{steps:.3g}" if np.isfinite(steps) else endless


def _claimed(rows: pd.DataFrame, learner: str) -> tuple[str, float]:
    """Success of one learner at the lengths of the claim, in words, and the least of it."""
    each = rows[(rows.learner == learner) & rows.length.isin(CLAIMED)].sort_values("length")
    shares = zip(each.length, each.success, strict=True)
    return " and ".join(f"{percent(share)} % at length {length}" for length, share in shares), each.success.min()


def _verdict(rows: pd.DataFrame) -> str:
    first, (plain, least), (small, worst) = rows.iloc[0], _claimed(rows, "tanh"), _claimed(rows, "small_sgd")
    judged = "Wrong" if least > 1 / 2 else "Right"
    untuned, ends = _points_named(rows[~is_tuned(rows)]), _points_named(at_the_end(rows))
    learners = rows[is_tuned(rows)].groupby("learner", sort=False)
    reaches = [
        f"{LEARNERS[str(name)].label} {reach(each)} ({_shown(each.time_scale.max())})" for name, each in learners
    ]
    return (
        f"{judged} at the usual weights: of {first.num_seeds} plain tanh networks with sigma_w = 1, trained on the latch by at most "
        f"{first.num_updates} updates of {first.batch} sequences, {plain} succeed. "
        + (
            f"With weights half as large and SGD {small} do: there, with the rates tried, it is {'right' if worst < 1 / 2 else 'wrong'}. "
            if small
            else ""
        )
        + f"The longest length up to {rows.length.max()} at which more than half of the seeds succeed, and in brackets the predicted time "
        f"scale of the gradient at initialisation, in steps: {', '.join(reaches)}."
        + (f" The best rate was the largest of three, and larger ones may do better, for {ends}." if ends else "")
        + (f" No rate let a pilot succeed, so that nothing is said of the learner, for {untuned}." if untuned else "")
    )


def _numbers(rows: pd.DataFrame) -> dict[str, str]:
    first, numbers = rows.iloc[0], {f"{row.learner}/{row.length}": percent(row.success) for row in rows.itertuples()}
    for name, each in rows.groupby("learner"):
        last = each.loc[each.length.idxmax()]
        numbers |= {
            f"{name}/reach": f"{reach(each)}",
            f"{name}/scale": _shown(last.time_scale, r"\infty"),
            f"{name}/ratio": f"{last.log_ratio / (last.length - 1):+.3f}",
            f"{name}/ratio_hat": f"{last.ratio_hat / (last.length - 1):+.3f}" if last.alive else "--",
            f"{name}/alive": percent(last.alive),
            f"{name}/longest": percent(last.success),
        }
    sizes = ("width", "batch", "num_updates", "num_checks", "num_test", "num_seeds", "num_pilots")
    numbers |= {name: f"{int(first[name]):,}".replace(",", r"\,") for name in sizes}
    numbers |= {
        "untuned": _points_named(rows[~is_tuned(rows)]) or "none",
        "ends": _points_named(at_the_end(rows)) or "none",
    }
    return numbers | {"longest": f"{rows.length.max()}", "not_finite": f"{int(rows.num_not_finite.sum())}"}


def findings(frame: pd.DataFrame) -> Findings:
    rows = points(frame)
    return Findings(
        _verdict(rows) + start_sentence(frame),
        _numbers(rows) | start_numbers(frame) | {"runs": f"{len(frame):,}".replace(",", r"\,")},
    )
