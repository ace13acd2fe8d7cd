"""Division of a program into stretches that are differentiated together."""

from typing import NamedTuple

from vgtheory.diagnose.program.flow import Flow
from vgtheory.diagnose.program.sites import Layers, Site

LONGEST = 40
"""Most operations of a stretch between layers."""
_HEAVY = ("dot_general", "conv_general_dilated", "custom_vjp_call", "cond")


class Stretch(NamedTuple):
    """Operations that are differentiated together.

    Attributes
    ----------
    start, stop
        They are ``ops[start:stop]``.
    site
        The layer that they are; None between layers.
    is_walked
        Whether they are one scan, through which a gradient flows.
    ins, outs
        Variables that carry a gradient: those that are read, and those that are made for others.
    rest
        Other variables that are made for others.
    """

    start: int
    stop: int
    site: Site | None
    is_walked: bool
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    rest: tuple[int, ...]


def _spans(layers: Layers, flow: Flow, longest: int | None) -> list[tuple[int, int, Site | None, bool]]:
    """Where to divide: at layers and scans; and, unless ``longest`` is None, after products and so many operations."""
    found, begun, place = list[tuple[int, int, Site | None, bool]](), 0, 0
    sites, ops = {site.start: site for site in layers.sites}, layers.program.ops
    while place < len(ops):
        is_walked = ops[place].body is not None and any(var in flow.carrying for var in ops[place].makes)
        stop = sites[place].stop if place in sites else place + 1
        if place in sites or is_walked:
            found += [(begun, place, None, False)] if begun < place else []
            found.append((place, stop, sites.get(place), is_walked))
            begun = stop
        elif longest is not None and (ops[place].name in _HEAVY or stop - begun >= longest):
            found.append((begun, stop, None, False))
            begun = stop
        place = stop
    return [*found, (begun, place, None, False)] if begun < place else found


def stretches(layers: Layers, flow: Flow, longest: int | None = LONGEST) -> list[Stretch]:
    """Stretches of a program, in order."""
    program, carrying = layers.program, flow.carrying
    spans, readers = _spans(layers, flow, longest), program.readers()
    of = {place: n for n, (start, stop, *_) in enumerate(spans) for place in range(start, stop)}
    ends = {atom for atom in program.outputs if isinstance(atom, int)}
    found = []
    for n, (start, stop, site, is_walked) in enumerate(spans):
        made = dict.fromkeys(var for op in program.ops[start:stop] for var in op.makes)
        kept = [var for var in made if var in ends or any(of[i] != n for i in readers.get(var, ()))]
        read = dict.fromkeys(var for op in program.ops[start:stop] for var in op.variables if var not in made)
        found.append(
            Stretch(
                start,
                stop,
                site,
                is_walked,
                tuple(var for var in read if var in carrying),
                tuple(var for var in kept if var in carrying),
                tuple(var for var in kept if var not in carrying),
            )
        )
    return found
