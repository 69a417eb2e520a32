"""Outputs made ready to be read: without thinking, tokens, markup and further questions."""

import re
import unicodedata
from dataclasses import dataclass

LONGEST = 100_000
"""Characters at the end of an output that are searched."""

_THINK_OPEN = re.compile(
    r"<(think|thinking|thought|reasoning|scratchpad)>|\[THINK\]", re.IGNORECASE
)
_THINK_CLOSE = re.compile(
    r"</(?:think|thinking|thought|reasoning|scratchpad)>|\[/THINK\]", re.IGNORECASE
)
_END_TOKEN = re.compile(
    r"<\|(?:im_end|eot_id|end|endoftext|end_of_text|eom_id|end_of_turn|return)\|>|</s>|<eos>"
    r"|<end_of_turn>|<｜end▁of▁sentence｜>|\[/INST\]"
)
_TOKEN = re.compile(r"<\|[a-z_]{1,40}\|>|<s>|<bos>|<start_of_turn>(?:model)?|\[INST\]|<pad>|<unk>")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w+-]*[ \t]*$", re.MULTILINE)
_BOLD = re.compile(
    r"\*\*(?=[^\s*])([^\n]{1,400}?)(?<=[^\s])\*\*(?!\*)"
    r"|(?<!\w)__(?=[^\s_])([^\n_]{1,400}?)(?<=[^\s_])__(?!\w)"
)
_BOLD_LINES = re.compile(r"\*\*(?=[^\s*])([^*]{1,400}?)\*\*")
_ITALIC = re.compile(r"(?<![\w*\\)}\]])\*(?=[^\s*])([^*\n]{1,200}?)(?<=[^\s*])\*(?![\w*({\\])")
_CODE = re.compile(r"`([^`\n]{1,300})`")
_QUOTE = re.compile(r"^[ \t]*>+[ \t]?(?=[A-Za-z*\"'\\#])", re.MULTILINE)
_CITATION = re.compile(r"(?<!sqrt)(?<=[\w.)])\s?\[\^?\d{1,2}\](?![({])|(?<=[\w.)])【[^】]*】")
_CALCULATION = re.compile(r"<<[^<>\n]{1,200}>>")
_RUN_ON = re.compile(
    r"\n[ \t]*#{1,6}[ \t]*(?:next |new )?(?:question|problem|exercise)\b[^\n]*(?=\n)"
    r"|\n[ \t]*(?:#{1,6}\s*)?(?:(?:next |new )?(?:question|problem|exercise|example)(?:\s*\d+)?"
    r"|q\d*|human|user|instruction|问题|题目|質問)\s*[:：]",
    re.IGNORECASE,
)
_RUN_ON_WORD = re.compile(
    r"\n[ \t#]*(?:[QqPpEeHhUuIiNn]|问|题|質)[^\n:：]{0,24}[:：]|\n[ \t]*#+ ?[QqPpEeNn]"
)
_CLOSING = re.compile(
    r"(?:(?:please )?(?:let me know|feel free)\b|(?:i )?hope (?:this|that|it)\b"
    r"|is there anything else\b"
    r"|if you (?:have|need|would like|want)\b|do you (?:want|need|have)\b|would you like\b"
    r"|thank(?:s| you)\b|happy to help|good luck|have a (?:great|nice)\b|great question)"
    r"[^\n]*$",
    re.IGNORECASE,
)
_SLASHES = {0x2044: "/", 0x2215: "/"}
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2212\ufe63\uff0d"), "-")
_SPACES = dict.fromkeys(
    map(ord, "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000"), " "
)
_QUOTES = {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x02BC: "'"}
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"), "")


class _Folding(dict[int, str]):
    """Per-character NFKC, but for superscripts, fractions and CJK punctuation; cached."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if unicodedata.category(character) == "Nd":
            value = str(unicodedata.digit(character))
        elif (
            unicodedata.category(character) == "No" and not 0x2460 <= code <= 0x24FF
        ) or character in "：。，！？；":
            value = character
        else:
            value = unicodedata.normalize("NFKC", character)
        self[code] = value
        return value


_FOLDING = _Folding(
    {**_SLASHES, **_DASHES, **_SPACES, **_INVISIBLE, **_QUOTES, **{i: chr(i) for i in range(128)}}
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is searched for an answer.

    Attributes:
        text: Without thinking, tokens, markup and further questions.
        bold: What stood in bold, in order.
        unfinished: Whether it ends inside of thinking that was never closed.
        before_run_on: The text before the first further question that the model asked itself;
            None where there is none.
    """

    text: str
    bold: tuple[str, ...] = ()
    unfinished: bool = False
    before_run_on: str | None = None


