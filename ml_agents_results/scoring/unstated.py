"""Outputs that state no answer: the output itself, what is bold, its last line, its last value."""

import re

from ml_agents_results.scoring import (
    cleaning,
    dates,
    equality,
    kinds,
    latex,
    mathematics,
    options,
    quantities,
    reading,
    statements,
    units,
)
from ml_agents_results.scoring.kinds import TRUTH, Expectation
from ml_agents_results.scoring.plain_text import fold
from ml_agents_results.scoring.reading import Reading
from ml_agents_results.scoring.statements import Evidence


def read(cleaned: cleaning.Cleaned, expected: Expectation) -> tuple[Evidence, Reading] | None:
    """The answer of an output that states none: the output itself, what is bold, its last line."""
    text = cleaned.text
    if (found := _whole(text, expected)) is not None:
        return "whole", found
    last = _last_sentence(text)
    if (corrected := reading.NOT_BUT.match(last.strip())) is not None:
        found = reading.of_statement(corrected["meant"], expected)
        if found is not None:
            return "last_line", found
    if _is_cut(text) or reading.SORRY.search(text[:200]):
        return None
    if _INTENDS.search(last) and "=" not in last:
        return None
    if len(last) > 12 and fold(last) in fold(expected.question):
        return None  # an echo of the question
    if reading.ABSTAINS.search(last) or (
        len(text) < _SHORT and reading.ABSTAINS.search(text) and _UNSURE.search(last)
    ):
        return None
    if expected.options and expected.kind in ("any", "choice"):
        return _weak_choice(cleaned, last, expected)
    if (found := _bold(cleaned, expected)) is not None:
        return "bold", found
    if reading.is_closed_set(expected) or expected.kind == "any":
        labels = expected.labels or (tuple(TRUTH) if expected.kind == "boolean" else ())
        if labels:
            return _weak_label(text, last, labels)
    if expected.kind in ("list", "set", "any", "text"):
        block = _closing_list(text)
        if block is not None:
            return "last_line", Reading(block)
    if expected.kind in ("number", "math") or (
        expected.kind == "any" and kinds.asks_number(expected.question)
    ):
        return _weak_number(text, last, expected) or _copula(last, expected)
    if expected.kind == "date" or (expected.kind == "any" and expected.order is not None):
        found = reading.read_date(last, expected)
        return ("last_line", found) if found is not None else _copula(last, expected)
    return _weak_text(text, expected) or _copula(last, expected)


_OUTER_LINES = 3
_INTENDS = re.compile(
    r"\b(?:we|I|you)(?:'ll| will)? (?:first )?(?:need|have to|must|should|want|would need)\b"
    r"|^\s*(?:first,? (?:we|let|I)|let(?:'s| us| me)|to (?:find|solve|answer|get))\b",
    re.IGNORECASE,
)
_SHORT = 300


_NO_ANSWER = re.compile(
    r"(?-i:None)$|(?:hello|hi|sure|okay|ok|certainly|of course)[!.]?$|error\b|thinking\b"
    r"|loading\b|.*\.\.\.$|.*…$",
    re.IGNORECASE,
)
_EMPTY = re.compile(r"[{<].{0,40}answer", re.IGNORECASE)
_PLACED = re.compile(r"^(?:in|on|at|around|by|for|when)\s+(?P<value>\S.*?)[.!]?$", re.IGNORECASE)
_LABELLED = re.compile(r"^(?:the )?(?:final )?answer(?: is)?\s*[:=]?\s*(?=\S)", re.IGNORECASE)


