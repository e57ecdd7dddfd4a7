"""A real Chromium, and a JupyterLab of our own, for the tests that look at widgets."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOCAL = ("file:", "blob:", "data:", "about:")


def missing(what: str, remedy: str):
    """A tool that a browser test needs is not here: skip at home, fail in CI."""
    message = f"{what} is missing: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def find_chromium() -> str | None:
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    return next((path for path in map(shutil.which, NAMES) if path), None)


@pytest.fixture(scope="session")
def chromium():
    """The system's Chromium, driven by Playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright", "pip install playwright")
    path = find_chromium()
    if path is None:
        missing("Chromium", "install it (apt-get install chromium, or Google Chrome), or set the "
                "environment variable CHROMIUM to its program")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def static_page(chromium, tmp_path):
    """static_page(widget, **context) opens the widget's page from a file, with the network blocked.

    At the end the page must have thrown no error and asked for nothing.
    """
    contexts, wrong = [], []

    def open_page(widget, **settings):
        path = widget.save_html(tmp_path / f"page{len(contexts)}.html", "A widget")
        context = chromium.new_context(**({"viewport": {"width": 1100, "height": 900}} | settings))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda line: wrong.append(f"console: {line.text}")
                if line.type == "error" else None)

        def guard(route):
            if not route.request.url.startswith(LOCAL):
                wrong.append(f"request: {route.request.url}")
                return route.abort()
            return route.continue_()

        context.route("**/*", guard)
        page.goto(path.as_uri())
        page.wait_for_selector(".lecture .body > *")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@contextmanager
def jupyterlab(notebooks: Path, home: Path, log: Path):
    """A JupyterLab server on a free port that shows `notebooks`, with its settings in `home`."""
    folders = {
        name: home / name.lower() for name in (
            "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR",
        )
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    settings = folders["JUPYTERLAB_SETTINGS_DIR"] / "@jupyterlab"
    for place, text in (
        # Cells that are off screen stay in the page, so that tests find them.
        ("notebook-extension/tracker", '{"windowingMode": "none"}'),
        ("apputils-extension/notification", '{"fetchNews": "false", "checkForUpdates": false}'),
    ):
        path = settings / f"{place}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    search = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {k: str(v) for k, v in folders.items()} | {"PYTHONPATH": search}
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
        "--ServerApp.password=", f"--ServerApp.root_dir={notebooks}",
        "--LabApp.expose_app_in_browser=True",
    ]
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            for _ in range(240):
                try:
                    urllib.request.urlopen(f"{url}/api/status", timeout=5).close()
                    break
                except OSError:
                    if server.poll() is not None:
                        break
                    time.sleep(0.25)
            else:
                server.kill()
            if server.poll() is not None:
                pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
            yield url
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


class LabPage:
    """A notebook open in JupyterLab, in a browser."""

    def __init__(self, page):
        self.page = page

    def run_all(self, timeout: float = 120):
        """Run every cell and wait until the kernel rests; seconds."""
        self.page.evaluate(
            "() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self._rest(timeout)

    def run_cell(self, index: int, timeout: float = 60):
        """Run one cell, counted from 0, and wait until the kernel rests."""
        self.page.evaluate(
            """(index) => {
              window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
              return window.jupyterapp.commands.execute('notebook:run-cell');
            }""", index)
        self._rest(timeout)

    def set_source(self, index: int, source: str):
        """Replace what a cell says."""
        self.page.evaluate(
            """([index, source]) => window.jupyterapp.shell.currentWidget.content
                 .widgets[index].model.sharedModel.setSource(source)""", [index, source])

    def output(self, index: int) -> str:
        """The text of a cell's output."""
        cell = self.page.locator(".jp-Notebook .jp-Cell").nth(index)
        return "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts()).strip()

    def cell_count(self) -> int:
        return self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.widgets.length")

    def active_cell(self) -> int:
        return self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex")

    def _rest(self, seconds):
        self.page.wait_for_function(
            """() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel
                 ?.status === 'idle'""", timeout=1000 * seconds)


@pytest.fixture
def lab(chromium, tmp_path):
    """lab(folder, "name.ipynb") opens a notebook of that folder in JupyterLab; returns a LabPage.

    The folder is served as it is: give a copy if the notebook must not be written to.
    """
    try:
        import jupyterlab as _  # noqa: F401
    except ImportError:
        missing("JupyterLab", "pip install jupyterlab")
    servers, contexts = [], []

    def open_notebook(folder: Path, name: str, width: int = 1200, height: int = 1000) -> LabPage:
        number = len(servers)
        server = jupyterlab(Path(folder), tmp_path / f"home{number}", tmp_path / f"lab{number}.log")
        url = server.__enter__()
        servers.append(server)
        context = chromium.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.goto(f"{url}/lab/tree/{name}?reset")
        opened = LabPage(page)
        opened._rest(90)
        return opened

    yield open_notebook
    for context in contexts:
        context.close()
    for server in servers:
        server.__exit__(None, None, None)
