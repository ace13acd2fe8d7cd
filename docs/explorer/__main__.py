"""Write the explorer: ``python -m docs.explorer [FILE]``, by default ``docs/_build/html/explorer.html``."""

import sys
from pathlib import Path

from docs.explorer.page import HERE, page
from docs.explorer.tables import tables

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "_build" / "html" / "explorer.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(tables()))
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")
