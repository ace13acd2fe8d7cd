"""Do the rules about gradients that books, papers and libraries state hold?

Twenty of them, each with its law and real networks beside it; the law stands in the docstring of the claim's function under ``experiments/parts/audit``.
The last point of every line is compared.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jax import Array

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import comparison, key_of
from experiments.parts.audit import claims_layers, claims_recurrent, claims_residual, claims_transformer
from experiments.parts.audit.claim_lines import Line, Size, columns
from vgtheory import Estimate

PARTS = (
    "published",
    "claim_lines",
    "claims_layers",
    "claims_recurrent",
    "claims_residual",
    "claims_transformer",
    "summary",
)
Audit = Callable[[Array, Size], list[Line]]
DECADES = "decades"
AUDITS: dict[str, tuple[Audit, str]] = {
    "relu-slope": (claims_layers.relu_slope, DECADES),
    "sigmoid-power": (claims_layers.sigmoid_power, DECADES),
    "random-matrices": (claims_layers.spectral_radius, DECADES),
    "he-smooth": (claims_layers.he_smooth, DECADES),
    "tanh-gain": (claims_layers.tanh_gain, DECADES),
    "forget-bias": (claims_recurrent.forget_bias, DECADES),
    "batch-norm-cure": (claims_layers.batch_norm, DECADES),
    "pre-norm-variance": (claims_transformer.pre_norm_variance, "mean square"),
    "pre-norm-bottom": (claims_transformer.pre_norm_bottom, DECADES),
    "post-norm-top": (claims_transformer.post_norm_top, DECADES),
    "query-key": (claims_transformer.query_key, DECADES),
    "lost-middle": (claims_transformer.middle, DECADES),
    "branch-scale": (claims_residual.branch_scale, DECADES),
    "residual-lambda": (claims_residual.residual_lambda, DECADES),
    "tanh-for-norm": (claims_residual.tanh_for_norm, DECADES),
    "layer-scale": (claims_residual.layer_scale, DECADES),
    "orthogonal-better": (claims_layers.orthogonal, "spread of squares"),
    "reservoir-radius": (claims_recurrent.reservoir_radius, "ln per step"),
    "additive-cell": (claims_recurrent.additive_cell, DECADES),
    "selu-keeps": (claims_layers.selu, DECADES),
}
"""By claim: its law with its measurement, and the unit of both."""
WHOLE = ("lost-middle",)
"""Claims of a curve's shape, all of whose points are compared."""


@dataclass(frozen=True)
class Config:
    claim: tuple[str, ...] = tuple(AUDITS)
    width: int = 256
    num_nets: int = 16
    seed: int = 18


SMOKE = Config(claim=("relu-slope", "random-matrices"), width=32, num_nets=4)


def run(config: Config) -> dict[str, Any]:
    audit, _ = AUDITS[config.claim[0]]
    return columns(audit(key_of(config), Size(config.width, config.num_nets)))


def _ends(frame: pd.DataFrame) -> pd.DataFrame:
    """The last point of every line."""
    return frame.groupby(["claim", "line"], sort=False).tail(1)


def comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    """The last point of every line, and every point of ``WHOLE``, but of identities."""
    rows, whole = [], frame.claim.isin(WHOLE)
    for row in pd.concat([_ends(frame[~whole]), frame[whole]]).itertuples():
        if row.law_err == 0:
            continue
        err = row.law_err if np.isfinite(row.law_err) else row.err
        label = f"{row.claim}: {_plain(row.line)}" + (f", {row.x:g}" if row.claim in WHOLE else "")
        seen = Estimate(row.seen, row.err)
        rows.append(
            {"cell": row.cell} | comparison(label, "published", seen, row.law, float(err), AUDITS[row.claim][1])
        )
    return pd.DataFrame(rows)


def _plain(name: str) -> str:
    """A line's name without TeX."""
    return re.sub(r"[$\\{}]", "", name).strip()


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def findings(frame: pd.DataFrame) -> Findings:
    numbers = {"claims": f"{frame.claim.nunique()}", "nets": f"{int(frame.num_nets.max())}"}
    for row in _ends(frame).itertuples():
        name = f"{row.claim}/{_plain(row.line)}"
        said = {"/said": _digits(row.said)} if np.isfinite(row.said) else {}
        values = {"": row.seen, "/law": row.law, "/x": row.x}
        numbers |= {name + key: _digits(value) for key, value in values.items()} | {
            name + k: v for k, v in said.items()
        }
        numbers[f"{name}/err"] = f"{row.err:.1g}"
        if AUDITS[row.claim][1] == DECADES and row.x:
            numbers[f"{name}/factor"] = f"{10 ** (row.seen / row.x):.3f}"
            numbers[f"{name}/times"] = _digits(10**row.seen) if abs(row.seen) < 4 else f"10^{row.seen:.1f}"
    rows = comparisons(frame)
    numbers |= {"compared": f"{len(rows)}", "furthest": f"{rows.z.abs().max():.1f}"}
    verdict = (
        f"Seldom as they are stated. Of {numbers['claims']} rules {numbers['compared']} numbers were predicted and measured, and the furthest of them lies "
        f"{numbers['furthest']} standard errors from its law; what the rules themselves say is drawn beside them."
    )
    return Findings(verdict, numbers)
