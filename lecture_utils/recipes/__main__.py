"""`python -m lecture_utils.recipes NAME [options]`: see the package's docstring."""

import importlib
import pkgutil
import sys
from types import ModuleType

from lecture_utils import recipes
from lecture_utils.training.checkpoints import unknown_name

USAGE = """usage: python -m lecture_utils.recipes NAME [options]
       python -m lecture_utils.recipes --list"""


def names() -> list[str]:
    """The recipes there are: the modules of this package that have a `main`."""
    return [name for name in _modules() if hasattr(_module(name), "main")]


def main(argv: list[str]) -> int:
    """Run the recipe that argv names; returns the exit code (2: no such recipe)."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if argv else 2
    name, *options = argv
    if name == "--list":
        for name in names():
            doc = _module(name).__doc__ or ""
            print(f"{name:24} {doc.strip().partition(chr(10))[0]}".rstrip())
        return 0
    recipe = _module(name) if name in _modules() else None
    if not hasattr(recipe, "main"):
        print(unknown_name("recipe", name, names()), USAGE, sep="\n", file=sys.stderr)
        return 2
    recipe.main(options)
    return 0


def _modules() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(recipes.__path__))
    return sorted(name for name in found if not name.startswith("_"))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{recipes.__name__}.{name}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("interrupted")
