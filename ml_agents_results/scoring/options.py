"""Options of multiple-choice questions: which there are, and which a text names."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from ml_agents_results.scoring import latex
from ml_agents_results.scoring.plain_text import fold

LABELS = "ABCDEFGHIJKLMNOPQR"

Options = Mapping[str, str]
"""The label and the text of each option that a question shows, in order; texts may be ''."""

_LISTED = re.compile(r"(?:^|(?<=\s)|(?<=[:;,]))(?:\(([A-Ra-r])\)|([A-R])[).:])[ \t]*")
_NUMBERED = re.compile(r"(?:^|(?<=\n))[ \t]*(?:\((\d{1,2})\)|(\d{1,2})[).:])[ \t]+")
_ASKS_CHOICE = re.compile(r"\b(?:which|options?|choices?|choose|select|pick)\b", re.IGNORECASE)
MULTIPLE = re.compile(
    r"\b(?:all that apply|choose all|select all|which (?:ones )?are\b|which of (?:these|the "
    r"following) are\b|more than one|choose two|select two|one or more)",
    re.IGNORECASE,
)
"""How a question says that several options may be right."""


def label_of(index: int) -> str:
    """The label under which the option at an index (from 0) is shown."""
    return LABELS[index] if index < len(LABELS) else str(index + 1)


def of_choices(choices: Sequence[str]) -> dict[str, str]:
    """The options of a list of choices, labelled A, B, C, ..."""
    return {label_of(index): choice for index, choice in enumerate(choices)}


_OPTION_END = re.compile(r"\s*[;,]$|\s*\n.*|\s+\[[^\[\]]*\]$", re.DOTALL)


@lru_cache(maxsize=4096)
def _in_question(question: str) -> tuple[tuple[str, str], ...]:
    for pattern, labels in ((_LISTED, LABELS), (_NUMBERED, "123456789")):
        if pattern is _NUMBERED and not _ASKS_CHOICE.search(question):
            continue
        marks = [(m.start(), m.end(), (m[1] or m[2]).upper()) for m in pattern.finditer(question)]
        starts = [index for index, mark in enumerate(marks) if mark[2] == labels[0]]
        for start in reversed(starts):  # the last run of A, B, C, ...
            run = [marks[start]]
            for mark in marks[start + 1 :]:
                if len(run) < len(labels) and mark[2] == labels[len(run)]:
                    run.append(mark)
            if len(run) < 2:
                continue
            ends = [mark[0] for mark in run[1:]] + [len(question)]
            texts = [question[mark[1] : end].strip() for mark, end in zip(run, ends, strict=True)]
            texts[-1] = texts[-1].split("\n\n")[0].strip()
            texts = [_OPTION_END.sub("", text).strip() for text in texts]
            return tuple((mark[2], text) for mark, text in zip(run, texts, strict=True))
    return ()


def in_question(question: str) -> dict[str, str]:
    """The options that a question shows: `(A) text`, `A. text`, `A) text`, `1. text`."""
    return dict(_in_question(question[-20_000:]))


class Choice(NamedTuple):
    """What a text says about the options.

    Attributes:
        labels: Those that it names as the answer.
        status: '' for a plain answer, else `negated`, `hedged` or `multiple`.
    """

    labels: frozenset[str]
    status: str = ""


_PREFIX = (
    r"(?:(?:so|thus|hence|therefore|i (?:think|believe|guess|say)|i'd say|it is|it's|this is"
    r"|that is|that's|must be)\b\s*,?\s*)*"
    r"(?:(?:the\s+)?(?:answer|option|choice|letter|alternative|statement|number)s?"
    r"(?:\s+(?:is|option|choice|letter))?\s*:?\s*)*"
)
_MARK = r"[(\[{⦃<\"'“‘`]*"
_CLOSE = r"[)\]}⦄>\"'”’`]*"
_END = re.compile(r"[.,;:!)\]]*\s*(?:$|[.;:!?,\n(（。，、—–-]|\s-)|\s*(?:[→=]|$)")
_GOES_ON = re.compile(
    r"[.,:;]?\s*(?:because|since|as|so|for|which|that|is|are|was|and (?:the|not|it|this|thus|so|so)"
    r"|with|due|given|by|from|in|if|where|who|not|but|rather|instead|while|if|they|it|the only"
    r"|would|will|correct|seems|being|I|\()\b",
    re.IGNORECASE,
)
_JOIN = re.compile(r"\s*(?:,\s*and|,\s*&|and|&|\+|,|/|;|plus)\s*", re.IGNORECASE)
_OR = re.compile(
    r"\s*,?\s*(?:or(?:\s+(?:maybe|perhaps|possibly))?|/|maybe|perhaps)\s*", re.IGNORECASE
)
_WRONG = re.compile(
    r"\s*(?:is|are|was|seems|looks|would be|can(?:no|')t be|can not be|is also)?\s*"
    r"(?:(?:not|n't)\s*(?:(?:the\s+)?(?:correct|right|best|answer|possible|an option|it\b|true)"
    r"|[.;,!]|$)|not\s+(?:(?-i:[A-R])\b|\()|wrong|incorrect|false|ruled out|eliminated"
    r"|impossible)",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"(?:either|both|not|neither|definitely|clearly|probably|likely|still|indeed|"
                     r"only|most likely|therefore|thus|that of|given by"
                     r"|simply)\s+", re.IGNORECASE)  # fmt: skip


def read(text: str, options: Options, *, statement: bool = True) -> Choice | None:
    """What a text names at its head; None where it names no option.

    Args:
        options: Those of the question; empty for any letter from A to R.
        statement: Whether the text follows a phrase like "the answer is", after which a label may
            be followed by a reason.
    """
    text = latex.plain(text[:4000]).strip().strip("*_ \t\n✅✔✓☑➡➤★")
    text = re.sub(r"^[:\-–—>=→\s]+(?=\S)", "", text)
    words = set()
    while (found := _BEFORE.match(text)) is not None:
        words.add(found[0].strip().lower())
        text = text[found.end() :]
    chosen = _labels(text, options, statement)
    if chosen is None:
        chosen = _by_text(text, options)
    if chosen is None:
        return None
    if "not" in words or "neither" in words:
        return Choice(chosen.labels, "negated")
    if "either" in words and not chosen.status:
        return Choice(chosen.labels, "hedged")
    return chosen


def _labels(text: str, options: Options, statement: bool) -> Choice | None:
    names = options or dict.fromkeys(LABELS, "")
    numbers = any(name.isdigit() for name in names)
    label = r"\d{1,2}(?!\d)" if numbers else r"[A-Ra-r](?![A-Za-z0-9À-ɏ'₀-₉²³])"
    head = re.match(rf"{_PREFIX}({_MARK})({label})({_CLOSE})", text, re.IGNORECASE)
    if not numbers and re.fullmatch(r"[A-R](?:\s+[A-R])+\.?", text):
        return _run_together(text, names)
    if head is None or head[2].upper() not in names:
        return _run_together(text, names) if not numbers else None
    first, end = head[2].upper(), head.end()
    marked = bool(head[1] or head[3]) or text[end : end + 1] in (")", "]")
    prefixed = bool(text[: head.start(1)].strip())
    named = re.search(r"(?:option|choice|letter)s?\W*$", text[: head.start(1)], re.IGNORECASE)
    if head[2].islower() and not marked and not prefixed and text.strip(" .") != head[2]:
        return None
    chosen = [first]
    status = ""
    rest = text[end:]
    while rest:
        if (own := _own_text(rest, names.get(chosen[-1], ""))) is not None:
            rest = own
        either = _OR.match(rest)
        joint = either if either is not None and "/" not in either[0] else _JOIN.match(rest)
        if joint is None:
            break
        more = re.match(
            rf"{_PREFIX}({_MARK})({label})({_CLOSE})", rest[joint.end() :], re.IGNORECASE
        )
        if (
            more is None
            or more[2].upper() not in names
            or more[2].islower() != head[2].islower()
            or (
                more[2] in "AI"
                and not more[1]
                and re.match(r"\s+[a-z]", rest[joint.end() + more.end() :])
            )
        ):
            break
        chosen.append(more[2].upper())
        status = "hedged" if joint is either else status
        rest = rest[joint.end() + more.end() :]
    if _WRONG.match(rest):
        correction = re.search(
            r"\bbut\s+(?:rather\s+)?(?:option\s+)?\(?([A-R])\b|(?:answer|it|one) is \(?([A-R])\b",
            rest,
        )
        if correction:
            return Choice(frozenset({(correction[1] or correction[2])}))
        if len(chosen) == 1 and re.match(r"\s*,?\s*not\s+", rest) is not None:
            return Choice(frozenset(chosen))  # B, not A
        return Choice(frozenset(chosen), "negated")
    labels = frozenset(chosen)
    if status:
        return Choice(labels, status if len(labels) > 1 else "")
    if len(labels) > 1:
        return Choice(labels)
    if first in "AI" and re.match(r"\s+[a-z]", rest) and not marked and not named:
        return Choice(labels) if statement and _REASON.match(rest) else None
    if (other := _text_of_another(rest, first, names)) is not None:
        return Choice(frozenset({first, other}), "multiple")
    if re.match(r"\s*\?+\s*\S", rest):  # C? I doubt it.
        return None
    if marked or _END.match(rest) or not rest.strip():
        return Choice(labels)
    if statement and (_GOES_ON.match(rest) or _own_text(rest, names.get(first, "")) is not None):
        return Choice(labels)
    if re.match(r"\s+[A-Z0-9$\\]", rest) or not rest[:1].isascii() or prefixed:
        return Choice(labels)
    return None


_REASON = re.compile(
    r"\s+(?:because|since|as|is the (?:correct|right|best)|is (?:correct|right)|due to|rather than"
    r"|instead of|and not|not|over|but not)\b"
)


def _run_together(text: str, names: Options) -> Choice | None:
    """`AC`: several labels in one word."""
    if re.fullmatch(r"[A-R](?:\s+[A-R])+[.]?", text):
        spaced = frozenset(re.findall(r"[A-R]", text))
        return Choice(spaced) if spaced <= set(names) else None
    found = re.match(r"[(\[{\"']*([A-R]{2,6})[)\]}\"']*\s*(?:$|[.;,!\n])", text)
    if found is None or len(set(found[1])) != len(found[1]) or not set(found[1]) <= set(names):
        return None
    return Choice(frozenset(found[1])) if list(found[1]) == sorted(found[1]) else None


def _own_text(rest: str, option: str) -> str | None:
    """What follows after the option's own text: `) Paris, because` gives `, because`."""
    if not option:
        return None
    lead = re.match(r"[\s.,:;)\]–—-]*", rest)
    start = lead.end() if lead else 0
    body = rest[start:]
    option = option.rstrip(". ")
    if (
        body[: len(option)].casefold() == option.casefold()
        and not body[len(option) : len(option) + 1].isalnum()
    ):
        return body[len(option) :]
    return None


