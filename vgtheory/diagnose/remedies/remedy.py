"""A remedy, with what it did to the gradient, and the order of several."""

from collections.abc import Sequence
from typing import NamedTuple

from vgtheory.diagnose.words import shown

END_TO_END, FORMAT, SIZE = "end to end", "format", "size"
_MOST = 4
"""Most remedies of a printed diagnosis."""
_GAIN = 0.05
"""By how much a remedy that helps brings a log nearer to 0."""


class Remedy(NamedTuple):
    """A remedy that was tried.

    Attributes
    ----------
    name
        ``"critical scale"``, ``"branch scale"``, ``"forget bias"``, ``"activation"``,
        ``"activation and scale"``, ``"norm"``, ``"loss scale"``, ``"bfloat16"`` or ``"clipping"``.
    text
        What to change.
    log_total_before, log_total
        What the remedy is about, without and with it; 0 is ideal. Natural logs.
    about
        ``"end to end"``: the gradient's norm at the bottom of the chain (or at the starved layer)
        over that at its top, measured. ``"format"``: by how much the smallest entries fall short of
        the number format's smallest normal number (or the largest exceed its largest).
        ``"size"``: the norm of the whole gradient.
    value
        The number in ``text``: a factor, a bias, or a power of two; NaN without one.
    """

    name: str
    text: str
    log_total_before: float
    log_total: float
    about: str = END_TO_END
    value: float = float("nan")

    @property
    def helps(self) -> bool:
        """Whether it brings the gradient nearer to what it should be."""
        return bool(abs(self.log_total) < abs(self.log_total_before) - _GAIN)


def ranked(found: Sequence[Remedy]) -> list[Remedy]:
    """Remedies by what they are about, and the best of each first; of equals, the one given first."""
    order = (END_TO_END, FORMAT, SIZE)
    return sorted(found, key=lambda each: (order.index(each.about), round(abs(each.log_total), 1)))


def sentence(found: Sequence[Remedy], *, is_all: bool) -> str:
    """Remedies that help, in words."""
    firsts = {(each.name, each.about): each for each in reversed(found)}.values()
    best = [each for each in found if each.helps and any(each is first for first in firsts)]
    ends = [each for each in best if each.about == END_TO_END][:_MOST]
    rest = [each.text for each in best if each.about != END_TO_END]
    said = [f"{each.text} (to {shown(each.log_total)}-fold)" for each in ends]
    tail = "" if is_all else " More take a compilation, or many passes: remedies() tries all."
    if not said and not rest:
        return "Nothing that was tried." + tail if is_all and found else tail.strip()
    return f"{'; '.join([*said, *rest])}.{tail}"


__all__ = ["END_TO_END", "FORMAT", "SIZE", "Remedy", "ranked", "sentence"]
