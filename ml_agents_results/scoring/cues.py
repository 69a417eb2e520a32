"""Cues: the phrases after which an answer stands, as tables of patterns."""

import re

from ml_agents_results.scoring.evidence import Evidence

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
CONCLUSION = re.compile(
    r"^[ \t#>-]*(?:(?:final )?(?:result|solution|conclusion|output|response|verdict)"
    r"|sorted(?: (?:list|words|order))?|total|therefore|thus|so|hence)\s*[:：][ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
SO_VALUE = re.compile(
    r"(?:^|(?<=[.!?,;:]\s)|(?<=\n))(?:so|thus|hence|therefore|=>|→|⇒),?\s+"
    r"(?P<value>[-+]?[$€£]?\s?\d[^\n.!?;:=]{0,40}(?:\.\d+)?[^\n.!?;:=\d]{0,40})[.!]?\s*$(?![\s\S])",
    re.IGNORECASE,
)
A_LINE = re.compile(r"^[ \t]*A[ \t]*[:：][ \t]*(?=\S)", re.MULTILINE)
_CHOOSE = re.compile(
    r"(?:\b(?:I|we)(?:'d| would|'ll| will|'m going to| am going to)?|\blet's|\blet us|\bI'm"
    r"|\bI am)\s*"
    r"(?:therefore |thus |have to |must |definitely |probably |can )?"
    r"(?:choose|choosing|pick|select|chose|selected|picked|go with|going with|opt for|say|answer"
    r"|vote for|settle on)\b\s*(?:that )?(?:it(?:'s| is) )?(?:the )?[:：]?\s*",
    re.IGNORECASE,
)
COMES_TO = re.compile(
    r"\b(?:evaluates|simplifies|reduces|amounts|comes(?: out)?|works out"
    r"|boils down) to\b\s*(?:be )?[:：]?\s*",
    re.IGNORECASE,
)
REVERSED = re.compile(
    r"(?:^|(?<=[.!?:,;]\s)|(?<=\n))(?:so|thus|hence|therefore"
    r"|then)?,?\s*(?P<value>[^\n.!?:;]{1,80}?)\s+"
    r"(?:is|must be|should be|would be)\s+(?:therefore |thus |indeed |clearly |hence )?"
    r"(?:the|our|my|your)\s+(?:final |correct |right |best )*answer\b",
    re.IGNORECASE,
)
LETTER_IS_RIGHT = re.compile(
    r"(?<![\w'])(?:(?:the )?(?:option|choice|answer|letter|alternative)s?\s+)?"
    r"(?P<value>[(\[]?(?-i:[A-R])[)\]]?)"
    r"(?P<own>[.:)]?(?:\s+(?!(?-i:[A-R])\b|(?:is|are|seems|might|may|could|looks|was|were|must|would|should|has|appears)\b)"
    r"[^\s.,;?\n]+){1,8}?|,\s[^,.\n]{1,60},)?\s*,?\s+"
    r"(?:is|must be|would be|should be|has to be|seems(?: to be)?|appears(?: to be)?|is therefore"
    r"|is thus"
    r"|is clearly|is indeed|is probably|is most likely|is the one that is|is definitely)\s+"
    r"(?:the )?(?:only |single |most |obviously |clearly )?"
    r"(?:correct|right|best|appropriate|suitable|accurate|fitting|(?<=most )(?:likely|plausible"
    r"|probable|reasonable|logical|consistent))\b(?!\s+(?:about|in that|that))",
    re.IGNORECASE,
)
HENCE_LETTER = re.compile(
    r"(?:^|(?<=[.!?,\n]\s)|(?<=\n))(?:so|thus|hence|therefore|it's|it is|so it's|so it is|must be"
    r"|(?:that |which )?(?:leaves|gives)(?: us)?(?: with)?(?: only)?"
    r"|leaving(?: us)?(?: with)?(?: only)?|(?:this|that|it|which) (?:corresponds to|matches"
    r"|is|must be)"
    r"|(?:so )?it (?:must|has to|should) be)"
    r"(?:\s*[,:])?\s+(?:clearly\s+)?(?:option |choice |answer |the answer )?"
    r"(?P<value>[(\[]?(?-i:[A-R])[)\]]?)(?=\s*(?:[.,;!)]|$|\n))",
    re.IGNORECASE | re.MULTILINE,
)
TAG = re.compile(
    r"<(answer|final_answer|finalanswer|final|ans|result|solution)>(.*?)(?:</\1>|$(?![\s\S]))",
    re.IGNORECASE | re.DOTALL,
)
BRACKET_TAG = re.compile(
    r"\[(?:ANSWER|ANS)\](.*?)\[/(?:ANSWER|ANS)\]|\[\[(.{1,200}?)\]\]", re.DOTALL
)
HASHES = re.compile(r"(?:^|(?<=[\s.]))#{4}[ \t]*(?![\s#])([^\n]*)")
HEADING_WORDS = re.compile(
    r"(?:final |the )?(?:answer|result|step|solution|conclusion)\b", re.IGNORECASE
)
JSON_KEY = re.compile(
    r"[\"'“]?\b(?:final[ _]?answer|answer|correct_answer|result|choice|prediction)\b[\"'”]\s*:\s*"
    r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|-?[\d.,/eE+-]*\d%?|true|false|null|True|False"
    r"|None|\[[^\[\]]*\])",
    re.IGNORECASE,
)
JSON_BARE = re.compile(
    r"\{\s*(?:final_)?answer\s*:\s*[\"']?([^\"'{},\n]+)[\"']?\s*[,}]", re.IGNORECASE
)
FOREIGN = re.compile(
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
_Cue = tuple[re.Pattern[str], Evidence, tuple[str, ...]]
CUES: tuple[_Cue, ...] = (
    (_LABEL, "label", ("answer", "ans")),
    (_HEADING, "label", ("answer", "result", "final")),
    (_SENTENCE, "sentence", ("answer", "correct ", "right ", "best ", "final ", "closest ",
                             "proper ", "only ", "most ")),
    (CONCLUSION, "label", ("result", "solution", "conclusion", "output", "response", "verdict",
                           "sorted", "total", "therefore", "thus", "so:", "hence")),
    (COMES_TO, "sentence", ("evaluates to", "simplifies to", "reduces to", "amounts to",
                            "comes to", "comes out", "works out", "boils down")),
    (_CHOOSE, "sentence", ("choos", "chose", "pick", "select", "go with", "going with", "opt for",
                           "i say", "i would say", "i'd say", "vote for", "settle on", "i answer",
                           "d answer")),
)  # fmt: skip
"""Cues with the words, in lower case, of which each holds one."""
RIGHT = ("correct", "right", "best", "appropriate", "suitable", "accurate", "fitting", "most ")
HENCE = (
    *("so", "thus", "hence", "therefore", "it's", "it is", "must be", "leaves", "leaving", "gives"),
    *("corresponds", "matches", "this is", "that is", "it must", "it has", "it should"),
)
FOREIGN_WORDS = (
    "respuesta", "antwor", "antwoord", "rispost", "respost", "svar", "opción", "reponse", "lösung",
    "odpowied",
)  # fmt: skip
JSON_KEYS = (
    'answer"', "answer'", "answer:", "answer :", 'result"', 'choice"', 'prediction"', "result'",
    "choice'",
)  # fmt: skip
