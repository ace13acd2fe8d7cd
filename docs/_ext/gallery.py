"""The gallery: a page of thumbnails by topic, and for every experiment a page with its figure, its comparisons and its data as CSV."""

import hashlib
import html
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import data
import fragments
from rendering import rendered, signed, write

from experiments.corridor import catalogue
from experiments.report import claims, evidence, questions

_SAID = re.compile(r"<dc:(title|description|source)>(.*?)</dc:\1>", re.DOTALL)
OTHERS = "others"
"""Topic of an experiment without a claim."""


class Drawn(NamedTuple):
    """What a figure's SVG says of itself: what one sees, and the experiments whose results it shows."""

    alt: str
    sources: tuple[str, ...]


def drawn(path: Path) -> Drawn | None:
    """The figure's own words; None if there is no such file."""
    if not path.exists():
        return None
    with path.open() as file:
        said = {name: html.unescape(value) for name, value in _SAID.findall(file.read(20_000))}
    return Drawn(said["description"], tuple(said["source"].split(", ")))


def finding(found: evidence.Evidence, name: str) -> str:
    """The answer in a sentence or two: the reason of the experiment's first claim, or else how its verdict begins."""
    said = found.findings[name]
    for claim in claims.CLAIMS:
        if claim.experiment == name and claim.key in said.numbers:
            return claim.filled(said.numbers, strong="")
    return re.split(r"(?<=[a-z\d)%][.]) (?=[A-Z])", said.verdict)[0]


def title(name: str) -> str:
    """The experiment's question without its number."""
    return re.sub(r"^Q\d+\. ", "", catalogue.question(name))


def topic(name: str) -> str:
    """The first topic of the experiment's first claim."""
    return next((claim.topics[0] for claim in claims.CLAIMS if claim.experiment == name), OTHERS)


def by_topic(names: list[str]) -> list[tuple[str, list[str]]]:
    """The experiments of every topic that has some, in the order of the topics."""
    topics = {each: [name for name in names if topic(name) == each] for each in (*claims.TOPICS, OTHERS)}
    return [(each, shown) for each, shown in topics.items() if shown]


def _distance(row: Any) -> str:
    """z, or in brackets the gap of what lies outside."""
    return f"[{signed(row.gap)}]" if row.outcome == "outside" else signed(row.z)


def comparisons(found: evidence.Evidence, name: str) -> str:
    """The table of an experiment's comparisons."""
    rows = found.rows(name)
    shown = rows.assign(distance=[_distance(row) for row in rows.itertuples()])
    count = f"{len(rows)} comparison{'s' if len(rows) > 1 else ''}"
    return rendered("comparisons.html", rows=shown.to_dict("records"), count=count)


def page(found: evidence.Evidence, name: str, figures: Path) -> str:
    """An experiment's page."""
    figure, facts = questions.figure_of(name), list(found.records[name].values())
    seen = drawn(figures / f"{figure}.svg")
    verdict = found.findings[name].verdict
    return rendered(
        "experiment.md",
        name=name,
        figure=figure,
        question=title(name),
        finding=finding(found, name),
        verdict=verdict,
        drawn=seen is not None,
        alone=seen is not None and seen.sources == (name,),
        alt=seen.alt if seen else "",
        subject=seen.alt.split(" Axes: ")[0] if seen else "",
        comparisons=len(found.rows(name)),
        identity=getattr(catalogue.module(name), "IDENTITY", ""),
        cells=f"{len(facts)} cell{'s' if len(facts) > 1 else ''}",
        seconds=f"{sum(fact['seconds'] for fact in facts):.0f}",
        device=facts[0]["device"],
        versions=", ".join(f"{package} {version}" for package, version in facts[0]["versions"].items()),
        digest=digest(found, name),
    )


def digest(found: evidence.Evidence, name: str) -> str:
    """Changes when an experiment's comparisons do, so that Sphinx writes its page again."""
    return hashlib.sha256(found.rows(name).to_csv().encode() + found.findings[name].verdict.encode()).hexdigest()[:12]


def _thumbnails(found: evidence.Evidence, names: list[str], figures: Path) -> str:
    shown = [
        {
            "name": name,
            "figure": questions.figure_of(name),
            "drawn": (figures / f"{questions.figure_of(name)}.svg").exists(),
            "question": title(name),
            "finding": finding(found, name),
        }
        for name in names
    ]
    return rendered("thumbnails.html", shown=shown)


def make(app: Any) -> None:
    """All pages of the gallery into Sphinx's sources, their pictures beside them, their data into the site."""
    found, figures, source = evidence.gathered(Path(app.config.results)), Path(app.config.figures), Path(app.srcdir)
    names = questions.ordered(found.findings)
    _copy(figures, source / "figures")
    topics = by_topic(names)
    for name in names:
        write(source / "gallery" / f"{name}.md", page(found, name, figures))
        fragments.offer(app, f"comparisons/{name}", lambda name=name: comparisons(found, name))
        fragments.offer(app, f"data/{name}", data.offered(found, name, Path(app.outdir) / "data"))
    for each, shown in topics:
        fragments.offer(app, f"gallery/{each}", lambda shown=shown: _thumbnails(found, shown, figures))
    all_findings = "".join(finding(found, name) for name in names)
    write(
        source / "gallery.md",
        rendered(
            "gallery.md", topics=topics, names=names, digest=hashlib.sha256(all_findings.encode()).hexdigest()[:12]
        ),
    )


def _copy(figures: Path, target: Path) -> None:
    """Every figure that was drawn, and no other."""
    target.mkdir(parents=True, exist_ok=True)
    for path in figures.glob("*.svg"):
        shutil.copy2(path, target)


def setup(app: Any) -> dict[str, bool]:
    """Where results and figures lie (``results``, ``figures``), and the pages before Sphinx looks for them."""
    app.add_config_value("results", str(catalogue.RESULTS), "env", str)
    app.add_config_value("figures", str(catalogue.ROOT / "figures" / "out"), "env", str)
    app.connect("builder-inited", make)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
