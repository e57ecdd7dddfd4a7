"""How everything that ships in data/ was made: one plain module for each checkpoint or experiment.

    python -m lecture_utils.recipes --list
    python -m lecture_utils.recipes NAME [options]

The module's name is the recipe's name, and that of the files it writes. The only place in the
package where a model meets a data set. A recipe has a docstring whose first line says what it
makes, and `main(argv)`, which makes it and saves it with its card:

    def main(argv: list[str]) -> None:
        options = Command("NAME", __doc__).parse(argv, output="NAME")
        ...
        checkpoints.save("NAME", model, card("NAME", argv, seed=0, data=..., ...))
"""
