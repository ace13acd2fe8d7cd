"""Is a tanh recurrence above sigma_w = 1 chaotic at the widths that are in use, and how far do networks of one law differ?

The largest Lyapunov exponent and the mean square of the state just above the edge of chaos, at three widths, beside the law of the leading mode: the
eigenvalue of W that lies farthest out stops the chaos that infinite width predicts. The gradient by lag, with its spread over networks, where one W is
linear, Gaussian or orthogonal, and where it is chaotic.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from vgtheory import Estimate, Leaky, Recurrent, compare, measure, theory

GAINS = {f"sigma_w {sigma_w:g}": sigma_w for sigma_w in (1.0, 1.05, 1.1, 1.2, 1.3, 1.5)}
LAGGED = {
    "lags, Gaussian": Recurrent("linear"),
    "lags, orthogonal": Recurrent("linear", weights="orthogonal"),
    "lags, chaotic": Recurrent("tanh", 2.5),
}
LAGS = (1, 4, 16, 64, 256)
NETS = {200: 48, 500: 24, 2000: 8}
"""Networks at each width."""
PATHS = 512
_SETTLED = 0.5
"""Share of the steps that a state's mean square is averaged over."""


@dataclass(frozen=True)
class Config:
    subject: tuple[str, ...] = (*GAINS, *LAGGED)
    width: tuple[int, ...] = (200, 500, 2000)
    steps: int = 2000
    burn_in: int = 1000
    block: int = 10
    seed: int = 47


SMOKE = Config(subject=("sigma_w 1.5", "lags, Gaussian"), width=(64,), steps=40, burn_in=40)


def _row(quantity: str, at: float, value: float, err: float, seen: Estimate) -> dict[str, Any]:
    """One number, predicted with its error, and measured."""
    return {
        "quantity": quantity,
        "at": float(at),
        "value": float(value),
        "value_err": float(err),
        "value_hat": float(seen.value),
        "value_hat_err": float(seen.err),
    }


def _spread(samples: np.ndarray) -> Estimate:
    """Standard deviation over networks, its error from the fourth moment."""
    std = samples.std(ddof=1)
    squares = (samples - samples.mean()) ** 2
    return Estimate(std, float(squares.std() / (2 * std * samples.size**0.5)))


def _exponent(config: Config) -> list[dict[str, Any]]:
    """Exponent and mean square of the state, each with its spread over networks; the limit's exponent beside them."""
    sigma_w, width = GAINS[config.subject[0]], config.width[0]
    net, num_nets, key = Recurrent("tanh", sigma_w), NETS.get(width, 8), key_of(config)
    law = theory.recurrent.tied_exponent(net, width=width)
    sizes = {"width": width, "num_nets": num_nets, "burn_in": config.burn_in}
    logs = measure.recurrent.lyapunov_logs(key, net, steps=config.steps, block=config.block, **sizes)[:, 0]
    cells = measure.cells.cell_logs(
        jax.random.fold_in(key, 1), Leaky("tanh", sigma_w), steps=max(1, int(_SETTLED * config.burn_in)), **sizes
    )
    seen = Estimate(logs.mean(), logs.std(ddof=1) / num_nets**0.5)
    limit = float(theory.recurrent.lyapunov_exponent(net))
    squares = Estimate(cells.q_state.mean(), cells.q_state.std(ddof=1) / num_nets**0.5)
    root = num_nets**0.5
    return [
        _row("exponent", sigma_w, law.exponent.mean, np.hypot(law.exponent.std / root, law.slack), seen),
        _row("exponent at infinite width", sigma_w, limit, 0.0, seen),
        _row("spread of the exponent", sigma_w, law.exponent.std, 0.0, _spread(logs)),
        _row("mean square", sigma_w, law.q.mean, law.q.std / root, squares),
        _row("spread of the mean square", sigma_w, law.q.std, 0.0, _spread(cells.q_state)),
        _row("ruled", sigma_w, law.ruled, 0.0, Estimate(np.nan, np.nan)),
        _row("chaotic", sigma_w, law.chaotic, 0.0, Estimate((logs > 1 / config.steps).mean(), 0.0)),
    ]


