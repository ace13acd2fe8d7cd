"""What a figure shows, in words: its subject, what one sees, and its axes; every figure has all three."""

import importlib
from types import ModuleType

import pytest
from matplotlib.figure import Figure

from figures.__main__ import FIGURES
from figures.description import described, plain


def test_labels_are_read_without_latex() -> None:
    assert plain(r"$\ln(|g_l|\,/\,|g_{l+1}|)$ per layer") == "ln(|g_l| / |g_l+1|) per layer"
    assert plain(r"$\sigma_w$, $4 \times 4$") == "sigma_w, 4 times 4"


def test_a_figure_is_its_subject_what_one_sees_and_its_axes() -> None:
    script, figure = ModuleType("script", "Two lines.\n\nMore."), Figure()
    script.SEEN = "They cross."  # type: ignore[attr-defined]
    left, _ = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], label=r"$k$ = 1")
    left.plot([0, 1], [1, 0], label="k = 2")
    left.set(title="(a)", xlabel="depth", ylabel=r"$\log_{10}$ size")
    assert described(script, figure) == "Two lines. They cross. Axes: (a): log_10 size against depth (k = 1, k = 2)."


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_says_what_one_sees(name: str) -> None:
    script = importlib.import_module(f"figures.{name}")
    assert script.SEEN.endswith(".")
    assert len(script.SEEN.split()) >= 10
