"""The floors of the package: a file imports from its own floor or a lower one."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "lecture_utils"
# Floor: what it may import beside itself. Models and data sets meet in recipes only.
MAY_IMPORT = {
    "ground": set(),
    "datasets": {"ground"},
    "models": {"ground"},
    "training": {"ground"},
    "visual": {"ground", "training"},
    "recipes": {"ground", "datasets", "models", "training", "visual"},
    "exercises": {"ground", "datasets", "models", "training", "visual", "recipes"},
}


def floor_of(module):
    """The floor of a dotted name like lecture_utils.models.rnn."""
    second = [*module.split("."), ""][1]
    return second if second in MAY_IMPORT else "ground"


def imported_modules(source, module):
    """The lecture_utils modules that this source imports, absolute or relative."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "lecture_utils")


def violations(source, module):
    floor = floor_of(module)
    allowed = MAY_IMPORT[floor] | {floor}
    return [name for name in imported_modules(source, module) if floor_of(name) not in allowed]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_imports_go_down(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    found = violations(path.read_text(encoding="utf-8"), ".".join(parts))
    assert not found, f"{path.name} is on the floor {floor_of('.'.join(parts))}"


@pytest.mark.parametrize(
    "module, source",
    [
        ("lecture_utils.models.rnn", "from lecture_utils.datasets import text"),
        ("lecture_utils.models.rnn", "from ..datasets.text import load"),
        ("lecture_utils.datasets.text", "def f():\n    import lecture_utils.models.rnn"),
        ("lecture_utils.visual.style", "from lecture_utils import models"),
        ("lecture_utils.training.fit", "from ..models import rnn"),
        ("lecture_utils.trace", "from .training import fit"),
        ("lecture_utils.recipes.__init__", "from ..exercises import lstm"),
    ],
)
def test_a_step_up_is_noticed(module, source):
    assert violations(source, module)


def test_steps_down_and_sideways_pass():
    source = "from ..models import rnn\nfrom . import other\nimport torch\nfrom ..trace import note"
    assert not violations(source, "lecture_utils.recipes.min_char_rnn")
