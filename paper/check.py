"""What a built paper must be: without a warning, main text of nine pages, every figure referred to, before the references and near."""

import re
import sys
from pathlib import Path

BUILD = Path(__file__).parent / "build"
PAGES = {"main": 9}
"""Most pages before the references."""
NEAR = 2
"""Pages between a figure and the first reference to it, at most."""
WARNING = re.compile(r"^(?:LaTeX|Package|Class).*Warning: .*|^Overfull \\hbox \((?:[2-9]\d|\d{3,})\..*", re.MULTILINE)
HARMLESS = ("Font", "microtype")


def faults(part: str) -> list[str]:
    """Sentences, one for each thing that is wrong with a part."""
    aux, log = ((BUILD / f"{part}.{end}").read_text(errors="replace") for end in ("aux", "log"))
    found = [line for line in WARNING.findall(log) if not any(word in line for word in HARMLESS)]
    pages = {name: int(page) for name, page in re.findall(r"\\newlabel\{([^}@]+)\}\{\{[^}]*\}\{(\d+)\}", aux)}
    cited: dict[str, int] = {}
    for names, page in re.findall(r"\\citedat\{([^}]+)\}\{(\d+)\}", aux):
        for name in names.split(","):
            cited[name] = min(int(page), cited.get(name, int(page)))
    end = pages["text:end"]
    if end > PAGES.get(part, end):
        found.append(f"{end} pages before the references, at most {PAGES[part]} wanted.")
    for name in sorted(name for name in pages if name.startswith("fig:")):
        if name not in cited:
            found.append(f"{name} is referred to nowhere.")
        elif abs(pages[name] - cited[name]) > NEAR:
            found.append(f"{name} stands on page {pages[name]}, its first reference on page {cited[name]}.")
        if pages[name] > end:
            found.append(f"{name} stands behind the references.")
    return [f"{part}: {line}" for line in found]


if __name__ == "__main__":
    wrong = [line for part in ("main", "supplement") for line in faults(part)]
    sys.exit("\n".join(wrong) or None)