def _whole(text: str, expected: Expectation) -> Reading | None:
    """The output itself, where it is one value of the kind."""
    line = re.sub(r"^[-*•]\s+(?=[^\W\d][^\n]*$)", "", text.strip())
    content = _LABELLED.sub("", line)
    if _EMPTY.match(line) or _NO_ANSWER.match(line):
        return None
    if len(line) > 300 or statements.PLACEHOLDER.fullmatch(content) or "boxed" in line:
        return None
    if expected.options and expected.kind in ("any", "choice"):
        several = {one or other for one, other in _MARKED.findall(line.split("\n\n")[0])}
        if len(several & set(expected.options)) > 2:
            return None
        chosen = options.read(line.split("\n\n")[0], expected.options)
        if chosen is not None and chosen.status == "negated":  # Not A. D.
            rest = line[statements.sentence_end(line, 5) :].lstrip(". ")
            chosen = (options.read(rest, expected.options) if rest else None) or chosen
        if chosen is not None and not (chosen.status == "" and reading.ABSTAINS.search(line)):
            if chosen.status:
                return Reading(reading.in_one_line(line), chosen.status)
            return Reading(", ".join(sorted(chosen.labels)))
        return None
    if reading.is_closed_set(expected) or expected.kind == "any":
        labels = expected.labels
        word = equality.label_in(line, labels) if labels else None
        if word is None and (not labels or set(labels) & set(TRUTH)):
            word = equality.label_in(line)
        if (
            word is not None
            and not reading.IDIOMS.match(line)
            and not reading.ABSTAINS.search(line)
        ):
            return Reading(reading.as_written(line, word))
        if reading.is_closed_set(expected):
            return None
    first = line.split("\n")[0].strip()
    body = line if "\n" not in line else first if _only_further(line, first) else line
    plain = latex.plain(body)
    if (
        expected.kind in ("any", "number", "math")
        and quantities.read(plain.rstrip(".")) is not None
        and not _is_prose_number(plain)
    ):
        return Reading(reading.without_quotes(plain), reading.bound(plain))
    if (number := _leading_number(plain, expected)) is not None:
        return number
    if expected.kind in ("any", "number") and "=" in plain and "\n" not in plain:
        side = equality.last_side(plain)
        arithmetic = (
            len(plain) < 80
            and re.match(r"[\d(.$-]", plain)
            and "," not in plain
            and not re.search(r"[A-Za-z]", re.sub(r"\bx\b", "", plain))
        )
        if arithmetic and quantities.read(side) is not None:
            return Reading(side, reading.bound(side))
    if expected.kind == "number":
        return None
    if expected.kind == "date":
        return (
            reading.read_date(body, expected)
            if dates.read(reading.trimmed(body), expected.order)
            else None
        )
    if expected.kind == "symbols":
        return reading.of_statement(body, expected, final=False)
    if reading.ABSTAINS.search(line) or reading.is_refusal(line):
        return None
    if "\n" in body:
        items = kinds.items_of(body)
        marked = all(
            re.match(r"\s*(?:\(?\d{1,3}[.)]|[-*•–])\s", row)
            for row in body.split("\n")
            if row.strip()
        )
        rows = [row.strip() for row in body.split("\n") if row.strip()]
        bare = all(len(row.split()) <= 3 and row[-1].isalnum() for row in rows)
        single = not kinds.asks_number(expected.question)
        return Reading(body) if items and single and (marked or bare) else None
    if mathematics.looks_mathematical(body) and not reading.PROSE.search(
        re.sub(r"\\[a-z]+", "", body)
    ):
        return Reading(reading.without_quotes(body))
    if (
        kinds.asks_number(expected.question)
        and not _is_value(body, expected)
        and (any(character.isdigit() for character in body) or len(body.split()) > 3)
    ):
        return None
    if (placed := _PLACED.match(body)) is not None:
        value = placed["value"]
        if _is_value(value, expected) or re.fullmatch(r"[A-Z]\w+", value):
            return Reading(value)
    if kinds.SYMBOLS.fullmatch(body):
        return Reading(body)
    short = reading.trimmed(body)
    cut = body[len(short) :]
    if short != body and not reading.PROSE.search(short) and not _CONCLUDES.search(cut):
        body = short
    body = _ONE.sub(r"\1", body)
    if (listed := _PREFIXED.match(body)) is not None and _is_list(listed["value"]):
        return Reading(listed["value"].rstrip("."))
    items = kinds.items_of(body) or []
    if len(items) > 2 and all(len(item.split()) <= 3 for item in items) and len(body) <= 200:
        return Reading(reading.without_quotes(body))
    prose = (
        reading.PROSE.search(body)
        or _IS.match(body)
        or (len(body.split()) > 6 and body.endswith("."))
    )
    if len(body) <= 100 and not prose and not body.endswith(":"):
        return Reading(reading.without_quotes(body))
    return None


