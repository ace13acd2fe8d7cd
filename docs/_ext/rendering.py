"""Templates (Jinja, in ``templates/``) into pages and pieces of HTML; whatever a string holds is shown and never obeyed."""

import math
import re
from pathlib import Path
from typing import Any

import jinja2

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_SPACE = re.compile(r"\s+")


def text(value: object) -> str:
    """A string as MyST shows it: on one line, with every sign escaped that Markdown could act on."""
    return _PUNCTUATION.sub(r"\\\1", _SPACE.sub(" ", str(value).replace("+-", "±")))


def number(value: float, digits: int = 5) -> str:
    """A number with so many digits, and a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")


def signed(value: float) -> str:
    """A distance in standard errors, with its sign; a dash if there is none."""
    return f"{value:+.1f}".replace("-", "−") if math.isfinite(value) else "–"


_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=lambda name: str(name).endswith(".html"),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters |= {"text": text, "number": number, "signed": signed}


def rendered(template: str, **values: Any) -> str:
    """The template with its values; in ``.html`` they are escaped, in ``.md`` by the filter ``text``."""
    return _PAGES.get_template(template).render(values)


def write(path: Path, content: str) -> None:
    """Write a page, unless it is there as it is: Sphinx reads again what is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != content:
        path.write_text(content)
