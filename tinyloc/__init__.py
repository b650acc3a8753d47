"""tinyloc: does an indoor-localization model run on a microcontroller exactly, within its RAM, and how fast?

Importing it is cheap: NumPy only; Numba and the C kernels load when a kernel is first used.
"""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"

# The fixed top-level folders kernels/ and emulator/ are packages of tinyloc.  An install maps them there; in
# a checkout that is on sys.path by its root alone, the checkout's root stands in for that mapping.
_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file():
    __path__.append(str(_root))
del Path, _root
