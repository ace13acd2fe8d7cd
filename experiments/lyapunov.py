"""Q18. When does a recurrence become chaotic, and its gradient explode, though tanh holds every state within (-1, 1)?

The largest Lyapunov exponent of a random tanh recurrence against the scale of its weights, at three widths; with input noise, which
suppresses chaos; and the whole spectrum, beside the law for infinite width.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Dense, Estimate, Leaky, Recurrent, measure, theory

EPS = 2 * float(np.finfo(np.float32).eps)
NETS = {200: 16, 500: 8, 2000: 2}
"""Networks at each width: about as many units in all."""
SPECTRUM = 3.0
NUM_EXPONENTS = 128
CHAOTIC, FADING = 2.0, -0.3
"""Laws of a finite width hold: without noise from this gain on (and below 1, where the state dies); with noise above this exponent, for where
less is left of a state the matrix itself begins to rule."""
_SKIP, _LAYERS = 20, 200
OUTSIDE = "at this width the law at infinite width is no guide near the edge (sigma_w from 1 to below 2), nor where noise leaves so little that the matrix rules"
"""Why the law declines where it does."""


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


def _finite(net: Recurrent | Leaky, width: int, sigma_in: float) -> tuple[float, float, bool]:
    """Exponent at a finite width, its spread over the root of the steps (or, of a dead state, over networks), and whether the law holds."""
    sigma_w = float(net.sigma_w)
    if not sigma_in and sigma_w < 1:
        law = theory.recurrent.log_spectral_radius(Recurrent("linear", sigma_w=sigma_w), width=width)
        return float(law.mean), float(law.std), True
    law = theory.log_grad_layers(Dense("tanh", sigma_w, sigma_in), depth=_LAYERS + 2 * _SKIP, width=width)
    ends = (_SKIP, _SKIP + _LAYERS)
    rate = float(law.mean[ends[0]] - law.mean[ends[1]]) / _LAYERS
    spread = float(np.sqrt((law.std[ends[0]] ** 2 - law.std[ends[1]] ** 2) / _LAYERS))
    return rate, spread, sigma_w >= CHAOTIC if not sigma_in else rate > FADING


def run(config: Config) -> dict[str, Any]:
    key, width, sigma_w, sigma_in = key_of(config), config.width[0], config.sigma_w[0], config.sigma_in[0]
    net = Leaky("tanh", sigma_w, sigma_in=sigma_in) if sigma_in else Recurrent("tanh", sigma_w=sigma_w)
    sizes = {"width": width, "steps": config.steps, "burn_in": config.burn_in, "num_nets": NETS.get(width, 4)}
    whole = sigma_w == SPECTRUM and width < 1000
    count = NUM_EXPONENTS if whole else 1
    block = 2 if whole else config.block
    logs = measure.recurrent.lyapunov_logs(key, net, num_exponents=count, block=block, **sizes)
    largest, err = logs[:, 0].mean(), float(np.hypot(logs[:, 0].std(ddof=1) / len(logs) ** 0.5, EPS))
    finite, spread, holds = _finite(net, width, sigma_in)
    dead = not sigma_in and sigma_w < 1
    law_err = spread / (len(logs) * (1 if dead else config.steps)) ** 0.5
    seen = Estimate(largest, err)
    curve = theory.lyapunov_exponents(net, width=width, num_exponents=count).mean
    label = f"tanh recurrence, sigma_w={sigma_w:g}, noise {sigma_in:g}, width {width}"
    return {
        "index": np.arange(1, count + 1),
        "curve": curve,
        "curve_hat": logs.mean(axis=0),
        "curve_hat_err": logs.std(axis=0, ddof=1) / len(logs) ** 0.5,
        "largest": float(theory.recurrent.lyapunov_exponent(net)),
        "finite": finite,
        "largest_hat": largest,
        "largest_hat_err": err,
        **comparison(label, "Lyapunov exponent", seen, finite, max(law_err, err) if holds else np.inf, "per step"),
    }


def findings(frame: pd.DataFrame) -> Findings:
    first = frame[frame["index"] == 1]
    alone = first[first.sigma_in == 0].set_index(["width", "sigma_w"])
    wide, high = first.width.max(), first.sigma_w.max()
    row = alone.loc[(wide, high)]
    numbers = {
        "wide": f"{wide:,}",
        "high": f"{high:g}",
        "predicted": f"{row.finite:.4f}",
        "infinite": f"{row.largest:.4f}",
    }
    numbers |= {"measured": f"{row.largest_hat:.4f}", "measured/err": f"{row.largest_hat_err:.4f}"}
    verdict = (
        f"From sigma_w = 1 on, at infinite width: at sigma_w = {high:g} the largest exponent is {row.largest_hat:.4f} +- {row.largest_hat_err:.4f} with "
        f"{wide:,} units, predicted {row.finite:.4f} at that width and {row.largest:.4f} at infinite width"
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
    outside = first[np.isinf(first.predicted_err)]
    gap = ((outside.measured - outside.predicted) / outside.measured_err).abs()
    numbers |= {"outside": f"{len(outside)}", "outside/gap": f"{gap.max():.0f}" if len(outside) else "0"}
    if len(outside):
        verdict += f". In {len(outside)} of {len(first)} settings the law for a finite width declines; there it is up to {numbers['outside/gap']} measured standard errors off"
    return Findings(verdict + ".", numbers)
