"""The gallery, from committed results: every experiment's page shows, compares, explains its data, and obeys no string."""

import dataclasses
import gzip
import shlex
from html.parser import HTMLParser
from pathlib import Path

import data
import failures
import gallery
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from rendering import text

from experiments.corridor import catalogue, command
from experiments.report import agreement, evidence
from tests.experiments.test_markup import HOSTILE

pytestmark = pytest.mark.site

SVG = """<svg><metadata><dc:title>aspect</dc:title><dc:source>{source}</dc:source>
<dc:description>{alt}</dc:description></metadata></svg>"""


@pytest.fixture(scope="module")
def found() -> evidence.Evidence:
    return evidence.gathered(catalogue.RESULTS)


class Tags(HTMLParser):
    """Every tag with its attributes' names, and all that is shown."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.shown = list[tuple[str, frozenset[str]]](), ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, frozenset(name for name, _ in attrs)))
        self.shown += "".join(value or "" for name, value in attrs if name == "alt")

    def handle_data(self, data: str) -> None:
        self.shown += data


def drawn(folder: Path, name: str, alt: str, source: str) -> Path:
    (folder / f"{name}.svg").write_text(SVG.format(alt=alt, source=source))
    return folder


def test_a_page_asks_shows_answers_and_can_be_linked_to(found: evidence.Evidence, tmp_path: Path) -> None:
    drawn(tmp_path, "aspect", "Scatter &amp; loss. Axes: std against depth.", "aspect")
    page = gallery.page(found, "aspect", tmp_path)
    assert page.startswith("(gallery-aspect)=\n# How far do gradients scatter")
    assert f"![{text('Scatter & loss. Axes: std against depth.')}](../figures/aspect.svg)" in page
    assert text(found.findings["aspect"].verdict) in page
    assert "python -m figures aspect --results build/again" in page
    assert "fragment: comparisons/aspect" in page


def test_a_page_without_its_figure_says_how_to_draw_it(found: evidence.Evidence, tmp_path: Path) -> None:
    page = gallery.page(found, "layer_order", tmp_path)
    assert "`python -m figures escape --svg` draws it" in page
    assert "![" not in page


def test_a_finding_is_the_claims_reason_with_its_number_or_how_the_verdict_begins(found: evidence.Evidence) -> None:
    number = found.findings["aspect"].numbers["steep/lost"]
    assert f"loses {number} decades" in gallery.finding(found, "aspect")
    verdict = catalogue.Findings("It is 0.5 +- 0.1 of 3.2. The rest is not said.", {})
    assert gallery.finding(found._replace(findings={"aspect": verdict}), "aspect") == "It is 0.5 +- 0.1 of 3.2."


def test_every_comparison_is_in_its_experiments_table(found: evidence.Evidence) -> None:
    for name in ("overflow", "attention"):
        rows, table = found.rows(name), Tags(gallery.comparisons(found, name))
        assert sum(tag == "tr" for tag, _ in table.tags) == 1 + len(rows)
        assert all(label in table.shown for label in rows.label)


def test_every_failure_is_in_the_table(found: evidence.Evidence) -> None:
    table = Tags(failures.table(found))
    bad = agreement.failures(found.table)
    assert sum(tag == "tr" for tag, _ in table.tags) == 1 + len(bad)
    assert all(label in table.shown for label in bad.label)


def test_pages_show_markup_in_any_string(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(word: str) -> Tags:
        drawn(tmp_path, "aspect", word.replace("&", "&amp;").replace("<", "&lt;"), "aspect")
        monkeypatch.setattr(catalogue, "question", lambda name: f"Q1. {word}")
        numbers = {"predicted": 1.0, "predicted_err": 0.1, "measured": 9.0, "measured_err": 0.1, "z": 80.0, "gap": 80.0}
        words = dict.fromkeys(("label", "family", "unit", "reason"), word)
        judged = {"verdict": "disagrees", "outcome": "disagrees", "experiment": "aspect", "cell": "a"}
        facts = {"seconds": 1.0, "device": word, "versions": {word: word}}
        table = pd.DataFrame([numbers | words | judged])
        found = evidence.Evidence(
            tmp_path, {}, {"aspect": catalogue.Findings(word, {})}, table, {"aspect": {"a": facts}}
        )
        page = MarkdownIt("commonmark").render(gallery.page(found, "aspect", tmp_path))
        return Tags(page + gallery.comparisons(found, "aspect") + failures.table(found))

    monkeypatch.setattr("experiments.report.claims.CLAIMS", ())
    hostile, plain = shown(HOSTILE), shown("plain")
    assert hostile.tags == plain.tags
    assert hostile.shown.count(HOSTILE) == plain.shown.count("plain") >= 12


@pytest.mark.parametrize("name", ["rates", "overflow", "sequence_tasks", "phase_diagram"])
def test_the_command_of_a_cell_runs_that_cell(name: str) -> None:
    script = catalogue.module(name)
    for cell in (next(catalogue.cells(script.Config())), next(catalogue.cells(script.SMOKE))):
        words = shlex.split(evidence.command(name, dataclasses.asdict(cell)))
        assert (words[:4], words[-2:]) == (["python", "-m", "experiments", name], ["--out", "build/again"])
        (again,) = command.configured(name, False, words[4:-2]).values()
        assert catalogue.path_of(name, again, Path()) == catalogue.path_of(name, cell, Path())


@pytest.mark.parametrize("name", catalogue.EXPERIMENTS)
def test_every_column_is_explained_and_no_explanation_is_stale(name: str, found: evidence.Evidence) -> None:
    frame = found.frames[name]
    assert set(data.columns(name, frame)) == set(frame.columns)
    assert set(data.meanings().get(name, {})) <= set(frame.columns)


def test_a_large_table_is_compressed(tmp_path: Path) -> None:
    small, large = (pd.DataFrame({"x": range(rows)}) for rows in (3, 200_000))
    assert data.written("small", small, tmp_path).read_text() == "x\n0\n1\n2\n"
    path = data.written("large", large, tmp_path)
    assert path.name == "large.csv.gz"
    assert gzip.decompress(path.read_bytes()).decode().count("\n") == 200_001
    assert data.written("large", small, tmp_path).name == "large.csv"
    assert not path.exists()
