"""How often each page uses a word, and in its headings: the search ranks by it. Sphinx's own index says only which pages hold a word."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.search import WordCollector

HEADING = 3
"""What a word of a heading counts."""
KEYWORD = 2
"""What a word counts that a page's metadata holds."""
_BEFORE, _AFTER = "Search.setIndex(", ")"


def counted(doctree: Any, language: Any) -> Counter[str]:
    """The stems of a page's words, each with its weight; a name such as leaky_relu counts for each of its words too.

    Of code each word counts once, however often it stands there.
    """
    found = Counter[str]()
    code = [*doctree.findall(nodes.literal_block), *doctree.findall(nodes.doctest_block)]
    keywords = [word for meta in doctree.findall(nodes.meta) for word in language.split(meta["content"])]
    coded = {word for block in code for word in language.split(block.astext())}
    for block in code:
        block.parent.remove(block)
    seen = WordCollector(doctree, language)
    doctree.walk(seen)
    texts = ((seen.found_words, 1), (seen.found_title_words, HEADING), (keywords, KEYWORD), (coded, 1))
    for words, weight in texts:
        for word in (part for name in words for part in {name, *name.split("_")}):
            stem = language.stem(word)
            if language.word_filter(stem) and language.word_filter(word):
                found[stem.lower()] += weight
    return found


def weights(pages: list[Counter[str]]) -> dict[str, list[int]]:
    """For each stem the numbers of the pages that hold it, each with its weight behind it, in one list."""
    found: dict[str, list[int]] = defaultdict(list)
    for number, page in enumerate(pages):
        for stem, weight in page.items():
            found[stem] += [number, weight]
    return dict(sorted(found.items()))


def add(app: Any, error: Exception | None) -> None:
    """The weights into the index that Sphinx has written."""
    path = Path(app.outdir) / "searchindex.js"
    if error is not None or not path.exists():
        return
    index = json.loads(path.read_text().removeprefix(_BEFORE).removesuffix(_AFTER))
    language = app.builder.indexer.lang
    index["weights"] = weights([counted(app.env.get_doctree(page), language) for page in index["docnames"]])
    path.write_text(f"{_BEFORE}{json.dumps(index, separators=(',', ':'))}{_AFTER}")


def setup(app: Any) -> dict[str, bool]:
    """Add the weights once the site is written."""
    app.connect("build-finished", add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
