"""Pieces of HTML that Sphinx neither parses nor indexes: a page says ``<!-- fragment: NAME -->``, and the piece of that name stands there.

Tables of a thousand rows would take Sphinx seconds to read, and their numbers would fill the search.
"""

import re
from collections.abc import Callable
from typing import Any

from sphinx.util import logging

_PLACE = re.compile(r"<!-- fragment: ([\w/-]+)[^>]*-->")
_LOG = logging.getLogger(__name__)


def offer(app: Any, name: str, content: Callable[[], str]) -> None:
    """The piece of that name, made when a page asks for it."""
    if not hasattr(app, "fragments"):
        app.fragments = {}
    app.fragments[name] = content


def always_anew(app: Any, page: str) -> None:
    """Have a page written each time: its source does not change when its piece does."""
    app.connect("env-get-outdated", lambda app, env, *changes: [page] if page in env.found_docs else [])


def _place(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    def found(match: re.Match[str]) -> str:
        made = getattr(app, "fragments", {}).get(match[1])
        if made is None:
            _LOG.warning("fragments: expected one of those offered, got name=%r.", match[1], location=page)
            return ""
        return str(made())

    if "body" in context:
        context["body"] = _PLACE.sub(found, context["body"])


def setup(app: Any) -> dict[str, bool]:
    """Put the pieces in as pages are written."""
    app.connect("html-page-context", _place)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
