"""Sentences: where they end, which is the last one, and whether a text breaks off."""

import re

_ABBREVIATION = re.compile(
    r"(?:\b(?:St|Dr|Mr|Mrs|Ms|Jr|Sr|vs|No|Inc|Ltd|Co|approx|ca|etc|e\.g|i\.e|cf|Mt|Ft|Prof|Gen"
    r"|Rev|Hon"
    r"|Fig|Eq|U\.S|U\.K|a\.m|p\.m|dept|est)|(?:^|[\s(])[A-Z])$"
)
_STOP = re.compile(r"[.!?。！？](?=[\s\"'”)\]]|$)|\n|。")


def end_of(text: str, start: int) -> int:
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


_OUTER_LINES = 3


def breaks_off(text: str) -> bool:
    """Whether a text seems to end in the middle of a sentence."""
    last = text.rstrip().split("\n")[-1].strip()
    if not last or last[-1] in ".!?。！？)]}\"'”’$%|*_>":
        return False
    if last[-1] in ",;:=+-*/×(" or last.endswith("\\"):
        return True
    word = re.search(r"([A-Za-z']+)$", last[-40:])
    if word is None:
        return False
    long = len(last.split()) >= 9 and len(last.rpartition("=")[2].split()) > 6
    return word[1].lower() in _OPEN_WORDS or (long and not last[-1].isdigit())


_OPEN_WORDS = frozenset({
    "a", "an", "the", "of", "to", "in", "on", "by", "for", "with", "and", "or", "but",
    "so", "that", "which", "is", "are", "was", "were", "be", "been", "gives", "give",
    "get", "gets", "has", "have", "had", "equals", "than", "from", "as", "at", "we", "he",
    "she", "they", "it", "i", "if", "then", "when", "where", "this", "these", "those",
    "let", "because", "since", "multiply", "divide", "add", "subtract", "plus", "minus",
    "times", "over", "under", "between", "into", "about", "also", "there", "their", "his",
    "her", "our", "my", "your", "its", "not", "no",
})  # fmt: skip


def last(text: str) -> str:
    """The last sentence that says something."""
    paragraphs = [line for line in text.split("\n") if line.strip(" *_-#|")]
    for line in reversed(paragraphs[-_OUTER_LINES:]):
        for sentence in reversed(split(line)):
            if any(character.isalnum() for character in sentence):
                return sentence
    return ""


def split(line: str) -> list[str]:
    """The sentences of a line, with their stops."""
    parts, start = [], 0
    while start < len(line):
        end = end_of(line, start)
        parts.append(line[start : end + 1])
        start = end + 1
    return parts


def previous(text: str, sentence: str) -> str | None:
    """The sentence before one of a text."""
    head = text[: text.rfind(sentence)].rstrip() if sentence in text else ""
    return last(head) or None
