"""Units: many spellings, one canonical name each. Nothing is converted here."""

import re
from functools import lru_cache

NOUN = "#"
"""Before a word that is counted, not a unit: `#eggs`."""

_SPELLINGS = {
    "km": "km kms kilometer kilometers kilometre kilometres",
    "m": "m meter meters metre metres",
    "cm": "cm cms centimeter centimeters centimetre centimetres",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "µm": "µm um micrometer micrometers micron microns",
    "nm": "nm nanometer nanometers nanometre nanometres",
    "mi": "mi mile miles",
    "ft": "ft foot feet",
    "in": "in inch inches",
    "yd": "yd yds yard yards",
    "kg": "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes",
    "g": "g gram grams gramme grammes gr",
    "mg": "mg milligram milligrams",
    "lb": "lb lbs",
    "oz": "oz ounce ounces",
    "t": "t ton tons tonne tonnes",
    "ms": "ms millisecond milliseconds",
    "s": "s sec secs second seconds",
    "min": "min mins minute minutes",
    "h": "h hr hrs hour hours",
    "day": "day days",
    "week": "week weeks wk wks",
    "month": "month months",
    "year": "year years yr yrs",
    "L": "l liter liters litre litres",
    "mL": "ml milliliter milliliters millilitre millilitres",
    "gal": "gal gallon gallons",
    "pt": "pint pints",
    "qt": "quart quarts qt",
    "$": "$ usd us$ dollar dollars buck bucks",
    "¢": "¢ cent cents",
    "€": "€ eur euro euros",
    "£": "£ gbp quid",
    "pound": "pound pounds",
    "¥": "¥ jpy yen cny rmb yuan",
    "₹": "₹ inr rupee rupees rs",
    "₩": "₩ krw won",
    "%": "% percent per\u00a0cent pct percentage",
    "°": "° deg degree degrees",
    "°C": "°c celsius centigrade",
    "°F": "°f fahrenheit",
    "K": "k kelvin kelvins",
    "rad": "rad rads radian radians",
    "mph": "mph",
    "km/h": "kph kmh kmph km/hr",
    "J": "j joule joules",
    "kJ": "kj kilojoule kilojoules",
    "cal": "cal calorie calories",
    "kcal": "kcal kilocalorie kilocalories",
    "W": "w watt watts",
    "kW": "kw kilowatt kilowatts",
    "Wh": "wh",
    "kWh": "kwh kilowatt-hour kilowatt-hours",
    "V": "v volt volts",
    "A": "amp amps ampere amperes",
    "Ω": "ω ohm ohms",
    "Hz": "hz hertz",
    "kHz": "khz",
    "MHz": "mhz",
    "GHz": "ghz",
    "N": "n newton newtons",
    "Pa": "pa pascal pascals",
    "kPa": "kpa",
    "atm": "atm",
    "mol": "mol mole moles",
    "B": "byte bytes",
    "KB": "kb kilobyte kilobytes",
    "MB": "mb megabyte megabytes",
    "GB": "gb gigabyte gigabytes",
    "TB": "tb terabyte terabytes",
    "acre": "acre acres",
    "ha": "ha hectare hectares",
}
_CANONICAL = {
    spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings.split(" ")
}
_CANONICAL["per cent"] = "%"
MONEY = frozenset("$€£¥₹₩¢")
CURRENCY_SIGNS = "$€£¥₹₩"
_SAME = {("lb", "pound"), ("£", "pound")}
_POWERS = {"square": "²", "sq": "²", "sq.": "²", "cubic": "³", "cu": "³"}
_CASED = {"K": "K", "M": NOUN + "M", "A": "A", "C": "°C", "F": "°F", "Mg": NOUN + "Mg"}
GLUED = frozenset(
    spelling for spelling in _CANONICAL if len(spelling) <= 5 and spelling.isalpha()
) | {"°c", "°f", "°", "%", "kmh", "sqft"}
"""Spellings, in lower case, that may follow digits without a space."""


@lru_cache(maxsize=4096)
def canonical(text: str) -> str | None:
    """The canonical name of a unit (`kilometers per hour` is `km/h`); None for other words.

    A quotient of which one part is not known keeps that part as a counted word: `$/#egg`.
    """
    text = re.sub(r"\s+", " ", text.strip().rstrip("."))
    parts = re.split(r"\s*/\s*|\s+per\s+|\s+(?:a|an|each|every)\s+", text)
    names = [_single(part) for part in parts]
    if names[0] is None or len(parts) > 3:
        return _CANONICAL.get(text.lower())
    joined = "/".join(
        name if name is not None else NOUN + part.lower()
        for name, part in zip(names, parts, strict=True)
    )
    return {"mi/h": "mph", "m/s/s": "m/s²"}.get(joined, joined)


