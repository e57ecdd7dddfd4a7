"""Copy the notebooks to a folder with the exercise solutions put in.

    python tools/solve.py FOLDER

A cell tagged `exercise-some-name` in notebooks/04_lstm.ipynb becomes the solution `some_name` of
lecture_utils.exercises.lstm. A cell that checks an answer then prints something other than what
is stored, so its output is no longer compared; with COURSE_STRICT=1 a wrong answer raises there.
"""

import importlib
import shutil
import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def exercise_module(path):
    """The module of a lesson's exercises: lstm for 04_lstm.ipynb."""
    _, _, word = Path(path).stem.partition("_")
    return importlib.import_module(f"lecture_utils.exercises.{word}")


def solution(module, tag):
    """The Python source that solves the exercise with this tag."""
    name = tag.removeprefix("exercise-").replace("-", "_")
    if not hasattr(module, name):
        raise LookupError(f"the tag {tag!r} asks for {name} in {module.__name__}: there is none")
    return getattr(module, name).source


def solve(notebook, path):
    """Put the solutions into the notebook's exercise cells; return how many there are."""
    solved = 0
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        for tag in tags:
            if tag.startswith("exercise-"):
                cell.source = solution(exercise_module(path), tag)
                solved += 1
        if ".check(" in cell.source and "nbval-check-output" in tags:
            tags.remove("nbval-check-output")
    return solved


def main(folder):
    # Whatever lies beside the notebooks goes along, so that their relative paths still work.
    shutil.copytree(NOTEBOOKS, folder, dirs_exist_ok=True)
    for path in sorted(Path(folder).glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        solved = solve(notebook, path)
        nbformat.write(notebook, path)
        print(f"{path.name}: {solved} exercises solved", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/solve.py FOLDER")
    main(sys.argv[1])
