"""Phrases: what models say around an answer - reasons, denials, refusals, idioms."""

import re

DENIED = re.compile(
    r"\b(?:not|cannot|never|neither|nor|unlikely|impossible|wrong)\b|\b(?:do|does|did|is|are|was"
    r"|ca|wo|would"
    r"|could|should)n't\b",
    re.IGNORECASE,
)
NOT_A_DENIAL = re.compile(
    r"\bno doubt\b|\bnot (?:only|hard|difficult|surprising\w*|just|necessary)\b|\bif not\b"
    r"|\bwhether or not\b",
    re.IGNORECASE,
)
CONDITION = re.compile(
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
NO_STATEMENT = re.compile(
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
_REASON = re.compile(
    r"\s*[,;(–—-]?\s*\b(?:because|since|i\.e\.|that is,"
    r"|in other words|or equivalently|or about|namely"
    r"|due to|given that|as (?:it|the|they|we|there|he|she|this"
    r"|that|per"
    r"|shown|given|calculated|required|stated|you|all|both|a|an|our)|which (?:is|are|means|makes"
    r"|gives"
    r"|equals|corresponds|can|was|has|we|would|also|matches)|so (?:that|the|we|it|he|she|they"
    r"|this|there"
    r"|option)|rather than|instead of|assuming|according to|therefore|thus|hence|but not|and not"
    r"|after"
    r" (?:\w+ing)|when (?:we|you|the|x|it)|if (?:we|you|the|it)|where|whereas|while|followed by"
    r"|although"
    r"|making|meaning|leaving|giving)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_NOT_ANOTHER = re.compile(
    r"\s*(?:,|\(|–|—|;|\s-)\s*(?:and |but )?not\b.*|\s+not\s+[\d$(].*", re.IGNORECASE | re.DOTALL
)
NOT_BUT = re.compile(
    r"^(?:\(?(?:it|that|this|the answer)(?:'s| is| was)?\s+)?(?:not|isn't|wasn't|neither)\s+"
    r"(?P<denied>.{1,80}?)\s*[,;.]?\s*(?:but(?: rather)?|rather|instead|it(?: is|'s)|it should be"
    r"|the (?:correct|right) (?:answer|one) is)\s+(?P<meant>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_PARENTHESIS = re.compile(
    r"(?<=[\w%$°.})])\s+\([^()]*[^\W\d_]{2,}[^()]*\)\s*$|\s*\((?:[A-Za-z ,.'-]{12,})\)\s*$"
)
_LEAD = re.compile(
    r"^(?:[\s:\"'*_>~]+(?![\d.$])|(?:=>|->|→|⇒|∴|=|\.{2,}|…)\s*"
    r"|(?:that |simply |therefore |thus |just |indeed |clearly "
    r"|definitely |now )+)",
    re.IGNORECASE,
)
ABSTAINS = re.compile(
    r"\b(?:can(?:no|')t|cannot|could not|couldn't|unable to|impossible to|not possible to"
    r"|not able to)"
    r" (?:\w+ ){0,3}?(?:determine|say|tell|answer|know|help|assist|provide|choose|decide"
    r"|be determined|be answered|be known|calculate|comply|find|conclude|fulfill|give|solve|work"
    r"|pick|select|be calculated|be found|continue|discuss|engage)"
    r"|\b(?:do not|don't|does not|doesn't) (?:know|have (?:enough|sufficient|any|access))"
    r"|\bnot (?:enough|sufficient) (?:information|data|context)|\binsufficient (?:information|data)"
    r"|\bno idea\b"
    r"|\bit depends\b|\bI(?:'m| am) not (?:sure|certain|able)\b"
    r"|\bas an ai\b|\bnot (?:sure|certain)\b"
    r"|\bmore (?:information|context|details) (?:is|are) (?:needed|required)"
    r"|\bneed more (?:information|context)",
    re.IGNORECASE,
)
SORRY = re.compile(
    r"\b(?:I(?:'m| am) (?:very |really |so )?sorry|I apologi[sz]e|I must (?:decline|refuse)"
    r"|I(?:'d| would) rather not"
    r"|I (?:can(?:no|')t|won't|will not|refuse to|decline to|am unable to)\b|I(?:'m"
    r"| am) unable to|my apologies)",
    re.IGNORECASE,
)
PROSE = re.compile(
    r"\b(?:is|are|was|were|be|has|have|had|do|does|did|can|cannot|could|will|would|should|must"
    r"|may|might"
    r"|(?-i:I)|we|you|they|let|lets|first|then|because|there|so|here|sure|okay|means|gives|think|need"
    r"|makes)\b|n't\b",
    re.IGNORECASE,
)
MEANT_AGAIN = re.compile(
    r"\b(?:wait|actually|hold on|correction|oops|scratch that|on second thought|no,|sorry,"
    r"|my mistake|let me correct"
    r"|I made (?:a|an) (?:mistake|error)|that's (?:wrong|not right|incorrect)|that is (?:wrong"
    r"|not right|incorrect))",
    re.IGNORECASE,
)
REVISED = re.compile(
    r"\b(?:(?:it|that|this)(?:'s| is| was)?(?: actually)?(?: should| must"
    r"| would)?(?: have)?(?: been| be)?(?: actually)?"
    r"|(?:that |this )?(?:gives|makes)(?: us| it)?|make (?:it|that)|I meant|it's|actually"
    r"|correction|the (?:correct|right"
    r"|actual|true) (?:\w+ )?(?:is|was|should be)|we get|there are|there is|she \w+|he \w+"
    r"|they \w+|=)\s*[:,]?\s*",
    re.IGNORECASE,
)


def trimmed(text: str) -> str:
    """A statement's text without what leads to it, reasons, and words after it."""
    text = text.strip()
    for _ in range(3):
        shorter = _LEAD.sub("", text).strip()
        if shorter == text or not shorter:
            break
        text = shorter
    for pattern in (_REASON, _NOT_ANOTHER):
        shorter = pattern.sub("", text)
        if any(character.isalnum() for character in shorter):
            text = shorter
    if not re.search(r"[\\^=]", text):
        shorter = _PARENTHESIS.sub("", text)
        text = shorter if shorter.strip() else text
    text = text.strip().rstrip(",;:").rstrip()
    return without_quotes(text)


def without_quotes(text: str) -> str:
    text = text.strip("*_` ")
    pairs = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»"}
    if len(text) > 2 and pairs.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1]
    return text.rstrip("*_` ").strip()


def in_one_line(text: str) -> str:
    return " ".join(text.split())[:200]


def as_written(text: str, folded: str) -> str:
    found = re.search(rf"\b{re.escape(folded)}\b", text, re.IGNORECASE)
    return found[0] if found is not None else folded


IDIOMS = re.compile(
    r"\bno (?:doubt|idea|matter|one|longer|more|need|problem|reason|other|such|wonder)\b"
    r"|\bnot at all\b",
    re.IGNORECASE,
)
UNDECIDED = re.compile(
    r"\bno way\b|\btrue or false\b|\byes or no\b|\bvalid or invalid\b|\byes and no\b"
    r"|\bfalse or true\b"
    r"|\bno or yes\b|\binvalid or valid\b|\btrue,? (?:but|though)\b",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Whether an output declines to answer."""
    return len(text) < 2000 and (
        SORRY.search(text) is not None or ABSTAINS.search(text) is not None
    )


CONCLUDES = re.compile(
    r"\b(?:(?:al)?together,?(?=\s+[$€£]?\d)|equals|is equal to|which makes"
    r"|which adds up to|resulting in|totall?ing|leaves|gives|we have|so|thus|therefore|hence"
    r"|which is|which gives"
    r"|which leaves|which means|leaving|giving|making|for a total of|that is|to get|we get)\b",
    re.IGNORECASE,
)


_CHECK = re.compile(
    r"[ \t*#_]*(?:(?:double[- ])?check(?:ing)?|verif(?:y|ication|ying)|sanity check|proof"
    r"|to (?:check|verify)|we can (?:check|verify))\b",
    re.IGNORECASE,
)
_ASIDE_PARAGRAPH = re.compile(r"\([^()\n]{6,300}\)|note:[^\n]*", re.IGNORECASE)
_IT_IS = re.compile(
    r"^(?:(?:i (?:think|believe|guess|would say)|so|well),?\s+(?:that\s+)?)?"
    r"(?:it|they|that|this|these|those)\s?(?:'s|'re| is| are| was| were)\s+(?!not\b)(?=\S)",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r",?\s+(?:of course|indeed|obviously|naturally|certainly|i (?:think|believe|guess))[.!]?$"
    r"|\s+\((?:born\s|c\.\s?)?\d{3,4}(?:\s?[-–]\s?(?:\d{2,4}|present))?\)[.!]?$",
    re.IGNORECASE,
)


def without_check(text: str) -> str:
    """The text without a closing paragraph that only checks the result, or stands in brackets."""
    text = text.rstrip()
    head, _, paragraph = text.rpartition("\n\n")
    if head and _ASIDE_PARAGRAPH.fullmatch(paragraph.strip()):
        text = head.rstrip()
        head, _, paragraph = text.rpartition("\n\n")
    lines = paragraph.split("\n")
    first = next((index for index, line in enumerate(lines) if _CHECK.match(line)), None)
    if first is None or not (head + "".join(lines[:first])).strip():
        return text
    return "\n\n".join(filter(str.strip, (head, "\n".join(lines[:first]))))


def without_lead(text: str) -> str:
    """`It's Canberra, of course.` without `It's` and what only affirms."""
    return _ASIDE.sub("", _IT_IS.sub("", text))
