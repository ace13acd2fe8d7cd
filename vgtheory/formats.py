"""Noun: the number formats that passes are studied in, and what each is stored as."""

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
