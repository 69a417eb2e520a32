"""Word diff: its parts make up both texts, and it takes no longer for awkward ones."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.reports.word_diff import word_diff

TEXTS = st.text(st.sampled_from("ab \n.é"), max_size=60)


@given(TEXTS, TEXTS)
def test_the_parts_make_up_both_texts(old: str, new: str) -> None:
    parts = word_diff(old, new)
    assert "".join(part.text for part in parts if part.side != "new") == old
    assert "".join(part.text for part in parts if part.side != "old") == new
    assert all(part.text for part in parts)


def test_words_differ_as_a_whole() -> None:
    parts = [(part.side, part.text) for part in word_diff("It is 12 km.", "It is 13 km.")]
    assert parts == [("both", "It is "), ("old", "12"), ("new", "13"), ("both", " km.")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("the " * 20_000, "the a " * 20_000),
        (" ".join("ab" * 15_000), " ".join("ba" * 15_000)),
        ("line\n" * 5_000 + "x", "y" + "line\n" * 5_000),
    ],
)
def test_repeated_words_take_no_time(old: str, new: str) -> None:
    began = time.perf_counter()
    parts = word_diff(old, new)
    assert time.perf_counter() - began < 2
    assert "".join(part.text for part in parts if part.side != "old") == new
