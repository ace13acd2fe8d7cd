"""The explorer: its page takes the place of what Sphinx makes of ``explorer.md``, whose text is what the site's search finds."""

from pathlib import Path
from typing import Any

from docs.explorer.page import page
from docs.explorer.tables import tables


def _written(app: Any, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "explorer.html").write_text(page(tables()))


def setup(app: Any) -> dict[str, bool]:
    """Write the page when all others are."""
    app.connect("build-finished", _written)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