def _text_of_another(rest: str, label: str, options: Options) -> str | None:
    """The label of another option whose text stands after a label, to the next stop."""
    found = re.match(r"[\s.,:;)\]–—-]*([^\n]*)", rest)
    body = fold(latex.plain(found[1])).strip() if found else ""
    own = fold(options.get(label, ""))
    if not body or (own and body.startswith(own)):
        return None
    for other, text in options.items():
        folded = fold(latex.plain(text))
        if (
            other != label
            and len(folded) > 1
            and folded != own
            and (body == folded or re.match(rf"{re.escape(folded)}\s*(?:[.;!]|$)", body))
        ):
            return other
    return None


def _by_text(text: str, options: Options) -> Choice | None:
    """The option of which a text is the text, wholly or up to a reason."""
    given = fold(latex.plain(re.split(r"[;\n]|\.\s|\s(?:because|since)\b", text)[0]))
    if not given:
        return None
    labels = [label for label, own in options.items() if fold(latex.plain(own)) == given]
    if not labels and len(given) > 2 and len(given.split()) <= 4:  # `The hawk` of a longer text
        labels = [
            label
            for label, own in options.items()
            if fold(latex.plain(own)).startswith(f"{given} ")
        ]
    if len(labels) == 1:
        return Choice(frozenset(labels))
    return None


