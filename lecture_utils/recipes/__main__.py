"""`python -m lecture_utils.recipes NAME [options]`: see the package's docstring."""

import importlib
import pkgutil
import sys

from lecture_utils import recipes
from lecture_utils.training.checkpoints import unknown_name

USAGE = """usage: python -m lecture_utils.recipes NAME [options]
       python -m lecture_utils.recipes --list"""


def names() -> list[str]:
    """The recipes there are: the modules of this package."""
    found = (module.name for module in pkgutil.iter_modules(recipes.__path__))
    return sorted(name for name in found if not name.startswith("_"))


def main(argv: list[str]) -> int:
    """Run the recipe that argv names; returns the exit code (2: no such recipe)."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if argv else 2
    name, *options = argv
    if name == "--list":
        for name in names():
            doc = importlib.import_module(f"{recipes.__name__}.{name}").__doc__ or ""
            print(f"{name:24} {doc.strip().partition(chr(10))[0]}".rstrip())
        return 0
    if name not in names():
        print(unknown_name("recipe", name, names()), USAGE, sep="\n", file=sys.stderr)
        return 2
    importlib.import_module(f"{recipes.__name__}.{name}").main(options)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("interrupted")
