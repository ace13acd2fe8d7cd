"""States of the explorer, and what its page makes of them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from vgtheory import Dense
from vgtheory.activation import ACTIVATIONS

WEIGHTS = ("gaussian", "orthogonal", "uniform", "truncated_normal", "sparse")
FORMATS = ("float16", "bfloat16", "float32")
RELATIVE = 1e-3
"""What the page promises of every number; of a logarithm beyond 1 likewise, and of a smaller one absolutely."""
TINY_STD = 1e-6
"""Of the logarithm, a millionth of the gradient: what spreads of nearly linear orthogonal networks are rounded to."""
OVERFLOWN = 1e6
"""Logs of gradients beyond this are those of powers whose signal overflows doubly exponentially."""


def settings(count: int) -> Iterator[dict[str, Any]]:
    """Random networks over all that the page offers; one in twenty is deep."""
    draw = np.random.default_rng(18)
    between = lambda low, high: float(np.exp(draw.uniform(np.log(low), np.log(high))))
    names = list(ACTIVATIONS)
    for index in range(count):
        yield {
            "activation": names[index % len(names)],
            "sigmaW": between(0.2, 8),
            "sigmaB": float(draw.choice([0.0, draw.uniform(0, 0.3), draw.uniform(0, 3)])),
            "depth": round(between(100, 1000) if index % 20 == 19 else between(2, 100)),
            "width": round(between(16, 4096)),
            "weights": str(draw.choice(WEIGHTS)),
            "format": str(draw.choice(FORMATS)),
            "seed": index + 1,
        }


def net_of(state: dict[str, Any]) -> Dense:
    return Dense(state["activation"], state["sigmaW"], state["sigmaB"], weights=state["weights"])


ALL = list(settings(1000))
CORNERS = [
    {"activation": name, "sigmaW": sigma_w, "sigmaB": sigma_b, "depth": depth, "width": width}
    | {"weights": "gaussian", "format": "float16"}
    for name, sigma_w, sigma_b in (("gelu", 1.126, 0.0), ("gelu", 2.49, 0.0), ("selu", 2.334, 1.0), ("silu", 1.5, 0.3))
    for depth, width in ((400, 256), (1000, 4096))
]
"""Lengths that run away over hundreds of layers, or nearly die out: the grid's ends are reached."""
FEW = [CORNERS[index] for index in (0, 3, 4, 7)]
"""Each of these networks once."""


def ask(page: Any, module: str, body: str, argument: Any) -> Any:
    """Value of a function body over one of the page's own modules, ``m``, and an argument."""
    return page.evaluate(f"async (argument) => {{ const m = await import('explorer/{module}.js'); {body} }}", argument)


def show(page: Any, state: dict[str, Any]) -> None:
    ask(page, "main", "m.show(argument)", state)
    page.wait_for_selector("html:not([data-busy])")


def shown(page: Any) -> dict[str, Any]:
    """The state that the address describes."""
    return dict(ask(page, "state", "return m.fromHash(location.hash)", None))


def texts(page: Any) -> list[str]:
    """All that the page says of its state, the measured network included."""
    page.wait_for_function("!document.getElementById('run').textContent.startsWith('Drawing')", timeout=20_000)
    said = [page.inner_text(f"#{each}") for each in ("summary", "run", "limits", "code")]
    return said + page.locator("dd").all_inner_texts() + [page.input_value(f"#{each}") for each in CONTROLS]


CONTROLS = ("activation", "sigmaW", "sigmaB", "depth", "width", "weights", "format")
