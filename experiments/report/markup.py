"""Plain text as LaTeX sets it: whatever a string holds, it is shown and never obeyed."""

import re

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}
_WORDS = {
    "sigma_w": r"$\sigma_w$",
    "sigma_b": r"$\sigma_b$",
    "q_star": r"$q^*$",
    "lambda": r"$\lambda$",
    "rho=": r"$\rho$=",
    "xi_c": r"$\xi_c$",
    "chi_1": r"$\chi_1$",
    "+-": r"$\pm$",
    "±": r"$\pm$",
    "<=": r"$\le$",
    ">=": r"$\ge$",
    "<": "$<$",
    ">": "$>$",
    "|": r"$|$",
    **_SPECIAL,
}
_TOKEN = re.compile("|".join(map(re.escape, _WORDS)))
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_POWER = re.compile(r"(\w[\w.]*|\))\^(\([\w.,+\-±*/ ]*\)|[+-]?\w+(?:[.,]\w+)*)")
_FORMULA = re.compile(r"(\\(?:times|cdot|infty)(?![A-Za-z])|\\,|\^\{[+-]?[\d.,]+\})")
_UNSAFE = re.compile(r"[^A-Za-z0-9/_ .,+=()-]")


def _raised(match: re.Match[str]) -> str:
    """A power, set apart by null characters."""
    base, exponent = (part.replace("lambda", r"\lambda ") for part in match.groups())
    exponent = exponent.strip("()").replace("+-", r"\pm").replace("±", r"\pm")
    return f"\0{base}^{{{exponent}}}\0"


def tex(text: str) -> str:
    """A sentence or a label of plain text as LaTeX sets it: powers raised, symbols by their letters, the rest as it stands."""
    parts = _POWER.sub(_raised, _CONTROL.sub(" ", text)).split("\0")
    plain = [_TOKEN.sub(lambda match: _WORDS[match[0]], part) for part in parts[::2]]
    powers = [f"${part.replace('_', '-')}$" for part in parts[1::2]] + [""]
    return "".join(one for pair in zip(plain, powers, strict=True) for one in pair)


def tex_number(value: str) -> str:
    r"""A number as LaTeX sets it in text and in formulas: ``10^{93.7}``, ``2\cdot 10^{-5}``, ``1\,000`` and ``\infty`` stay."""
    parts = _FORMULA.split(_CONTROL.sub(" ", value))
    parts[::2] = ["".join(_SPECIAL.get(letter, letter) for letter in part) for part in parts[::2]]
    return "".join(parts)


def tex_key(key: str) -> str:
    """A number's key as the name of a macro: characters that TeX would act on become their code points, such as ``"5C``."""
    return _UNSAFE.sub(lambda match: f'"{ord(match[0]):X}', key)
