"""Metric scales: the bounds and the direction of metrics that many programs measure.

A metric may be written on several scales, such as F1 from 0 to 1 or to 100. Of the scales that are
known for its name, the first one that holds every value of the log is taken; a metric of another
name has no bounds unless its log or the user declares them.
"""

import re
from typing import NamedTuple


class Scale(NamedTuple):
    """The bounds of a metric, None where there is none, and its direction where that is known."""

    lower: float | None
    upper: float | None
    higher_is_better: bool | None


_SHARES = (
    r"acc(uracy)?|acc_(norm|bytes|mutual_info|all|_\w+)|.*_acc|.*(exact_match|exact_match_indicator)"
    r"|.*exact_match(@\d+)?|em|exact|pass_?(at_|@|\^|_hat_)?\d+|correct|success|math_equiv(_\w+)?"
    r"|(prompt|inst)_level_\w+_acc|ifeval_strict_accuracy|chain_of_thought_correctness"
    r"|final_number_exact_match|resolved|passed|win_?rate"
)
_OVERLAPS = (
    r"(\w+_)?f1(_\w+)?|.*f1_score|bleu(_?\d)?|(best_|sacre)?bleu\w*|rouge_?(1|2|l|lsum)\w*|meteor|chrf\w*"
    r"|bert_?score\w*|precision\w*|recall\w*|iou|ndcg\w*|mrr|faithfulness|answer_relevancy"
    r"|(answer|context|contextual)_(relevan\w+|recall|precision|correctness|similarity|\w*utili[sz]\w+"
    r"|entit\w+)|partial_credit"
)
_DISTANCES = r"wer|cer|ter|edit_distance|levenshtein\w*|(word_|byte_)?perplexity|bits_per_byte|loss"
_KNOWN: tuple[tuple[re.Pattern[str], tuple[Scale, ...]], ...] = (
    (re.compile(r"mcc|pearson\w*|spearman\w*|kendall\w*"), (Scale(-1, 1, True),)),
    (re.compile(r"brier(_score)?"), (Scale(0, 2, False),)),
    (re.compile(r"hallucination|toxicity|bias"), (Scale(0, 1, False),)),
    (re.compile(_SHARES), (Scale(0, 1, True), Scale(0, 100, True))),
    (re.compile(_OVERLAPS), (Scale(0, 1, True), Scale(0, 100, True))),
    (re.compile(_DISTANCES), (Scale(0, None, False),)),
)


_OF_TEXTS = re.compile(
    r"(flesch|ari|smog|coleman|gunning)_\w+|\w*(length|latency|duration|tokens?|cost|count)(_\w+)?"
)


_CONTINUOUS = re.compile(f"{_OVERLAPS}|{_DISTANCES}|mcc|brier(_score)?|(pearson|spearman)\\w*")


def is_continuous(name: str) -> bool:
    """Whether the metric of this name is a number even where all its values are 0 or 1."""
    plain = _plain(name)
    return _CONTINUOUS.fullmatch(plain) is not None and re.fullmatch(_SHARES, plain) is None


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_")


def describes_text(name: str) -> bool:
    """Whether the metric of this name says what an answer is like, or what it took, and not how
    good it is."""
    return _OF_TEXTS.fullmatch(name.lower().rpartition(".")[2]) is not None


def scale_of(name: str, lowest: float, highest: float) -> Scale | None:
    """The scale of the metric of this name, given the range of its values in a log.

    Args:
        name: The source's own name of what is measured, without scorer or filter.
    """
    plain = _plain(name)
    for pattern, scales in _KNOWN:
        if pattern.fullmatch(plain):
            return next(
                (
                    scale
                    for scale in scales
                    if (scale.lower is None or lowest >= scale.lower)
                    and (scale.upper is None or highest <= scale.upper)
                ),
                None,
            )
    return None
