"""A command of ttsd in a process of its own, and what it imported."""

import subprocess
import sys
from pathlib import Path

_CODE = """
import sys
from ttsd.cli import main
sys.argv = ["ttsd", *sys.argv[1:]]
try:
    main()
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def run_and_list_imports(*arguments: str, cwd: Path) -> tuple[bytes, set[str]]:
    """Run a command, and return its standard output and the names of the packages it imported."""
    done = subprocess.run([sys.executable, "-c", _CODE, *arguments], cwd=cwd, capture_output=True, check=True)
    return done.stdout, set(done.stderr.decode().split())
