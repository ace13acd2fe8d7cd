"""Does what becomes of a network in training follow the same three predictions for ReLU and sigmoid, on images of 784 pixels?

The criterion and the predictions are those of ``outcomes``, word for word, and were fixed before these networks were trained. The images are generated: scikit-learn's
digits of 8 x 8 pixels, enlarged to 28 x 28 and slightly deformed, the unseen ones from other originals than those trained on. They have MNIST's size and are not MNIST.
For ReLU the depth scale xi_c is infinite from sigma_w = sqrt 2 on, where correlations converge by a power of depth; the rule depth <= 6 xi_c then lets every depth learn.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from experiments import outcomes
from experiments.parts.enlarged import enlarged
from experiments.parts.kernel_descent import Kernel
from vgtheory import Dense, theory

PARTS = ("outcomes", "digits", "enlarged", "kernel_descent", "optimisers", "sequence_length", "summary")
COMPARED = outcomes.COMPARED
"""What the comparisons are of."""
HE = 2**0.5
"""Scale at which ReLU keeps gradients, whatever its biases: He et al. (2015)."""


@dataclass(frozen=True)
class Config:
    activation: tuple[str, ...] = ("relu", "sigmoid")
    depth: tuple[int, ...] = (4, 8, 16, 32)
    scale: tuple[float, ...] = (0.5, 0.75, 1.0, 1.5, 2.0)
    rate: tuple[float, ...] = (0.01, 0.1)
    square_b: float = 0.05
    width: int = 128
    batch: int = 32
    num_updates: int = 300
    num_records: int = 10
    num_probes: int = 128
    num_nets: int = 10
    num_twins: int = 5
    num_angles: int = 129
    seed: int = 71


SMOKE = Config(
    **{"activation": ("relu",), "rate": (0.1,), "depth": (3,), "scale": (0.5, 1.5), "width": 16, "num_angles": 17},
    **{"num_updates": 40, "num_records": 4, "num_nets": 4, "num_twins": 2},
)


def edge(activation: str, square_b: float) -> float:
    """The sigma_w at which chi_1 is 1."""
    return HE if activation == "relu" else float(theory.critical(activation, sigma_b=square_b**0.5).sigma_w[0])


@lru_cache(maxsize=1)
def _kernel(config: Config) -> Kernel:
    """That of both rates, which is why the rate is the last axis."""
    return outcomes.kernel(config, _net(config), enlarged())


def _net(config: Config) -> Dense:
    (activation,), (scale,) = config.activation, config.scale
    return Dense(activation, scale * edge(activation, config.square_b), config.square_b**0.5)


def run(config: Config) -> dict[str, Any]:
    found = _kernel(replace(config, rate=()))
    return {"sigma_w": _net(config).sigma_w} | outcomes.trained(config, _net(config), enlarged(), found)
