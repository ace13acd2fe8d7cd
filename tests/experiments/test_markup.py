"""What a string holds is shown by the paper, never obeyed by TeX."""

import re
from pathlib import Path

import pandas as pd
import pytest

from experiments.corridor import catalogue
from experiments.report import markup, paper

HOSTILE = r"""</td><script>alert("x")</script> \input{/etc/passwd} #1 $x$ 50% a & b a_b 2^\foo {~} 'q'"""
_SAID = re.compile(
    r"\\(?:textbackslash|textasciicircum|textasciitilde)\{\}|\\[{}#$%&_,]"
    r"|\$(?:\\(?:sigma_w|sigma_b|xi_c|chi_1|lambda|rho|le|ge|pm)|q\^\*|[|<>])\$|\$(?:\w[\w.]*|\))\^\{(?:[\w.,+*/ -]|\\pm|\\lambda )*\}\$"
)
"""Everything that a text may hold of TeX's characters."""


def obeyed(text: str) -> str:
    """The special characters that TeX would act on."""
    return "".join(re.findall(r"[\\{}#$%&_^~\n]", _SAID.sub("", text)))


def test_sentences_as_latex_sets_them() -> None:
    said = markup.tex("50 % at sigma_w = 1: 10^(+17.4 +- 10.8), 10^-0.9, w0^(2-L) and |z| < 2.")
    assert said == (r"50 \% at $\sigma_w$ = 1: $10^{+17.4 \pm 10.8}$, $10^{-0.9}$, $w0^{2-L}$ and $|$z$|$ $<$ 2.")


def test_labels_as_latex_sets_them() -> None:
    assert markup.tex("gelu_tanh, sigma_w=0.5, sigma_b=1") == r"gelu\_tanh, $\sigma_w$=0.5, $\sigma_b$=1"
    assert markup.tex("normal, rho=0.9") == r"normal, $\rho$=0.9"


@pytest.mark.parametrize("letter", "\\{}#$%&_^~\n")
def test_every_special_character_is_shown(letter: str) -> None:
    for text in (letter, f"a{letter}b", f"{letter}{letter}", f"10^({letter}2)", f"x^{letter}", f"sigma_w={letter}"):
        assert not obeyed(markup.tex(text)), text
        assert not obeyed(markup.tex_number(text)), text
        assert not obeyed(markup.tex_key(text).replace("_", "")), text


def test_commands_are_shown() -> None:
    assert markup.tex(r"\input{a}") == r"\textbackslash{}input\{a\}"
    assert markup.tex(r"10^(\input{a})") == r"10\textasciicircum{}(\textbackslash{}input\{a\})"
    assert markup.tex("a\0b^2\0") == "a $b^{2}$ "
    assert not obeyed(markup.tex(HOSTILE))


@pytest.mark.parametrize(
    "value", ["10^{93.7}", r"2.2\times10^{-4}", r"5\cdot 10^{-6}", r"\infty", r"1\,000", "-3.5e-05"]
)
def test_numbers_keep_their_formulas(value: str) -> None:
    assert markup.tex_number(value) == value


def test_numbers_show_all_else() -> None:
    assert markup.tex_number(r"10^{\input{a}}") == r"10\textasciicircum{}\{\textbackslash{}input\{a\}\}"
    assert markup.tex_number(r"\inftyx 5%") == r"\textbackslash{}inftyx 5\%"
    assert not obeyed(markup.tex_number(HOSTILE))


def test_keys_stay_apart_and_hold_nothing_that_tex_acts_on() -> None:
    assert markup.tex_key("gelu_tanh/sigma_w=1.5/a, b") == "gelu_tanh/sigma_w=1.5/a, b"
    assert markup.tex_key(r"a\b%") == 'a"5Cb"25'
    assert len({markup.tex_key(key) for key in ("\\", '"5C', "5C", "%")}) == 4


def _table(text: str) -> pd.DataFrame:
    numbers = {"predicted": 1.0, "predicted_err": 0.1, "measured": 9.0, "measured_err": 0.1, "z": 80.0, "gap": 80.0}
    words = {name: text for name in ("label", "family", "unit", "reason")}
    judged = {"verdict": f"disagrees {text}", "outcome": "disagrees", "experiment": "rates"}
    return pd.DataFrame([{**words, **numbers, **judged}])


def test_the_papers_files_show_commands_in_any_string(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "question", lambda name: f"Q1. {HOSTILE}")
    paper.write_numbers({"rates": catalogue.Findings(HOSTILE, {HOSTILE: HOSTILE})}, _table(HOSTILE), tmp_path)
    for name in ("numbers.tex", "questions.tex", "failure_1.tex"):
        written = (tmp_path / name).read_text()
        assert "input" in written
        assert r"\input" not in written
        assert "#" not in written.replace(r"\#", "")
        assert "%" not in written.replace(r"\%", "").removeprefix("% Generated")
