"""course.py: what it installs where, what it says when it cannot, and what `test` reports."""

import ast
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import course

SETTINGS = ("COURSE_VENV", "CI")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with a space and a letter beyond ASCII in its path, where pip only takes notes."""
    root = tmp_path / "Kurs größer 1"
    root.mkdir()
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copyfile(course.ROOT / name, root / name)
    monkeypatch.setattr(course, "ROOT", root)
    monkeypatch.setattr(course, "LOCK", root / "requirements.lock")
    monkeypatch.setattr(course, "cpu_index", lambda: [])
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    installed = []

    def install(command, folder):
        if "venv" in command:
            course.python_of(folder).parent.mkdir(parents=True, exist_ok=True)
            course.python_of(folder).touch()
            (folder / "pyvenv.cfg").touch()
        else:
            installed.append(command)

    monkeypatch.setattr(course, "run_quietly", install)
    return types.SimpleNamespace(root=root, installed=installed, venv=root / ".venv")


def test_first_call_installs_and_the_next_finds_it(checkout, capsys):
    python = course.course_environment()
    assert python == course.python_of(checkout.venv)
    (command,) = checkout.installed
    assert command[-2:] == ["-e", ".[lab,test]"]
    constraints = Path(command[command.index("-c") + 1])
    assert "torch==2.13.0" in constraints.read_text(encoding="utf-8")
    assert "Installed in" in capsys.readouterr().out
    course.course_environment()
    assert len(checkout.installed) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_changed_dependencies_are_installed(checkout, name):
    course.course_environment()
    (checkout.venv / "mine").touch()
    with open(checkout.root / name, "a", encoding="utf-8") as file:
        file.write("# changed\n" if name.endswith("toml") else "another==1.0\n")
    course.course_environment()
    assert len(checkout.installed) == 2
    assert (checkout.venv / "mine").exists(), "an update keeps what is there"


def test_another_python_gets_a_new_environment(checkout, monkeypatch):
    course.course_environment()
    (checkout.venv / "old").touch()
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    course.course_environment()
    assert len(checkout.installed) == 2
    assert not (checkout.venv / "old").exists()


def test_interrupted_installation_is_replaced(checkout, monkeypatch):
    working = course.run_quietly

    def interrupted(command, folder):
        working(command, folder)
        if "pip" in command:
            (folder / "half").touch()
            raise KeyboardInterrupt

    monkeypatch.setattr(course, "run_quietly", interrupted)
    with pytest.raises(KeyboardInterrupt):
        course.course_environment()
    monkeypatch.setattr(course, "run_quietly", working)
    course.course_environment()
    assert not (checkout.venv / "half").exists()
    assert len(checkout.installed) == 2


def test_course_venv_moves_both_environments(checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_VENV", str(tmp_path / "elsewhere"))
    assert course.environment_folder() == tmp_path / "elsewhere"
    assert course.environment_folder("-colab") == tmp_path / "elsewhere-colab"
    course.course_environment()
    assert not checkout.venv.exists()


def test_a_folder_with_other_things_is_left_alone(checkout, monkeypatch, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    monkeypatch.setenv("COURSE_VENV", str(tmp_path / "thesis"))
    with pytest.raises(course.Stop, match="neither empty nor a virtual environment"):
        course.course_environment()
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]


def test_an_environment_that_the_course_did_not_make_is_left_alone(
    checkout, monkeypatch, tmp_path, capsys
):
    """Marked as ours, an interrupt now and the next call would delete everything in it."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "pyvenv.cfg").touch()
    (theirs / "work.py").touch()
    monkeypatch.setenv("COURSE_VENV", str(theirs))
    for _ in range(2):
        assert course.main(["test", "install"]) == 1
        said = " ".join(capsys.readouterr().out.split())
        assert f"{theirs} is a virtual environment that the course did not make." in said
        assert "Name a new folder in COURSE_VENV." in said
        assert sorted(path.name for path in theirs.iterdir()) == ["pyvenv.cfg", "work.py"]
    assert not checkout.installed


