"""The notebooks as files: nothing is run here, so an author can call this all the time."""

import re
from pathlib import Path

import pytest

from tools import refresh

NOTEBOOKS = sorted(refresh.NOTEBOOKS.glob("*.ipynb"))
LARGEST = 1_500_000
FEWEST_CHECKED_CELLS = 5

TAG = re.compile(
    r"nbval-check-output|nbval-ignore-output|raises-exception|set-up|folded|widget"
    r"|exercise-[A-Za-z0-9_-]+|claim-[a-z0-9.-]+|topic-(?P<topic>[1-9]\d*)"
)
TOPICS = 155
MACHINE_PATH = re.compile(
    r"/home/\w|/Users/\w|/root/|/tmp/|/var/folders/|[A-Z]:\\\\?\w|site-packages|dist-packages"
    r"|ipykernel_\d"
)
WARNING = re.compile(r"\b[A-Z]\w*Warning\b")
UNSTABLE = re.compile(r"\b0x[0-9a-f]{6,}|\b\d+(\.\d+)? ?(it/s|s/it)\b")
FULL_PRECISION = re.compile(r"\d\.\d{7,}")
BASE64 = re.compile(r"[A-Za-z0-9+/=]{80,}")
ASSERTION = re.compile(r"\bassert\b|\bclaim\(|\.check\(|\bassert_\w+\(")
MARKDOWN_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\(")
HTML_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
HTML_ALT = re.compile(r"\balt\s*=\s*[\"']\s*[^\s\"']", re.IGNORECASE)


def problems(path):
    """Everything that keeps this file from being stored, as sentences."""
    path = Path(path)
    notebook = refresh.read(path)
    found = []
    if path.stat().st_size > LARGEST:
        found.append(f"{path.stat().st_size} bytes are more than {LARGEST}")
    ids = [cell.get("id") for cell in notebook.cells]
    if None in ids or len(set(ids)) < len(ids):
        found.append("cell ids are missing or repeated")
    if not refresh.is_normal(path):
        found.append("not in normal form: run course.py refresh")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("not run from top to bottom in a fresh kernel: run course.py refresh")
    set_up = [cell for cell in code if "set-up" in tags_of(cell)]
    if len(set_up) != 1 or set_up[0] is not code[0]:
        found.append("the first code cell, and no other, is the set-up cell")
    for cell in notebook.cells:
        where = f"cell {cell.get('id')}: "
        about = [*tag_problems(cell), *text_problems(cell), *image_problems(cell)]
        found += [where + problem for problem in about]
    checked = [cell for cell in code if is_compared_everywhere(cell)]
    if len(checked) < FEWEST_CHECKED_CELLS:
        found.append(f"{len(checked)} cells are compared everywhere, {FEWEST_CHECKED_CELLS} needed")
    return found


def tags_of(cell):
    return cell.metadata.get("tags", [])


def is_compared_everywhere(cell):
    """Exercise checks print something else once the exercise is solved, so they do not count."""
    return "nbval-check-output" in tags_of(cell) and ".check(" not in cell.source


def tag_problems(cell):
    tags = tags_of(cell)
    for tag in tags:
        match = TAG.fullmatch(tag)
        if not match or int(match["topic"] or 1) > TOPICS:
            yield f"unknown tag {tag!r}"
    if cell.cell_type != "code":
        return
    if re.search(r"#.*\bnbval", cell.source, re.IGNORECASE):
        yield "marks for nbval are tags, not comments"
    if "nbval-check-output" in tags and not cell.outputs:
        yield "is tagged for comparing but prints nothing"
    if {"nbval-check-output", "nbval-ignore-output"} <= set(tags):
        yield "is tagged both for comparing and for ignoring"
    if "raises-exception" in tags and "nbval-check-output" not in tags:
        yield "raises on purpose, so it needs nbval-check-output too: else not raising would pass"
    if "nbval-ignore-output" in tags and not may_be_ignored(cell):
        yield "is ignored by nbval, so it must assert a range (assert, claim or check)"


def may_be_ignored(cell):
    if ASSERTION.search(cell.source):
        return True
    kinds = [kind for output in cell.outputs for kind in output.get("data", {"stream": 1})]
    only_figures = any(kind.startswith("image/") for kind in kinds) and "stream" not in kinds
    return only_figures or ("widget" in tags_of(cell) and "stream" not in kinds)


def texts_of(output):
    """The readable texts of an output, without embedded images."""
    texts = [output.get("text", "")]
    texts += [v for k, v in output.get("data", {}).items() if k.startswith("text/")]
    return BASE64.sub("", "\n".join(texts))


def text_problems(cell):
    tags = tags_of(cell)
    if "set-up" not in tags and MACHINE_PATH.search(cell.source):
        yield f"a path of one machine: {MACHINE_PATH.search(cell.source).group()!r}"
    for output in cell.get("outputs", []):
        if output.output_type == "error" and "raises-exception" not in tags:
            yield f"an error is stored: {output.ename}"
        if output.output_type == "error":
            continue  # nbval compares its name and message; the traceback names files
        if output.get("name") == "stderr":
            yield "stderr is stored: silence its cause, or print what matters"
        text = texts_of(output)
        for what, pattern in {"machine path": MACHINE_PATH, "warning": WARNING}.items():
            if match := pattern.search(text):
                yield f"{what} in the output: {match.group()!r}"
        if "nbval-ignore-output" not in tags and (match := UNSTABLE.search(text)):
            yield f"text that differs from run to run: {match.group()!r}"
        if "nbval-check-output" in tags and (match := FULL_PRECISION.search(text)):
            yield f"{match.group()!r} will not hold on another CPU: print fewer digits"


def image_problems(cell):
    if cell.cell_type == "markdown":
        if any(not match["alt"].strip() for match in MARKDOWN_IMAGE.finditer(cell.source)):
            yield "a Markdown image has no alt text"
        yield from html_image_problems(cell.source)
    for output in cell.get("outputs", []):
        for kind, value in output.get("data", {}).items():
            about = output.get("metadata", {}).get(kind, {})
            if kind.startswith("image/") and not about.get("alt", "").strip():
                yield f"an output of kind {kind} has no alt text"
            if kind == "text/html":
                yield from html_image_problems(value)


def html_image_problems(text):
    if any(not HTML_ALT.search(image) for image in HTML_IMAGE.findall(text)):
        yield "an HTML image has no alt text"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_form(path):
    found = problems(path)
    assert not found, "\n".join(found)


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_set_up_cell_is_short_and_everywhere_the_same():
    sources = {
        cell.source
        for path in NOTEBOOKS
        for cell in refresh.read(path).cells
        if "set-up" in tags_of(cell)
    }
    assert sources == {refresh.set_up_source()}
    lines = refresh.set_up_source().splitlines()
    assert lines[0].startswith("#@title ")
    assert len(lines) <= 12


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_badge_leads_to_this_file(path):
    address = refresh.repository()
    owner_and_name = address.removeprefix("https://github.com/")
    target = f"colab.research.google.com/github/{owner_and_name}/blob/main/notebooks/{path.name}"
    first = refresh.read(path).cells[0].source
    assert first.count("colab-badge.svg") == 1
    assert f"](https://{target})" in first


def test_repository_address_comes_from_one_place():
    assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", refresh.repository())
    assert refresh.repository() not in refresh.SET_UP_TEMPLATE.read_text(encoding="utf-8")
    assert refresh.repository() in refresh.set_up_source()
