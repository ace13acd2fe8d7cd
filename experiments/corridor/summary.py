"""What every experiment writes in the same way: profiles thinned for storage, and one compared rate per cell."""

import zlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd

from vgtheory import Estimate, compare

_EPS = 2 * float(np.finfo(np.float32).eps)
"""Two roundings of float32 per link, as if aligned."""


def key_of(config: Any) -> jax.Array:
    """A key of the cell's own, from its seed and everything else in it, so that cells are independent draws."""
    return jax.random.fold_in(jax.random.key(config.seed), zlib.crc32(repr(config).encode()))


def rng_of(config: Any) -> np.random.Generator:
    """NumPy's generator of the cell's own, as ``key_of``."""
    return np.random.default_rng([config.seed, zlib.crc32(repr(config).encode())])


def thinned(depth: int, count: int = 60) -> np.ndarray:
    """At most ``count`` layers from 1 to depth, evenly spaced, both ends included."""
    return np.unique(np.linspace(1, depth, min(count, depth)).round().astype(int))


def profile_columns(label: str, samples: np.ndarray, law: Any, layers: np.ndarray) -> dict[str, Any]:
    """Predicted mean and spread, measured mean, its error, the networks' spread, and how many are not finite, at the chosen layers."""
    mean, std = law
    chosen, num_nets, depth = samples[:, layers - 1], samples.shape[0], samples.shape[1]
    spread = chosen.std(axis=0, ddof=1)
    return {
        label: mean[layers - 1],
        f"{label}_std": std[layers - 1],
        f"{label}_hat": chosen.mean(axis=0),
        f"{label}_hat_std": spread,
        f"{label}_hat_err": np.hypot(spread / num_nets**0.5, _EPS * depth),
        f"{label}_num_not_finite": np.sum(~np.isfinite(chosen), axis=0),
    }


def comparison(
    label: str,
    family: str,
    measured: Estimate,
    predicted: float,
    predicted_err: float,
    unit: str = "per layer",
    reason: str = "",
) -> dict[str, Any]:
    """The one compared number of a cell: what the printed table and, for rates, the hero figure show.

    ``predicted_err`` is the standard error that theory predicts for this measurement, inf where the law declines (``reason``
    says why); nothing is fitted.
    """
    value, err = float(measured.value), float(measured.err)
    return {
        "label": label,
        "family": family,
        "unit": unit,
        "predicted": float(predicted),
        "predicted_err": float(predicted_err),
        "measured": value,
        "measured_err": err,
        "z": float(compare.z_score(Estimate(value, 0.0), predicted, predicted_err)),
        "verdict": judged(value, err, float(predicted), float(predicted_err)),
        "reason": reason,
    }


def placed(rows: list[dict[str, Any]], places: Sequence[int], length: int) -> dict[str, list[Any]]:
    """Columns of a cell's compared numbers, each in its own row of a longer table; nothing in the other rows."""
    at = dict(zip(places, rows, strict=True))
    nothing = {name: None if isinstance(value, str) else np.nan for name, value in rows[0].items()}
    return {name: [at.get(place, nothing)[name] for place in range(length)] for name in nothing}


def judged(measured: float, measured_err: float, predicted: float, predicted_err: float) -> str:
    """The verdict of a compared number, by the predicted error alone; the measured one tells the gap where the law declines."""
    declined = bool(np.isinf(predicted_err) or np.isnan(measured_err))
    return compare.verdict(Estimate(measured, measured_err if declined else 0.0), predicted, predicted_err)


def compared_rows(script: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """The numbers of an experiment that are compared, one row each, with the reason where its law declines.

    A script's own ``comparisons(frame)`` makes them where a cell has several. Identities are tests and no comparisons: all of a script
    with ``IDENTITY``, and labels that ``IDENTITIES`` (a regular expression) finds. ``OUTSIDE`` says why its law declines.
    """
    if getattr(script, "IDENTITY", "") or ("label" not in frame and not hasattr(script, "comparisons")):
        return pd.DataFrame()
    rows = script.comparisons(frame) if hasattr(script, "comparisons") else frame.dropna(subset="label")
    rows = rows.drop_duplicates(["cell", "label"])
    if hasattr(script, "IDENTITIES"):
        rows = rows[~rows.label.str.contains(script.IDENTITIES)]
    stored = rows.reason if "reason" in rows else pd.Series("", index=rows.index)
    declined = np.isinf(rows.predicted_err)
    return rows.assign(reason=stored.where(~declined | (stored != ""), getattr(script, "OUTSIDE", "")))


def rate_columns(label: str, family: str, samples: np.ndarray, law: Any) -> dict[str, Any]:
    """Compared rate of the gradient per layer, going down from the top, and the joint test of the whole profile."""
    mean, std = law
    num_nets, depth = samples.shape
    measured = compare.log_rate_layers(samples[:, ::-1])
    measured = Estimate(measured.value, float(np.hypot(measured.err, _EPS)))
    predicted_err = float(np.hypot(std[0] / (depth - 1) / num_nets**0.5, _EPS))
    joint = compare.profile_test(samples, mean, rounding=_EPS * depth)
    row = comparison(label, family, measured, mean[0] / (depth - 1), predicted_err)
    return row | {"joint_p": joint.p_value, "joint_points": joint.num_points}
