"""A real Chromium, driven through the DevTools protocol over two pipes: no driver, no library."""

import json
import os
import shutil
import subprocess
import time

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One headless Chromium with one tab, and everything that the tab logged and asked for.

    Attributes:
        errors: console errors and uncaught exceptions.
        requests: every address that was asked for.
    """

    def __init__(self, profile):
        ours, theirs_in = os.pipe(), os.pipe()
        read_end, their_out = ours
        their_in, write_end = theirs_in
        # The protocol's pipes must be descriptors 3 and 4 in the browser.
        command = (
            f'exec "{CHROMIUM}" --headless --no-sandbox --disable-gpu --no-first-run --disable-sync'
            f" --disable-background-networking --disable-component-update --remote-debugging-pipe"
            f' --user-data-dir="{profile}" about:blank 3<&{their_in} 4>&{their_out}'
        )
        with open(profile.with_suffix(".log"), "wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", command], pass_fds=(their_in, their_out), stdout=log, stderr=log
            )
        os.close(their_in)
        os.close(their_out)
        self._read, self._write = os.fdopen(read_end, "rb"), os.fdopen(write_end, "wb", buffering=0)
        self._pending, self._next, self._session = b"", 0, None
        self.errors, self.requests, self._loaded = [], [], False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self._next += 1
        message = {"id": self._next, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        return self._until(lambda answer: answer.get("id") == self._next)["result"]

    def _until(self, wanted):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            while b"\0" not in self._pending:
                chunk = os.read(self._read.fileno(), 1 << 20)
                assert chunk, "the browser ended"
                self._pending += chunk
            raw, _, self._pending = self._pending.partition(b"\0")
            message = json.loads(raw)
            self._note(message)
            if wanted(message):
                assert "error" not in message, message
                return message
        raise TimeoutError("the browser did not answer")

    def _note(self, message):
        about = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(about["exceptionDetails"])
            case "Runtime.consoleAPICalled" if about["type"] in ("error", "warning", "assert"):
                self.errors.append(about["args"])
            case "Log.entryAdded" if about["entry"]["level"] in ("error", "warning"):
                self.errors.append(about["entry"])
            case "Page.loadEventFired":
                self._loaded = True

    def open(self, address):
        self._loaded = False
        self.call("Page.navigate", url=address)
        if not self._loaded:
            self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def run(self, script):
        """Return what a script (an expression, or a promise of one) gives."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script):
        deadline = time.monotonic() + 30
        while not self.run(script):
            assert time.monotonic() < deadline, script
            time.sleep(0.05)

    def resize(self, width, height, dark=False):
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self):
        import base64

        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self):
        self.process.kill()
        self.process.wait()
        self._read.close()
        self._write.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    started = Browser(tmp_path_factory.mktemp("browser") / "profile")
    yield started
    started.close()