def at_end(line: str, options: Options) -> str | None:
    """The option with which a line ends: `The gas is C. Carbon dioxide`."""
    for label, own in options.items():
        if own and re.search(
            rf"\b(?:is|are|:)\s+\(?{label}[).:]\)?\s*{re.escape(own.rstrip('. '))}\W*$",
            line,
            re.IGNORECASE,
        ):
            return label
    return None


def asserted(text: str, options: Options) -> Choice | None:
    """The only option whose text occurs in a sentence; None for none or several."""
    sentence = f" {fold(latex.plain(text))} "
    matches = []
    for label, own in options.items():
        folded = fold(latex.plain(own))
        plural = "(?:s|es)?" if folded[-1:].isalpha() else ""
        if len(folded) > 1 and re.search(rf"(?<!\w){re.escape(folded)}{plural}(?!\w)", sentence):
            matches.append((label, folded))
    # "New York" holds "York": the longest of overlapping texts is meant.
    longest = [
        label
        for label, folded in matches
        if not any(folded != other and folded in other for _, other in matches)
    ]
    if len(longest) != 1 or re.search(r"\b(?:not|n't|never|neither|except)\b", sentence):
        return None
    return Choice(frozenset(longest))


def all_named(sentence: str, options: Options) -> frozenset[str]:
    """The options whose label in brackets, or whose whole text, a sentence holds."""
    marked = set(re.findall(r"\(([A-R])\)", sentence)) & set(options)
    if marked:
        return frozenset(marked)
    folded = f" {fold(latex.plain(sentence))} "
    return frozenset(
        label
        for label, own in options.items()
        if own and re.search(rf"(?<![\w.]){re.escape(fold(latex.plain(own)))}(?![\w.])", folded)
    )


def target_labels(target: str, options: Options) -> frozenset[str] | None:
    """The labels that a target names: `B`, `(B)`, `B. Paris`, `A, C`, `AC`, or an option's text."""
    choice = read(target, options, statement=False)
    if choice is None or choice.status:
        return None
    return choice.labels
