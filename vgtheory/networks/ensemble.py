"""Unions of networks of like layers: random ones (``Ensemble``), or all (``Layered``)."""

from vgtheory.expect import expect
from vgtheory.networks.conv import Conv
from vgtheory.networks.dense import Dense
from vgtheory.networks.recurrent import FixedRecurrent, Recurrent

Ensemble = Dense | Conv | Recurrent
Layered = Dense | Conv | Recurrent | FixedRecurrent


def expect_matrices(where: str, net: object) -> None:
    """Raise if the links of an ensemble are convolutions; ``where`` names the public function."""
    expect(not isinstance(net, Conv), where, "a Dense or Recurrent ensemble", net=type(net).__name__)


__all__ = ["Ensemble", "Layered", "expect_matrices"]
