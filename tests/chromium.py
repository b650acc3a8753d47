"""Headless Chromium over its debugging pipe: a page's console, requests, screenshots, and what a script finds on it.

Nothing but the browser is needed: messages are JSON, ended by a zero byte, on its file descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 120.0  # that an answer may take


def path() -> str | None:
    """That of a browser, None without one, or without POSIX's way to hand it a pipe."""
    return None if os.name != "posix" else next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """A browser with one tab; a context manager.

    console: messages, uncaught errors and what the page's policy refused; requests: addresses that it asked for.
    """

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self.write = os.pipe()
        self.read, from_browser = os.pipe()

        def descriptors() -> None:
            import fcntl

            # Copies above both first, as either end may be 3 or 4 already.
            ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_browser, from_browser)]
            for fd, end in zip((3, 4), ends, strict=True):
                os.dup2(end, fd)

        self.process = subprocess.Popen(
            [str(path()), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
             f"--user-data-dir={self.folder.name}", "about:blank"],
            preexec_fn=descriptors, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.number, self.session = b"", itertools.count(1), ""
        self.console: list[str] = []
        self.requests: list[str] = []
        self.loaded = False
        try:
            target = self.ask("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.ask(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.write)
        os.close(self.read)
        self.folder.cleanup()

    def _message(self, until: float) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            if not select.select([self.read], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError(f"the browser was silent for {SECONDS} s")
            more = os.read(self.read, 1 << 20)
            if not more:
                raise RuntimeError("the browser has ended")
            self.buffer += more
        one, self.buffer = self.buffer.split(b"\0", 1)
        found: dict[str, Any] = json.loads(one)
        self._note(found.get("method", ""), found.get("params", {}))
        return found

    def _note(self, method: str, what: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled":
            self.console.append(f"{what['type']}: {what['args']}")
        elif method == "Runtime.exceptionThrown":
            self.console.append(str(what["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.console.append(f"{what['entry']['level']}: {what['entry']['text']}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif method == "Page.loadEventFired":
            self.loaded = True

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the DevTools protocol; its result."""
        number = next(self.number)
        message = {"id": number, "method": method, "params": params, **({"sessionId": self.session} if self.session else {})}
        os.write(self.write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while (answer := self._message(until)).get("id") != number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        found: dict[str, Any] = answer["result"]
        return found

    def open(self, file: Path, width: int = 1280, height: int = 900, **media: str) -> None:
        """Loads a file in a window of that size; media: features such as prefers_color_scheme="dark", or media="print"."""
        self.console, self.requests, self.loaded = [], [], False
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        kind = media.pop("media", "")
        self.ask("Emulation.setEmulatedMedia", media=kind,
                 features=[{"name": k.replace("_", "-"), "value": v} for k, v in media.items()])
        self.ask("Page.navigate", url=file.resolve().as_uri())
        until = time.monotonic() + SECONDS
        while not self.loaded:
            self._message(until)

    def run(self, script: str) -> Any:
        """The value of a script's last expression, awaited; it runs beside the page's policy."""
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def screenshot(self, file: Path, whole: bool = True) -> None:
        """A PNG of the whole page, or of the window."""
        file.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))

    def print(self, file: Path) -> None:
        """A PDF."""
        file.write_bytes(base64.b64decode(self.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]))
