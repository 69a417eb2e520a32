"""LaTeX in answers: brought to plain characters, so that numbers and expressions read alike."""

import re
from collections.abc import Iterator

SET_OPEN, SET_CLOSE = "⦃", "⦄"
"""What `\\{` and `\\}` become: braces that mean a set, not a group."""

_SYMBOLS = {
    "times": "×", "cdot": "×", "ast": "×", "div": "/", "pm": "±", "mp": "∓", "pi": "π",
    "infty": "∞", "le": "≤", "leq": "≤", "leqslant": "≤", "ge": "≥", "geq": "≥",
    "geqslant": "≥", "lt": "<", "gt": ">", "ne": "≠", "neq": "≠", "cup": "∪", "cap": "∩",
    "in": "∈", "emptyset": "∅", "varnothing": "∅", "approx": "≈", "sim": "~", "simeq": "≈",
    "degree": "°", "degrees": "°", "circ": "°", "to": "→", "rightarrow": "→", "implies": "→",
    "Rightarrow": "→", "ldots": "…", "dots": "…", "cdots": "…", "lbrace": SET_OPEN,
    "rbrace": SET_CLOSE, "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "therefore": "",
    "quad": " ", "qquad": " ", "left": "", "right": "", "displaystyle": "", "textstyle": "",
    "limits": "", "hline": "", "boldmath": "", "checkmark": "", "blacksquare": "", "square": "",
    "alpha": "α", "beta": "β", "theta": "θ", "lambda": "λ", "mu": "µ", "omega": "ω", "phi": "φ",
    "euro": "€", "pounds": "£", "colon": ":",
}  # fmt: skip
_WRAPPERS = (
    "text|textbf|textit|textrm|textsf|texttt|textnormal|mathrm|mathbf|mathit|mathsf|mathtt"
    "|mathbb|mathcal|mbox|hbox|emph|underline|boldsymbol|operatorname|bm|rm|bf|textup"
)
_WRAPPED = re.compile(rf"\\(?:{_WRAPPERS})\*?\s*\{{([^{{}}]*)\}}")
_BIG = re.compile(r"\\[bB]igg?[lrm]?\b")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_DISPLAY = re.compile(r"\\[\[\]()]|\$\$")
_DOLLARS = re.compile(r"(?<![\\$\w])\$(?=[^\s$])([^$\n]*?[^\s$\\])\$(?![\d$])")
_FRACTION = re.compile(r"\\[dtc]?frac\s*(?![{\s])(\d|[A-Za-z])\s*(?:\{([^{}]*)\}|(\d|[A-Za-z]))")
_FRACTION_HALF = re.compile(r"\\[dtc]?frac\s*(\{(?:[^{}]|\{[^{}]*\})*\})\s*(\d|[A-Za-z])")
_ROOT = re.compile(r"\\sqrt\s*(\d+|[A-Za-z])")
_SPACING = re.compile(r"(?<!\\)\\[,;: ]|~|(?<!\\)\\\n")
_DEGREES = re.compile(r"\^\s*\{?\s*(?:\\circ|\\degree|∘|°)\s*\}?")


def without_delimiters(text: str) -> str:
    """The text without the marks of mathematics: `$…$`, `\\(…\\)`, `\\[…\\]`; `\\$` is a dollar."""
    if "$" not in text and "\\" not in text:
        return text
    text = _DISPLAY.sub(" ", text)
    return _DOLLARS.sub(r"\1", text).replace("\\$", "$")


def plain(text: str) -> str:
    """The text with LaTeX's symbols as characters; `\\frac{}{}`, `\\sqrt{}`, `^`, matrices stay."""
    if "\\" not in text and "$" not in text and "{" not in text:
        return text.replace("∘", "°")
    text = without_delimiters(text)
    text = text.replace("{,}", ",").replace("\\!", "").replace("\\%", "%").replace("\\#", "#")
    text = text.replace("\\{", SET_OPEN).replace("\\}", SET_CLOSE).replace("\\&", "&")
    text = _DEGREES.sub("°", text)
    text = _BIG.sub("", text)
    text = _SPACING.sub(" ", text)
    for _ in range(4):
        text, count = _WRAPPED.subn(r"\1", text)
        if not count:
            break
    text = _FRACTION_HALF.sub(r"\\frac\1{\2}", text)
    text = _FRACTION.sub(lambda m: rf"\frac{{{m[1]}}}{{{m[2] or m[3]}}}", text)
    text = re.sub(r"\\[dtc]frac\b", r"\\frac", text)
    text = _ROOT.sub(r"\\sqrt{\1}", text)
    return _COMMAND.sub(lambda m: _SYMBOLS.get(m[1], m[0]), text).strip()


def boxes(text: str) -> Iterator[tuple[int, int, str | None]]:
    """The start, end and content of each `\\boxed{}`; None where the box is never closed.

    Of nested boxes the innermost one is given.
    """
    position = 0
    while (found := _BOX.search(text, position)) is not None:
        if found[1] is None:  # \boxed 3
            yield found.start(), found.end(), found[2]
            position = found.end()
            continue
        end = closing_brace(text, found.end() - 1)
        if end is None:
            yield found.start(), len(text), None
            return
        content = text[found.end() : end]
        if "boxed" in content or "fbox" in content:
            yield from ((found.start(), end + 1, inner) for *_, inner in boxes(content))
        else:
            yield found.start(), end + 1, content
        position = end + 1


_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?:(\{)|([-+]?[\w.,/]*\w))")
_LONGEST_BOX = 5000


def closing_brace(text: str, opening: int) -> int | None:
    """The index of the brace that closes the one at `opening`."""
    depth = 0
    for index in range(opening, min(len(text), opening + _LONGEST_BOX)):
        character = text[index]
        if character == "\\":
            continue
        if character in "{}" and text[index - 1] != "\\":
            depth += 1 if character == "{" else -1
            if not depth:
                return index
    return None
