"""The docstring of a package is a guide to it: it names every function that the package offers, and nothing that is not there."""

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import vgtheory
from tests import surface
from vgtheory import compare, diagnose, measure, plot, scales, theory

PLACES = [
    vgtheory,
    theory,
    measure,
    compare,
    diagnose,
    scales,
    *surface.wings(theory).values(),
    *surface.wings(measure).values(),
]
WORDS = {
    "key",
    "kernel_init",
    "bias",
    "is_stable",
    "sigma_w",
    "sigma_b",
    "sigma_in",
    "tied",
    "matplotlib",
    "pip",
    "figure.savefig",
}
"""Arguments, fields and other packages of which guides speak."""


def named(place: ModuleType) -> set[str]:
    """What the guide names in code type: a dotted name, the name of a call, or of each name in ``help(...)``."""
    spans = re.findall(r"``([^`]+)``", place.__doc__ or "")
    return {match[0] for span in spans if (match := re.match(r"[A-Za-z_][\w.]*", span.removeprefix("help(")))}


def found(name: str, place: ModuleType) -> bool:
    """Whether the dotted name can be reached from the place, from a room, or from the front door."""
    for start in (place, vgtheory, theory, measure):
        value = start
        for part in name.split("."):
            value = getattr(value, part, None) if part in dir(value) else None
        if value is not None:
            return True
    return False


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_guide_names_only_what_is_there(place: ModuleType) -> None:
    lost = {name for name in named(place) - WORDS if not found(name, place)}
    assert not lost


@pytest.mark.parametrize(
    "place",
    [vgtheory, theory, compare, plot, scales, *surface.wings(theory).values()],
    ids=lambda place: place.__name__,
)
def test_a_guide_names_every_function_that_its_package_offers(place: ModuleType) -> None:
    offered = {
        name for name in place.__all__ if inspect.isroutine(getattr(place, name)) or name in surface.wings(place)
    }
    assert offered <= named(place)


def test_the_changelog_says_where_names_have_gone() -> None:
    text = (Path(__file__).resolve().parent.parent / "CHANGELOG.md").read_text()
    rows = re.findall(r"^\| `(?:theory|measure)\.` \| `([a-z.]+)\.` \| (.+) \|$", text, flags=re.MULTILINE)
    assert len(rows) == 17
    for place, names in rows:
        assert not [name for name in re.findall(r"`(\w+)`", names) if not found(f"{place}.{name}", vgtheory)], place


def test_a_guide_that_forgets_or_invents_is_found_out() -> None:
    made = ModuleType("made", "Is it critical? ``chi_1(net)`` or ``chi_7``, see ``help(theory.cells)``.")
    assert named(made) == {"chi_1", "chi_7", "theory.cells"}
    assert not found("chi_7", made)
    assert found("theory.cells", made)
    assert not found("theory.celz", made)
