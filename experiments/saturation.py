"""Q13. Are vanishing gradients about sigmoids and saturation, or about repeated products?

Decay with nothing that saturates, a sigmoid network whose weights compensate, and saturation that explodes: per layer, what the
weights and what the slopes contribute to the rate, the share of saturated units, and the gradient over depth.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.special import erfc

from experiments.corridor.catalogue import Findings
from experiments.corridor.summary import key_of, profile_columns, rate_columns, thinned
from vgtheory import Dense, Estimate, measure, theory

SHARE = 0.01
"""A unit whose slope is below this share of the largest counts as saturated."""
EDGES = {"sigmoid": 2 * np.arccosh(SHARE**-0.5), "tanh": np.arccosh(SHARE**-0.5)}
"""The |h| beyond which it is: both slopes are a squared hyperbolic secant."""
SHARES = {"linear": 0.0, "relu": 0.5}
"""Of units with no slope, at any q."""
CRITICAL = "sigmoid, critical"
NETS = {
    "linear, sigma_w=0.9": Dense("linear", 0.9),
    "relu, sigma_w=1.3": Dense("relu", 1.3),
    "tanh, sigma_w=0.9": Dense("tanh", 0.9),
    "tanh, sigma_w=3": Dense("tanh", 3.0),
    "sigmoid, sigma_w=1": Dense("sigmoid", 1.0),
    CRITICAL: None,
}
LARGEST_SIGMA_B = 12.0


@dataclass(frozen=True)
class Config:
    net: tuple[str, ...] = tuple(NETS)
    depth: int = 200
    width: int = 256
    num_nets: int = 12
    share_depth: int = 6
    share_nets: int = 48
    seed: int = 13


SMOKE = Config(net=("tanh, sigma_w=0.9", "sigmoid, sigma_w=1", CRITICAL), depth=12, width=32, num_nets=8, share_nets=8)


def _net(name: str) -> Dense:
    return NETS[name] or Dense("sigmoid", float(theory.critical("sigmoid").sigma_w[0]))


def _share(q: Any, activation: str) -> Any:
    """Predicted share of saturated units among h ~ N(0, q)."""
    return SHARES[activation] if activation in SHARES else erfc(EDGES[activation] / np.sqrt(2 * q))


def _measured_share(net: Dense, config: Config) -> Estimate:
    """Share of units whose slope is below ``SHARE`` of the largest, in layer ``share_depth`` of real networks."""
    least = SHARE * theory.layers.sup_dphi(net.activation)
    depth, width = config.share_depth, config.width

    @jax.jit
    def share(index: jax.Array) -> jax.Array:
        key = jax.random.fold_in(key_of(config), index)
        module, variables = measure.engine.draw_network(key, net, depth=depth, width=width)
        z = jax.random.normal(jax.random.fold_in(key, 0), (width,))
        h = module.apply(variables, z / jnp.sqrt(jnp.mean(z**2)), jnp.zeros((depth, width)))
        return jnp.mean(jnp.abs(net.activation.dphi(h)) < least)

    shares = np.array([share(index) for index in range(config.share_nets)])
    return Estimate(shares.mean(), shares.std(ddof=1) / config.share_nets**0.5)


def run(config: Config) -> dict[str, Any]:
    (name,) = config.net
    net, size = _net(name), {"depth": config.depth, "width": config.width}
    logs = measure.samples(key_of(config), net, **size, num_nets=config.num_nets)
    law, layers = theory.log_grad_layers(net, **size), thinned(config.depth)
    q = np.exp(theory.log_q_layers(net, depth=config.share_depth).mean[-1])
    share, log_w = _measured_share(net, config), np.log(net.sigma_w)
    return {
        "layer": layers,
        **profile_columns("log_grad", logs.log_grad, law, layers),
        "sigma_w": net.sigma_w,
        "q_star": theory.q_star(net),
        "log_weights": log_w,
        "log_slopes": np.log(theory.chi_1(net)) / 2 - log_w,
        "share": _share(q, net.activation.name),
        "share_hat": share.value,
        "share_hat_err": share.err,
        "spread": law.std[0],
        "spread_hat": logs.log_grad[:, 0].std(ddof=1),
        "width_needed": config.width * law.std[0] ** 2,
        **(_line(layers.size) if name == CRITICAL else {}),
        **rate_columns(name, "dense, gaussian", logs.log_grad, law),
    }


def _line(num: int) -> dict[str, Any]:
    """The stable critical sigmoid network for every sigma_b."""
    sigma_b = np.linspace(0, LARGEST_SIGMA_B, num)
    found = theory.critical("sigmoid", sigma_b=sigma_b, size=2)
    sigma_w, q = (np.where(found.is_stable, each, np.nan)[:, 0] for each in (found.sigma_w, found.q_star))
    return {"line_sigma_b": sigma_b, "line_sigma_w": sigma_w, "line_q": q, "line_share": _share(q, "sigmoid")}


def findings(frame: pd.DataFrame) -> Findings:
    cells = frame.drop_duplicates("cell").set_index("net")
    first = frame[frame.layer == 1].set_index("net")
    kept, plain, quiet = cells.loc[CRITICAL], cells.loc["sigmoid, sigma_w=1"], cells.loc["tanh, sigma_w=0.9"]
    depth, top = int(kept.depth), first.loc[CRITICAL]
    decades = first.log_grad_hat / np.log(10)
    verdict = (
        f"It is about products. A tanh network at sigma_w = 0.9, in which no unit saturates, keeps {np.exp(quiet.measured):.3f} of the gradient "
        f"per layer. A sigmoid network is kept alive by its weights: at sigma_w = {kept.sigma_w:.3f} (q* = {kept.q_star:.2f}, stable) the "
        f"norm of the gradient changes by a factor {np.exp(kept.measured):.3f} per layer over {depth} layers (predicted "
        f"{np.exp(kept.predicted):.3f} at width {int(kept.width)}, 1 at infinite width), with {kept.share_hat:.0%} of its units saturated "
        f"(predicted {kept.share:.0%}); at sigma_w = 1 the factor is {np.exp(plain.measured):.3f} with {plain.share_hat:.0%} saturated. "
        f"The price of the compensation is spread: log-norms scatter by {kept.spread_hat:.1f} between networks (predicted {kept.spread:.1f})."
    )
    numbers = {
        "depth": f"{depth}",
        "width": f"{int(kept.width)}",
        "nets": f"{int(kept.num_nets)}",
        "critical/sigma_w": f"{kept.sigma_w:.3f}",
        "critical/q_star": f"{kept.q_star:.2f}",
        "critical/log_weights": f"{kept.log_weights:.2f}",
        "critical/log": f"{top.log_grad_hat:.2f}",
        "critical/log_err": f"{top.log_grad_hat_err:.2f}",
        "critical/log_predicted": f"{top.log_grad:.2f}",
        "critical/spread": f"{kept.spread_hat:.2f}",
        "critical/spread_predicted": f"{kept.spread:.2f}",
        "critical/loss": f"{-kept.predicted * kept.width:.1f}",
        "critical/width_needed": f"{kept.width_needed:.0f}",
    }
    for name, key in _keys(cells).items():
        cell = cells.loc[name]
        numbers |= {
            f"{key}/factor": f"{np.exp(cell.measured):.3f}",
            f"{key}/factor_predicted": f"{np.exp(cell.predicted):.3f}",
            f"{key}/share": f"{100 * cell.share_hat:.1f}",
            f"{key}/share_err": f"{100 * cell.share_hat_err:.1f}",
            f"{key}/share_predicted": f"{100 * cell.share:.1f}",
            f"{key}/decades": f"{decades[name]:.1f}",
        }
    return Findings(verdict, numbers)


def _keys(cells: pd.DataFrame) -> dict[str, str]:
    """Short names for the paper's macros."""
    keys = ("linear", "relu", "quiet", "chaos", "sigmoid", "critical")
    return {name: key for name, key in zip(NETS, keys, strict=True) if name in cells.index}
