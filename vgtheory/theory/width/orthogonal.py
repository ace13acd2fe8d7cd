"""Laws of orthogonal weights at width N, to order 1/N, from the layers at infinite width and their noise."""

from vgtheory.estimate import Law
from vgtheory.theory.arrays import library
from vgtheory.theory.precision import Values
from vgtheory.theory.width.expansion import Layers, backward_fluctuation, forward_fluctuation


def root(var: Values) -> Values:
    """Square root whose derivative at 0 is 0."""
    xp = library(var)
    return xp.where(var <= 0, 0.0, xp.sqrt(xp.where(var <= 0, 1.0, var)))


def grad(layers: Layers, mean: Values, width: int, with_inputs: bool = False) -> Law:
    """Ln ``|g_l|^2`` relative to the top, whose value at infinite width is ``mean``; with the inputs' size or not."""
    shift, var = backward_fluctuation(layers, width, with_inputs=with_inputs)
    return Law(mean + shift, root(var))


def q(layers: Layers, width: int) -> Law:
    """Ln q of every layer."""
    (mean, var), free = forward_fluctuation(layers, width), 1 - layers.rho**2
    return Law(layers.log_q + mean - var / 2 - free / width, root(var + 2 * free / width))


def chi(layers: Layers, width: int) -> Law:
    """Growth of ln ``|g|^2`` from each layer to the one below."""
    shift, (_, r_var) = backward_fluctuation(layers, width)[0], forward_fluctuation(layers, width)
    mean = layers.log_chi[:-1] - library(shift).diff(shift)
    return Law(mean, root((layers.back / width + layers.a**2 * r_var)[:-1]))


__all__ = ["chi", "grad", "q", "root"]
