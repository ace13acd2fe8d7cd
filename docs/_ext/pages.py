"""Pages made from other files of the repository, before Sphinx reads: two READMEs, and the gallery of the figures. And MathJax."""

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

from experiments.corridor import catalogue
from experiments.report import questions

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "figures" / "out"
READMES = ("experiments", "benchmarks")
GALLERY = """# Gallery

Every experiment's question, its answer, and the figure that shows it. In the figures theory is a line, and a measurement is a marker
with one standard error; nothing is fitted. The numbers are those of the committed results.
"""


def entry(name: str) -> str:
    """One experiment: the question, the picture, the answer, and the commands that make both again."""
    figure = questions.figure_of(name)
    asked, verdict = catalogue.question(name), catalogue.module(name).findings(catalogue.load(name)).verdict
    return (
        f"\n({name})=\n## {asked}\n\n![{asked}](figures/{figure}.png)\n\n{verdict}\n\n"
        f"Run it again: `python -m experiments {name} --out build/again`; draw it: `python -m figures {figure}`.\n"
    )


def write(folder: Path) -> None:
    """``gallery.md`` with its pictures, and one page for each README."""
    for name in READMES:
        (folder / f"{name}.md").write_text((ROOT / name / "README.md").read_text())
    names = questions.ordered(catalogue.EXPERIMENTS)
    (folder / "figures").mkdir(exist_ok=True)
    for figure in {questions.figure_of(name) for name in names}:
        shutil.copy(FIGURES / f"{figure}.png", folder / "figures")
    (folder / "gallery.md").write_text(GALLERY + "".join(map(entry, names)))


def linked(text: str) -> str:
    """A page's source whose links to those READMEs lead to the site's own pages."""
    for name in READMES:
        text = re.sub(rf"\]\(\.\./((?:\.\./)*){name}/README\.md", rf"](\1{name}.md", text)
    return text


def _read(app: Any, name: str, source: list[str]) -> None:
    source[0] = linked(source[0])


def _mathjax(app: Any, error: Exception | None) -> None:
    """Copy MathJax and its fonts into the site; the package that holds it would copy all that it has."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if error is not None or found is None or found.origin is None:
        return
    source, target = Path(found.origin).parent / "static" / "mathjax", Path(app.outdir) / "_static" / "mathjax"
    for part in ("tex-chtml.js", "output/chtml/fonts/woff-v2"):
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            shutil.copy(source / part, target / part)


def setup(app: Any) -> dict[str, bool]:
    """Write the pages, mend links as they are read, and copy MathJax."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir)))
    app.connect("source-read", _read)
    app.connect("build-finished", _mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