def characters(text: str) -> str:
    """The text with compatibility forms, digits, dashes and spaces brought to plain ones."""
    return text if text.isascii() else text.translate(_FOLDING)


def without_thinking(text: str) -> str:
    """The text after the last closed `<think>` block, and before one that was never closed."""
    return _after_thinking(text)[0].strip() if "<" in text or "[" in text else text


def _after_thinking(text: str) -> tuple[str, bool]:
    """The same as it stands, and whether one was never closed."""
    if "<" not in text and "[" not in text:
        return text, False
    closings = list(_THINK_CLOSE.finditer(text))
    body = text[closings[-1].end() :] if closings else text
    opened = _THINK_OPEN.search(body)
    return (body, False) if opened is None else (body[: opened.start()], True)


def clean(raw: str, question: str = "") -> Cleaned:
    """Makes an output ready to be read."""
    raw = raw[-LONGEST:]
    marked = "<" in raw or "[" in raw
    body, unfinished = _after_thinking(raw)
    if unfinished:
        return Cleaned(body.strip(), unfinished=True)
    body = characters(body)
    if marked and (end := _END_TOKEN.search(body)) is not None and body[: end.start()].strip():
        body = body[: end.start()]
    if marked:
        body = _TOKEN.sub(" ", _END_TOKEN.sub(" ", body))
    body = body.replace("\r\n", "\n").replace("\r", "\n")
    body = _without_closing(body.strip())
    before = None
    if (further := _further_question(body, question)) is not None:
        before = body[:further]
    bold: list[str] = []
    text = _unmarked(body, bold)
    head = _unmarked(before, []) if before is not None else None
    return Cleaned(text.strip(), tuple(bold), before_run_on=head.strip() if head else None)


def _further_question(text: str, question: str) -> int | None:
    """Where the model goes on with another question; None where it only repeats its own."""
    if "\n" not in text or not _RUN_ON_WORD.search(text):
        return None
    own = " ".join(question.split())[:40].casefold()
    for found in _RUN_ON.finditer(text):
        if not text[: found.start()].strip():
            continue
        rest = " ".join(text[found.end() : found.end() + 200].split()).casefold()
        if own and rest.startswith(own):
            continue
        return found.start()
    return None


def _without_closing(text: str) -> str:
    for _ in range(3):
        head, _, last = text.rpartition("\n")
        sentences = re.split(r"(?<=[.!?])\s+", last)
        index = next((i for i, s in enumerate(sentences) if _CLOSING.match(s)), None)
        if index is None:
            break
        rest = " ".join(sentences[:index])
        if not (head + rest).strip():
            break
        text = f"{head}\n{rest}".strip()
    return text


_HTML = re.compile(
    r"</?(?:b|i|u|em|strong|span|code|mark|font|center|h[1-6])(?:\s[^<>]*)?>|<br\s*/?>",
    re.IGNORECASE,
)
_STRUCK = re.compile(r"~~[^~\n]{1,200}~~")
_SIGN = re.compile(r"(?<![\w)\]}])[–—](?=[$€£]?\d)")


def _unmarked(text: str, bold: list[str]) -> str:
    if ">" in text:
        text = _QUOTE.sub("", text)
    if "`" in text or "~~~" in text:
        text = _CODE.sub(r"\1", _FENCE.sub("", text))
    if "**" in text or "__" in text:

        def keep(found: re.Match[str]) -> str:
            inner = found[1] or (found[2] if found.re is _BOLD else "") or ""
            bold.append(inner)
            return inner

        text = _BOLD.sub(keep, text)
        text = _BOLD_LINES.sub(keep, text)
        text = re.sub(r"(?<![\w)])\*\*|\*\*(?![\w(])", "", text)
    if "*" in text:
        text = _ITALIC.sub(r"\1", text)
    if "–" in text or "—" in text:
        text = _SIGN.sub("-", text)
    if "<" in text:
        text = _HTML.sub("", text)
    if "~~" in text:
        text = _STRUCK.sub(" ", text)
    if "<<" in text:
        text = _CALCULATION.sub("", text)
    if "[" in text or "【" in text:
        text = _CITATION.sub("", text)
    return text
