"""The pages of a run: the site's Claims, Gallery, Accuracy and "Where the theory fails", built by Sphinx from these results and figures."""

import importlib.util
import shutil
import tempfile
from pathlib import Path

from experiments.corridor import catalogue

DOCS = catalogue.ROOT / "docs"
NEEDED = ("sphinx", "myst_parser", "pydata_sphinx_theme", "bokeh")
"""What builds the pages: the dependency group ``docs``. Whoever only runs experiments, on a cluster say, does without."""
BY_HAND = ("limits.md",)
"""Pages of ``docs/`` that are taken along; the others are made from the results."""
INDEX = """# Vanishing and exploding gradients, predicted and measured

{closing}

- {{doc}}`Claims <claims/index>`: what people say about gradients, with a verdict and a number each.
- {{doc}}`Gallery <gallery>`: every figure with its finding, its comparisons and its data.
- {{doc}}`Accuracy <accuracy>`: how far predictions and measurements are apart, point by point.
- {{doc}}`Where the theory fails <limits>`: every disagreement, and every gap outside a law's range.

```{{toctree}}
:hidden:

Claims <claims/index>
Gallery <gallery>
Accuracy <accuracy>
Where the theory fails <limits>
```
"""


class BuildError(RuntimeError):
    """The pages could not be built, in one sentence."""


def missing() -> list[str]:
    """Packages that building needs and that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def sources(folder: Path, closing: str) -> None:
    """The few pages that Sphinx's extensions do not write themselves."""
    indented = "\n".join(f"    {line}" for line in closing.splitlines())
    (folder / "index.md").write_text(INDEX.format(closing=indented))
    for name in BY_HAND:
        shutil.copy(DOCS / name, folder)


def build(results: Path, figures: Path, out: Path, closing: str) -> Path:
    """Build the pages of a folder of results into ``out``; returns the one to open."""
    if lacking := missing():
        raise BuildError(
            f"report: expected Sphinx and its theme for the pages, got none of {', '.join(lacking)}. `pip install --group docs` brings them."
        )
    from sphinx.cmd.build import main as sphinx

    with tempfile.TemporaryDirectory() as folder:
        sources(Path(folder), closing)
        places = [f"--define=results={results.absolute()}", f"--define=figures={figures.absolute()}"]
        config = ["--conf-dir", str(DOCS), "--tag", "report", "--doctree-dir", f"{folder}/.doctrees", "--jobs", "2"]
        if sphinx(["--quiet", *config, *places, folder, str(out.absolute())]):
            raise BuildError(
                f"report: expected Sphinx to build the pages, got errors, which it names above, for out={str(out)!r}."
            )
    return out / "index.html"
