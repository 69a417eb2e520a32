"""Values of scalar expressions: read by a small grammar, never by Python's own evaluation.

Arithmetic, powers, roots and variables; what is beyond it raises `NotReadable` and is left to the
computer algebra of `algebra.py`.
"""

import cmath
import math
import re
from collections.abc import Mapping
from fractions import Fraction

Value = Fraction | complex

LONGEST = 400
_MOST_BITS = 20_000
_DEEPEST = 40
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d[\d,]*(?:\.\d+)?|\.\d+)|\\(?P<command>[a-zA-Z]+)"
    r"|(?P<word>[a-zA-Zα-ωπ](?:_(?:\w|\{\w+\}))?)|(?P<mark>\*\*|[-+*×·/^(){}\[\]!√²³⁴|]))"
)
_FUNCTIONS = {"sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "ln": cmath.log,
              "exp": cmath.exp}  # fmt: skip
_WORDS = re.compile(r"(?<![\\A-Za-z])(sqrt|sin|cos|tan|ln|exp|frac|pi)(?![A-Za-z])")
_SUPERSCRIPTS = {"²": 2, "³": 3, "⁴": 4}


class NotReadable(ValueError):
    """The text is not an expression of this grammar."""


def evaluate(text: str, variables: Mapping[str, Fraction] | None = None) -> Value:
    """The value of an expression; exact where it is rational.

    Args:
        text: Without LaTeX's symbols (see `latex.plain`); `\\frac{}{}` and `\\sqrt{}` are read.
        variables: The value of each single letter; None for expressions without letters.

    Raises:
        NotReadable: The text is something else, or too large.
    """
    if len(text) > LONGEST:
        raise NotReadable("the expression is too long")
    text = _WORDS.sub(r"\\\1", text)
    try:
        return _Reader(_tokens(text), variables).whole()
    except (OverflowError, ZeroDivisionError, IndexError, RecursionError) as error:
        raise NotReadable(f"the expression has no value: {error}") from error


def _tokens(text: str) -> list[str]:
    tokens = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise NotReadable(f"{text[position]!r} is not a part of an expression")
        if found["number"]:
            digits = found["number"].rstrip(",")
            if "," in digits and not re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
                raise NotReadable("a comma separates")
            tokens.append(digits.replace(",", ""))
        elif found["command"]:
            tokens.append("\\" + found["command"])
        else:
            tokens.append(found["word"] or found["mark"])
        position = found.end()
    return tokens


class _Reader:
    """Recursive descent: sums of products of powers."""

    def __init__(self, tokens: list[str], variables: Mapping[str, Fraction] | None) -> None:
        self._tokens = tokens
        self._index = 0
        self._depth = 0
        self._variables = variables

    def whole(self) -> Value:
        value = self._sum()
        if self._peek() is not None:
            raise NotReadable(f"{self._peek()!r} is left over")
        return value

    def _peek(self) -> str | None:
        return self._tokens[self._index] if self._index < len(self._tokens) else None

    def _next(self) -> str:
        token = self._tokens[self._index]
        self._index += 1
        return token

    def _expect(self, token: str) -> None:
        if self._index >= len(self._tokens) or self._next() != token:
            raise NotReadable(f"{token!r} is missing")

    def _sum(self) -> Value:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NotReadable("the expression is nested too deeply")
        value = self._product()
        while self._peek() in ("+", "-"):
            negative = self._next() == "-"
            value = _add(value, -self._product() if negative else self._product())
        self._depth -= 1
        return value

    def _product(self) -> Value:
        if self._peek() in ("-", "+"):
            negative = self._next() == "-"
            value = self._product()
            return -value if negative else value
        value = self._power()
        while (token := self._peek()) is not None:
            if token in ("*", "×", "·"):
                self._next()
                value = _multiply(value, self._signed_power())
            elif token == "/":
                self._next()
                value = _divide(value, self._signed_power())
            elif token in ("(", "[", "{", "√") or token[0].isalnum() or token[0] == "\\":
                if token[0].isdigit() and self._tokens[self._index - 1][0].isdigit():
                    raise NotReadable("two numbers in a row")
                value = _multiply(value, self._power())
            else:
                break
        return value

    def _signed_power(self) -> Value:
        if self._peek() in ("-", "+"):
            return -self._power() if self._next() == "-" else self._power()
        return self._power()

    def _power(self) -> Value:
        base = self._atom()
        while (mark := self._peek()) is not None:
            if mark in _SUPERSCRIPTS:
                self._next()
                base = _raise(base, Fraction(_SUPERSCRIPTS[mark]))
            elif mark == "!":
                self._next()
                if not isinstance(base, Fraction) or base.denominator > 1 or not 0 <= base <= 50:
                    raise NotReadable("a factorial of that")
                base = Fraction(math.factorial(int(base)))
            else:
                break
        if self._peek() in ("^", "**"):
            self._next()
            return _raise(base, self._signed_power())
        return base

    def _atom(self) -> Value:
        token = self._next()
        if token[0].isdigit() or token[0] == ".":
            if len(token) > 256:
                raise NotReadable("the number is too long")
            return Fraction(token)
        closing = {"(": ")", "[": "]", "{": "}"}.get(token)
        if closing is not None:
            value = self._sum()
            self._expect(closing)
            return value
        if token == "√":
            return _root(self._atom(), 2)
        if token.startswith("\\"):
            return self._command(token[1:])
        if token == "π":
            return complex(math.pi)
        return self._letter(token)

    def _letter(self, token: str) -> Value:
        if token in ("f", "g", "h") and self._peek() == "(":
            raise NotReadable("a function")
        if self._variables is None or not (token[0].isalpha()):
            raise NotReadable(f"{token!r} has no value")
        value = self._variables.get(token.replace("{", "").replace("}", ""))
        if value is None:
            raise NotReadable(f"{token!r} has no value")
        return value

    def _command(self, name: str) -> Value:
        if name == "frac":
            self._expect("{")
            above = self._sum()
            self._expect("}")
            self._expect("{")
            below = self._sum()
            self._expect("}")
            return _divide(above, below)
        if name == "sqrt":
            degree = 2
            if self._peek() == "[":
                self._next()
                index = self._next()
                if not index.isdigit() or not 2 <= int(index) <= 20:
                    raise NotReadable("a root of that degree")
                degree = int(index)
                self._expect("]")
            return _root(self._atom(), degree)
        if name == "pi":
            return complex(math.pi)
        if name in _FUNCTIONS:
            if self._peek() in ("^", "**"):
                raise NotReadable("a power of a function")
            value = self._atom() if self._peek() in ("(", "{") else self._power()
            return _FUNCTIONS[name](complex(value))
        raise NotReadable(f"\\{name} is not known")


