"""Noun: the number formats that passes are studied in, and what each is stored as."""

FORMATS = {
    "float16": "float16",
    "bfloat16": "bfloat16",
    "tensorfloat32": "float32",
    "float32": "float32",
    "float64": "float64",
}
"""Dtype by name of a format; ``tensorfloat32`` also rounds the operands of matrix products."""
TF32_BITS = (8, 10)
"""Exponent and mantissa bits of an operand in tensorfloat32."""
