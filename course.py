#!/usr/bin/env python3
"""Run the course. Nothing but Python itself is needed to start this file.

    python3 course.py lab                install what is missing, then open JupyterLab
    python3 course.py test [PART ...]    run everything that CI runs, or the named parts
    python3 course.py refresh [FILE ...] run notebooks and store them in their normal form

The first call makes a virtual environment in .venv and installs the course into it with the
versions of requirements.lock; later calls find it there. COURSE_VENV=FOLDER puts it elsewhere,
for a checkout that cannot be written. Arguments after `lab` go to JupyterLab, for example
--no-browser.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
COLAB_VERSIONS = ROOT / "tests" / "colab-versions.txt"
PYTHON_VERSION = "{}.{}.{}".format(*sys.version_info[:3])
OLDEST_PYTHON = (3, 11)  # pyproject.toml says the same, in a place that an old Python cannot read
NEWEST_FOR_COLAB = (3, 13)  # Colab's numpy has no wheel for a newer Python
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


class Stop(Exception):
    """What only the user can put right: the message names the trouble and the remedy."""


# ------------------------------------------------------------------ installing


def check_python():
    if sys.version_info < OLDEST_PYTHON:
        raise Stop(
            f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer is needed, and this is "
            f"{PYTHON_VERSION} ({sys.executable}).\n"
            "Install a newer one (python.org, or your system's packages) and call it by name,\n"
            "for example: python3.12 course.py lab"
        )


def check_venv_module():
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise Stop(
            f"This Python ({sys.executable}) cannot make virtual environments: its module venv\n"
            "or ensurepip is missing. On Debian and Ubuntu: sudo apt install python3-venv"
        )


def environment_folder(suffix=""):
    chosen = os.environ.get("COURSE_VENV")
    return Path(str(Path(chosen).expanduser().resolve() if chosen else ROOT / ".venv") + suffix)


def python_of(folder):
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def merged_constraints(*files):
    """The lines of the constraint files; a package named in a later file counts only there."""
    lines = []
    for file in files:
        new = [line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
        named = {package_name(line) for line in new if line}
        lines = [line for line in lines if package_name(line) not in named]
        lines += [line for line in new if line]
    return "\n".join(lines) + "\n"


def package_name(requirement):
    return re.match(r"[\w.-]+", requirement).group().lower().replace("_", "-")


def ensure_environment(folder, extras, constraint_files, gigabytes):
    """Make or repair the virtual environment in `folder`; return its Python.

    It is ready when its stamp says so. A file beside the stamp marks an installation under way:
    found at the start, it means that one was interrupted, and what is there cannot be trusted.
    """
    python, stamp, under_way = python_of(folder), folder / "course-ready", folder / "course-started"
    constraints = merged_constraints(*constraint_files)
    made_for = "{} Python {}.{}".format(ROOT, *sys.version_info[:2])
    content = (ROOT / "pyproject.toml").read_text(encoding="utf-8") + constraints + str(extras)
    ready = json.dumps([made_for, hashlib.sha256(content.encode()).hexdigest()])
    stamped = stamp.read_text(encoding="utf-8") if stamp.exists() else None
    if stamped == ready and not under_way.exists() and python.exists():
        return python

    replace = under_way.exists() or bool(stamped and json.loads(stamped)[0] != made_for)
    if not replace and stamped is None and folder.exists() and any(folder.iterdir()):
        if (folder / "pyvenv.cfg").exists():
            raise Stop(
                f"{folder} is a virtual environment that the course did not make.\n"
                "Name a new folder in COURSE_VENV."
            )
        raise Stop(
            f"{folder} is neither empty nor a virtual environment, so nothing is installed\n"
            "there. Name a new folder in COURSE_VENV, or remove this one."
        )
    check_venv_module()
    started = time.monotonic()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        under_way.touch()
    except OSError as error:
        raise Stop(
            f"{folder} cannot be written ({error.strerror}).\n"
            "Name a folder that can be: COURSE_VENV=~/course-venv python3 course.py lab"
        ) from None
    if replace:
        print(f"Replacing {folder}: it is incomplete or was made for another Python.")
        empty(folder, under_way)
    print(f"Installing into {folder}: 1 to 5 minutes the first time.", flush=True)
    check_disk(folder, gigabytes)
    if not python.exists():
        run_quietly([sys.executable, "-m", "venv", str(folder)], folder)
    (folder / "course-constraints.txt").write_text(constraints, encoding="utf-8")
    install(python, folder, extras)
    stamp.write_text(ready, encoding="utf-8")
    under_way.unlink()
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)
    return python


def empty(folder, mark):
    """Remove all but the mark: interrupted here, the next call still knows the folder as ours."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(str(path))
        elif path != mark:
            path.unlink()


def check_disk(folder, gigabytes):
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise Stop(
            f"{folder} has {free:.1f} GB free and the installation needs about {gigabytes} GB.\n"
            "Free some space, or set COURSE_VENV to a folder on another disk."
        )


