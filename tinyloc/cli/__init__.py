"""The command line: thin; each command reads its options, calls the library and prints what it says.

Exit code 0: yes (fits, equal, done); 1: no; 2: bad input, named in one line.
"""

from tinyloc.cli import adapt, demo, models, programs, report, reproduce, search, worth  # each adds its commands to `main`
from tinyloc.cli.common import main, progress_bar, table

__all__ = [
    "adapt", "demo", "main", "models", "programs", "progress_bar", "report", "reproduce", "search", "table", "worth",
]