def _add(one: Value, other: Value) -> Value:
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one + other
    return complex(one) + complex(other)


def _multiply(one: Value, other: Value) -> Value:
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return _bounded(one * other)
    return complex(one) * complex(other)


def _divide(one: Value, other: Value) -> Value:
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return _bounded(one / other)
    return complex(one) / complex(other)


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() + value.denominator.bit_length() > _MOST_BITS:
        raise NotReadable("the number is too large")
    return value


def _raise(base: Value, exponent: Value) -> Value:
    if isinstance(exponent, Fraction) and isinstance(base, Fraction):
        if exponent.denominator == 1:
            bits = base.numerator.bit_length() + base.denominator.bit_length()
            if bits * abs(exponent.numerator) > _MOST_BITS:
                raise NotReadable("the power is too large")
            return base**exponent.numerator
        if exponent.denominator <= 20 and abs(exponent.numerator) <= 50:
            return _raise(_root(base, exponent.denominator), Fraction(exponent.numerator))
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        return complex(base) ** int(exponent)
    return complex(base) ** complex(exponent)


def _root(value: Value, degree: int) -> Value:
    if isinstance(value, Fraction) and value >= 0:
        above = round(value.numerator ** (1 / degree)) if value.numerator < 10**300 else 0
        below = round(value.denominator ** (1 / degree)) if value.denominator < 10**300 else 0
        if above**degree == value.numerator and below**degree == value.denominator:
            return Fraction(above, below)
    if isinstance(value, Fraction) and value < 0 and degree % 2:
        return -(complex(-value) ** (1 / degree))
    return complex(value) ** (1 / degree)


def equal(one: Value, other: Value) -> bool:
    """Whether two values are equal: exactly for fractions, else to twelve digits.

    A decimal number never equals a root or π that it only approximates.
    """
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    for rational in (one, other):
        if isinstance(rational, Fraction) and rational.denominator > 10**6:
            return False
    left, right = complex(one), complex(other)
    return abs(left - right) <= 1e-12 * max(abs(left), abs(right), 1e-300)


def letters(text: str) -> set[str]:
    """The single letters of an expression that stand for variables."""
    bare = re.sub(r"\\[a-zA-Z]+", " ", _WORDS.sub(" ", text))
    return set(re.findall(r"[a-zA-Zα-ω](?:_(?:\w|\{\w+\}))?", bare)) - {"π"}


_POINTS = (Fraction(7, 5), Fraction(-13, 7), Fraction(29, 11))


def points(names: set[str]) -> list[dict[str, Fraction]]:
    """Values for the letters of expressions, at which two of them are compared."""
    return [
        {
            name.replace("{", "").replace("}", ""): shift + Fraction(index * 17 + 3, 19)
            for index, name in enumerate(sorted(names))
        }
        for shift in _POINTS
    ]


def same(one: str, other: str) -> bool | None:
    """Whether two expressions are equal wherever they are defined; None where that is not decided.

    Expressions with letters are compared at three points (Schwartz and Zippel: two different
    polynomials agree at a random point with negligible probability).
    """
    names = letters(one) | letters(other)
    if len(names) > 8:
        return None
    for point in points(names) if names else [None]:
        try:
            left, right = evaluate(one, point), evaluate(other, point)
        except NotReadable:
            return None
        if names and not (isinstance(left, Fraction) and isinstance(right, Fraction)):
            if abs(complex(left) - complex(right)) > 1e-9 * max(abs(complex(left)), 1e-9):
                return False
        elif not equal(left, right):
            return False
    return True
