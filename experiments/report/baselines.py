"""What simpler laws would have said of the same rates, and how large an error the comparison would have shown.

There are two baselines: infinite width, and the expansion to order 1/N. Errors of 1, 3 and 10 % are put into sigma_w, and into the
predicted spread.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vgtheory import Dense, compare, theory

OFFSETS = (0.01, 0.03, 0.1)
"""Relative errors in sigma_w, and in the spread, whose detection is reported."""
_WIDE = 1_000_000
"""Width at which the finite-width law is its own leading order in 1/N."""


def rates(net: Dense, depth: int, width: int, num_nets: int) -> dict[str, Any]:
    """The compared rate by the two baselines, and by the law itself at a sigma_w that is wrong."""
    layers = depth - 1
    infinite, wide = (theory.log_grad_layers(net, depth=depth, width=each) for each in (None, _WIDE))
    leading = infinite.mean[0] + (wide.mean[0] - infinite.mean[0]) * _WIDE / width
    wrong = (Dense(net.activation, net.sigma_w * (1 + off), net.sigma_b) for off in OFFSETS)
    shifted = (theory.log_grad_layers(each, depth=depth, width=width).mean[0] / layers for each in wrong)
    return {
        "infinite_rate": infinite.mean[0] / layers,
        "leading_rate": leading / layers,
        "leading_err": wide.std[0] * (_WIDE / width) ** 0.5 / layers / num_nets**0.5,
        **{f"off_{off:g}": rate for off, rate in zip(OFFSETS, shifted, strict=True)},
    }


class Headline(NamedTuple):
    """Calibration of the law and of its baselines on the same rates, and what errors would have shown."""

    law: compare.Calibration
    infinite: compare.Calibration
    leading: compare.Calibration
    off: dict[float, compare.Calibration]
    rest: float
    sigma_w: tuple[float, float]
    correction: tuple[float, float]
    spread: tuple[float, float]


def headline(cells: pd.DataFrame) -> Headline:
    """Of the rates for which the law gives an error. Infinite width knows none: there the measured one is used.

    ``rest`` is the spread of the residuals of order 1/N that are not beyond five. ``sigma_w`` is the relative error in sigma_w
    that fits all rates best, ``correction`` the best factor of the law's distance from infinite width, ``spread`` the measured
    spread over the predicted one, each with its standard error.
    """
    known = cells[np.isfinite(cells.predicted_err)]
    residual = lambda rate, err: compare.calibration((known.measured - rate) / err)
    pull = (known[f"off_{OFFSETS[0]:g}"] - known.predicted) / known.predicted_err / OFFSETS[0]
    ratio = (known.measured_err / known.predicted_err) ** 2
    spread = ratio.mean() ** 0.5
    correction, of_infinite = (
        (each - known.infinite_rate) / known.predicted_err for each in (known.predicted, known.measured)
    )
    leading = (known.measured - known.leading_rate) / known.leading_err
    return Headline(
        law=residual(known.predicted, known.predicted_err),
        infinite=residual(known.infinite_rate, known.measured_err),
        leading=compare.calibration(leading),
        off={off: residual(known[f"off_{off:g}"], known.predicted_err) for off in OFFSETS},
        sigma_w=(float((known.z * pull).sum() / (pull**2).sum()), float((pull**2).sum() ** -0.5)),
        rest=float(leading[leading.abs() <= 5].std()),
        correction=(
            float((of_infinite @ correction) / (correction @ correction)),
            float((correction @ correction) ** -0.5),
        ),
        spread=(float(spread), float(ratio.std() / len(ratio) ** 0.5 / 2 / spread)),
    )


def _numbers_of(name: str, found: compare.Calibration) -> dict[str, str]:
    return {
        f"{name}/mean": f"{found.mean:+.2f}",
        f"{name}/mean_err": f"{found.mean_err:.2f}",
        f"{name}/std": f"{found.std:.2f}",
        f"{name}/std_err": f"{found.std_err:.2f}",
        f"{name}/std_z": f"{(found.std - 1) / found.std_err:.1f}",
        **{
            f"{name}/within/{times}{suffix}": f"{100 * number:.1f}"
            for times, share in ((1, found.within_1), (2, found.within_2))
            for suffix, number in (("", share), ("_err", (share * (1 - share) / found.num) ** 0.5))
        },
        f"{name}/beyond": f"{100 * found.beyond:.1f}",
        f"{name}/ks": f"{found.p_value:.2f}" if found.p_value >= 0.01 else "below 0.01",
    }


def numbers(found: Headline) -> dict[str, str]:
    """For the report and the paper."""
    (shift, shift_err), (spread, spread_err) = found.sigma_w, found.spread
    out = {"known": f"{found.law.num}"}
    for name in ("law", "infinite", "leading"):
        out |= _numbers_of(name, getattr(found, name))
    for off, single in found.off.items():
        out[f"power/sigma_w/{100 * off:g}"] = f"{100 * single.beyond:.0f}"
        out[f"power/spread/{100 * off:g}"] = f"{off / spread_err:.1f}"
    return out | {
        "power/shift": f"{100 * shift:+.3f}",
        "power/correction": f"{found.correction[0]:.3f}",
        "power/correction_err": f"{found.correction[1]:.3f}",
        "leading/std/rest": f"{found.rest:.2f}",
        "power/shift_err": f"{100 * shift_err:.3f}",
        "power/spread": f"{spread:.3f}",
        "power/spread_err": f"{spread_err:.3f}",
    }


def lines(numbers: dict[str, str]) -> list[str]:
    """The closing lines of the report: the calibration, the baselines, the power."""
    of = numbers.__getitem__
    offs = [f"{100 * off:g}" for off in OFFSETS]
    single = " / ".join(of(f"power/sigma_w/{off}") for off in offs)
    spread = " / ".join(of(f"power/spread/{off}") for off in offs)

    def one(name: str) -> str:
        return (
            f"mean z {of(f'{name}/mean')}, std {of(f'{name}/std')}, within 1 and 2 s.e. {of(f'{name}/within/1')} and "
            f"{of(f'{name}/within/2')} %, beyond 5 {of(f'{name}/beyond')} %, KS p {of(f'{name}/ks')}"
        )

    return [
        f"calibration, {of('known')} sampled rates: {one('law')}",
        f"  baseline, infinite width: {one('infinite')}",
        f"  baseline, order 1/N:      {one('leading')}",
        f"  power: sigma_w off by {' / '.join(offs)} % puts {single} % of the rates beyond 5 s.e. (together they put its error at "
        f"{of('power/shift')} +- {of('power/shift_err')} %, and the factor of the finite-width correction at {of('power/correction')} +- "
        f"{of('power/correction_err')});",
        f"         spread off by {' / '.join(offs)} % is {spread} s.e. (measured over predicted: {of('power/spread')} +- "
        f"{of('power/spread_err')})",
    ]
