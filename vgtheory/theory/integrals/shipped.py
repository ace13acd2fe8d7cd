"""Curves of the table's activations, in a file of the package, which ``ship`` makes anew."""

from importlib import resources

import numpy as np

FILE = "curves.npz"


def shipped(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fields of ``Curves`` of an activation of the table, as the file has them.

    Parameters
    ----------
    name
        A key of ``ACTIVATIONS``.
    """
    with resources.files(__package__).joinpath(FILE).open("rb") as file, np.load(file) as found:
        log_f, log_g = found[name]
        return log_f, log_g, found[f"{name} ends"]