_MARKED = re.compile(r"\(([A-R])\)|(?<![\w'])([A-R])[).:]")
_NAMED = re.compile(r"[A-Za-z][A-Za-z ']{0,30}[:：]\s+(?=\S)")


def _leading_number(line: str, expected: Expectation) -> Reading | None:
    """`12 km (7.5 miles)`, `18 eggs, not 20`, `Tom: 36`: one quantity, and what explains it."""
    if "\n" in line or len(line) > 120 or expected.kind not in ("any", "number"):
        return None
    short = reading.trimmed(line)
    if re.match(r"[-+$€£.]?\s?[$€£]?\d", short) and quantities.read(short) is not None:
        return Reading(short, reading.bound(short))
    first = line[: statements.sentence_end(line, 0)]
    if quantities.read(first) is not None and line[len(first) : len(first) + 2] == ". ":
        return Reading(first, reading.bound(first))
    named = _NAMED.match(line)
    if named is not None and (expected.kind == "number" or kinds.asks_number(expected.question)):
        rest = line[named.end() :].strip()
        if quantities.read(rest.rstrip(".")) is not None:
            return Reading(reading.without_quotes(rest), reading.bound(rest))
    return None


_ONE = re.compile(r"^(?:the )?([a-z]+) one\.?$", re.IGNORECASE)
_PREFIXED = re.compile(r"[A-Za-z][^:\n]{2,60}:\s+(?P<value>\S[^\n]*)$")


def _is_list(text: str) -> bool:
    items = kinds.items_of(text) or []
    return len(items) > 1 and all(0 < len(item.split()) <= 3 for item in items)


def _is_value(text: str, expected: Expectation) -> bool:
    """Whether a text is a quantity, a date, an expression, or a list of such."""
    if quantities.read(text) is not None or dates.read(text, expected.order) is not None:
        return True
    if mathematics.looks_mathematical(text) and not reading.PROSE.search(
        re.sub(r"\\[a-z]+", "", text)
    ):
        return True
    items = kinds.items_of(text) or []
    return len(items) > 1 and all(quantities.read(item) is not None for item in items)


def _only_further(text: str, first: str) -> bool:
    """Whether the lines after the first begin something else: an explanation after a blank line."""
    return text[len(first) :].startswith("\n\n") and quantities.read(latex.plain(first)) is not None


def _is_prose_number(text: str) -> bool:
    return bool(re.match(r"\d+\s+(?:is|are|was|were)\b", text))


def _is_cut(text: str) -> bool:
    """Whether a text seems to end in the middle of a sentence."""
    last = text.rstrip().split("\n")[-1].strip()
    if not last or last[-1] in ".!?。！？)]}\"'”’$%|*_>":
        return False
    if last[-1] in ",;:=+-*/×(" or last.endswith("\\"):
        return True
    word = re.search(r"([A-Za-z']+)$", last)
    if word is None:
        return False
    return word[1].lower() in _OPEN_WORDS or (len(last.split()) >= 9 and not last[-1].isdigit())


_OPEN_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "to",
        "in",
        "on",
        "by",
        "for",
        "with",
        "and",
        "or",
        "but",
        "so",
        "that",
        "which",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "gives",
        "give",
        "get",
        "gets",
        "has",
        "have",
        "had",
        "equals",
        "than",
        "from",
        "as",
        "at",
        "we",
        "he",
        "she",
        "they",
        "it",
        "i",
        "if",
        "then",
        "when",
        "where",
        "this",
        "these",
        "those",
        "let",
        "because",
        "since",
        "multiply",
        "divide",
        "add",
        "subtract",
        "plus",
        "minus",
        "times",
        "over",
        "under",
        "between",
        "into",
        "about",
        "also",
        "there",
        "their",
        "his",
        "her",
        "our",
        "my",
        "your",
        "its",
        "not",
        "no",
    ]
)


