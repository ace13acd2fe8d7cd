"""The site: `make docs` builds it into docs/_build/html, without a network, and a warning is an error."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # the library and its experiments, as they stand in the repository
sys.path.insert(0, str(HERE / "_ext"))

import vgtheory  # noqa: E402

project = "vgtheory"
author = "The vgtheory developers"
copyright = "The vgtheory developers, Apache 2.0"
version = release = vgtheory.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.mathjax",
    "fragments",
    "pages",
    "gallery",
    "cards",
    "accuracy",
    "failures",
    "weights",
]
if not tags.has("report"):  # the report of a run has claims, gallery and accuracy only
    extensions += ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "reference", "notebooks", "explorer"]
exclude_patterns = ["_build", "_ext", "claims.md"]  # claims.md: the table for readers of the repository
suppress_warnings = ["config.cache", "ref.python"]  # ref.python: attributes of one name in several records
nitpicky = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # a docstring says of every argument what it is, in words
napoleon_attr_annotations = False
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

mathjax_path = "mathjax/tex-chtml.js"  # the site's own copy: formulas need no network either

html_theme = "pydata_sphinx_theme"
html_title = "vgtheory"
html_static_path = ["_static"]
html_css_files = ["vgtheory.css", "site.css"]
html_search_scorer = str(HERE / "_static" / "search.js")  # Sphinx looks for it from where it is run
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system has it
html_show_sourcelink = False
html_sidebars: dict[str, list[str]] = {page.stem: [] for page in HERE.glob("*.md")}  # the header leads to each of them
html_sidebars |= {"index": [], "gallery": [], "gallery/*": [], "claims/*": []}
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
