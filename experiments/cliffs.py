"""Do gradients become large or small suddenly?

In depth: the log of the gradient's norm is a sum of one term a layer, nearly normal, with the mean and spread that the library predicts for
a layer's factor. The law of the largest term is the product of the normal distributions of all: one layer of a hundred bears a few
hundredths of the whole, and |g| follows a straight line in log scale.

In time: a step changes every factor of the product. In a linear network of n matrices k Q_l, each Q_l a rotation, a step along the gradient
adds to every matrix the same r k v x^T, seen in its own rotated frame: x and v are the unit vectors of input and output, and r is the size
of the step over that of the matrix. With c = x . v the first layer's gradient per unit of error is afterwards larger by

    |(1 + r x v^T)^(n-1) v| = sqrt(1 + 2 c B + B^2),    B = ((1 + r c)^(n-1) - 1) / c:

(1 + r)^(n-1), exponential in depth times relative step, where input and output are aligned (a chain of weights, a trained network, one
matrix again and again), but only sqrt(1 + (n-1)^2 r^2) where they are orthogonal. Random directions at width N have c of variance 1 / N.

In training: an aligned network is a chain of weights w with product p = w^n and target 1, whose step is w' = w + eta (1 - p) p / w. The
largest rise of ln |g| is the maximum over w of ln |1 - p'| / |1 - p| + (n-1) ln(w' / w). At a share f of the stable rate 2 / n it is near
f / 4 whatever the depth: below the minimum no step that is stable jumps.

Random networks become aligned in training if they start from small weights; what they add to the law before is not in it.

Assumes: one example; for the depth a cotangent independent of the weights. All numbers are logs of norms, not of squares.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, special

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, rng_of
from experiments.parts import linear_networks
from vgtheory import Dense, Estimate, theory

PARTS = ("linear_networks",)

KINDS = (
    "depth, exploding",
    "depth, vanishing",
    "step, aligned",
    "step, random",
    "training, aligned",
    "training, random",
)
NETS = {"depth, exploding": Dense("tanh", 2.0), "depth, vanishing": Dense("tanh", 0.8)}
RELATIVE = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Sizes of a step over the size of each matrix."""
COMPARED = 0.05
"""The one of them that is compared; the others share its draws."""
MATRICES = (4, 16, 64)
SHARE = 0.5
"""Of the largest stable rate, in training."""
START = 0.01
"""Product at the start of training, where matrices are aligned."""
SMALL = {4: 0.3, 8: 0.5, 16: 0.7}
"""sigma_w at the start of training by the number of matrices, where they are random."""
REASON = "random matrices are aligned by training only, the more so the smaller they start"
IDENTITIES = r"^step, aligned"
"""Labels that are tests and no comparisons: a power of 1 + r."""
EPS = 1e-12
ENDS = {"": "predicted", "_hat": "measured", "_hat_err": "measured_err"}
ANGLES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)


@dataclass(frozen=True)
class Config:
    kind: tuple[str, ...] = KINDS
    depth: int = 100
    width: int = 64
    num_nets: int = 32
    seed: int = 70


SMOKE = Config(
    ("depth, exploding", "step, aligned", "step, random", "training, aligned", "training, random"),
    depth=20,
    width=16,
    num_nets=8,
)


