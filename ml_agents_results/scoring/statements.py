"""Statements: where an output says what its answer is, and what it says there.

Nothing here knows the expected answer. `find` gives the statements in order; what each is worth is
decided in `extraction.py`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ml_agents_results.scoring import latex

Evidence = Literal[
    "structured", "tag", "box", "hashes", "label", "sentence", "pattern", "whole", "bold",
    "last_line", "option_text", "last_value",
]  # fmt: skip
"""How an answer stands in an output, from the plainest to the weakest."""

FINAL = frozenset({"structured", "tag", "box", "hashes", "pattern"})
"""Evidence whose content is the answer, readable or not."""

LONGEST = 1000
"""Characters of an answer."""

MOST = 50
"""The last so many statements are looked at."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One place that states an answer.

    Attributes:
        start, end: Where in the cleaned text.
        evidence: What kind of statement it is.
        text: What is stated.
        negated: Whether the statement is denied ("I do not think the answer is 12").
        closed: Whether anything follows that shows it to be complete.
    """

    start: int
    end: int
    evidence: Evidence
    text: str
    negated: bool = False
    closed: bool = True


_ADVERB = (
    r"(?:(?:therefore|thus|then|hence|indeed|clearly|simply|just|also|actually|probably|likely"
    r"|most likely|in fact|definitely|certainly|obviously|still|now|of course|given by|as follows"
    r"|equal to|that|approximately(?=\s*:)|option(?=\s*:)|letter(?=\s*:)|none other than)\b[\s,]*)*"
)
_VERB = (
    r"(?:is|are|was|'s|must be|should be|would be|will be|has to be|can only be|could only be"
    r"|ought to be|equals|becomes|comes out (?:to be|to|as)|turns out to be|would then be"
    r"|would therefore be|can be)(?!n't)"
)
_HEAD = (
    r"(?:(?:final|correct|right|best|only|closest|overall|numerical|required"
    r"|most (?:\w+))\s+)*answers?"
    r"|(?:final|correct|right|best|closest|proper|only (?:correct|possible)"
    r"|most (?:\w+)(?: and \w+)?)\s+"
    r"(?:options?|choices?|ones?|alternatives?|statements?|solution|letter|response"
    r"|result|value|number|total"
    r"|count|amount|sum|price|cost|match|completion|ending|conclusion)"
)
_SENTENCE = re.compile(
    rf"\b(?:{_HEAD})(?:\s+(?:to|for|of|in|from|among|that|which)\b[^.:;?!\n]{{0,100}}?)?"
    rf"(?:\s+(?:here|choice|option|letter))?\s*,?\s*{_ADVERB}(?<![a-z]){_VERB}\s*{_ADVERB}[:：]?\s*",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:^|(?<=[\s>#(.,;:\-]))(?:(?:final|correct|right|best|short|numerical|overall|my|your"
    r"|the)\s+)*"
    r"(?:answers?|ans)\b\.?(?:\s*\([^()\n]{0,40}\))?(?:\s+(?:choice|option|letter))?(?:\s+is)?"
    r"\s*(?:[:：=]|\s[-–—](?=\s)|→|=>|⇒|(?<=[Aa]ns\.)[ \t]+(?=[\d$(\\-]))[ \t]*",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[ \t#>]*(?:the\s+)?(?:(?:final|correct|overall)\s+)?(?:answer|result)[ \t]*[:：]?[ \t]*$"
    r"|^[ \t#>]*final (?:answer|result|solution)[ \t]*[:：]?[ \t]*(?=\S)",
    re.IGNORECASE | re.MULTILINE,
)
_CONCLUSION = re.compile(
    r"^[ \t#>-]*(?:(?:final )?(?:result|solution|conclusion|output|response|verdict)"
    r"|sorted(?: (?:list|words|order))?|total|therefore|thus|so|hence)\s*[:：][ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_SO_VALUE = re.compile(
    r"(?:^|(?<=[.!?,;:]\s)|(?<=\n))(?:so|thus|hence|therefore|=>|→|⇒),?\s+"
    r"(?P<value>[-+]?[$€£]?\s?\d[^\n.!?;:=]{0,40}(?:\.\d+)?[^\n.!?;:=\d]{0,40})[.!]?\s*$(?![\s\S])",
    re.IGNORECASE,
)
_A_LINE = re.compile(r"^[ \t]*A[ \t]*[:：][ \t]*(?=\S)", re.MULTILINE)
_CHOOSE = re.compile(
    r"(?:\b(?:I|we)(?:'d| would|'ll| will|'m going to| am going to)?|\blet's|\blet us|\bI'm"
    r"|\bI am)\s*"
    r"(?:therefore |thus |have to |must |definitely |probably |can )?"
    r"(?:choose|choosing|pick|select|chose|selected|picked|go with|going with|opt for|say|answer"
    r"|vote for|settle on)\b\s*(?:that )?(?:it(?:'s| is) )?(?:the )?[:：]?\s*",
    re.IGNORECASE,
)
_COMES_TO = re.compile(
    r"\b(?:evaluates|simplifies|reduces|amounts|comes(?: out)?|works out"
    r"|boils down) to\b\s*(?:be )?[:：]?\s*",
    re.IGNORECASE,
)
_REVERSED = re.compile(
    r"(?:^|(?<=[.!?:,;]\s)|(?<=\n))(?:so|thus|hence|therefore"
    r"|then)?,?\s*(?P<value>[^\n.!?:;]{1,80}?)\s+"
    r"(?:is|must be|should be|would be)\s+(?:therefore |thus |indeed |clearly |hence )?"
    r"(?:the|our|my|your)\s+(?:final |correct |right |best )*answer\b",
    re.IGNORECASE,
)
_LETTER_IS_RIGHT = re.compile(
    r"(?<![\w'])(?:(?:the )?(?:option|choice|answer|letter|alternative)s?\s+)?"
    r"(?P<value>[(\[]?(?-i:[A-R])[)\]]?)"
    r"(?P<own>[.:)]?(?:\s+(?!(?-i:[A-R])\b|(?:is|are|seems|might|may|could|looks|was|were|must|would|should|has|appears)\b)"
    r"[^\s.,;?\n]+){1,8}?|,\s[^,.\n]{1,60},)?\s*,?\s+"
    r"(?:is|must be|would be|should be|has to be|seems(?: to be)?|appears(?: to be)?|is therefore"
    r"|is thus"
    r"|is clearly|is indeed|is probably|is most likely|is the one that is|is definitely)\s+"
    r"(?:the )?(?:only |single |most |obviously |clearly )?"
    r"(?:correct|right|best|appropriate|suitable|accurate|fitting)\b(?!\s+(?:about|in that|that))",
    re.IGNORECASE,
)
_HENCE_LETTER = re.compile(
    r"(?:^|(?<=[.!?\n]\s)|(?<=\n))(?:so|thus|hence|therefore|it's|it is|so it's|so it is|must be"
    r"|that (?:leaves|gives)(?: us)?(?: with)?|(?:this|that|it|which) (?:corresponds to|matches"
    r"|is|must be)"
    r"|(?:so )?it (?:must|has to|should) be)"
    r"(?:\s*,)?\s+(?:clearly\s+)?(?:option |choice |answer |the answer )?"
    r"(?P<value>[(\[]?(?-i:[A-R])[)\]]?)(?=\s*(?:[.,;!)]|$|\n))",
    re.IGNORECASE | re.MULTILINE,
)
_TAG = re.compile(
    r"<(answer|final_answer|finalanswer|final|ans|result|solution)>(.*?)(?:</\1>|$(?![\s\S]))",
    re.IGNORECASE | re.DOTALL,
)
_BRACKET_TAG = re.compile(
    r"\[(?:ANSWER|ANS)\](.*?)\[/(?:ANSWER|ANS)\]|\[\[(.{1,200}?)\]\]", re.DOTALL
)
_HASHES = re.compile(r"(?:^|(?<=[\s.]))#{4}[ \t]*(?![\s#])([^\n]*)")
_HEADING_WORDS = re.compile(
    r"(?:final |the )?(?:answer|result|step|solution|conclusion)\b", re.IGNORECASE
)
_JSON_KEY = re.compile(
    r"[\"'“]?\b(?:final[ _]?answer|answer|correct_answer|result|choice|prediction)\b[\"'”]\s*:\s*"
    r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|-?[\d.,/eE+-]*\d%?|true|false|null|True|False"
    r"|None|\[[^\[\]]*\])",
    re.IGNORECASE,
)
_JSON_BARE = re.compile(
    r"\{\s*(?:final_)?answer\s*:\s*[\"']?([^\"'{},\n]+)[\"']?\s*[,}]", re.IGNORECASE
)
_FOREIGN = re.compile(
    r"(?:(?:正确|最终|最后)?(?:的)?答案(?:应该|应)?(?:是|为|选|選|：|:)+\s*|(?:故|因此|所以|应|應)?(?:本题)?选(?:择|項"
    r"|项)?\s*(?=[A-R(（])"
    r"|答え(?:は|：|:)\s*|正解(?:は|：|:)\s*|答\s*[:：]\s*|정답(?:은|:|：)?\s*|답(?:은|:|：)\s*"
    r"|\b(?:die |the )?(?:richtige |korrekte |endgültige )?antwort(?: lautet| ist|\s*:)+\s*:?\s*"
    r"|\blösung(?: ist|\s*:)\s*"
    r"|\b(?:la )?respuesta(?: correcta| final)?(?: es|\s*:)+\s*(?:la (?:opción )?)?"
    r"|\bopción correcta(?: es|\s*:)\s*(?:la )?"
    r"|\b(?:la )?(?:bonne )?réponse(?: correcte| finale)?(?: est|\s*:)+\s*(?:la )?"
    r"|\b(?:a )?resposta(?: correta| certa| final)?(?: é|\s*:)+\s*(?:a )?"
    r"|\b(?:la )?risposta(?: corretta| giusta| finale)?(?: è|\s*:)+\s*(?:la )?"
    r"|\b(?:het )?(?:juiste )?antwoord(?: is|\s*:)+\s*|\b(?:rätt )?svar(?:et)?(?: är|\s*:)+\s*"
    r"|(?:правильный )?ответ(?:\s*[:—–-]| это)\s*|\b(?:prawidłowa )?odpowiedź(?: to|\s*:)\s*"
    r"|(?:الجواب|الإجابة)(?: الصحيحة| الصحيح)?(?: هو| هي)?\s*[:：]?\s*|उत्तर(?: है)?\s*[:：]\s*)",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"\b(?:not|cannot|never|neither|nor|unlikely|impossible|wrong)\b|\b(?:do|does|did|is|are|was"
    r"|ca|wo|would"
    r"|could|should)n't\b",
    re.IGNORECASE,
)
_NOT_A_DENIAL = re.compile(
    r"\bno doubt\b|\bnot (?:only|hard|difficult|surprising\w*|just|necessary)\b|\bif not\b"
    r"|\bwhether or not\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:if|whether|suppose|assume|assuming|unless|might|may|could|would (?:say|think)|tempted"
    r"|some(?:one| people)?|guess(?:es|ed)?|seem(?:s|ed)? (?:like|that)|thought|let'?s see what"
    r"|what|once|when|verify|check|ensure|confirm|see|know|determine|find|why|how)\b[^,;]*$",
    re.IGNORECASE,
)
PLACEHOLDER = re.compile(
    r"(?:X|_{2,}|\.{2,}|…|[\[<{(]?\s*(?:your|the|final|insert)?\s*(?:final "
    r"|short )?answer(?: here)?\s*[\]>})]?"
    r"|\[[A-Za-z ]*\]|<[A-Za-z _]*>|\?+|-+|:+|\*+|N/?A|null|undefined|NaN|nil|TBD)[.\s]*"
)
_NO_STATEMENT = re.compile(
    r"(?:correct|right|wrong|incorrect|as follows|follows|given|below|above|shown|obtained|found"
    r"|simple"
    r"|clear|obvious|unclear|unknown|ambiguous|verified|confirmed|complete|reached|consistent"
    r"|reasonable"
    r"|independent|determined|calculated|computed|derived|known|provided|straightforward|expected"
    r"|required|needed|that|correct and complete|not (?:clear|known|given|listed|provided|unique"
    r"|shown"
    r"|available|possible))(?=\s*(?:[.,;:!]|$|because|since|as\b|by\b|in\b|and\b|to\b|for\b))"
    r"|(?:based on|given (?:by|in)|obtained (?:by|from)|found (?:by|in)|within the|rounded to"
    r"|still|likely to"
    r"|supposed to|up to you|in the|among the|one of the|to be|about to|it depends|not (?:among"
    r"|in|one of))\b"
    r"|a (?:bit|little|lot|matter|single)\b",
    re.IGNORECASE,
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:St|Dr|Mr|Mrs|Ms|Jr|Sr|vs|No|Inc|Ltd|Co|approx|ca|etc|e\.g|i\.e|cf|Mt|Ft|Prof|Gen"
    r"|Rev|Hon"
    r"|Fig|Eq|U\.S|U\.K|a\.m|p\.m|dept|est)|(?:^|[\s(])[A-Z])$"
)
_STOP = re.compile(r"[.!?。！？](?=[\s\"'”)\]]|$)|\n|。")


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
    if any(key in lower for key in _JSON_KEYS):
        found += _json(text)
    if "####" in text:
        found += _hashes(text)
    for cue, evidence, words in _CUES:
        if options and cue is _COMES_TO:
            continue  # "which simplifies to H₂O" names no option
        stated = _cued(text, cue, evidence, _windows(text, lower, words), options=options)
        if cue is _CONCLUSION:  # `Total: 50` counts at the end only
            stated = (s for s in stated if not text[s.end :].strip(" .!\n"))
        found += stated
    found += _grouped(text, _SO_VALUE, [(max(0, len(text) - 120), len(text))])
    found += _grouped(text, _REVERSED, _windows(text, lower, ("answer",)))
    if options:
        found += _grouped(text, _LETTER_IS_RIGHT, _windows(text, lower, _RIGHT))
        found += _grouped(text, _HENCE_LETTER, _windows(text, lower, _HENCE))
    else:
        found += _cued(text, _A_LINE, "label", [(0, len(text))], options={})
    if not text.isascii() or any(word in lower for word in _FOREIGN_WORDS):
        found += _cued(text, _FOREIGN, "sentence", [(0, len(text))], options=options)
    found.sort(key=lambda statement: (statement.end, statement.start))
    return _innermost(found[-MOST:])


_Cue = tuple[re.Pattern[str], Evidence, tuple[str, ...]]
_CUES: tuple[_Cue, ...] = (
    (_LABEL, "label", ("answer", "ans")),
    (_HEADING, "label", ("answer", "result", "final")),
    (
        _SENTENCE,
        "sentence",
        (
            "answer",
            "correct ",
            "right ",
            "best ",
            "final ",
            "closest ",
            "proper ",
            "only ",
            "most ",
        ),
    ),
    (
        _CONCLUSION,
        "label",
        (
            *("result", "solution", "conclusion", "output", "response", "verdict", "sorted"),
            *("total", "therefore", "thus", "so:", "hence"),
        ),
    ),
    (
        _COMES_TO,
        "sentence",
        (
            *("evaluates to", "simplifies to", "reduces to", "amounts to", "comes to"),
            *("comes out", "works out", "boils down"),
        ),
    ),
    (
        _CHOOSE,
        "sentence",
        (
            *("choos", "chose", "pick", "select", "go with", "going with", "opt for", "i say"),
            *("i would say", "i'd say", "vote for", "settle on", "i answer", "d answer"),
        ),
    ),
)
"""Cues with the words, in lower case, of which each holds one."""

_RIGHT = ("correct", "right", "best", "appropriate", "suitable", "accurate", "fitting")
_HENCE = (
    *("so", "thus", "hence", "therefore", "it's", "it is", "must be", "leaves", "gives"),
    *("corresponds", "matches", "this is", "that is", "it must", "it has", "it should"),
)
_FOREIGN_WORDS = (
    *("respuesta", "antwor", "antwoord", "rispost", "respost", "svar", "opción", "reponse"),
    *("lösung", "odpowied"),
)
_JSON_KEYS = (
    *('answer"', "answer'", "answer:", "answer :", 'result"', 'choice"', 'prediction"'),
    *("result'", "choice'"),
)
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
    for match in _TAG.finditer(text):
        closed = match[0].rstrip().endswith(">") and "</" in match[0]
        if closed or match.end() == len(text):
            yield Statement(match.start(), match.end(), "tag", match[2].strip(), closed=closed)
    for match in _BRACKET_TAG.finditer(text):
        content = (match[1] or match[2] or "").strip()
        if match[1] is not None or re.fullmatch(r"[A-R]|-?[\d.,]+", content):
            yield Statement(match.start(), match.end(), "tag", content)


def _json(text: str) -> Iterator[Statement]:
    for match in _JSON_KEY.finditer(text):
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
    for match in _JSON_BARE.finditer(text):
        yield Statement(match.start(), match.end(), "tag", match[1].strip())


def _hashes(text: str) -> Iterator[Statement]:
    for match in _HASHES.finditer(text):
        value = match[1].split("####")[0].strip()
        if value and not _HEADING_WORDS.match(value):
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
        if not value or PLACEHOLDER.fullmatch(value) or value.endswith("?"):
            continue
        if _NO_STATEMENT.match(value) and evidence == "sentence":
            continue
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
    return re.split(r"[.!?。]\s|\n|[;:]\s", head)[-1]


def _is_denied(text: str, start: int) -> bool:
    head = _NOT_A_DENIAL.sub("", _sentence_before(text, start))
    head = re.split(r",\s|\b(?:so|but|thus|therefore|hence)\b", head)[-1]
    return DENIED.search(head) is not None


def _is_conditional(text: str, start: int) -> bool:
    head = _sentence_before(text, start)
    return (
        _CONDITION.search(re.split(r"\b(?:so|thus|therefore|hence|then)\b,?", head)[-1]) is not None
    )


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
    end = sentence_end(text, start)
    if (tag := text.find("</", start, end)) >= 0:
        end = tag
    if options and text[end : end + 2] == ". " and _LETTER.fullmatch(text[start:end]):
        rest = text[end + 2 : end + 202].lstrip().casefold()
        if any(own and rest.startswith(own[:200].casefold()) for own in options.values()):
            end = sentence_end(text, end + 1)
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


def sentence_end(text: str, start: int) -> int:
    """The index at which the sentence that begins at `start` ends, without its stop."""
    position = start
    limit = min(len(text), start + 3000)
    while (stop := _STOP.search(text, position, limit)) is not None:
        index = stop.start()
        before = text[start:index]
        if text[index] == "\n":
            if before.count("{") > before.count("}"):  # inside LaTeX that spans lines
                position = index + 1
                continue
            return index
        if (
            text[index] == "."
            and _ABBREVIATION.search(before)
            and re.match(r"\.\s+[A-Z0-9a-z]", text[index : index + 4])
        ):
            letter = re.fullmatch(r"[\s(]*[A-R]", before)
            if letter is None or re.match(r"\.\s+[A-Z]\.", text[index : index + 5]):
                position = index + 1
                continue
        return index
    return limit
