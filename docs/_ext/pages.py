"""Pages made from other files of the repository, before Sphinx reads: two READMEs and CONTRIBUTING. And MathJax."""

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TAKEN = {
    "experiments": "experiments/README.md",
    "benchmarks": "benchmarks/README.md",
    "contributing": "CONTRIBUTING.md",
}
"""Pages of the site, and the files of the repository that they are."""


def write(folder: Path) -> None:
    """A page for each of those files; one at the repository's root leads to ``docs`` by its name."""
    for page, file in TAKEN.items():
        (folder / f"{page}.md").write_text((ROOT / file).read_text().replace("](docs/", "]("))


def linked(text: str) -> str:
    """A page's source whose links to those files, and to the repository's table of claims, lead to the site's own pages."""
    text = re.sub(r"\]\(((?:\.\./)*)claims\.md", r"](\1claims/index.md", text)
    for page, file in TAKEN.items():
        text = re.sub(rf"\]\(\.\./((?:\.\./)*){file}", rf"](\1{page}.md", text)
    return text


def _read(app: Any, name: str, source: list[str]) -> None:
    source[0] = linked(source[0])


def _mathjax(app: Any, error: Exception | None) -> None:
    """Copy MathJax and its fonts into the site; the package that holds it would copy all that it has. A report has no formulas."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if error is not None or found is None or found.origin is None or app.tags.has("report"):
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
    app.connect("builder-inited", lambda app: None if app.tags.has("report") else write(Path(app.srcdir)))
    app.connect("source-read", _read)
    app.connect("build-finished", _mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
