"""Integrates the curves of the table's activations into the file that the package ships: ``python -m vgtheory.theory.integrals.ship``."""

from pathlib import Path

import numpy as np

from vgtheory.activation import ACTIVATIONS
from vgtheory.theory.integrals.moments_1d import integrated_curves
from vgtheory.theory.integrals.shipped import FILE


def contents() -> dict[str, np.ndarray]:
    """The arrays of the file by name, integrated afresh."""
    found = {name: integrated_curves(activation) for name, activation in ACTIVATIONS.items()}
    series = {name: np.stack([each.log_f, each.log_g]) for name, each in found.items()}
    return {**series, **{f"{name} ends": each.log_g_ends for name, each in found.items()}}


if __name__ == "__main__":
    np.savez_compressed(Path(__file__).with_name(FILE), allow_pickle=False, **contents())