def _lags(config: Config) -> list[dict[str, Any]]:
    net, width = LAGGED[config.subject[0]], config.width[0]
    num_nets, chaotic = NETS.get(width, 8), net.activation.name == "tanh"
    lags = np.array([lag for lag in LAGS if lag >= 16 or not chaotic])
    sizes = {"width": width, "num_nets": num_nets, "burn_in": config.burn_in // 5 if chaotic else 0}
    mean, std = measure.recurrent.log_tied_lags(key_of(config), net, lags, **sizes)
    law = theory.recurrent.log_tied_lags(net, lags, width=width, num_paths=PATHS)
    errs = np.zeros(lags.size) if chaotic or net.weights == "orthogonal" else law.std / PATHS**0.5
    rows = []
    for index, lag in enumerate(lags):
        err = np.hypot(law.std[index] / num_nets**0.5, errs[index])
        rows.append(_row("lag", lag, law.mean[index], err, Estimate(mean.value[index], mean.err[index])))
        spread = Estimate(std.value[index], std.err[index])
        rows.append(_row("spread by lag", lag, law.std[index], errs[index] / 2**0.5, spread))
    return rows


def run(config: Config) -> dict[str, Any]:
    rows = (_lags if config.subject[0] in LAGGED else _exponent)(config)
    return {column: [row[column] for row in rows] for column in rows[0]}


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """Means over networks beside the law. Spreads are shown only: a few networks do not tell them well. An orthogonal W has an identity."""
    rows = []
    compared = frame.quantity.isin(("exponent", "mean square", "lag")) & (frame.subject != "lags, orthogonal")
    for _, row in frame[compared].iterrows():
        label = f"{row.subject}, width {row.width}: {row.quantity} at {row['at']:g}"
        seen = Estimate(row.value_hat, row.value_hat_err)
        err = float(np.hypot(row.value_err, row.value_hat_err))
        rows.append({"cell": row.cell} | comparison(label, "one W, finite width", seen, row.value, err, "per step"))
    return pd.DataFrame(rows)


def findings(frame: pd.DataFrame) -> Findings:
    compared = comparisons(frame)
    numbers = {
        "rows": f"{len(compared)}",
        "agree": f"{(compared.z.abs() < compare.SIGMAS).sum()}",
        "z": f"{compared.z.abs().max():.1f}",
        "bias": f"{compared.z.mean():+.2f}",
    }
    exponents = frame[frame.quantity == "exponent"]
    alone = ((exponents.value_hat - exponents.value) / exponents.value_err).abs()
    numbers |= {"exponents": f"{len(exponents)}", "within": f"{(alone < 3).sum()}", "most": f"{alone.max():.1f}"}
    rows = frame[frame.subject.isin(GAINS)].set_index(["quantity", "width", "at"]).sort_index()
    for width in sorted(frame.width.unique()):
        for sigma_w in GAINS.values():
            if ("exponent", width, sigma_w) in rows.index:
                one = rows.loc[("exponent", width, sigma_w)]
                name = f"{width}/{sigma_w:g}"
                numbers |= {name: f"{one.value_hat:+.4f}", f"{name}/law": f"{one.value:+.4f}"}
                limit = rows.loc[("exponent at infinite width", width, sigma_w)].value
                numbers |= {f"{name}/limit": f"{limit:+.4f}"}
                numbers |= {f"{name}/ruled": f"{100 * rows.loc[('ruled', width, sigma_w)].value:.0f}"}
    lags = frame[(frame.subject == "lags, Gaussian") & (frame["at"] == frame["at"].max())]
    for width, each in lags.groupby("width"):
        spread = each[each.quantity == "spread by lag"].iloc[0]
        numbers |= {f"lags/{width}": f"{spread.value_hat:.2f}", f"lags/{width}/law": f"{spread.value:.2f}"}
    verdict = f"{numbers['agree']} of {numbers['rows']} means over networks agree with the law of the leading mode"
    if "200/1.2" in numbers:
        verdict += (
            f": at sigma_w = 1.2 the exponent is {numbers['200/1.2']} at 200 units and {numbers['2000/1.2']} at 2,000 (predicted {numbers['200/1.2/law']} "
            f"and {numbers['2000/1.2/law']}; {numbers['200/1.2/limit']} at infinite width). The largest z is {numbers['z']}"
        )
    return Findings(verdict + ".", numbers)
