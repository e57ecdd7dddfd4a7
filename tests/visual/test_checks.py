"""The words in which widgets refuse an argument, exactly."""

import re

import numpy as np
import pytest

from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import attempt, counted

TABLE = np.array([[1.0, 2.0, 3.0], [4.0, 1.0000001, np.nan]])


@pytest.mark.parametrize("call, said", [
    (lambda: checks.shape("x", TABLE, (2, 4), "(2, 4)"), "x has shape (2, 3): it must be (2, 4)"),
    (lambda: checks.shape("x", TABLE, (None, None, None), "a cube"),
     "x has shape (2, 3): it must be a cube"),
    (lambda: checks.refuse("x", TABLE, TABLE != TABLE, "count"), "x holds nan at [1, 2]: count"),
    (lambda: checks.refuse("x", TABLE, TABLE > 1, "at most 1"), "x holds 2 at [0, 1]: at most 1"),
    (lambda: checks.refuse("x", TABLE[1:, 1:], TABLE[1:, 1:] > 1, "at most 1"),
     "x holds 1.0000001 at [0, 0]: at most 1"),
    (lambda: checks.whole_number("x", 3, 0, 2), "x is 3: choose a whole number from 0 to 2"),
    (lambda: checks.whole_number("x", 1.0, 0, 2), "x is 1.0: choose a whole number from 0 to 2"),
    (lambda: checks.whole_number("x", None, 0, 2), "x is None: choose a whole number from 0 to 2"),
    (lambda: checks.label("", "a cell", 4),
     "'' cannot name a cell: use a text of 1 to 4 characters"),
    (lambda: checks.label(7, "a cell", 4), "7 cannot name a cell: use a text of 1 to 4 characters"),
    (lambda: checks.text("x", "", "ab", 4), "x is '': give at least one character of 'ab'"),
    (lambda: checks.text("x", 7, "ab", 4), "x is 7: give at least one character of 'ab'"),
    (lambda: checks.text("x", "ababa", "ab", 4), "x has 5 characters: shorten it to 4 at most"),
    (lambda: checks.text("x", "aBA", "ab", 4),
     "x has 'B' at position 1, which is not in the alphabet 'ab': leave it out, or use a network "
     "that knows it"),
    (lambda: checks.mapping("x", [1], "a -> b"), "x is a list: give a dict, a -> b"),
    (lambda: checks.function("x", 3), "x is 3: give a function, or None"),
])
def test_what_is_refused_is_named_with_the_remedy(call, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        call()


def test_what_is_right_passes():
    checks.shape("x", TABLE, (None, 3), "")
    checks.refuse("x", TABLE, TABLE > 9, "")
    assert checks.whole_number("x", np.int64(2), 0, 2) == 2
    assert type(checks.whole_number("x", np.int64(2), 0, 2)) is int
    checks.label("LSTM", "a cell", 4)
    checks.text("x", "baab", "ab", 4)
    checks.mapping("x", {}, "")
    checks.function("x", None)
    checks.function("x", len)


def test_an_error_becomes_an_answer():
    def refuse():
        raise ValueError("leave it out")

    assert attempt(lambda: {"images": 3}) == {"images": 3}
    assert attempt(refuse) == {"error": "leave it out"}
    assert attempt(lambda: {}["x"]) == {"error": "KeyError: 'x'"}
    with pytest.raises(KeyboardInterrupt):
        attempt(lambda: (_ for _ in ()).throw(KeyboardInterrupt))


def test_one_thing_two_things():
    assert [counted(n, "step") for n in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]