def largest_normal(means: np.ndarray, stds: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the largest of independent normal numbers."""
    z = np.linspace((means - 9 * stds).min(), (means + 9 * stds).max(), 8001)
    below = np.exp(special.log_ndtr((z[:, None] - means) / stds).sum(axis=1))
    mean = z[-1] - np.trapezoid(below, z)
    square = 2 * np.trapezoid((z[-1] - z) * below, z)
    return float(mean), float(np.sqrt(square - (z[-1] - mean) ** 2))


def log_jump(matrices: int, relative: Any, alignment: Any) -> Any:
    """ln of the factor by which one step lengthens the gradient per unit of error."""
    c, n = np.asarray(alignment, dtype=float), matrices - 1
    c = np.where(np.abs(c) < 1e-9, 1e-9, c)
    b = np.expm1(n * np.log1p(relative * c)) / c
    return np.log1p(2 * c * b + b**2) / 2


def _course(net: Dense, config: Config, rng: np.random.Generator) -> np.ndarray:
    """Changes of ln |g| from layer to layer, downwards, of one network."""
    sigma_w, width = float(net.sigma_w), config.width
    weights = rng.normal(0.0, sigma_w * width**-0.5, (config.depth, width, width))
    x, g = rng.standard_normal((2, width))
    x, slopes = x / np.sqrt(np.mean(x**2)), []
    for matrix in weights:
        x = np.tanh(matrix @ x)
        slopes.append(1 - x**2)
    changes = []
    for matrix, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        g = slope * (matrix.T @ (g / np.linalg.norm(g)))
        changes.append(np.log(np.linalg.norm(g)))
    return np.array(changes)


def _depth(config: Config) -> dict[str, Any]:
    (kind,), num = config.kind, config.num_nets
    net, rng = NETS[kind], rng_of(config)
    changes = np.array([_course(net, config, rng) for _ in range(num)])
    sign = 1.0 if kind.endswith("exploding") else -1.0
    one, size = theory.layers.log_chi_layers(net, depth=config.depth, width=config.width), config.depth - 1
    mean, std = largest_normal(sign * one.mean / 2, one.std / 2)
    largest = (sign * changes).max(axis=1)
    whole, law = np.cumsum(changes, axis=1), theory.log_grad_layers(net, depth=config.depth, width=config.width)
    err = lambda values: values.std(axis=0, ddof=1) / num**0.5
    shown = np.unique(np.linspace(1, size, 20).astype(int))
    row = comparison(
        f"largest change over one layer, {kind}",
        "cliffs",
        Estimate(largest.mean(), err(largest)),
        mean,
        std / num**0.5,
        "ln |g|",
    )
    return {
        "x": shown,
        "change": law.mean[::-1][shown],
        "change_std": law.std[::-1][shown],
        "change_hat": whole.mean(axis=0)[shown - 1],
        "change_hat_err": err(whole)[shown - 1],
        "share": np.mean(largest / np.abs(whole[:, -1])),
        **row,
    }


def _jumps(matrices: int, config: Config, rng: np.random.Generator) -> np.ndarray:
    """Measured ln of the factor of one network's gradient, for every size of the step."""
    width = config.width
    weights = [linear_networks.rotation(rng, width) for _ in range(matrices)]
    x, v = rng.standard_normal((2, width))
    x, v = x / np.linalg.norm(x), v / np.linalg.norm(v)
    if config.kind[0] == "step, aligned":
        v = x
        for matrix in weights:
            v = matrix @ v
    slopes, before = linear_networks.slopes(weights, x, v), linear_networks.log_grad(weights, v)
    step = lambda relative: [each + relative * slope for each, slope in zip(weights, slopes, strict=True)]
    return np.array([linear_networks.log_grad(step(relative), v) - before for relative in RELATIVE])


def _table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns, with what the figure draws."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return columns | {f"change{end}": columns[name] for end, name in ENDS.items()}


def _step(config: Config) -> dict[str, Any]:
    (kind,), rng, rows = config.kind, rng_of(config), []
    num = 1 if kind == "step, aligned" else config.num_nets
    c = np.ones(1) if num == 1 else np.clip(ANGLES * config.width**-0.5, -1.0, 1.0)
    weights = np.ones(1) if num == 1 else WEIGHTS / WEIGHTS.sum()
    for matrices in MATRICES:
        seen = np.array([_jumps(matrices, config, rng) for _ in range(num)])
        for index, relative in enumerate(RELATIVE):
            logs = log_jump(matrices, relative, c)
            mean = weights @ logs
            std = np.sqrt(weights @ (logs - mean) ** 2)
            value = Estimate(seen[:, index].mean(), seen[:, index].std(ddof=1) / num**0.5 if num > 1 else EPS)
            label = f"{kind}, {matrices} matrices, r={relative:g}"
            row = comparison(label, "cliffs", value, mean, float(np.hypot(std / num**0.5, matrices * EPS)), "ln |g|")
            row |= {} if relative == COMPARED else {"label": None}
            rows.append({"x": relative * (matrices - 1), "matrices": matrices, "relative": relative, **row})
    return _table(rows)


def _rise(log_w: Any, matrices: int, rate: float) -> Any:
    """Rise of ln |g| in one step of an aligned network with target 1."""
    w, p = np.exp(log_w), np.exp(matrices * log_w)
    log_new = log_w + np.log1p(rate * (1 - p) * p / w**2)
    return np.log(np.abs(-np.expm1(matrices * log_new) / (1 - p))) + (matrices - 1) * (log_new - log_w)


def largest_rise(matrices: int, rate: float) -> tuple[float, float]:
    """The largest rise of ln |g| in one step from below the target, and what half a step beside its place takes away."""
    low = np.log(START) / matrices
    best = optimize.minimize_scalar(
        lambda log_w: -_rise(log_w, matrices, rate), bounds=(low, -1e-3 / matrices), method="bounded"
    )
    w, p = np.exp(best.x), np.exp(matrices * best.x)
    half = np.log1p(rate * (1 - p) * p / w**2) / 2
    beside = min(float(_rise(best.x + sign * half, matrices, rate)) for sign in (-1, 1))
    return float(-best.fun), float(-best.fun - beside)


def _training(config: Config) -> dict[str, Any]:
    """Linear networks of one example, from a small product to their target."""
    (kind,), rng, rows = config.kind, rng_of(config), []
    is_aligned = kind == "training, aligned"
    for matrices in MATRICES if is_aligned else SMALL:
        rate, num = SHARE * 2 / matrices, 1 if is_aligned else max(config.num_nets // 4, 2)
        draw = linear_networks.aligned if is_aligned else linear_networks.random
        largest = np.array(
            [
                linear_networks.largest_rise_seen(
                    *draw(matrices, config.width // 2, START if is_aligned else SMALL[matrices], rng), rate
                )
                for _ in range(num)
            ]
        )
        law, err = largest_rise(matrices, rate)
        value = Estimate(largest.mean(), EPS if is_aligned else largest.std(ddof=1) / num**0.5)
        label = f"largest rise, {kind}, {matrices} matrices"
        row = comparison(
            label, "cliffs", value, law, err if is_aligned else np.inf, "ln |g|", "" if is_aligned else REASON
        )
        rows.append({"x": matrices, **row})
    return _table(rows)


def run(config: Config) -> dict[str, Any]:
    (kind,) = config.kind
    return _depth(config) if kind in NETS else _step(config) if kind.startswith("step") else _training(config)


def findings(frame: pd.DataFrame) -> Findings:
    depth = frame[frame.kind == "depth, exploding"].iloc[0]
    steps = frame[frame.kind.str.startswith("step")].set_index(["kind", "matrices", "relative"])
    most, relative = max(MATRICES), COMPARED
    aligned, random = (
        np.exp(steps.loc[(f"step, {kind}", most, relative), "measured"]) for kind in ("aligned", "random")
    )
    training, free = (frame[frame.kind == f"training, {kind}"].set_index("x") for kind in ("aligned", "random"))
    numbers = {
        "depth": f"{int(depth.depth)}",
        "width": f"{int(depth.width)}",
        "layer/share": f"{100 * depth.share:.1f}",
        "layer/largest": f"{np.exp(depth.measured):.2f}",
        "layer/predicted": f"{np.exp(depth.predicted):.2f}",
        "matrices": f"{most}",
        "relative": f"{100 * relative:g}",
        "aligned": f"{aligned:.1f}",
        "random": f"{random:.2f}",
        "random_predicted": f"{np.exp(steps.loc[('step, random', most, relative), 'predicted']):.2f}",
        "fewest": f"{min(MATRICES)}",
        "aligned/fewest": f"{np.exp(steps.loc[('step, aligned', min(MATRICES), relative), 'measured']):.2f}",
        "training": f"{np.exp(training.measured[most]):.3f}",
        "training_predicted": f"{np.exp(training.predicted[most]):.3f}",
        "share": f"{SHARE:g}",
        "training/few": f"{np.exp(free.measured[min(SMALL)]):.2f}",
        "training/few_predicted": f"{np.exp(free.predicted[min(SMALL)]):.2f}",
        "training/most": f"{np.exp(free.measured[max(SMALL)]):.2f}",
        "training/most_predicted": f"{np.exp(free.predicted[max(SMALL)]):.2f}",
    }
    verdict = (
        f"Not in depth: the largest change over one of {numbers['depth']} layers is a factor of {numbers['layer/largest']} (predicted "
        f"{numbers['layer/predicted']}), {numbers['layer/share']} % of the whole. In time it is so where a step moves all factors the same way: a step of "
        f"{numbers['relative']} % of every weight changes the gradient {numbers['aligned']}-fold in {most} aligned matrices and {numbers['aligned/fewest']}-fold in "
        f"{numbers['fewest']}, but {numbers['random']}-fold (predicted {numbers['random_predicted']}) in random directions. At half the stable rate no step of training from "
        f"below raises the gradient more than {numbers['training']}-fold (predicted {numbers['training_predicted']}); in random networks, which training has to align first, it is "
        f"{numbers['training/few']}-fold with {min(SMALL)} matrices (law {numbers['training/few_predicted']}) and {numbers['training/most']}-fold with {max(SMALL)} (law "
        f"{numbers['training/most_predicted']})."
    )
    return Findings(verdict, numbers)