def _last_sentence(text: str) -> str:
    """The last sentence that says something."""
    paragraphs = [line for line in text.split("\n") if line.strip(" *_-#|")]
    for line in reversed(paragraphs[-_OUTER_LINES:]):
        for sentence in reversed(_sentences(line)):
            if any(character.isalnum() for character in sentence):
                return sentence
    return ""


def _sentences(line: str) -> list[str]:
    parts, start = [], 0
    while start < len(line):
        end = statements.sentence_end(line, start)
        parts.append(line[start : end + 1])
        start = end + 1
    return parts


def _bold(cleaned: cleaning.Cleaned, expected: Expectation) -> Reading | None:
    """The last bold text that is one value of the kind."""
    for bold in reversed(cleaned.bold[-5:]):
        if not bold.strip() or bold.strip().endswith(":"):
            continue
        plain = latex.plain(bold)
        if expected.kind in ("number", "math") or (
            expected.kind == "any" and kinds.asks_number(expected.question)
        ):
            value = equality.last_side(plain) if "=" in plain else plain
            if quantities.read(value.rstrip(".")) is not None:
                last = _last_sentence(cleaned.text)
                if (
                    value not in last
                    and bold not in last
                    and _weak_number(cleaned.text, last, expected)
                ):
                    return None  # something later is stated plainly
                return Reading(reading.without_quotes(value), reading.bound(value))
        elif reading.is_closed_set(expected):
            word = equality.label_in(plain, expected.labels)
            if word is not None:
                return Reading(reading.as_written(bold, word))
        elif (
            expected.kind in ("any", "text")
            and bold in _last_sentence(cleaned.text)
            and len(bold) <= 80
            and not reading.PROSE.search(bold)
        ):
            return Reading(reading.without_quotes(bold))
    return None


_UNSURE = re.compile(
    r"\b(?:or|between|might|may|maybe|perhaps|possibly|could|torn|either|anything|except"
    r"|other than|unless)\b",
    re.IGNORECASE,
)


def _weak_choice(
    cleaned: cleaning.Cleaned, last: str, expected: Expectation
) -> tuple[Evidence, Reading] | None:
    for bold in reversed(cleaned.bold[-3:]):
        chosen = options.read(bold, expected.options, statement=False)
        if chosen is not None and not chosen.status and len(chosen.labels) == 1:
            return "bold", Reading(next(iter(chosen.labels)))
    checked = {
        match[1]
        for match in re.finditer(
            r"\(?\b([A-R])[).:]\)?(?:(?!\b[A-R][).:])[^\n()]){0,120}?[-–—:,(\s]\s*(?:yes|correct|right|true|✓|✔|✅)\b",
            cleaned.text,
            re.IGNORECASE,
        )
        if match[1] in expected.options
    }
    if len(checked) == 1:
        return "last_line", Reading(checked.pop())
    lines = [line.strip() for line in cleaned.text.split("\n") if line.strip()]
    if (
        len(lines) > 1
        and re.fullmatch(r"\(?[A-R][).]", lines[-1])
        and any(re.match(r"\(?[A-R][).]", line) for line in lines[:-1])
    ):
        return None  # cut off in a list of the options
    if lines:
        chosen = options.read(lines[-1], expected.options, statement=False)
        if chosen is not None:
            if chosen.status:
                return "last_line", Reading(reading.in_one_line(lines[-1]), chosen.status)
            return "last_line", Reading(", ".join(sorted(chosen.labels)))
    marked = re.findall(r"\(([A-R])\)|(?<![\w'])([B-HJ-R])(?=[.,;!?)]|\s*$)", last)
    labels = [one or other for one, other in marked if (one or other) in expected.options]
    unsure = _UNSURE.search(last) or re.search(r"(?<![\w'])A(?=\s+(?:and|or)\b)", last)
    if labels and len(set(labels)) == 1 and not statements.DENIED.search(last) and not unsure:
        return "last_value", Reading(labels[-1])
    if not labels:
        by_text = options.asserted(last, expected.options)
        if by_text is not None:
            return "option_text", Reading(next(iter(by_text.labels)))
    return None


