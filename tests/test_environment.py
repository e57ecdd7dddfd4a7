"""Dependencies are declared once; every other file points there."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import course

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ALL_DEPENDENCIES = PROJECT["dependencies"] + sum(PROJECT["optional-dependencies"].values(), [])


def lines_of(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins_of(name):
    requirements = [Requirement(line) for line in lines_of(name)]
    return {r.name: Version(str(r.specifier).removeprefix("==")) for r in requirements}


def test_environment_file_repeats_nothing():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *conda, pip = environment["dependencies"]
    assert [re.split("=", name)[0] for name in conda] == ["python", "pip"]
    assert pip["pip"] == [
        f"--extra-index-url {course.CPU_INDEX}",
        "-c requirements.lock",
        "-e .[lab,test]",
    ]
    assert {"lab", "test"} <= set(PROJECT["optional-dependencies"])
    python = conda[0].split("=")[1]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)


def test_runner_and_project_ask_for_the_same_python():
    assert PROJECT["requires-python"] == ">={}.{}".format(*course.OLDEST_PYTHON)


@pytest.mark.parametrize("dependency", ALL_DEPENDENCIES)
def test_dependencies_have_lower_bounds_only(dependency):
    operators = {specifier.operator for specifier in Requirement(dependency).specifier}
    assert operators == {">="}, "a pin or an upper bound makes Colab replace what it ships"


@pytest.mark.parametrize("name", ["requirements.lock", "tests/colab-versions.txt"])
def test_pinned_versions_meet_the_bounds(name):
    pins = pins_of(name)
    for requirement in map(Requirement, ALL_DEPENDENCIES):
        if requirement.name in pins:
            assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_lock_pins_everything_and_names_no_host():
    lines = lines_of("requirements.lock")
    assert all(re.match(r"[a-z0-9-]+==[\w.]+( ; .+)?$", line) for line in lines)
    pins = pins_of("requirements.lock")
    assert {Requirement(dependency).name for dependency in ALL_DEPENDENCIES} <= set(pins)
    assert str(pins["torch"]) == "2.13.0"


def test_workflow_calls_the_runner():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    commands = [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
    ]
    assert ".ci/run" in commands
    assert "python3 course.py test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_readme_names_both_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "python3 course.py lab" in readme
    assert "python3 course.py test" in readme
