"""Builds `tinyloc.kernels._c`, the C kernels behind cffi (API mode); its cdef is c/tinyloc.h itself.

Run by setup.py.  `python setup.py build_ext --inplace` rebuilds in a checkout.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from cffi import FFI

C = Path(__file__).resolve().parent / "c"
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-pedantic"]


def sources() -> list[Path]:
    """Every .c and .h file, sorted."""
    return sorted([*C.glob("*.c"), *C.glob("*.h")])


def c_digest() -> str:
    """Digest of the C sources: the extension carries the one that it was built from."""
    h = hashlib.sha256()
    for p in sources():
        data = p.read_bytes()
        h.update(f"{p.name}\0{len(data)}\0".encode() + data)
    return h.hexdigest()[:16]


def cdef() -> str:
    """c/tinyloc.h without its preprocessor lines."""
    text = (C / "tinyloc.h").read_text()
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*\n", "", text, flags=re.M)
    return text + "\nextern const char tl_source_digest[];\n"


def ffi() -> FFI:
    """The builder that setup.py's cffi_modules names."""
    builder = FFI()
    builder.cdef(cdef())
    # Debian's Python compiles extensions with -O2, which leaves these loops scalar: ask for -O3.
    flags = ["/O2"] if sys.platform == "win32" else ["-O3", "-std=c99", "-fwrapv"]
    builder.set_source(
        "tinyloc.kernels._c",
        f'#include "tinyloc.h"\nconst char tl_source_digest[] = "{c_digest()}";\n',
        sources=[p.relative_to(C.parent.parent).as_posix() for p in sources() if p.suffix == ".c"],
        include_dirs=["kernels/c"],
        depends=[p.relative_to(C.parent.parent).as_posix() for p in sources()],
        extra_compile_args=flags,
        py_limited_api=True,
    )
    return builder
