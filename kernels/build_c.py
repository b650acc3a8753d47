"""Builds `tinyloc.kernels._c`, the C kernels behind cffi (API mode); its cdef is the headers themselves.

Run by setup.py.  `python setup.py build_ext --inplace` rebuilds in a checkout.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from cffi import FFI

C = Path(__file__).resolve().parent / "c"
UPDATE = C.parent / "update"  # packages, signatures and slots, for firmware that updates its model in the field
HOST = C.parent / "host"  # the same ops for the host's vector instructions; firmware has none of it
FLASH = tuple(C.parent.parent / "emulator" / n for n in ("flash.c", "flash.h"))  # the emulator's flash memory
FOLDERS = (C, UPDATE, HOST, FLASH[0].parent)  # what they include lies in these


def sources(folder: Path = C) -> list[Path]:
    """Every .c and .h file of a folder, sorted."""
    return sorted([*folder.glob("*.c"), *folder.glob("*.h")])


def all_sources() -> list[Path]:
    """Every .c and .h file of the extension."""
    return [*sources(), *sources(UPDATE), *sources(HOST), *FLASH]


def c_digest() -> str:
    """Digest of the C sources: the extension carries the one that it was built from."""
    h = hashlib.sha256()
    for p in all_sources():
        data = p.read_bytes()
        h.update(f"{p.name}\0{len(data)}\0".encode() + data)
    return h.hexdigest()[:16]


def cdef() -> str:
    """c/tinyloc.h, update/update.h and the flash model's header without their preprocessor lines, and without what only a
    C++ compiler reads."""
    text = "".join(p.read_text(encoding="utf-8") for p in (C / "tinyloc.h", UPDATE / "update.h", FLASH[1]))
    text = re.sub(r"^#ifdef __cplusplus\n.*?^#endif\n", "", text, flags=re.M | re.S)
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*\n", "", text, flags=re.M)
    return text + EXTRA_CDEF


# What only the extension has: the digest of its sources, many windows at a time, the primitives of fixed.h for tests.
EXTRA_CDEF = """
extern const char tl_source_digest[];
#define TL_ABI ...
#define TL_IMAGE_VERSION ...
#define TL_MAX_ARGS ...
const tl_kernel *tl_host_kernels(int32_t level);
void tl_run_windows(const tl_model *m, const uint8_t *x, uint32_t x_bytes, uint8_t *y, uint32_t y_bytes, uint32_t *crcs,
                    int32_t windows);
int32_t tl_test_primitive(int32_t which, int32_t a, int32_t b, int32_t c);
typedef struct { uint32_t ms; int16_t dbm; uint16_t ap; } tl_event;
uint32_t tl_stream_replay(tl_stream *s, const tl_event *events, uint32_t n, tl_answer *answers);
"""
EXTRA_SOURCE = """
#include "fixed.h"
#include "flash.h"
#include "host.h"
#include "update.h"
#include <string.h>
/* Each window from the initial state; signatures where crcs is not 0. */
void tl_run_windows(const tl_model *m, const uint8_t *x, uint32_t x_bytes, uint8_t *y, uint32_t y_bytes, uint32_t *crcs,
                    int32_t windows)
{
    for (; windows > 0; windows--, x += x_bytes, y += y_bytes) {
        tl_reset(m);
        memcpy(tl_input(m), x, x_bytes);
        if (crcs) {
            tl_sign(m, crcs);
            crcs += m->count + 1;
        } else {
            tl_run(m);
        }
        memcpy(y, tl_output(m), y_bytes);
    }
}
/* A script of packets, and questions where ap is 65535 (tinyloc/stream.py); the number of answers. */
typedef struct { uint32_t ms; int16_t dbm; uint16_t ap; } tl_event;
uint32_t tl_stream_replay(tl_stream *s, const tl_event *events, uint32_t n, tl_answer *answers)
{
    uint32_t done = 0;
    for (; n; n--, events++)
        if (events->ap == 65535)
            answers[done++] = tl_stream_answer(s, events->ms);
        else
            tl_stream_hear(s, events->ap, events->dbm, events->ms);
    return done;
}
int32_t tl_test_primitive(int32_t which, int32_t a, int32_t b, int32_t c)
{
    switch (which) {
    case 0: return tl_clamp(a, b, c);
    case 1: return tl_sat8(a);
    case 2: return tl_sat16(a);
    case 3: return tl_add(a, b);
    case 4: return tl_sub(a, b);
    case 5: return tl_mul(a, b);
    case 6: return tl_shl(a, b);
    case 7: return tl_srdhm(a, b);
    case 8: return tl_rdbpot(a, b);
    case 9: return tl_rshift_round(a, b);
    default: return tl_mbqm(a, b, c);
    }
}
"""
PRIMITIVES = ("clamp", "sat8", "sat16", "add", "sub", "mul", "shl", "srdhm", "rdbpot", "rshift_round", "mbqm")


def ffi() -> FFI:
    """The builder that setup.py's cffi_modules names."""
    builder = FFI()
    builder.cdef(cdef())
    # Debian's Python compiles extensions with -O2, which leaves these loops scalar: ask for -O3.  And with debugging
    # information, which has the name of the folder: two builds would differ.
    flags = ["/O2"] if sys.platform == "win32" else ["-O3", "-std=c99", "-fwrapv", "-g0"]
    files = [p.relative_to(C.parent.parent).as_posix() for p in all_sources()]
    builder.set_source(
        "tinyloc.kernels._c",
        f'{EXTRA_SOURCE}const char tl_source_digest[] = "{c_digest()}";\n',
        sources=[p for p in files if p.endswith(".c")],
        include_dirs=[p.relative_to(C.parent.parent).as_posix() for p in FOLDERS],
        depends=files,
        extra_compile_args=flags,
        py_limited_api=True,
    )
    return builder