def install(python, folder, extras):
    command = [str(python), "-m", "pip", "install", "--retries", "2", "--no-input"]
    # Python compiles what it imports; compiling everything here takes half a minute longer.
    command += ["--disable-pip-version-check", "--no-compile"]
    command += ["-c", str(folder / "course-constraints.txt")]
    command += cpu_index()
    if os.access(ROOT, os.W_OK):
        run_quietly(command + ["-e", f".[{','.join(extras)}]"], folder)
        return
    # An editable installation writes into the checkout, and this one is read-only: install
    # what the course depends on and let the environment find the course through a .pth file.
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    run_quietly(command + project["dependencies"] + sum((optional[e] for e in extras), []), folder)
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(where, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    Path(packages.strip(), "lecture_utils.pth").write_text(str(ROOT) + "\n", encoding="utf-8")


def cpu_index():
    """pip's arguments that select PyTorch's build without CUDA, where that is the right one."""
    if not sys.platform.startswith("linux") or shutil.which("nvidia-smi"):
        return []
    try:
        urllib.request.urlopen(CPU_INDEX + "/torch/", timeout=5).close()
    except OSError:
        print(
            "PyTorch's index of CPU builds does not answer, so torch comes from where pip looks\n"
            "by default. That may be the build with CUDA: it works here too, but is some 3 GB more."
        )
        return []
    return ["--extra-index-url", CPU_INDEX]


PIP_TROUBLE = (
    (
        r"No space left on device|not enough space on the disk",
        "The disk is full. Free some space; COURSE_VENV moves the environment to another disk,\n"
        "TMPDIR pip's temporary files.",
    ),
    (
        r"Failed to establish a new connection|Temporary failure in name resolution|getaddrinfo"
        r"|Network is unreachable|Connection (timed out|refused|aborted)|Read timed out"
        r"|Max retries exceeded|NewConnectionError|ProxyError",
        "The package index cannot be reached. Check the network (and HTTPS_PROXY, if you are\n"
        "behind a proxy), then call this again: it goes on from what is already downloaded.",
    ),
    (
        r"No matching distribution|Could not find a version",
        "pip finds no such version. If your pip uses a mirror, it may lack it; otherwise try\n"
        "Python 3.11 to 3.13, for which all packages have wheels.",
    ),
    (
        r"Permission denied|Read-only file system",
        "A folder cannot be written. Set COURSE_VENV to one that can.",
    ),
)


def run_quietly(command, folder):
    """Run a command with its output in a log file; raise Stop with its last lines if it fails."""
    log = folder / "course-install.log"
    started = time.monotonic()
    # A user installation is impossible inside a virtual environment, whatever pip's settings say.
    environment = dict(os.environ, PIP_USER="0", PYTHONUTF8="1")
    process = subprocess.Popen(
        command,
        cwd=str(ROOT),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            show_progress(time.monotonic() - started, line)
        code = process.wait()
    finally:
        process.kill()
        clear_progress()
    text = "".join(lines)
    if code == 0:
        log.write_text(text, encoding="utf-8")
        return
    remedy = next((words for sign, words in PIP_TROUBLE if re.search(sign, text)), "")
    try:
        log.write_text(text, encoding="utf-8")
    except OSError:  # the disk that is full holds the log too
        pass
    raise Stop(
        f"The last lines of {log}:\n\n{''.join(lines[-12:])}\n"
        f"Installing failed after {time.monotonic() - started:.0f} s. {remedy}"
    )


def show_progress(seconds, line):
    if sys.stdout.isatty() and line.strip():
        width = shutil.get_terminal_size().columns - 10
        print(f"\r\033[K{seconds:5.0f} s  {line.strip()[:width]}", end="", flush=True)


def clear_progress():
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)


def course_environment():
    return ensure_environment(environment_folder(), ["lab", "test"], [LOCK], gigabytes=2.5)


def colab_environment():
    """The second environment: Colab's versions where Colab has one, the lock's elsewhere."""
    folder = environment_folder("-colab")
    return ensure_environment(folder, ["test"], [LOCK, COLAB_VERSIONS], gigabytes=2)


# -------------------------------------------------------------------- commands


def run(command, **extra_environment):
    """Run a command in the checkout and return its exit code.

    Ctrl-C reaches the command too, and how it ends is its own affair: JupyterLab asks back,
    pytest prints its summary.
    """
    # By default OpenMP's threads spin while they wait, which on a machine that is also busy with
    # something else makes a training in torch several times slower.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    environment.update(os.environ, PYTHONUTF8="1", **extra_environment)
    process = subprocess.Popen([str(word) for word in command], cwd=str(ROOT), env=environment)
    interrupted = False
    while process.poll() is None:
        try:
            process.wait()
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode


def lab(arguments):
    if has_course_and_lab():
        print(f"Using {sys.executable}, where the course and JupyterLab are installed.")
        python = sys.executable
    else:
        python = course_environment()
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    print("JupyterLab opens in the browser. Ctrl-C, pressed here, ends it.", flush=True)
    try:
        return run([python, "-m", "jupyterlab", "notebooks", *as_root, *arguments])
    except KeyboardInterrupt:
        return 0


def has_course_and_lab():
    """Whether the Python that runs this file can serve the notebooks, as on a course hub.

    The checkout itself does not count: an installation elsewhere leaves its metadata there.
    """
    import importlib.metadata

    in_own_environment = Path(sys.prefix).resolve() == environment_folder()
    if in_own_environment or os.environ.get("COURSE_VENV"):
        return False
    path = [folder for folder in sys.path if Path(folder).resolve() != ROOT]
    return all(
        list(importlib.metadata.distributions(name=name, path=path))
        for name in ("lecture-utils", "jupyterlab")
    )


def refresh(arguments):
    files = [Path(word).resolve() if Path(word).exists() else word for word in arguments]
    return run([course_environment(), ROOT / "tools" / "refresh.py", *files])


def nbval(*options):
    """The pytest arguments that run notebooks, each in a fresh kernel, two at a time."""
    return [
        *("-p", "conftest", "-c", "pyproject.toml", "-n", "2", "--dist", "loadscope"),
        *("--nbval-current-env", "--nbval-cell-timeout", "120", *options),
    ]


def install_part(wanted):
    course_environment()
    if "colab" in wanted and not too_new_for_colab():
        colab_environment()
    return 0


def unit_part(wanted):
    return run([course_environment(), "-m", "pytest", "tests", "--ignore", "tests/browser"])


def notebooks_part(wanted):
    """Every output, on the locked versions."""
    return run([course_environment(), "-m", "pytest", *nbval("--nbval", "notebooks")])


def colab_part(wanted):
    """The outputs tagged for checking, on Colab's versions, with the exercises solved."""
    if too_new_for_colab():
        words = (
            f"Colab's packages need Python 3.11 to 3.13, and this is {PYTHON_VERSION}.\n"
            "Run this part with another: python3.13 course.py test colab"
        )
        if os.environ.get("CI"):
            raise Stop(words)
        print(words)
        return SKIPPED
    python = colab_environment()
    with tempfile.TemporaryDirectory(prefix="course-solved-") as folder:
        return run([python, ROOT / "tools" / "solve.py", folder]) or run(
            [python, "-m", "pytest", *nbval("--nbval-lax", folder)], COURSE_STRICT="1"
        )


def too_new_for_colab():
    return sys.version_info[:2] > NEWEST_FOR_COLAB


def browser_part(wanted):
    return run([course_environment(), "-m", "pytest", "tests/browser"])


# The parts of `test` in their order, and the seconds that CI grants each on two cores.
SKIPPED = -1
PARTS = {
    "install": (install_part, 180),
    "unit": (unit_part, 600),
    "notebooks": (notebooks_part, 720),
    "colab": (colab_part, 720),
    "browser": (browser_part, 720),
}


def test(wanted):
    wanted = [part for part in PARTS if part == "install" or part in (wanted or PARTS)]
    begun = time.monotonic()
    results = {}
    for part in wanted:
        print(f"\n##### {part} #####", flush=True)
        started = time.monotonic()
        code = 1
        try:
            code = PARTS[part][0](wanted)
        except Stop as trouble:
            print(trouble, flush=True)
        except KeyboardInterrupt:
            print("\nInterrupted.", flush=True)
            break
        finally:
            word = {0: "passed", SKIPPED: "skipped"}.get(code, "failed")
            results[part] = (word, time.monotonic() - started)
        if part == "install" and code:
            break
    return report(wanted, results, time.monotonic() - begun)


def report(wanted, results, seconds):
    """Print the table of the parts and a closing line like pytest's; return the exit code."""
    results = {part: results.get(part, ("not run", 0.0)) for part in wanted}
    print(f"\n{'part':10}  {'result':8}  {'seconds':>7}  granted")
    for part, (word, took) in results.items():
        granted = PARTS[part][1]
        late = "  (over)" if took > granted else ""
        print(f"{part:10}  {word:8}  {took:7.1f}  {granted:7}{late}")
    words = [word for word, _ in results.values()]
    kinds = [kind for kind in ("failed", "passed", "skipped", "not run") if kind in words]
    counts = ", ".join(f"{words.count(kind)} {kind}" for kind in kinds)
    print(f"\n===== parts: {counts} in {seconds:.2f}s =====", flush=True)
    return 1 if "failed" in words else 0


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["lab", "test", "refresh"])
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="see above")
    chosen = parser.parse_args(arguments)
    if chosen.command == "test":
        unknown = set(chosen.arguments) - set(PARTS)
        if unknown:
            parser.error(f"no part {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    try:
        check_python()
        return {"lab": lab, "test": test, "refresh": refresh}[chosen.command](chosen.arguments)
    except Stop as trouble:
        print(trouble, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next call repairs what is half done.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
