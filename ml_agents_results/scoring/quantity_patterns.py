"""Patterns of numbers, bounds, ranges and compound units."""

import re

_DIGITS = (
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?"
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)(?:\.\d+)?"
    r"|\d{1,3}(?: \d{3})+(?!\d)(?:\.\d+)?"
    r"|\d{1,3}(?:\.\d{3})+,\d+"
    r"|\d{1,3}(?:\.\d{3}){2,}(?![\d.])"
    r"|\d{1,3}(?:'\d{3})+(?!\d)(?:\.\d+)?"
    r"|\d+\.\d+|\d+|\.\d+)"
)
VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5),
    "⅗": (3, 5), "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8),
    "⅞": (7, 8), "⅐": (1, 7), "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_CURRENCY = "(?:US|U\\.S\\.|C|A)?[$€£¥₹₩]|(?:USD|EUR|GBP|CHF|Rs\\.?)(?=\\s?\\d)"
SCALES = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "k": 10**3, "K": 10**3, "M": 10**6, "mn": 10**6, "bn": 10**9, "B": 10**9, "mil": 10**6,
    "dozen": 12, "lakh": 10**5, "crore": 10**7, "万": 10**4, "亿": 10**8,
}  # fmt: skip
NUMBER = (
    rf"(?P<sign>[-+]\s?|(?:minus|negative)\s+)?(?P<currency>{_CURRENCY})?\s?(?P<sign2>-)?"
    rf"(?:(?P<vulgar_whole>\d+)?\s?(?P<vulgar>[{''.join(VULGAR)}])"
    rf"|(?P<mixed>\d+)(?:\s+|\s?(?=\\)|-)(?:(?P<above>\d+)\s?/\s?(?P<below>\d+)"
    r"|\\frac\{(?P<above2>\d+)\}\{(?P<below2>\d+)\})"
    r"|\\frac\{\s*(?P<above3>-?\d+)\s*\}\{\s*(?P<below3>-?\d+)\s*\}"
    rf"|(?P<digits>{_DIGITS})"
    r"(?:(?P<exponent>[eE][-+]?\d{1,4})(?![\d.])"
    r"|\s?(?:×|x|\*|·)\s?10\s?(?:(?:\^|\*\*)\s?\{?\s?\(?(?P<power>[-+]?\d{1,4})\)?\s?\}?"
    r"|(?P<super>[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+))"
    rf"|\s?/\s?(?P<divisor>{_DIGITS})(?![\d/]))?)"
    r"(?:(?P<glued>(?-i:bn|mn|mil|[kKMB])(?!\w))|\s?(?P<wan>[万亿])"
    r"|[\s-](?P<scale>hundred|thousand|million|billion|trillion|bn|mn|dozen|lakh|crore)s?\b)?"
)
POWER = re.compile(r"10\s?\^\s?\{?\s?(-?\d{1,3})\s?\}?|10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)")
WHOLE = re.compile(NUMBER + r"(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
FIND = re.compile(
    r"(?<![A-Za-zÀ-ɏ0-9_.\\^/])(?<!\d[,:])(?:(?<=\s)|(?<![A-Za-z0-9)}%°]))" + NUMBER,
    re.IGNORECASE,
)
COMMA_DECIMALS = re.compile(r",\d{1,2}(?!\d)")
ZERO_COMMA = re.compile(r"^([-+]?)0,(?=\d)")
ORDINAL_REST = re.compile(r"(?:st|nd|rd|th)\b", re.IGNORECASE)
NOUNS = re.compile(
    r"(?:(?:more|fewer|less|extra|total|full|whole|different|additional|new|of|the|in|to|per|a|an"
    r"|for|each|every|on|at|\(s\))\s+)*"
    r"[^\W\d_][\w'’.()/-]*(?:[\s-]+(?![\d])[^\W_][\w'’.()/-]*){0,6}"
)
STOP = re.compile(
    r"\b(?:or|nor|and|but|not|no|is|are|was|were|because|since|maybe|perhaps|possibly|then|than"
    r"|minus|plus|times|divided|equals?|wrong|incorrect|which|that|who|has|have|had|will|would"
    r"|so|if|between|either|neither|versus|vs)\b|n't\b",
    re.IGNORECASE,
)
BOUNDS = (
    (re.compile(r"(?:no|not) (?:more|greater|higher|larger) than|at most|up to|maximum of|≤|<=|"
                r"does not exceed|not exceeding", re.IGNORECASE), "≤"),
    (re.compile(r"(?:no|not) (?:less|fewer|lower|smaller) than|at least|minimum of|≥|>=|"
                r"a minimum of", re.IGNORECASE), "≥"),
    (re.compile(r"(?:slightly |a (?:bit|little) |much |far |somewhat )?(?:more|greater|higher"
                r"|larger|bigger|longer|later) than|after|since|over|above|exceed(?:ing|s)"
                r"|in excess of|>", re.IGNORECASE),
     ">"),
    (re.compile(r"(?:slightly |a (?:bit|little) |much |far |somewhat |just )?(?:less|fewer|lower"
                r"|smaller|shorter|earlier) than|before|until|prior to|under|below|almost|nearly|<",
                re.IGNORECASE), "<"),
    (re.compile(r"about|approximately|approx\.?|around|roughly|circa|ca\.|c\.|~|≈|some|close to|"
                r"an estimated|exactly|precisely|just|only|a total of|equal to"
                r"|=", re.IGNORECASE), "~"),
)  # fmt: skip
AFTER_BOUND = re.compile(
    r"\s*(?:or (?P<more>more|above|greater|higher|longer|over)|or (?P<less>less|fewer|below|lower)"
    r"|and (?P<up>above|up|over|more)|(?P<plus>\+)(?=\s|$))\s*",
    re.IGNORECASE,
)
COMPOUND = re.compile(
    rf"({_DIGITS})\s?(feet|foot|ft|['′]|hours?|hrs?|h|minutes?|mins?|min|m|pounds?|lbs?|lb|years?"
    rf"|yrs?|weeks?|days?)\.?,?\s*(?:and\s+)?({_DIGITS})\s?(inches|inch|in|[\"″]|minutes?|mins?"
    rf"|min|m|seconds?|secs?|s|ounces?|oz|months?|days?|hours?|hrs?|h)\.?",
    re.IGNORECASE,
)
COMPOUND_FACTOR = {
    ("ft", "in"): 12, ("h", "min"): 60, ("min", "s"): 60, ("lb", "oz"): 16, ("pound", "oz"): 16,
    ("year", "month"): 12, ("week", "day"): 7, ("day", "h"): 24,
}  # fmt: skip
RANGE = re.compile(
    r"(?:(?P<between>between|from)\s+)?(?P<low>.+?)\s*(?P<mark>-|to|and|through"
    r"|\.\.)\s*(?P<high>.+)",
    re.IGNORECASE | re.DOTALL,
)
