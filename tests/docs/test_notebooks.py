"""The notebooks are those that the guides make, they say where the package comes from, and they run."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
pytest.importorskip("jupytext")
SPEC = importlib.util.spec_from_file_location("notebooks", DOCS / "_ext" / "notebooks.py")
assert SPEC is not None
assert SPEC.loader is not None
notebooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(notebooks)
MOST_SECONDS = 120


def cells(name: str, kind: str) -> list[str]:
    """The sources of a notebook's cells of one kind."""
    found: list[dict[str, Any]] = json.loads((DOCS / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_a_notebook_is_what_its_guide_makes(name: str) -> None:
    text = (DOCS / "notebooks" / f"{name}.ipynb").read_text()
    assert text == notebooks.notebook(notebooks.NOTEBOOKS[name]), "run python docs/_ext/notebooks.py"


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_a_notebook_has_the_guides_code_and_no_output(name: str) -> None:
    code = "\n".join(cells(name, "code"))
    page = (DOCS / notebooks.NOTEBOOKS[name]).read_text()
    lines = [line[4:] for line in page.splitlines() if line.startswith((">>> ", "... "))]
    assert len(lines) > 15
    assert all(line in code for line in lines)
    assert ">>>" not in code
    found = json.loads((DOCS / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    assert not [cell for cell in found if cell.get("outputs")]


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_links_of_a_notebook_lead_somewhere(name: str) -> None:
    for text in cells(name, "markdown"):
        assert "{doc}" not in text
        for link in notebooks.re.findall(r"\]\(([^)#:]+)\)", text):
            assert (DOCS / "notebooks" / link).exists(), link


def test_the_first_cell_installs_from_the_repository_where_it_is_known() -> None:
    made = json.loads(notebooks.notebook("start.md", "https://github.com/someone/vgtheory"))
    first = "".join(made["cells"][0]["source"])
    assert 'REPOSITORY = "https://github.com/someone/vgtheory"' in first
    assert '%pip install --quiet "git+{REPOSITORY}"' in first


def test_a_page_links_to_colab_where_the_repository_is_known() -> None:
    page = "# A\n\n[Open as a notebook](../notebooks/b.ipynb)\n\nText.\n"
    linked = notebooks.with_colab(page, "https://github.com/someone/vgtheory")
    assert f"or [Open in Colab]({notebooks.COLAB}/someone/vgtheory/blob/main/docs/notebooks/b.ipynb)\n\nText" in linked
    assert notebooks.with_colab(page, "") == page


@pytest.mark.slow
@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_a_notebook_runs(name: str) -> None:
    import nbclient
    import nbformat

    notebook = nbformat.read(DOCS / "notebooks" / f"{name}.ipynb", as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=MOST_SECONDS, resources={"metadata": {"path": str(DOCS.parent)}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error"]
