"""Every question of the list is answered, with a figure, in the report and in the paper."""

from experiments.corridor import catalogue
from experiments.report import questions
from figures.__main__ import FIGURES

ANSWERING = [name for name in catalogue.EXPERIMENTS if questions.number_of(name)]


def test_every_question_has_an_experiment() -> None:
    assert {questions.number_of(name) for name in ANSWERING} == set(questions.NUMBERS)


def test_every_experiment_finds_the_code_that_makes_its_numbers() -> None:
    hashes = [catalogue.code_hash(name) for name in catalogue.EXPERIMENTS]
    assert len(set(hashes)) == len(hashes)


def test_every_answer_has_its_figure_and_the_paper_shows_it() -> None:
    shown = questions.labels("main") | questions.labels("sections")
    for name in ANSWERING:
        assert questions.figure_of(name) in FIGURES, name
        assert questions.figure_of(name) in shown, name


def test_questions_come_in_their_order() -> None:
    numbers = [questions.number_of(name) for name in questions.ordered(catalogue.EXPERIMENTS)]
    known = [number for number in numbers if number]
    assert known == sorted(known)
    assert numbers[: len(known)] == known


def test_a_list_for_the_paper() -> None:
    told = questions.answers(
        {"escape": catalogue.Findings("Not in 10^9.2 steps.", {}), "rates": catalogue.Findings("Yes.", {})}
    )
    assert told.startswith("\\begin{description}\n\\item[Q16]")
    assert r"$10^{9.2}$ steps. (\cref{fig:escape})" in told
    assert "Yes." not in told
