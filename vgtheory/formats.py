"""Noun: the number formats that passes are studied in, and what each is stored as."""

FORMATS = {
    "float16": "float16",
    "bfloat16": "bfloat16",
    "tensorfloat32": "float32",
    "float32": "float32",
    "float64": "float64",
}
"""By name, the dtype that holds the numbers; ``tensorfloat32`` differs from it in that the operands of matrix products are rounded."""
TF32_BITS = (8, 10)
"""Exponent and mantissa bits of an operand in tensorfloat32."""
