"""A node served by `taxii-fed serve`, in processes of its own on a port of loopback."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from httpkit.nodes import settings_in, write_config


@dataclass
class Served:
    """A running server. ``lines`` is what it has written to standard error so far."""

    folder: Path
    port: int
    scheme: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def talk(self, sent: bytes) -> bytes:
        """Send bytes and return everything that comes until the server closes."""
        with self.connect() as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    def wait_for(self, text: str) -> str:
        """Read on until a line with that text has come, and return the line."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"the server ended without saying {text!r}: {''.join(self.lines)}")

    def read_on(self) -> None:
        """Take what it writes from now on, so that it never waits for a full pipe."""
        assert self.process.stderr is not None
        Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True).start()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """End it and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def serving(folder: Path, change: Callable[[str], str] = lambda text: text, *, workers: int = 2) -> Iterator[Served]:
    """Serve the node of `nodes.CONFIG` after ``change``. The port stands in for ``PORT``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def with_port(text: str) -> str:
        text = text.replace(
            "public_url: https://taxii.harbour.example", f"listen: 127.0.0.1:{port}\n  public_url: http://localhost:{port}"
        )
        return change(text).replace("PORT", str(port))

    path = write_config(folder, with_port)
    settings = settings_in(folder, with_port)
    process = subprocess.Popen(
        [sys.executable, "-m", "taxii_fed", "--config", str(path), "serve", "--workers", str(workers)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not re.match("COV|PYTEST", name)} | {"HOME": str(folder)},
        start_new_session=True,
    )
    served = Served(folder, port, "https" if settings.server.tls else "http", process)
    try:
        served.wait_for("event=listening")
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        assert process.stderr is not None
        process.stderr.close()