def _single(text: str) -> str | None:
    if text in _CASED:
        return _CASED[text]
    lower = text.lower()
    if lower in _CANONICAL:
        return _CANONICAL[lower]
    if found := re.fullmatch(r"(square|sq\.?|cubic|cu)\s+([a-z]+)\.?", lower):
        name = _CANONICAL.get(found[2])
        return None if name is None else name + _POWERS[found[1]]
    if found := re.fullmatch(r"([a-zµ]+)\s*\^?\s*\{?\s*(?:([²2])|([³3]))\s*\}?", lower):
        name = _CANONICAL.get(found[1])
        return None if name is None else name + ("²" if found[2] else "³")
    if found := re.fullmatch(r"([a-z]+) (squared|cubed)", lower):
        name = _CANONICAL.get(found[1])
        return None if name is None else name + ("²" if found[2] == "squared" else "³")
    if found := re.fullmatch(r"(?:degrees?|°)\s*(celsius|centigrade|fahrenheit|c|f)", lower):
        return "°F" if found[1].startswith("f") else "°C"
    if found := re.fullmatch(r"(?:us|u\.s\.|american|canadian|australian) dollars", lower):
        return "$"
    return None


def same(one: str, other: str) -> bool:
    """Whether two canonical units are of one meaning. A unit on one side only does not count.

    Counted words equal each other and nothing else, and money for something (`$/kg`) is money.
    """
    if not one or not other or one == other:
        return True
    if one.startswith(NOUN) or other.startswith(NOUN):
        return one.startswith(NOUN) and other.startswith(NOUN)
    if (one, other) in _SAME or (other, one) in _SAME:
        return True
    (head, _, below), (head2, _, below2) = one.partition("/"), other.partition("/")
    if head == head2 and (not below or not below2):
        return head in MONEY or head == "%" or (below or below2).startswith(NOUN)
    return head == head2 and below.startswith(NOUN) and below2.startswith(NOUN)


_ASKED = re.compile(
    r"\bhow (?:many|much)\s+(?:more |fewer |total |of the )?"
    r"((?:square |cubic )?[a-z]+(?:(?:\s+per\s+|/)[a-z]+)?)"
    r"|\bin ((?:square |cubic )?[a-zµ°]+(?:[²³]|\^\{?[23]\}?)?"
    r"(?:(?:\s+per\s+|/)[a-z]+(?:[²³]|\^\{?[23]\}?)?)?)\s*[?.,)]",
    re.IGNORECASE,
)
_SIGNS = re.compile(r"[$€£¥₹₩]")


@lru_cache(maxsize=8192)
def asked(question: str) -> str:
    """The unit that a question asks for (`in km/h?`), or the only currency that it names; `#word`
    where it asks how many of something there are, '' where nothing is known."""
    last = re.split(r"(?<=[.!])\s", question.strip())[-1]
    found = _ASKED.search(last)
    if found is not None:
        phrase = (found[1] or found[2]).lower()
        for name in (phrase, phrase.split()[0]):
            if (unit := canonical(name)) is not None and unit not in ("A", "in"):
                return unit
        if found[1] and last[found.start() :].lower().startswith("how many"):
            return NOUN + phrase.split()[-1]
    signs = set(_SIGNS.findall(question))
    return signs.pop() if len(signs) == 1 else ""


def conflict(unit: str, wanted: str) -> bool:
    """Whether an answer's unit is known to be another than the one that a question asks for.

    A quotient and a plain unit are not held against each other: the question may name the rest.
    """
    if not unit or not wanted or unit.startswith(NOUN):
        return False
    if wanted.startswith(NOUN):
        return unit == "%"
    if (unit in MONEY) != (wanted in MONEY) and wanted in MONEY:
        return False  # a currency that the question names need not be what it asks for
    if "°" in (unit, wanted):
        return False  # degrees of what, the question says
    heads = [{"mph": "mi"}.get(name, name.partition("/")[0]) for name in (unit, wanted)]
    rates = [name for name in (unit, wanted) if "/" in name or name == "mph"]
    if "+" in unit or same(unit, wanted):
        return False
    return heads[0] != heads[1] or len(rates) == 2
