"""Networks of like layers: those that are drawn at random (``Ensemble``), and all that can be run (``Layered``)."""

from typing import Any

from vgtheory.expect import expect
from vgtheory.networks.conv import Conv
from vgtheory.networks.dense import Dense
from vgtheory.networks.recurrent import FixedRecurrent, Recurrent

Ensemble = Dense | Conv | Recurrent
Layered = Dense | Conv | Recurrent | FixedRecurrent


def expect_matrices(where: str, net: Any) -> None:
    """Raise if the links of an ensemble are convolutions.

    Parameters
    ----------
    where
        Name of the public function that was asked.
    net
        The ensemble.

    Raises
    ------
    ValueError
        If it is a ``Conv``.
    """
    expect(not isinstance(net, Conv), where, "a Dense or Recurrent ensemble", net=type(net).__name__)


__all__ = ["Ensemble", "Layered", "expect_matrices"]
