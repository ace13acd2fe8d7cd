"""Q18. When does a recurrence become chaotic, and its gradient explode, though tanh holds every state within (-1, 1)?

The largest Lyapunov exponent of a random tanh recurrence against the scale of its weights, at three widths; with input noise, which
suppresses chaos; and the whole spectrum, beside the law for infinite width.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor import Findings
from experiments.summary import comparison, key_of
from vgtheory import Estimate, Leaky, Recurrent, measure, theory

EPS = 2 * float(np.finfo(np.float32).eps)
NETS = {200: 16, 500: 8, 2000: 2}
"""Networks at each width: about as many units in all."""
SPECTRUM = 3.0
NUM_EXPONENTS = 128
SETTLED = 1.5
"""Gain from which on the state of a thousand units is as chaotic as that of infinitely many."""


@dataclass(frozen=True)
class Config:
    width: tuple[int, ...] = (200, 500, 2000)
    sigma_w: tuple[float, ...] = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0)
    sigma_in: tuple[float, ...] = (0.0, 0.5)
    steps: int = 500
    burn_in: int = 500
    block: int = 10
    seed: int = 18


SMOKE = Config(width=(200,), sigma_w=(0.5, 3.0), sigma_in=(0.0,), steps=50, burn_in=50)


def run(config: Config) -> dict[str, Any]:
    key, width, sigma_w, sigma_in = key_of(config), config.width[0], config.sigma_w[0], config.sigma_in[0]
    net = Leaky("tanh", sigma_w, sigma_in=sigma_in) if sigma_in else Recurrent("tanh", sigma_w=sigma_w)
    sizes = {"width": width, "steps": config.steps, "burn_in": config.burn_in, "num_nets": NETS.get(width, 4)}
    whole = sigma_w == SPECTRUM and width < 1000
    count = NUM_EXPONENTS if whole else 1
    block = 2 if whole else config.block
    logs = measure.lyapunov_logs(key, net, num_exponents=count, block=block, **sizes)
    largest, err = logs[:, 0].mean(), logs[:, 0].std(ddof=1) / len(logs) ** 0.5
    predicted = float(theory.lyapunov_exponent(net))
    alone = sigma_in == 0
    law_err = float(np.hypot(err, EPS)) if not alone or sigma_w >= SETTLED else np.inf
    curve = theory.lyapunov_exponents(net, width=width, num_exponents=count).mean
    label = f"tanh recurrence, sigma_w={sigma_w:g}, noise {sigma_in:g}, width {width}"
    return {
        "index": np.arange(1, count + 1),
        "curve": curve,
        "curve_hat": logs.mean(axis=0),
        "curve_hat_err": logs.std(axis=0, ddof=1) / len(logs) ** 0.5,
        "largest": predicted,
        "largest_hat": largest,
        "largest_hat_err": float(np.hypot(err, EPS)),
        **comparison(
            label, "Lyapunov exponent", Estimate(largest, float(np.hypot(err, EPS))), predicted, law_err, "per step"
        ),
    }


def findings(frame: pd.DataFrame) -> Findings:
    first = frame[frame["index"] == 1]
    alone = first[first.sigma_in == 0].set_index(["width", "sigma_w"])
    wide, high = first.width.max(), first.sigma_w.max()
    row = alone.loc[(wide, high)]
    numbers = {"wide": f"{wide:,}", "high": f"{high:g}", "predicted": f"{row.largest:.4f}"}
    numbers |= {"measured": f"{row.largest_hat:.4f}", "measured/err": f"{row.largest_hat_err:.4f}"}
    verdict = (
        f"From sigma_w = 1 on, at infinite width: at sigma_w = {high:g} the largest exponent is {row.largest_hat:.4f} +- {row.largest_hat_err:.4f} with "
        f"{wide:,} units, predicted {row.largest:.4f}"
    )
    if (wide, 1.2) in alone.index:
        near = alone.loc[[(width, 1.2) for width in sorted(first.width.unique())]].largest_hat
        numbers |= {f"near/{width}": f"{value:+.4f}" for (width, _), value in near.items()}
        numbers["near/predicted"] = f"{alone.loc[(wide, 1.2)].largest:+.4f}"
        listed = ", ".join(f"{value:+.3f} ({width:,})" for (width, _), value in near.items())
        verdict += f"; just above the edge (1.2) finite networks are far less chaotic: {listed}, against {numbers['near/predicted']}"
        driven = first[first.sigma_in > 0].set_index(["width", "sigma_w"])
        numbers |= {
            "driven": f"{driven.loc[(wide, 1.5)].largest_hat:+.4f}",
            "driven/predicted": f"{driven.loc[(wide, 1.5)].largest:+.4f}",
        }
        numbers["undriven"] = f"{alone.loc[(wide, 1.5)].largest_hat:+.4f}"
        verdict += f". Noise of 0.5 brings 1.5 from {numbers['undriven']} to {numbers['driven']} (predicted {numbers['driven/predicted']})"
    return Findings(verdict + ".", numbers)
