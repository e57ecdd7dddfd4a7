"""Labels: drawn by hand under the text, and compared."""

import numpy as np
import pytest

from lecture_utils.datasets import corpora, labels

# One row of marks under each line: ^ where the label holds, digits for numbers.
CODE = {
    "inside other string": [
        ('x = "a#b" + c', "    ^^^^     "),
        ("y = r'\\'' + ''", "     ^^^    ^ "),
        ('z = f"{len(\'q\')} {x}" if x else 1', "     ^^^^^^^^^^^^^^^             "),
    ],
    "inside comment": [('x = "#"  # "why"', "         ^^^^^^^"), ("# all", "^^^^^")],
    "inside a condition": [
        ("if a and (b or {1: 2}[1]): pass", "  ^^^^^^^^^^^^^^^^^^^^^^^      "),
        ("while f(lambda: 0): pass", "     ^^^^^^^^^^^^^      "),
        ("x = 1 if a else {2: 3}", "                      "),
    ],
    "bracket depth": [("f(a, [1, {}])", "0111122223210"), ('x = "("', "0000000")],
    "inside brackets": [("f(a, [1, {}])", " ^^^^^^^^^^^ "), ('x = "("', "       ")],
    "inside two brackets": [("f(a, [1, {}])", "     ^^^^^^  ")],
    "indentation": [("  x  = 1", "12222222")],
    "position in line": [("abc", "123")],
    "inside name": [("a_1 = b(2)", "^^^   ^ ^ ")],
}


@pytest.mark.parametrize("name", CODE)
def test_labels_of_code(name):
    for line, marks in CODE[name]:
        source = line + "\n" if name != "indentation" else f"if 1:\n{line}\n"
        values = labels.code_labels(source)[name][-len(line) - 1 :]
        assert "".join(map(drawn, values[:-1])) == marks, line
        assert not values[-1]  # of the line end, nothing holds here


def drawn(value):
    if isinstance(value, np.bool_):
        return "^" if value else " "
    return str(int(value))


def test_docstrings_are_the_strings_that_stand_alone():
    source = 'def f(x):\n    """Say "hi"."""\n    return """no""", x\n'
    found = labels.code_labels(source)
    assert text_where(source, found["inside docstring"]) == '"Say "hi".""'
    assert text_where(source, found["inside other string"]) == '"no""'


def test_a_string_over_lines_goes_on():
    source = 'x = """a\n  (b\n"""\ny = 1\n'
    found = labels.code_labels(source)
    assert text_where(source, found["inside other string"]) == '"a\n  (b\n""'
    assert not found["inside brackets"].any()


def test_a_form_feed_is_no_line_end():
    source = "x = 1\n\x0c\ny = '#abc'\n# c\n"
    found = labels.code_labels(source)
    assert text_where(source, found["inside other string"]) == "'#abc"
    assert text_where(source, found["inside comment"]) == "# c"


def test_what_python_cannot_read_is_refused_on_every_version():
    for source in ('x = "abc def\n', "x = \ufffd\n", "x = (1\n"):
        with pytest.raises(ValueError, match="Python cannot read this"):
            labels.code_labels(source)


def test_leading_spaces_are_indentation_so_far():
    source = "if x:\n    y = 1\n"
    found = labels.code_labels(source)
    assert found["indentation"].tolist() == [0] * 6 + [1, 2, 3] + [4] * 6 + [0]
    assert text_where(source, found["leading spaces"]) == "    "


def test_plain_code_is_what_is_left():
    source = 'if f(x):\n    """a"""\n    y = "b"  # c\n'
    found = labels.plain_code(labels.code_labels(source))
    assert text_where(source, found) == 'if f(x):\n"""\ny = "  \n'


def text_where(text, mask):
    return "".join(c for c, m in zip(text, mask) if m)


@pytest.mark.parametrize("number", range(6))
def test_labels_of_code_know_nothing_of_what_comes(number):
    """Cut at a line end outside all brackets and strings: the labels before it stay as they are."""
    source = list(corpora.python_files("test").values())[number]
    whole = labels.code_labels(source)
    strings = whole["inside docstring"] | whole["inside other string"]
    free = ~(strings | whole["inside brackets"])
    after = [t + 1 for t in range(len(source) - 1) if source[t] == "\n" and free[t]]
    ends = [t for t in after if source[t] > " "]
    end = ends[len(ends) // 2]
    part = labels.code_labels(source[:end])
    for feature, values in whole.items():
        assert (values[:end] == part[feature]).all(), feature


def test_code_that_is_none_is_refused():
    with pytest.raises(ValueError, match="Python cannot read this: .*Give whole files"):
        labels.code_labels('x = """never closed\n')


TEXT = 'He said, "Don\'t (go).\nStay." She left. "Hm'
PROSE = {
    "inside quotes": "         ^^^^^^^^^^^^^^^^^^            ^^^",
    "inside parentheses": "                ^^^                       ",
    "between words": "  ^    ^^^     ^^  ^^^    ^^^   ^    ^^^  ",
    "capital letter": "^         ^           ^      ^          ^ ",
    "position in line": "123456789012345678901" + "0" + "12345678901234567890",
    "position in word": "120123400012345001200" + "0" + "12340001230123400012",
    "position in sentence": "123456789012345678901" + "2" + "12345671234567890112",
}


@pytest.mark.parametrize("name", PROSE)
def test_labels_of_prose(name):
    values = labels.prose_labels(TEXT)[name]
    digits = values if values.dtype == bool else values % 10
    assert "".join(map(drawn, digits)) == PROSE[name]


def test_a_paragraph_ends_its_quotation():
    text = '"Never closed.\n\nNext (one.\n\nLast.'
    found = labels.prose_labels(text)
    assert text_where(text, found["inside quotes"]) == '"Never closed.\n'
    assert text_where(text, found["inside parentheses"]) == "(one.\n"


def test_labels_of_prose_know_nothing_of_what_comes():
    text = corpora.prose("test")[:3000]
    whole = labels.prose_labels(text)
    for end in (1, 500, 1501, 2999):
        for name, values in labels.prose_labels(text[:end]).items():
            assert (values == whole[name][:end]).all(), name


def test_quotes_of_the_dialogue_are_the_generators_own():
    quoted = corpora.dialogue(20_000, seed=3)
    assert (labels.prose_labels(quoted.text)["inside quotes"] == quoted.quoted).all()


@pytest.mark.parametrize("make", [labels.prose_labels, labels.code_labels])
@pytest.mark.parametrize("text", ["", "x = 1\n", "\n\n\n"])
def test_every_label_has_the_texts_length(make, text):
    for values in make(text).values():
        assert len(values) == len(text)
