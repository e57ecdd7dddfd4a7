"""The command line that every recipe has."""

import argparse


class Command(argparse.ArgumentParser):
    """Of `python -m lecture_utils.recipes NAME`. The recipe's docstring is its help text."""

    def __init__(self, name: str, doc: str):
        super().__init__(
            prog=f"python -m lecture_utils.recipes {name}", description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip

    def count(self, flag: str, default: int | None, help: str | None = None) -> None:
        """An option that is a whole number of at least 1; `default` where it is not given."""
        self.add_argument(flag, type=_at_least_one, default=default, help=help, metavar="N")

    def parse(self, argv: list[str], output: str) -> argparse.Namespace:
        """With --output, where to save: an experiment's name unless given."""
        self.add_argument("--output", default=output, help="experiment name, or a path")
        return self.parse_args(argv)


def _at_least_one(text):
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number of at least 1")
    return number
