"""Noun: the number formats that passes are studied in, and what each is stored as."""

import math
from typing import NamedTuple

WHOLE = {
    "float16": "float16",
    "bfloat16": "bfloat16",
    "tensorfloat32": "float32",
    "float32": "float32",
    "float64": "float64",
}
"""Formats in which whole programs are computed, with the dtype of their numbers.

``tensorfloat32`` also rounds the operands of matrix products.
"""
FLOAT8 = {"float8_e4m3fn": "float8_e4m3fn", "float8_e5m2": "float8_e5m2"}
"""Formats that numbers are only stored in, with their dtypes; the arithmetic is that of float32."""
FORMATS = WHOLE | FLOAT8
"""Dtype by name of a format."""
WITHOUT_INFINITY = ("float8_e4m3fn",)
"""Formats whose casts give NaN in place of infinity; the largest number is even, so that a tie stays finite."""
TF32_BITS = (8, 10)
"""Exponent and mantissa bits of an operand in tensorfloat32."""


class Blocked(NamedTuple):
    """A format of blocks of elements, each block with a scale of its own.

    Attributes
    ----------
    block
        Elements that share a scale, along a layer's inputs.
    mantissa
        Bits of an element's mantissa.
    least, largest
        Smallest normal element, and largest one.
    scales
        ``"power"`` for a power of two of eight bits (E8M0), ``"e4m3"`` for a number in E4M3 times one of the
        whole tensor in float32.
    """

    block: int
    mantissa: int
    least: float
    largest: float
    scales: str

    @property
    def zero(self) -> float:
        """Element, over its scale, up to which a cast gives 0."""
        return self.least * 2.0 ** (-self.mantissa - 1)

    @property
    def overflow(self) -> float:
        """Element, over its scale, beyond which a cast saturates and not only rounds."""
        spacing = 2.0 ** (math.floor(math.log2(self.largest)) - self.mantissa)
        return self.largest + spacing / 2


BLOCKED = {
    "mxfp8_e4m3": Blocked(32, 3, 2.0**-6, 448.0, "power"),
    "mxfp8_e5m2": Blocked(32, 2, 2.0**-14, 57344.0, "power"),
    "nvfp4": Blocked(16, 1, 1.0, 6.0, "e4m3"),
}
"""Formats whose blocks have scales: MXFP8 of the Open Compute Project (2023), and NVFP4."""
E4M3 = Blocked(1, 3, 2.0**-6, 448.0, "power")
"""Of the scales of NVFP4."""
