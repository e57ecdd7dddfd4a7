"""What is known about each character of a text: the truth that a cell's values are compared with.

All labels are causal: the label of character t says what a reader knows who has read up to and with
character t. So the quotation mark that opens is inside, the one that closes is not.

    prose_labels    inside quotes, inside parentheses, position in line, in word, in sentence, ...
    code_labels     inside docstring, other string, comment; brackets, condition, indentation, ...
    plain_code      where code stands that is no string, comment or indentation

Labels of code come from Python's own `tokenize`, so they are right where regular expressions are
not: a # in a string is no comment.
"""

import io
import re
import tokenize

import numpy as np
from jaxtyping import Bool, Float

Labels = dict[str, Bool[np.ndarray, "T"] | Float[np.ndarray, "T"]]


def prose_labels(text: str) -> Labels:
    """Of English with straight quotes. A paragraph's end (an empty line) ends its quotation."""
    T = len(text)
    quoted, bracketed = np.zeros(T, bool), np.zeros(T, bool)
    word, sentence = np.zeros(T), np.zeros(T)
    inside = open_bracket = ended = False
    for t, c in enumerate(text):
        if c == "\n" and text[t - 1 : t] == "\n":
            inside = open_bracket = False
        inside ^= c == '"'
        open_bracket = c == "(" or (open_bracket and c != ")")
        quoted[t], bracketed[t] = inside, open_bracket
        letter = c.isalpha() or (c == "'" and t > 0 and text[t - 1].isalpha())
        word[t] = word[t - 1] + 1 if letter else 0
        new = ended and c not in " \n\"')"  # the first character of a sentence
        sentence[t] = 1 if new or t == 0 else sentence[t - 1] + 1
        ended = c in ".!?" or (ended and not new)
    return {
        "inside quotes": quoted,
        "inside parentheses": bracketed,
        "position in line": position_in_line(text),
        "position in word": word,
        "position in sentence": sentence,
        "between words": word == 0,
        "capital letter": np.array([c.isupper() for c in text], bool),
    }


def code_labels(source: str) -> Labels:
    """Of Python source. ValueError, with the reason, if Python cannot read it."""
    T = len(source)
    string, docstring, comment, condition = (np.zeros(T, bool) for _ in range(4))
    steps = np.zeros(T + 1)  # of the depth
    depth, first, since = 0, True, None  # a statement's first token? where its condition began
    for kind, text, start, end in _tokens(source):
        if kind == "STRING":
            opening = start + len(_OPENING.match(text)[0]) - 1
            kept = docstring if first and text.endswith(('"""', "'''")) else string
            kept[opening : end - 1] = True
        elif kind == "COMMENT":
            comment[start:end] = True
        elif text in ("(", "[", "{"):
            depth += 1
            steps[start] += 1
        elif text in (")", "]", "}"):
            depth -= 1
            steps[start] -= 1
        elif first and text in ("if", "elif", "while"):
            since = end
        elif text == ":" and since is not None and depth == 0:
            condition[since:start] = True
            since = None
        if kind not in ("COMMENT", "NL"):
            first = kind in ("NEWLINE", "INDENT", "DEDENT")
    column, indent, depth = position_in_line(source), indentation(source), steps[:T].cumsum()
    return {
        "inside docstring": docstring,
        "inside other string": string,
        "inside comment": comment,
        "inside brackets": depth > 0,
        "inside two brackets": depth > 1,
        "bracket depth": depth,
        "inside a condition": condition,
        "indentation": indent,
        "leading spaces": (column == indent) & (column > 0),
        "position in line": column,
        "inside name": np.array([c.isalnum() or c == "_" for c in source], bool),
    }


def plain_code(known: Labels) -> Bool[np.ndarray, "T"]:
    """From `code_labels`: where a reader of one line would say "this is code"."""
    names = ("inside docstring", "inside other string", "inside comment", "leading spaces")
    return ~np.any([known[name] for name in names], axis=0)


_OPENING = re.compile(r"""\w*('''|\"{3}|'|")""")


def _tokens(source):
    """Kind, text, start and end of each token; an f-string is one, as it was before Python 3.12."""
    starts = [0, *np.cumsum([len(line) for line in io.StringIO(source)]), len(source)]
    nested, begun = 0, 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            kind = tokenize.tok_name[token.type]
            start, end = (int(starts[row - 1]) + column for row, column in (token.start, token.end))
            if kind == "FSTRING_START":
                begun = begun if nested else start
                nested += 1
            elif kind == "FSTRING_END":
                nested -= 1
                kind, start = "STRING", begun
            if kind == "ERRORTOKEN" and not source[start:end].isspace():
                raise SyntaxError(f"{source[start:end]!r} in line {token.start[0]}")
            if not nested:
                yield kind, source[start:end], start, end
    except (tokenize.TokenError, SyntaxError) as error:
        raise ValueError(
            f"Python cannot read this: {error.args[0]}. Give whole files, or whole statements"
        ) from None


def position_in_line(text: str) -> Float[np.ndarray, "T"]:
    """How many characters of the line have been read; 0 at its end."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    places = np.arange(len(codes))
    ends = np.where(codes == ord("\n"), places, -1)
    return (places - np.maximum.accumulate(ends)).astype(float)


def indentation(text: str) -> Float[np.ndarray, "T"]:
    """How many spaces the line begins with, as far as read; 0 at its end."""
    column = position_in_line(text).astype(int)
    result, width, leading = np.zeros(len(text)), 0, True
    for t, c in enumerate(text):
        if column[t] <= 1:
            width, leading = 0, True
        leading = leading and c == " "
        width += leading
        result[t] = 0 if c == "\n" else width
    return result
