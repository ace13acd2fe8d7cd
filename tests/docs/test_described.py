"""The page "What can be described" is what the package answers, and leaves out no field of a network and no choice of one."""

import dataclasses
import inspect
from typing import Any

import described
import described_networks as networks
import described_questions as questions
import pytest
from described import INFINITE, MEASURED, NO, YES

import vgtheory
from vgtheory import Conv, Dense, LinearRecurrence, Normed, Residual, Transformer, theory
from vgtheory.networks import blocks, conv, input_decay, linear_recurrence, listed, noise, transformer
from vgtheory.noun import Noun
from vgtheory.weights import WEIGHTS

SHOWN = [row for section in networks.SECTIONS.values() for row in section.rows]
QUICK = ("Conv", "Normed", "InputDecay")
"""Sections that are asked again with the site's tests."""
CHOICES: dict[tuple[str, str], Any] = {
    ("Dense", "weights"): WEIGHTS,
    ("Dense", "fan"): listed.FANS,
    ("Dense", "mask"): noise.MASKS,
    ("Dense", "activation"): tuple(vgtheory.ACTIVATIONS),
    ("Recurrent", "weights"): WEIGHTS,
    ("Conv", "weights"): conv.KERNELS,
    ("Conv", "padding"): conv.PADDINGS,
    ("Residual", "norm"): blocks.NORMS,
    ("Residual", "alpha"): blocks.ALPHAS,
    ("Normed", "norm"): blocks.NORMS,
    ("Transformer", "place"): transformer.PLACES,
    ("Transformer", "norm"): transformer.NORMS,
    ("Transformer", "alpha"): tuple(transformer.ALPHAS),
    ("LinearRecurrence", "scale"): linear_recurrence.SCALES,
    ("StateSpace", "kind"): linear_recurrence.KINDS,
    ("StateSpace", "method"): linear_recurrence.METHODS,
    ("InputDecay", "kind"): input_decay.DECAYS,
}


def nouns() -> dict[str, type]:
    """Every public noun for a network, or for a part of one."""
    public = {name: getattr(vgtheory, name) for name in vgtheory.__all__}
    return {name: kind for name, kind in public.items() if inspect.isclass(kind) and issubclass(kind, Noun)}


def shown() -> list[Any]:
    """Every network on the page, and the laws of eigenvalues in them."""
    nets = [net for row in SHOWN for net in row.nets]
    return [*nets, *(net.eigenvalues for net in nets if isinstance(net, LinearRecurrence))]


def values(name: str, field: str) -> list[Any]:
    """What a field of a noun is on the page."""
    found = [getattr(net, field) for net in shown() if type(net).__name__ == name]
    return [getattr(value, "name", value) for value in found]


@pytest.mark.parametrize("name", nouns())
def test_every_field_of_every_noun_is_on_the_page(name: str) -> None:
    found = [net for net in shown() if type(net).__name__ == name]
    for field in dataclasses.fields(nouns()[name]):
        assert any(not net._is_default(field) for net in found), field.name


@pytest.mark.parametrize(("name", "field"), CHOICES)
def test_every_choice_of_a_field_is_on_the_page(name: str, field: str) -> None:
    found = values(name, field)
    assert {choice for choice in CHOICES[name, field] if choice not in found} == set()


def part(page: str, title: str) -> str:
    """A section of the page."""
    return page.split(f"## {title}\n")[1].split("\n## ")[0].strip()


@pytest.mark.site
@pytest.mark.parametrize("kind", QUICK)
def test_the_page_says_what_these_networks_answer(kind: str) -> None:
    """After a change of the package: ``python docs/_ext/described.py``."""
    title = networks.SECTIONS[kind].title
    assert part(described.PAGE.read_text(), title) == part(described.page((kind,)), title)


@pytest.mark.slow
def test_the_page_is_that_of_the_package() -> None:
    assert described.PAGE.read_text() == described.page()


def test_the_page_has_every_row() -> None:
    page = described.PAGE.read_text()
    for section in networks.SECTIONS.values():
        lines = [line for line in part(page, section.title).splitlines() if line.startswith("| ")][1:]
        assert [line.split(" | ")[0] for line in lines] == [f"| {row.words}" for row in section.rows]


def test_no_column_is_empty() -> None:
    """A question that is put wrongly is refused by every network."""
    page = described.PAGE.read_text()
    for section in networks.SECTIONS.values():
        lines = [line for line in part(page, section.title).splitlines() if line.startswith("| ")][1:]
        columns = zip(*(line.removesuffix(" |").split(" | ")[2:] for line in lines), strict=True)
        for column in columns:
            assert any(cell.startswith((YES, INFINITE, MEASURED)) for cell in column), section.title


@pytest.mark.site
def test_a_cell_is_what_the_package_does() -> None:
    """Cells whose answers the docstrings state."""
    said = [
        (questions.GRADIENTS, Dense("relu", 2**0.5), YES),
        (questions.SPREAD, Dense("relu", 2**0.5), YES),
        (questions.SPREAD, Dense("tanh", 1.5, weights="heavy_tailed"), MEASURED),
        (questions.GRADIENTS, Normed("relu"), INFINITE),
        (questions.SPREAD, Residual("relu", drop_path=0.2), YES),
        (questions.SPREAD, Residual("tanh", drop_path=0.2), INFINITE),
        (questions.DIRECTIONS, Dense("tanh", (1.5, 1.2, 1.0)), NO),
        (questions.TOKENS, Transformer("relu", heads=2), MEASURED),
        (questions.TOKENS, Transformer("relu", heads=2, is_causal=True), YES),
        (questions.POSITIONS, Conv("relu", 2**0.5, dropout=0.1), NO),
    ]
    for question, net, answer in said:
        assert described.answer(question, networks.Row("", "", [net])) == answer, (question.title, net)


def test_an_error_that_is_none_of_the_package_stops_the_page() -> None:
    def broken(net: Any) -> Any:
        raise ValueError("shapes do not fit")

    question = questions.STATE._replace(law=broken)
    with pytest.raises(ValueError, match="shapes do not fit"):
        described.answer(question, networks.SECTIONS["Cells"].rows[0])


def test_columns_name_the_public_functions() -> None:
    assert described.path(theory.log_q_layers) == "theory.log_q_layers"
    assert described.path(theory.layers.c_layers) == "theory.layers.c_layers"
