"""The pages of a run: what they are built of, and what is said where Sphinx is missing or fails."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.corridor import catalogue
from experiments.report import page, site


def test_without_sphinx_the_group_that_brings_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "missing", lambda: ["sphinx", "bokeh"])
    with pytest.raises(site.BuildError, match=r"got none of sphinx, bokeh\. `pip install --group docs` brings them\.$"):
        site.build(catalogue.RESULTS, tmp_path, tmp_path / "out", "closing")
    assert not (tmp_path / "out").exists()


def test_what_is_needed_is_what_the_group_brings() -> None:
    group = (catalogue.ROOT / "pyproject.toml").read_text().split("\ndocs = [")[1].split("]")[0].replace("-", "_")
    assert all(name in group for name in site.NEEDED)
    assert site.missing() == []


def test_the_index_closes_as_the_printed_table_and_leads_to_the_pages(tmp_path: Path) -> None:
    site.sources(tmp_path, "agree / disagree = 1 / 0\n  {braces} stay")
    index = (tmp_path / "index.md").read_text()
    assert "\n    agree / disagree = 1 / 0\n      {braces} stay\n" in index
    assert all(name in index for name in ("<claims/index>", "<gallery>", "<accuracy>", "<limits>"))
    assert "fragment: failures" in (tmp_path / "limits.md").read_text()


def test_sphinx_errors_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sphinx.cmd.build

    asked: list[str] = []
    monkeypatch.setattr(sphinx.cmd.build, "main", lambda words: asked.extend(words) or 2)
    with pytest.raises(site.BuildError, match=r"^report: expected Sphinx to build the pages, got errors"):
        site.build(catalogue.RESULTS, tmp_path, tmp_path / "out", "closing")
    assert f"--define=results={catalogue.RESULTS}" in asked
    assert asked[asked.index("--tag") + 1] == "report"


def test_figures_are_drawn_by_their_own_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, cwd: asked.append((command, cwd)))
    page._drawing(Path("results"), tmp_path)
    ((command, cwd),) = asked
    assert command[:4] == [sys.executable, "-m", "figures", "--svg"]
    assert str(Path("results").absolute()) in command
    assert cwd == catalogue.ROOT
