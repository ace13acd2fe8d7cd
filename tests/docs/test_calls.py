"""Every claim's call prints what its card shows."""

import contextlib
import io

import numpy as np
import pytest

import vgtheory
from experiments.report import claims

pytestmark = pytest.mark.site
NAMES = {name: getattr(vgtheory, name) for name in vgtheory.__all__} | {"np": np}
"""What a call may name."""


@pytest.mark.parametrize("group", claims.GROUPS)
def test_every_call_prints_what_its_card_shows(group: str) -> None:
    wrong = {}
    for claim in claims.CLAIMS:
        if claim.group == group:
            shown = io.StringIO()
            with contextlib.redirect_stdout(shown):
                print(eval(claim.call, dict(NAMES)))
            if shown.getvalue().strip() != claim.prints.strip():
                wrong[claim.name] = shown.getvalue().strip()
    assert not wrong
