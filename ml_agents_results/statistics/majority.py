"""Majority votes: how often the most frequent of k answers is right (maj@k, self-consistency).

NumPy is all it needs: Spark's workers run it as it stands.

Source: Wang and others 2023, arXiv:2203.11171 (self-consistency)
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import comb

import numpy as np

from ml_agents_results.statistics.additive_sums import Counts
from ml_agents_results.statistics.choices import Missing
from ml_agents_results.statistics.run_columns import Array, Cluster, Columns, Runs

Votes = tuple[tuple[tuple[int, int], ...], int]
"""Of a sample: of each answer how many runs gave it and how many of these are right, descending;
and how many runs gave none. All answers that are always right are one, since the grader takes them
for equal to the same target."""

_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"[+-]?\$?\d[\d,]*(\.\d+)?%?")


def same_answer(text: str) -> str:
    """What two answers have in common that are the same but for case, spaces, a full stop at the
    end, or how a number is written."""
    folded = _SPACE.sub(" ", text).strip().rstrip(".").casefold()
    if _NUMBER.fullmatch(folded):
        return f"{float(folded.replace(',', '').replace('$', '').rstrip('%')):.12g}"
    return folded


def vote_counts(runs: Runs, missing: Missing, cluster: Cluster) -> Counts:
    """Samples by variant, task, cluster, whether a run has the text of an answer, and votes; those
    of which no run counts are left out."""
    keys = [same_answer(name) for name in runs.names.get("answer", ())]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    codes = np.array([numbers[key] for key in keys] + [-1], np.int64)
    counts: Counts = {}
    for variant, of_variant in runs.columns.items():
        for task, columns in of_variant.items():
            for group, answered, votes in _votes(columns, codes, missing, cluster):
                label = task if cluster == "task" else runs.label(cluster, group)
                key = (variant, task, label, answered, votes)
                counts[key] = counts.get(key, 0) + 1
    return counts


def _votes(
    columns: Columns, codes: Array, missing: Missing, cluster: Cluster
) -> Iterable[tuple[int, bool, Votes]]:
    counted = np.flatnonzero(columns.counted(missing))
    order = counted[np.argsort(columns.sample_index[counted], kind="stable")]
    samples = columns.sample_index[order]
    answers, right = codes[columns.answer[order]].tolist(), columns.correct[order].tolist()
    groups = columns.clusters(cluster)[order].tolist() if cluster not in ("task", "sample") else []
    starts: Array = (
        np.flatnonzero(np.diff(samples, prepend=-1)) if len(samples) else np.zeros(0, int)
    )
    for start, end in zip(starts, [*starts[1:], len(samples)], strict=True):
        known: dict[int, list[int]] = {}
        blanks = 0
        for answer, is_right in zip(answers[start:end], right[start:end], strict=True):
            if answer < 0 and not is_right:
                blanks += 1
                continue
            tally = known.setdefault(answer, [0, 0])
            tally[0] += 1
            tally[1] += is_right
        always = sum(count for count, good in known.values() if count == good)
        others = [(count, good) for count, good in known.values() if count != good]
        tallies = sorted([*others, *([(always, always)] if always else [])], reverse=True)
        answered = any(answer >= 0 for answer in known)
        yield max(groups[start:end], default=0), answered, (tuple(tallies), blanks)


def asked(votes: Votes) -> int:
    """How many runs of the sample count."""
    return sum(count for count, _ in votes[0]) + votes[1]


def right(votes: Votes) -> int:
    """How many of them are right."""
    return sum(good for _, good in votes[0])


@lru_cache(maxsize=4096)
def majority_share(votes: Votes, k: int) -> float:
    """The chance that the most frequent of k answers, drawn without replacement, is right.

    Over all subsets, exactly. Ties are shared; runs without an answer abstain, and k of these are
    wrong. An answer that was graded differently is right by its share.
    """
    answers, blanks = votes
    total = 0.0
    for place, (count, good) in enumerate(answers):
        if good:
            others = [other for at, (other, _) in enumerate(answers) if at != place]
            total += good / count * _wins(count, others, blanks, k)
    return total / comb(asked(votes), k)


def _wins(count: int, others: Sequence[int], blanks: int, k: int) -> float:
    """Of how many subsets of k an answer has the most votes, a tie of t counting 1 / t."""
    wins = 0.0
    for votes in range(1, min(count, k) + 1):
        # By votes given to others so far, and by how many others have as many as this answer.
        ways = np.zeros((k - votes + 1, k // votes + 1))
        ways[0, 0] = 1.0
        for other in (*others, None):
            most = blanks if other is None else min(other, votes)
            longer = np.zeros_like(ways)
            for given in range(min(most, k - votes) + 1):
                chosen = comb(blanks if other is None else other, given)
                part = chosen * ways[: len(ways) - given]
                if other is not None and given == votes:
                    longer[given:, 1:] += part[:, :-1]
                else:
                    longer[given:] += part
            ways = longer
        shares = 1.0 / (1.0 + np.arange(ways.shape[1]))
        wins += comb(count, votes) * float(ways[k - votes] @ shares)
    return wins
