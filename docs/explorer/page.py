"""Assembly of the explorer into one file that opens from a disk as well as from a server.

A page opened as a file may import neither modules nor workers from other files. The modules therefore travel in the page's
import map, each as a ``data:`` address, and the worker's code as text that the page makes a blob of.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

HERE = Path(__file__).resolve().parent
WORKER = ("activations.js", "network.js", "worker.js")
"""Files of the worker, each after those that it imports."""
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./[\w.]+";\n', re.MULTILINE)


def module(source: str) -> str:
    """A module's address, with its imports by the names of the import map."""
    return "data:text/javascript;charset=utf-8," + quote(re.sub(r'from "\./', 'from "explorer/', source), safe=_PLAIN)


_PLAIN = " !$&'()*+,-./:;=?@[]_{}|~<>`^"
"""Characters that a ``data:`` address may hold as they are, within JSON."""


def worker() -> str:
    """The worker's files in one script: without imports, and nothing exported."""
    sources = [_IMPORT.sub("", (HERE / name).read_text()) for name in WORKER]
    return re.sub(r"^export ", "", "".join(sources), flags=re.MULTILINE)


def page(tables: dict[str, Any]) -> str:
    """The page, with its style, modules, worker and tables."""
    modules = {f"explorer/{path.name}": module(path.read_text()) for path in sorted(HERE.glob("*.js"))}
    parts = {
        "style": (HERE / "style.css").read_text(),
        "importmap": json.dumps({"imports": modules}).replace("</", r"<\/"),
        "worker": worker().replace("</", r"<\/"),
        "tables": json.dumps(tables, separators=(",", ":")),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], (HERE / "template.html").read_text())