def _weak_label(text: str, last: str, labels: tuple[str, ...]) -> tuple[Evidence, Reading] | None:
    closed = tuple({*labels, *(TRUTH if set(labels) & set(TRUTH) else ())})
    side = equality.last_side(last) if "=" in last else ""
    if side and (word := equality.label_in(side, closed)):
        return "last_line", Reading(reading.as_written(side, word))
    sentences = [s for line in text.split("\n") for s in _sentences(line) if s.strip(" .")]
    for sentence in reversed(sentences[-_OUTER_SENTENCES:]):
        ends = re.search(r"(?:\bis|=|evaluates to|becomes|gives)\s+(\w+)\W*$", sentence)
        logic = re.fullmatch(_LOGIC_WORDS, sentence.strip(" .!"), re.IGNORECASE)
        if ends is not None and logic is not None and ends[1].casefold() in closed:
            return "last_line", Reading(ends[1])
        clause = re.split(r"\bbut\b|\bso\b|\btherefore\b|;", sentence)[-1].strip(" ,")
        for part in (sentence.strip(), clause):
            if (word := equality.label_in(part, closed)) and not reading.IDIOMS.match(part):
                return "last_line", Reading(reading.as_written(part, word))
            if (single := reading.only_label(part, closed)) is not None:
                return "last_line", Reading(single)
        if _mentions(sentence, closed):
            return None
    if (
        sentences
        and (word := equality.label_in(sentences[0], closed))
        and not reading.IDIOMS.match(sentences[0].strip())
    ):
        return "last_value", Reading(reading.as_written(sentences[0], word))
    return None


_OUTER_SENTENCES = 3
_LOGIC_WORDS = r"[\s()]*(?:(?:so|not|and|or|true|false|is|gives|becomes|=)[\s(),]*)+"


def _mentions(sentence: str, labels: tuple[str, ...]) -> bool:
    return any(
        re.search(rf"(?<![\w-]){re.escape(label)}(?![\w-])", sentence, re.IGNORECASE)
        for label in labels
    )


def _closing_list(text: str) -> str | None:
    """The list at the end of an output, below a line that ends with a colon."""
    lines = text.rstrip().split("\n")
    rows: list[str] = []
    while lines and re.match(r"\s*(?:\(?\d{1,3}[.)]|[-*•–])\s+\S", lines[-1]):
        rows.insert(0, lines.pop().strip())
    while lines and not lines[-1].strip():
        lines.pop()
    if len(rows) > 1 and lines and lines[-1].rstrip().endswith(":"):
        return "\n".join(rows)
    return None


_IN_OTHER_WORDS = re.compile(
    r",?\s*(?:\bi\.e\.|\bthat is,|\bin other words|\bor equivalently|\bor about\b)", re.IGNORECASE
)