@pytest.mark.parametrize("stamped", [True, False])
def test_an_interrupt_while_replacing_is_repaired_by_the_next_call(checkout, monkeypatch, stamped):
    course.course_environment()
    if not stamped:
        (checkout.venv / "course-started").touch()
    (checkout.venv / "old").touch()
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))

    def interrupted(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            course.course_environment()
    assert (checkout.venv / "course-started").exists()
    course.course_environment()
    assert len(checkout.installed) == 2
    assert not (checkout.venv / "old").exists()


def test_read_only_checkout_installs_the_dependencies_and_a_path(checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_VENV", str(tmp_path / "venv"))
    monkeypatch.setattr(os, "access", lambda path, mode: path != checkout.root)
    packages = tmp_path / "site-packages of the new environment"
    packages.mkdir()
    answer = types.SimpleNamespace(stdout=f"{packages}\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    course.course_environment()
    (command,) = checkout.installed
    assert "-e" not in command
    assert {"torch>=2.6", "jupyterlab>=4.2", "nbval>=0.11"} <= set(command)
    assert (packages / "lecture_utils.pth").read_text(encoding="utf-8") == f"{checkout.root}\n"


def test_folder_that_cannot_be_made(checkout, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_VENV", str(tmp_path / "file" / "venv"))
    with pytest.raises(course.Stop, match="cannot be written.*\n.*COURSE_VENV=~/course-venv"):
        course.course_environment()


def test_full_disk_is_noticed_before_the_download(checkout, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=0.4e9))
    with pytest.raises(course.Stop, match=r"0\.4 GB free .* about 2\.5 GB.\nFree some space"):
        course.course_environment()
    assert not checkout.installed


def test_missing_ensurepip(checkout, monkeypatch):
    present = {"venv": True, "ensurepip": None}
    monkeypatch.setattr(course.importlib.util, "find_spec", present.get)
    with pytest.raises(course.Stop, match="sudo apt install python3-venv"):
        course.course_environment()


def test_old_python_is_told_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    assert course.main(["lab"]) == 1
    assert "Python 3.11 or newer is needed" in capsys.readouterr().err


def test_the_file_can_be_read_by_an_old_python():
    source = (course.ROOT / "course.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))


@pytest.mark.parametrize(
    "last_words, remedy",
    [
        ("ERROR: [Errno 28] No space left on device", "The disk is full"),
        ("Failed to establish a new connection: Name or service not known", "Check the network"),
        ("ERROR: No matching distribution found for torch==2.13.0", "no such version"),
        ("ERROR: [Errno 30] Read-only file system: '/x'", "Set COURSE_VENV"),
        ("something new", "Installing failed"),
    ],
)
def test_failed_installation_names_the_remedy(tmp_path, last_words, remedy):
    command = [sys.executable, "-c", f"print('first'); print({last_words!r}); raise SystemExit(1)"]
    with pytest.raises(course.Stop) as stopped:
        course.run_quietly(command, tmp_path)
    assert remedy in str(stopped.value)
    assert last_words in str(stopped.value)
    log = (tmp_path / "course-install.log").read_text(encoding="utf-8")
    assert log == f"first\n{last_words}\n"


def test_constraints_of_a_later_file_win(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("a==1\nmy-b==2 ; sys_platform == 'linux'\nmy-b==3\n", encoding="utf-8")
    second.write_text("# why\nMy_B==4\n", encoding="utf-8")
    assert course.merged_constraints(first, second) == "a==1\nMy_B==4\n"


def test_colab_environment_has_colabs_versions_and_the_locks_torch(checkout):
    course.colab_environment()
    (command,) = checkout.installed
    text = Path(command[command.index("-c") + 1]).read_text(encoding="utf-8").splitlines()
    assert "ipywidgets==7.7.1" in text and "torch==2.13.0" in text
    names = [course.package_name(line) for line in text]
    assert names.count("ipywidgets") == names.count("numpy") == 1


def test_unreachable_cpu_index_is_explained(monkeypatch, capsys):
    def fail(*_, **__):
        raise OSError

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(course.urllib.request, "urlopen", fail)
    assert course.cpu_index() == []
    assert "build with CUDA" in capsys.readouterr().out
    monkeypatch.setattr(course.urllib.request, "urlopen", lambda *_, **__: open(os.devnull))
    assert course.cpu_index() == ["--extra-index-url", course.CPU_INDEX]
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert course.cpu_index() == []


@pytest.fixture
def parts(monkeypatch):
    """`test` with parts that do nothing: parts["unit"] = 1 makes that one fail."""
    codes = dict.fromkeys(course.PARTS, 0)

    def part(name):
        def answer(wanted):
            if isinstance(codes[name], Exception | KeyboardInterrupt):
                raise codes[name]
            return codes[name]

        return answer

    monkeypatch.setattr(course, "PARTS", {name: (part(name), 100) for name in codes})
    return codes


def table(text):
    rows = [line.split() for line in text.splitlines() if line.endswith("100")]
    return {row[0]: " ".join(row[1:-2]) for row in rows}


def test_all_parts_pass(parts, capsys):
    assert course.main(["test"]) == 0
    out = capsys.readouterr().out
    assert table(out) == dict.fromkeys(course.PARTS, "passed")
    assert out.splitlines()[-1].startswith("===== parts: 5 passed in ")


def test_one_part_fails_and_the_others_still_run(parts, capsys):
    parts.update(unit=1, colab=course.Stop("the trouble and the remedy"))
    assert course.main(["test"]) == 1
    out = capsys.readouterr().out
    assert table(out)["unit"] == table(out)["colab"] == "failed"
    assert table(out)["browser"] == "passed"
    assert "the trouble and the remedy" in out
    assert "===== parts: 2 failed, 3 passed in " in out


def test_named_parts_only(parts, capsys):
    assert course.main(["test", "browser", "unit"]) == 0
    assert list(table(capsys.readouterr().out)) == ["install", "unit", "browser"]


def test_failed_installation_ends_the_run(parts, capsys):
    parts.update(install=course.Stop("no network"))
    assert course.main(["test"]) == 1
    out = capsys.readouterr().out
    assert table(out)["unit"] == "not run"
    assert "===== parts: 1 failed, 4 not run in " in out


def test_interrupt_ends_the_run_with_a_table(parts, capsys):
    parts.update(notebooks=KeyboardInterrupt())
    assert course.main(["test"]) == 1
    out = capsys.readouterr().out
    assert table(out)["notebooks"] == "failed" and table(out)["colab"] == "not run"


def test_unknown_part_names_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        course.main(["test", "unitt"])
    assert "no part unitt; there are: install, unit, notebooks" in capsys.readouterr().err


def test_a_python_too_new_for_colab_skips_at_home_and_fails_in_ci(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    monkeypatch.delenv("CI", raising=False)
    assert course.colab_part([]) == course.SKIPPED
    assert "python3.13 course.py test colab" in capsys.readouterr().out
    monkeypatch.setenv("CI", "1")
    with pytest.raises(course.Stop):
        course.colab_part([])


def test_lab_uses_a_python_that_has_everything(monkeypatch, capsys):
    """As on a course hub; metadata that an installation left in the checkout does not count."""
    asked = []

    def distributions(name, path):
        assert str(course.ROOT) not in path
        asked.append(name)
        return iter(["found"])

    monkeypatch.setattr("importlib.metadata.distributions", distributions)
    monkeypatch.setattr(sys, "prefix", "/usr")
    monkeypatch.delenv("COURSE_VENV", raising=False)
    started = []
    monkeypatch.setattr(course, "run", lambda command: started.append(command) or 0)
    assert course.main(["lab", "--no-browser"]) == 0
    assert asked == ["lecture-utils", "jupyterlab"]
    assert started[0][:4] == [sys.executable, "-m", "jupyterlab", "notebooks"]
    assert started[0][-1] == "--no-browser"
