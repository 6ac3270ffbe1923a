"""A real browser, Debian's Chromium without a window, driven over the pipe of its own DevTools protocol.

No driver, no port, no dependency: a message is JSON and a zero byte, through descriptor 3 to it and 4 from it.
"""

import base64
import fcntl
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium")
MISSING = "The browser tests need Chromium: apt-get install chromium"
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
_PATIENCE = 60.0


class Browser:
    """One browser with one tab. `problems` is what it has complained of; `asked` every address it has asked for."""

    def __init__(self, folder: Path) -> None:
        """With a new profile in `folder`."""
        self.problems: list[str] = []
        self.asked: list[str] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._number = 0
        self._process, self._to, self._from = _launch(folder)
        threading.Thread(target=self._listen, daemon=True).start()
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._send(f"{domain}.enable")

    _session: str | None = None

    # ---- what somebody does

    def open(self, address: str) -> None:
        """Go to an address, and wait until its page is there."""
        self._loading(lambda: self._send("Page.navigate", url=address))

    def click(self, what: str, *, containing: str = "") -> None:
        """Press the first element that a selector fits and that shows this text, and wait for the next page."""
        box = self.ask(f"""(() => {{
            const found = [...document.querySelectorAll({what!r})].find(e => e.textContent.includes({containing!r}));
            if (!found) return null;
            found.scrollIntoView({{block: 'center', behavior: 'instant'}});
            const box = found.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        assert box, f"there is no {what} with {containing!r} on {self.address}: {self.text}"
        at = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
        self._send("Input.dispatchMouseEvent", type="mousePressed", **at)
        self._loading(lambda: self._send("Input.dispatchMouseEvent", type="mouseReleased", **at))

    def type(self, what: str, text: str) -> None:
        """Write into a field, in place of what stands in it."""
        self.ask(f"(() => {{ const e = document.querySelector({what!r}); e.focus(); e.value = ''; }})()")
        self._send("Input.insertText", text=text)

    def choose(self, what: str, value: str) -> None:
        self.ask(f"document.querySelector({what!r}).value = {value!r}")

    def look(self, *, width: int = 1200, dark: bool = False) -> None:
        """From now on with a window of this width, in light or dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._send("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._send("Emulation.setDeviceMetricsOverride", **size)

    # ---- what somebody sees

    @property
    def address(self) -> str:
        return self.ask("location.href")

    @property
    def text(self) -> str:
        """What the page says to the eye."""
        return self.ask("document.body.innerText")

    @property
    def too_wide(self) -> list[str]:
        """Elements that reach beyond the window: then one has to scroll sideways."""
        return self.ask("""[...document.querySelectorAll('body *')].filter(e => {
            const box = e.getBoundingClientRect();
            return box.width > 0 && box.right > document.documentElement.clientWidth + 1
                && getComputedStyle(e).position !== 'absolute';
        }).map(e => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40))""")

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        result = self._send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def picture(self, path: Path) -> None:
        """The whole page, as PNG."""
        shot = self._send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._to)

    # ---- the protocol

    def _loading(self, act: Callable[[], object]) -> None:
        while not self._events.empty():
            self._events.get()
        act()
        deadline = time.monotonic() + _PATIENCE
        while self._events.get(timeout=max(0.1, deadline - time.monotonic()))["method"] != "Page.loadEventFired":
            pass

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _PATIENCE
        while self._number not in self._answers:
            assert time.monotonic() < deadline, f"the browser does not answer {method}"
            time.sleep(0.005)
        answer = self._answers.pop(self._number)
        assert "result" in answer, answer
        return answer["result"]

    def _listen(self) -> None:
        with os.fdopen(self._from, "rb") as stream:
            rest = b""
            while heard := stream.read1(1 << 16):
                *messages, rest = (rest + heard).split(b"\0")
                for message in messages:
                    self._take(json.loads(message))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
            return
        told = message["params"]
        match message["method"]:
            case "Log.entryAdded" if told["entry"]["level"] in {"warning", "error"}:
                self.problems.append(told["entry"]["text"])
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                self.problems.append(str(told))
            case "Network.requestWillBeSent":
                self.asked.append(told["request"]["url"])
        self._events.put(message)


def _launch(folder: Path) -> tuple[subprocess.Popen[bytes], int, int]:
    """The process, the end to write to and the end to read from."""
    assert PROGRAM, MISSING
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    # Above 9, so that neither stands where the other has to go.
    theirs = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in (to_read, from_write)]
    script = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
    process = subprocess.Popen(
        ["bash", "-c", script, PROGRAM, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=theirs,
        start_new_session=True,
    )  # fmt: skip
    for descriptor in (to_read, from_write, *theirs):
        os.close(descriptor)
    return process, to_write, from_read
