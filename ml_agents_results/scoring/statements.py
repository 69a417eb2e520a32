"""Statements: where an output says what its answer is, and what it says there.

Nothing here knows the expected answer. `find` gives the statements in order; what each is worth is
decided in `extraction.py`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ml_agents_results.scoring import cues, latex, phrases, sentence_splitting
from ml_agents_results.scoring.evidence import FINAL, LONGEST, Evidence, Statement

MOST = 50
"""The last so many statements are looked at."""


def find(
    text: str, *, options: Mapping[str, str], pattern: re.Pattern[str] | None = None
) -> list[Statement]:
    """The statements of a cleaned text, in the order in which they end.

    Args:
        options: Those that the question shows: then single letters are looked for, and `A:` is one
            of them, not an answer's label.
        pattern: One of the user's, with one group.
    """
    found: list[Statement] = []
    if pattern is not None:
        for match in pattern.finditer(text):
            found.append(
                Statement(match.start(), match.end(), "pattern", match[match.lastindex or 0])
            )
        if found:
            return found[-MOST:]
    lower = text.lower()
    if "oxed" in text or "\\fbox" in text:
        found += _boxes(text)
    if "<" in text or "[" in text:
        found += _tags(text)
    if any(key in lower for key in cues.JSON_KEYS):
        found += _json(text)
    if "####" in text:
        found += _hashes(text)
    for cue, evidence, words in cues.CUES:
        if options and cue is cues.COMES_TO:
            continue  # "which simplifies to H₂O" names no option
        stated = _cued(text, cue, evidence, _windows(text, lower, words), options=options)
        if cue is cues.CONCLUSION:  # `Total: 50` counts at the end only
            stated = (s for s in stated if not text[s.end :].strip(" .!\n"))
        found += stated
    found += _grouped(text, cues.SO_VALUE, [(max(0, len(text) - 120), len(text))])
    found += _grouped(text, cues.REVERSED, _windows(text, lower, ("answer",)))
    if options:
        found += _grouped(text, cues.LETTER_IS_RIGHT, _windows(text, lower, cues.RIGHT))
        found += _grouped(text, cues.HENCE_LETTER, _windows(text, lower, cues.HENCE))
    else:
        found += _cued(text, cues.A_LINE, "label", [(0, len(text))], options={})
    if not text.isascii() or any(word in lower for word in cues.FOREIGN_WORDS):
        found += _cued(text, cues.FOREIGN, "sentence", [(0, len(text))], options=options)
    found.sort(key=lambda statement: (statement.end, statement.start))
    return _innermost(found[-MOST:])


_BEFORE, _AFTER = 120, 240


def _windows(text: str, lower: str, words: tuple[str, ...]) -> list[tuple[int, int]]:
    """The parts of a text around words: only there a cue is looked for."""
    if len(lower) != len(text):  # a few letters change their length
        return [(0, len(text))]
    hits = []
    for word in words:
        position = lower.find(word)
        while position >= 0:
            hits.append(position)
            position = lower.find(word, position + len(word))
    windows: list[tuple[int, int]] = []
    for hit in sorted(hits):
        start, end = max(0, hit - _BEFORE), min(len(text), hit + _AFTER)
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows


def _matches(
    text: str, pattern: re.Pattern[str], windows: list[tuple[int, int]]
) -> Iterator[re.Match[str]]:
    for start, end in windows:
        yield from pattern.finditer(text, start, end)


def _innermost(found: list[Statement]) -> list[Statement]:
    """Without statements that only hold another one: `The answer is \\boxed{18}`.

    What the outer one says about the inner one stays: that it is denied, or that it is not all.
    """
    kept = []
    for index, inner in enumerate(found):
        holders = [
            outer
            for outer in found
            if outer is not inner
            and outer.start <= inner.start
            and inner.end <= outer.end
            and (outer.start, outer.end) != (inner.start, inner.end)
        ]
        for outer in holders:
            negated = inner.negated or outer.negated
            more = inner.evidence in FINAL and _goes_on(outer.text, inner.text)
            text = outer.text if more else inner.text
            inner = replace(inner, text=text, negated=negated)
        same = [f for f in found[index + 1 :] if (f.start, f.end) == (inner.start, inner.end)]
        kept.append((inner, bool(same)))
    return [
        inner
        for inner, doubled in kept
        if not doubled
        and not any(
            other.start >= inner.start
            and other.end <= inner.end
            and (other.start, other.end) != (inner.start, inner.end)
            for other, _ in kept
        )
    ]


def _goes_on(sentence: str, boxed: str) -> bool:
    """Whether a sentence says more than its box: `not \\boxed{7}`, `\\boxed{3} or 4`."""
    rest = sentence.replace(boxed, "")
    return (
        re.search(r"\bor\b|\bnot\b|\bbetween\b|\bat (?:least|most)\b|\b(?:more|less) than\b", rest)
        is not None
    )


def _closed(text: str, end: int) -> bool:
    return bool(text[end:].strip()) or text[end - 1 : end] in ".!}>)]*"


def _boxes(text: str) -> Iterator[Statement]:
    joined: Statement | None = None
    for start, end, content in latex.boxes(text):
        if content is None:
            if joined is not None:
                yield joined
            yield Statement(start, end, "box", "", closed=False)
            return
        between = text[joined.end : start] if joined is not None else ""
        separator = re.fullmatch(
            r"[\s,;$\\&]*(?:(and|or|\\text\{\s*(?:and|or)\s*\})[\s,;$\\]*)?", between
        )
        if joined is not None and separator is not None:
            if content.strip() == joined.text.strip():
                joined = Statement(joined.start, end, "box", content)
            else:
                word = " or " if "or" in (separator[1] or "") else ", "
                joined = Statement(joined.start, end, "box", f"{joined.text}{word}{content}")
            continue
        if joined is not None:
            yield joined
        negated = re.match(
            r"\W{0,4}\s*(?:is|was|are)\s*(?:not\b|n't|wrong|incorrect|impossible)",
            text[end : end + 40],
        )
        joined = Statement(start, end, "box", content, negated=negated is not None)
    if joined is not None:
        yield joined


def _tags(text: str) -> Iterator[Statement]:
    for match in cues.TAG.finditer(text):
        closed = match[0].rstrip().endswith(">") and "</" in match[0]
        if closed or match.end() == len(text):
            yield Statement(match.start(), match.end(), "tag", match[2].strip(), closed=closed)
    for match in cues.BRACKET_TAG.finditer(text):
        content = (match[1] or match[2] or "").strip()
        if match[1] is not None or re.fullmatch(r"[A-R]|-?[\d.,]+", content):
            yield Statement(match.start(), match.end(), "tag", content)


def _json(text: str) -> Iterator[Statement]:
    for match in cues.JSON_KEY.finditer(text):
        value = match[1]
        if value[0] == '"':
            try:
                value = str(json.loads(value, strict=False))
            except ValueError:
                value = value[1:-1]
        elif value[0] == "'":
            value = value[1:-1]
        if value.lower() not in ("null", "none"):
            yield Statement(match.start(), match.end(), "tag", value.strip())
    for match in cues.JSON_BARE.finditer(text):
        yield Statement(match.start(), match.end(), "tag", match[1].strip())


def _hashes(text: str) -> Iterator[Statement]:
    for match in cues.HASHES.finditer(text):
        value = match[1].split("####")[0].strip()
        if value and not cues.HEADING_WORDS.match(value):
            end = match.start(1) + len(value)
            yield Statement(match.start(), end, "hashes", value, closed=_closed(text, end))


def _grouped(
    text: str, pattern: re.Pattern[str], windows: list[tuple[int, int]]
) -> Iterator[Statement]:
    for match in _matches(text, pattern, windows):
        if match["value"] and not _is_conditional(text, match.start("value")):
            value = match["value"]
            if value in ("A", "I") and match.groupdict().get("own"):
                continue  # an article: "A capital of France is the best known"
            yield Statement(match.start("value"), match.end(), "sentence", value,
                            negated=_is_denied(text, match.start("value")))  # fmt: skip


def _cued(
    text: str,
    pattern: re.Pattern[str],
    evidence: Evidence,
    windows: list[tuple[int, int]],
    *,
    options: Mapping[str, str],
) -> Iterator[Statement]:
    for match in _matches(text, pattern, windows):
        start = match.start()
        if evidence == "sentence" and _is_conditional(text, start):
            continue
        value, end = right_side(text, match.end(), options=options)
        if text[end : end + 1] == "?" and text[end + 1 :].strip():
            continue  # asked, not stated
        if not value or phrases.PLACEHOLDER.fullmatch(value) or value.endswith("?"):
            continue
        if phrases.NO_STATEMENT.match(value) and evidence == "sentence":
            continue
        if options and _LISTING.match(value) and _LISTED_NEXT.match(text, end):
            continue  # the options again, of which the first is not the answer
        yield Statement(
            start,
            end,
            evidence,
            value[:LONGEST] if len(value) <= LONGEST else "",
            negated=evidence == "sentence" and _is_denied(text, start),
            closed=_closed(text, end),
        )


def _sentence_before(text: str, start: int) -> str:
    head = text[max(0, start - 200) : start]
    return re.split(r"[.!?。][\"')\]]*\s|\n|[;:]\s", head)[-1]


def _is_denied(text: str, start: int) -> bool:
    head = phrases.NOT_A_DENIAL.sub("", _sentence_before(text, start))
    head = re.split(r",\s|\b(?:so|but|thus|therefore|hence)\b", head)[-1]
    return phrases.DENIED.search(head) is not None


def _is_conditional(text: str, start: int) -> bool:
    head = _sentence_before(text, start)
    return (
        phrases.CONDITION.search(re.split(r"\b(?:so|thus|therefore|hence|then)\b,?", head)[-1])
        is not None
    )


_LISTING = re.compile(r"\(?A[).:]")
_LISTED_NEXT = re.compile(r"\s*\n[\s*-]*\(?B[).:]")
_LETTER = re.compile(r"[\s(\[]*[A-R][)\]]?\s*")


def right_side(
    text: str, start: int, *, options: Mapping[str, str] | None = None
) -> tuple[str, int]:
    """What stands to the right of a cue: to the end of its sentence, or the next line or list.

    Args:
        options: Those of the question: the stop of `B. Paris` does not end a sentence.
    """
    while start < len(text) and text[start] in " \t":
        start += 1
    if (start < len(text) and text[start] == "\n") or text[start : start + 1] in ":*":
        lead = re.compile(r"[\s:*]*").match(text, start)
        start = lead.end() if lead else start
        block = _block(text, start)
        if block is not None:
            return block
    display = re.compile(r"\\\[|\$\$|\\\(").match(text, start)
    if display is not None:
        closing = {"\\[": "\\]", "$$": "$$", "\\(": "\\)"}[display[0]]
        end = text.find(closing, display.end())
        if 0 <= end < start + 2000 and closing != "\\)":
            return text[display.end() : end].strip(), end + len(closing)
    end = sentence_splitting.end_of(text, start)
    if (tag := text.find("</", start, end)) >= 0:
        end = tag
    if options and text[end : end + 2] == ". " and _LETTER.fullmatch(text[start:end]):
        rest = text[end + 2 : end + 202].lstrip().casefold()
        if any(own and rest.startswith(own[:200].casefold()) for own in options.values()):
            end = sentence_splitting.end_of(text, end + 1)
    return text[start:end].strip().strip("*_").strip(), end


def _block(text: str, start: int) -> tuple[str, int] | None:
    """Lines of a list that begins at `start`: numbered or with bullets, at least two."""
    end = start
    lines: list[str] = []
    for line in text[start : start + 3000].split("\n"):
        if not re.match(r"[ \t]*(?:\(?\d{1,3}[.)]|[-*•–])[ \t]+\S", line):
            if line.strip() or not lines:
                break
            end += len(line) + 1
            continue
        lines.append(line.strip())
        end += len(line) + 1
    return ("\n".join(lines), min(end, len(text))) if len(lines) > 1 else None