def _weak_number(text: str, last: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    plain = _IN_OTHER_WORDS.split(latex.plain(last))[0]
    given = {span.quantity.value for span in quantities.find(latex.plain(expected.question))}
    sides = re.split(r"=|≈", plain)
    if len(sides) > 1:
        spans = list(quantities.find(sides[-1].strip()))
        side = reading.trimmed(sides[-1])
        if quantities.read(side) is not None:
            return "last_line", Reading(side, reading.bound(side))
        if spans and spans[0].start == 0 and (head := reading.quantity_at_head(side)) is not None:
            return "last_line", Reading(head)
        if expected.kind in ("math", "any") and mathematics.looks_mathematical(side):
            return "last_line", Reading(side)
    found = reading.single_quantity(plain, label=False)
    if found is None:
        if (earlier := _previous_sentence(text, last)) is None:
            return None
        if reading.ABSTAINS.search(earlier):
            return None
        plain = latex.plain(earlier)
        sides = re.split(r"=|≈", plain)
        side = reading.trimmed(sides[-1])
        if len(sides) > 1 and quantities.read(side) is not None:
            return "last_line", Reading(side, reading.bound(side))
        found = reading.single_quantity(plain, label=False)
        if found is None:
            return None
    if found.status == "multiple":
        conclusion = _CONCLUDES.split(plain)[-1]
        if conclusion != plain:
            concluded = reading.single_quantity(conclusion, label=False)
            if concluded is not None and not concluded.status:
                return "last_line", Reading(concluded.text)
        spans = list(quantities.find(plain))
        fresh = [span for span in spans if span.quantity.value not in given]
        if len({span.quantity.value for span in fresh}) == 1:
            span = fresh[-1]
            return "last_line", Reading(plain[span.start : span.end].strip())
        unit = _unit_asked(expected.question)
        fitting = [span for span in spans if unit and span.quantity.unit == unit]
        if len({span.quantity.value for span in fitting}) == 1:
            span = fitting[-1]
            return "last_value", Reading(plain[span.start : span.end].strip())
        if (named := _named_clause(plain, expected.question)) is not None:
            return "last_value", Reading(named)
        if len({span.quantity.unit for span in spans}) == len(spans):
            return "last_value", Reading(plain[spans[-1].start : spans[-1].end].strip())
        return None
    if found.status:
        return "last_value", found
    return "last_line", Reading(found.text)


def _named_clause(sentence: str, question: str) -> str | None:
    """The quantity of the clause about whom the question asks: `Ann has 12 and Tom has 36.`"""
    asked = re.split(r"(?<=[.!])\s", question.strip())[-1]
    names = set(re.findall(r"(?<!^)\b[A-Z][a-z]+\b", asked))
    if not names:
        return None
    clauses = re.split(r",\s|;\s|\s(?:and|while|but|whereas)\s", sentence)
    about = [clause for clause in clauses if names & set(re.findall(r"\b[A-Z][a-z]+\b", clause))]
    if len(about) != 1 or len(clauses) < 2:
        return None
    spans = list(quantities.find(about[0]))
    return about[0][spans[0].start : spans[0].end].strip() if len(spans) == 1 else None


_CONCLUDES = re.compile(
    r"\b(?:equals|is equal to|leaves|gives|we have|so|thus|therefore|hence|which is|which gives"
    r"|which leaves|which means|leaving|giving|making|for a total of|that is|to get|we get)\b",
    re.IGNORECASE,
)
_CONNECTIVE = re.compile(
    r"^(?:so|thus|hence|therefore|then|finally|in total|in conclusion|overall|altogether)\b,?\s*",
    re.IGNORECASE,
)
_IS = re.compile(
    r"^(?P<subject>.{1,80}?)\s+(?:is|was|are|were|equals|weighs|costs|measures|becomes|(?:leaves"
    r"|departs) (?:at|on)|starts at|ends at|arrives at|takes place (?:on|at|in)|happened (?:on|in))"
    r"\s+(?P<predicate>[^,;:\s].{0,60}?)[.!]?$"
)
_PRONOUN = re.compile(
    r"(?:I (?:think|believe|guess|say|would say) (?:that )?)?(?:it|this|that|the answer)"
    r"(?:'s| is| was)\s+(?P<name>.{1,60}?)[.!]?$",
    re.IGNORECASE,
)


_VERB = re.compile(
    r"\s(?:is|was|are|were|equals|weighs|costs|measures|becomes|yields|(?:we|I|this|that|it|which)"
    r" (?:get|gets|give|gives|have|obtain|find))\s(?:(?:at|in|on|to)\s)?",
    re.IGNORECASE,
)
_MATHEMATICS = re.compile(r"\$([^$\n]{1,200})\$|\\\((.{1,200}?)\\\)")


def _only_mathematics(sentence: str) -> str | None:
    """The only formula in a sentence that ends with it: `It is increasing for $x > 2$.`"""
    found = list(_MATHEMATICS.finditer(sentence))
    if len(found) != 1 or sentence[found[0].end() :].strip(" ."):
        return None
    text = found[0][1] or found[0][2]
    return text if mathematics.looks_mathematical(text) or quantities.read(text) else None


_ASKS_NAME = re.compile(r"\b(?:who|whose|whom|where|why)\b", re.IGNORECASE)


def _others(text: str, question: str) -> bool:
    """Whether a text holds a quantity that the question does not name."""
    given = {span.quantity.value for span in quantities.find(latex.plain(question))}
    return any(span.quantity.value not in given for span in quantities.find(text))


def _copula(sentence: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    """`The ratio is 3:2.`, `Ada is third.`: the side that the question does not name."""
    conclusion = _CONCLUDES.split(sentence)[-1]
    if conclusion != sentence and _IS.match(conclusion.strip(" ,")):
        sentence = conclusion.strip(" ,")
    sentence = _CONNECTIVE.sub("", reading.trimmed(_CONNECTIVE.sub("", sentence.strip())))
    if statements.DENIED.search(sentence):
        return None
    listed = _PREFIXED.match(sentence)
    if listed is not None and _is_list(listed["value"]):
        return "last_line", Reading(listed["value"].rstrip("."))
    if (single := _only_mathematics(sentence)) is not None:
        return "last_line", Reading(single)
    value = _VERB.split(sentence)[-1]
    for predicate in (value, reading.trimmed(value)):
        if predicate == sentence:
            break
        subject = sentence.removesuffix(value)
        alone = re.match(r"[$€£(]?\d[^,]*\s(?:is|are|equals|makes)\s*$", subject) is not None or (
            not _others(subject, expected.question)
            and "," not in subject
            and not _ASKS_NAME.search(expected.question)
        )
        if dates.read(predicate, expected.order) is not None or (
            alone and _is_value(predicate, expected)
        ):
            return "last_line", Reading(predicate, reading.bound(predicate))
    if expected.kind == "number" or kinds.asks_number(expected.question):
        return None
    if (named := _PRONOUN.match(sentence)) is not None:
        name = re.sub(r"^(?:an?|the)\s+", "", named["name"].strip("\"' "))
        plain = name[:1].isupper() and not statements.PLACEHOLDER.fullmatch(name)
        return ("option_text", Reading(name)) if plain else None
    found = _IS.match(sentence)
    if found is None:
        return None
    subject, predicate = found["subject"], reading.trimmed(found["predicate"])
    asked = set(re.findall(r"\w{3,}", expected.question.casefold())) - {"the", "what", "which"}
    in_predicate, in_subject = (
        set(re.findall(r"\w{3,}", side.casefold())) - {"the"} for side in (predicate, subject)
    )
    noun = re.search(r"\b(?:what|which)\s+(?:is the\s+)?(\w{3,})", expected.question, re.IGNORECASE)
    if noun is not None and noun[1].casefold() in in_subject and len(predicate) <= 40:
        return "option_text", Reading(predicate)
    if in_predicate and in_predicate <= asked and not in_subject & asked:
        return "option_text", Reading(subject)
    if in_subject and in_subject <= asked and not in_predicate & asked and len(predicate) <= 40:
        return "option_text", Reading(predicate)
    return None


def _unit_asked(question: str) -> str | None:
    found = re.search(
        r"\bhow (?:many|much)\s+(?:more |total |in )?([a-z]+)|\bin ([a-z/%]+)\s*\?",
        question,
        re.IGNORECASE,
    )
    return units.canonical(found[1] or found[2]) if found else None


def _previous_sentence(text: str, last: str) -> str | None:
    head = text[: text.rfind(last)].rstrip() if last in text else ""
    return _last_sentence(head) or None


def _weak_text(text: str, expected: Expectation) -> tuple[Evidence, Reading] | None:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    last = lines[-1].strip("*_# ")
    plain = latex.plain(last)
    if "=" in plain:
        sentence = _last_sentence(text)
        conclusion = _CONCLUDES.split(sentence)[-1]
        if conclusion != sentence and "=" not in conclusion:
            return None
        side = reading.trimmed(equality.last_side(sentence))
        if quantities.read(side) is not None or mathematics.looks_mathematical(side):
            return "last_line", Reading(side)
        word = equality.label_in(side)
        if word is not None:
            return "last_line", Reading(reading.as_written(side, word))
    if (
        len(lines) > 1
        and len(last) <= 60
        and not reading.PROSE.search(last)
        and not last.endswith((":", ","))
        and (quantities.read(plain.rstrip(".")) is not None or len(last.split()) <= 5)
    ):
        return "last_line", Reading(reading.without_quotes(last))
    return None
