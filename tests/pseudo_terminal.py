"""A real terminal, as a process sees it: what is written to it can be read."""

import os
import pty
import subprocess
import sys
from pathlib import Path


def run_in_terminal(code: str, *, term: str, columns: int) -> str:
    """Run Python code with both its outputs on a terminal, and return what that shows; a failure fails the test."""
    master, slave = pty.openpty()
    root = Path(__file__).parents[1]
    environment = {**os.environ, "TERM": term, "COLUMNS": str(columns)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=slave, stderr=slave, env=environment) as child:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:  # Linux answers so when the other end is closed.
                break
            if not part:
                break
            shown += part
    os.close(master)
    assert child.returncode == 0, shown.decode()
    return shown.decode()
