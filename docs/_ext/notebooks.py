"""Two guides as notebooks: ``python docs/_ext/notebooks.py`` writes them into docs/notebooks, without output.

A page's blocks of Python become cells, without prompts and without what they printed; a cell ends where something was printed. All
else becomes text. The first cell installs the package where it is missing, as in Colab.
"""

import doctest
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import jupytext
import nbformat

DOCS = Path(__file__).resolve().parents[1]
NOTEBOOKS = {"theory-in-ten-minutes": "start.md", "diagnose-your-model": "guides/diagnose.md"}
"""Each notebook and the page that it is made from."""
INSTALL = """# Run this cell first in Colab. It does nothing where vgtheory is installed.
import importlib.util
REPOSITORY = "{repository}"  # the address of the repository of vgtheory
if importlib.util.find_spec("vgtheory") is None:
    if not REPOSITORY:
        raise SystemExit("REPOSITORY: expected the address of a repository of vgtheory, got nothing. Write it above.")
    %pip install --quiet "git+{{REPOSITORY}}"
"""
_BLOCK = re.compile(r"^```python\n(.*?)^```\n", flags=re.DOTALL | re.MULTILINE)
_OPEN = re.compile(r"^\[Open as a notebook\]\(.*?([\w-]+\.ipynb)\)\n\n", flags=re.MULTILINE)
_FRONT = re.compile(r"\A---\n.*?^---\n\n", flags=re.DOTALL | re.MULTILINE)
COLAB = "https://colab.research.google.com/github"


def repository() -> str:
    """The address of the repository, if pyproject.toml names one."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]
    return str(project.get("urls", {}).get("Repository", ""))


def _cells(block: re.Match[str]) -> str:
    """A block of examples as fenced cells without prompts, one for each output."""
    cells, lines = [], ""
    for example in doctest.DocTestParser().get_examples(block[1]):
        lines += example.source
        if example.want:
            cells, lines = [*cells, lines], ""
    return "\n".join(f"```python\n{cell}```\n" for cell in (*cells, lines) if cell)


def _links(text: str, page: str) -> str:
    """Roles and links of a page as a notebook's, which lies in another folder."""
    text = re.sub(r"\{doc\}`([^<`]+) <([^>`]+)>`", r"\1", text)
    folder = (DOCS / page).parent
    moved = lambda link: os.path.relpath((folder / link[1]).resolve(), DOCS / "notebooks")
    return re.sub(r"(?<=\]\()([^)#:]+)(?=\))", moved, text)


def notebook(page: str, address: str | None = None) -> str:
    """A page as the text of a notebook."""
    text = _links(_BLOCK.sub(_cells, _OPEN.sub("", _FRONT.sub("", (DOCS / page).read_text()))), page)
    install = INSTALL.format(repository=repository() if address is None else address)
    made = jupytext.reads(f"```python\n{install}```\n\n{text}", fmt="md")
    for index, cell in enumerate(made.cells):
        cell["id"], cell["metadata"] = f"cell-{index}", {}
    made["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    made["nbformat"], made["nbformat_minor"] = 4, 5
    return str(nbformat.writes(made)) + "\n"


def with_colab(text: str, address: str) -> str:
    """A page's source whose link to its notebook has one to Colab beside it, if the repository is on GitHub."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", address)
    if found is None:
        return text
    link = rf"[Open in Colab]({COLAB}/{found[1]}/blob/main/docs/notebooks/\1)"
    return _OPEN.sub(lambda match: f"{match[0].rstrip()} or {match.expand(link)}\n\n", text)


def _read(app: Any, name: str, source: list[str]) -> None:
    source[0] = with_colab(source[0], repository())


def setup(app: Any) -> dict[str, bool]:
    """Link pages to Colab as they are read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    for name, page in NOTEBOOKS.items():
        (DOCS / "notebooks" / f"{name}.ipynb").write_text(notebook(page))
