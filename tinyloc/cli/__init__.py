"""The command line: thin; each command reads its options, calls the library and prints what it says.

Exit code 0: yes (fits, equal, done); 1: no; 2: bad input, named in one line.
"""

from tinyloc.cli import (  # each adds its commands to `main`
    adapt,
    check,
    convert,
    demo,
    models,
    package,
    plan,
    programs,
    report,
    reproduce,
    search,
    watch,
    worth,
)
from tinyloc.cli.common import main, progress_bar, table
from tinyloc.cli.completion import attach

attach(main)

__all__ = [
    "adapt", "check", "convert", "demo", "main", "models", "package", "plan", "programs", "progress_bar", "report",
    "reproduce", "search", "table", "watch", "worth",
]
