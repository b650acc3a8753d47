"""C for Cortex-M from pip alone: compile and link firmware, exact to the byte of flash and RAM.

Two compilers: the clang and lld inside the `ziglang` wheel (extra `mcu`), and arm-none-eabi-gcc where it is on the
PATH.  Code is built without the FPU: the kernels have no float, so no floating-point register adds to the stack.

RAM, from its first byte up: stack | .data | .bss | .noinit.  The stack lies at the bottom, so that an overflow leaves
RAM and faults instead of running into data, and the last byte of the last array is the last byte of RAM.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tinyloc.emulator.elf import Elf
from tinyloc.errors import ConfigError, TinylocError, unknown
from tinyloc.files import private_folder, write_atomic

FIRMWARE = Path(__file__).resolve().parent / "firmware"
FLASH, RAM = 0x0800_0000, 0x2000_0000  # where the emulated flash and RAM start
UNLIMITED = 16 << 20
COMPILERS = ("clang", "gcc")
EXTRA = "install it with: pip install 'tinyloc[mcu]'"


class BudgetError(TinylocError):
    """A firmware that does not fit: `region` (flash or RAM), `missing` bytes, `sections` with their sizes."""

    def __init__(self, region: str, budget: int, sections: Mapping[str, int]) -> None:
        self.region, self.budget, self.sections = region, budget, dict(sections)
        self.missing = sum(sections.values()) - budget
        parts = " + ".join(f"{n} {s}" for n, s in sections.items())
        total = budget + self.missing
        super().__init__(f"{region}: {parts} = {total} bytes, {self.missing} more than the budget of {budget}")


@dataclass(frozen=True)
class Core:
    """A Cortex-M core: its names for clang, gcc and Unicorn (None: QEMU alone runs it, see `emulator.qemu`); dsp: it has
    the DSP extension; mve: the M-profile vector extension (Helium)."""

    name: str
    triple: str
    unicorn: str | None
    flags: tuple[str, ...] = ()
    dsp: bool = False
    mve: bool = False

    @property
    def cpu(self) -> str:
        return "cortex-" + self.name

    @property
    def gcc_flags(self) -> tuple[str, ...]:
        """By which gcc, or clang, compiles for it alone and for its way to pass floats."""
        return f"-mcpu={self.cpu}", "-mthumb", *(self.flags or ("-mfloat-abi=soft",))


CORES = {c.name: c for c in (
    Core("m0plus", "thumbv6m-none-eabi", "CORTEX_M0"),  # Armv6-M both; they differ in time and MPU only
    Core("m3", "thumbv7m-none-eabi", "CORTEX_M3"),
    Core("m4", "thumbv7em-none-eabi", "CORTEX_M4", dsp=True),
    Core("m7", "thumbv7em-none-eabi", "CORTEX_M7", dsp=True),
    Core("m33", "thumbv8m.main-none-eabi", "CORTEX_M33", dsp=True),
    Core("m55", "thumbv8.1m.main-none-eabihf", None, ("-mfloat-abi=hard",), dsp=True, mve=True),  # MVE's registers: FPU's
)}
EMULATED = tuple(name for name, c in CORES.items() if c.unicorn)


def core(name: str) -> Core:
    """The core `name` (m4, cortex-m4 …); raises ConfigError naming the nearest one."""
    short = name.lower().removeprefix("cortex-").replace("+", "plus")
    if short not in CORES:
        raise unknown("core", name, CORES)
    return CORES[short]


@cache
def _zig() -> tuple[str, str]:
    """Path of zig and of its freestanding headers."""
    try:
        import ziglang  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise ConfigError(f"no clang for Cortex-M: the package ziglang is missing; {EXTRA}") from None
    root = Path(ziglang.__file__).parent
    exe = root / ("zig.exe" if os.name == "nt" else "zig")
    if not exe.is_file():
        raise ConfigError(f"{exe}: the ziglang package holds no zig; {EXTRA}")
    return str(exe), str(root / "lib" / "include")


@cache
def compiler_version(compiler: str) -> str:
    """First line of the compiler's own version text; raises ConfigError when it is absent or unknown."""
    if compiler == "clang":
        command = [_zig()[0], "clang", "--version"]
    elif compiler == "gcc":
        found = shutil.which("arm-none-eabi-gcc")
        if found is None:
            raise ConfigError("arm-none-eabi-gcc is not on the PATH; install it (Debian: gcc-arm-none-eabi), or use "
                              "the compiler 'clang' (extra mcu)")
        command = [found, "--version"]
    else:
        raise unknown("compiler", compiler, COMPILERS)
    return _run(command).splitlines()[0]


def compilers() -> tuple[str, ...]:
    """The compilers that are present."""
    found = []
    for c in COMPILERS:
        try:
            compiler_version(c)
        except ConfigError:
            continue
        found.append(c)
    return tuple(found)


def _run(command: Sequence[str], cwd: str | None = None) -> str:
    # Zig wants a writable cache folder even when it only hands over to clang.
    r = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False)
    if r.returncode:
        raise ConfigError(f"{Path(command[0]).name} failed:\n{(r.stderr or r.stdout).strip()}")
    return r.stdout


def cache_dir() -> Path:
    """The per-user folder for compiled objects: $XDG_CACHE_HOME or ~/.cache, else a temporary folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(base) / "tinyloc" / "firmware"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        try:
            folder = private_folder("firmware")
        except OSError as e:
            raise ConfigError(f"{folder}: cannot be made, nor can {e.filename} ({e.strerror}); "
                              "expected a folder for objects: name one with XDG_CACHE_HOME") from None
    return folder


def _digest(parts: Iterable[bytes | str]) -> str:
    h = hashlib.sha256()
    for p in parts:
        data = p.encode() if isinstance(p, str) else p
        h.update(f"{len(data)}\0".encode() + data)
    return h.hexdigest()[:24]


def host_library(source: Path, *included: Path) -> Path:
    """Compiles one freestanding C file for this machine into a cached shared library; raises ConfigError.

    Linux: the clang of ziglang; elsewhere `cc`, or `zig cc` where there is none.  included: the files it includes.
    """
    elf = sys.platform.startswith("linux")
    name = "".join(c for c in sys.platform if c.isalnum())
    texts = [f.read_bytes() for f in (source, *included)]
    out = cache_dir() / f"{source.stem}-{name}-{_digest([*texts, platform.machine()])}.so"
    if out.is_file():
        return out
    with tempfile.TemporaryDirectory() as tmp:
        obj, lib = os.path.join(tmp, "a.o"), os.path.join(tmp, "a.so")
        if elf:
            zig, include = _zig()
            _run([zig, "clang", "-O2", "-fPIC", "-std=c99", "-ffreestanding", "-nostdlibinc", "-isystem", include, "-c",
                  str(source), "-o", obj])
            _run([zig, "ld.lld", "-shared", obj, "-o", lib])
        else:
            cc = shutil.which("cc")
            _run([*((cc, "-fPIC") if cc else (_zig()[0], "cc")), "-O2", "-shared", str(source), "-o", lib])
        write_atomic(out, Path(lib).read_bytes())
    return out


@dataclass(frozen=True)
class Build:
    """How sources become objects: core, compiler (clang or gcc), optimization, macros, include folders."""

    core: Core
    compiler: str = "clang"
    optimize: str = "-O3"
    defines: tuple[str, ...] = ()
    include: tuple[Path, ...] = ()

    def command(self) -> list[str]:
        """The compiler and its flags, without files."""
        # Loops that gain by it are unrolled by hand; clang's own unrolling makes the code half as large again.
        flags = [self.optimize, "-std=c99", "-g0", "-ffreestanding", "-fno-common", "-fno-unroll-loops",
                 "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-ffunction-sections", "-fdata-sections",
                 *self.core.flags, *(f"-D{d}" for d in self.defines)]
        if self.compiler == "clang":
            zig, include = _zig()
            soft = () if self.core.flags else ("-mfpu=none",)
            return [zig, "clang", f"--target={self.core.triple}", f"-mcpu={self.core.cpu}", *soft, *flags,
                    "-nostdlibinc", "-isystem", include]
        compiler_version(self.compiler)
        soft = () if self.core.flags else ("-mfloat-abi=soft",)
        return ["arm-none-eabi-gcc", f"-mcpu={self.core.cpu}", "-mthumb", *soft, *flags]

    def compile(self, sources: Sequence[Path]) -> list[Path]:
        """Object files of `sources`, from the cache where sources, headers, flags and compiler are the same.

        Raises ConfigError with the compiler's messages.
        """
        headers = [h.read_bytes() for folder in self.include for h in sorted(folder.glob("*.h"))]
        # Paths of the machine stay out of the digest: two checkouts share objects.
        flags = [f for f in self.command()[1:] if f not in _zig_paths(self.compiler)]
        common: list[bytes | str] = [compiler_version(self.compiler), *flags, *headers]
        folder = cache_dir()

        def one(source: Path) -> Path:
            local = [h.read_bytes() for h in sorted(source.parent.glob("*.h"))]
            text = source.read_bytes()
            out = folder / f"{source.stem}-{self.core.name}-{_digest([*common, *local, source.name, text])}.o"
            if not out.is_file():
                with tempfile.TemporaryDirectory() as tmp:
                    obj = os.path.join(tmp, "a.o")
                    include = [f"-I{f}" for f in self.include]
                    _run([*self.command(), *include, "-c", source.name, "-o", obj], cwd=str(source.parent))
                    write_atomic(out, Path(obj).read_bytes())
            return out

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return list(pool.map(one, sources))


def _zig_paths(compiler: str) -> tuple[str, ...]:
    return _zig() if compiler == "clang" else ()


@dataclass(frozen=True)
class Memory:
    """Flash and RAM of a microcontroller or budget, in bytes; `stack` is the least stack that must be left.

    ram_end: the address behind RAM, None: such that its last byte is the last of a 1 KiB page, where an overrun faults.
    """

    flash: int = 1 << 20
    ram: int = 256 << 10
    stack: int = 512
    flash_origin: int = FLASH
    names: tuple[str, str] = field(default=("flash", "RAM"))
    ram_end: int | None = None

    def __post_init__(self) -> None:
        for what, n in (("flash", self.flash), ("RAM", self.ram), ("stack", self.stack)):
            if not 0 < n <= UNLIMITED:
                raise ConfigError(f"{what} of {n} bytes: expected 1 to {UNLIMITED}")

    @property
    def ram_origin(self) -> int:
        """RAM's first address."""
        return self.ram_end - self.ram if self.ram_end else RAM + -self.ram % 1024


def script(flash_origin: int, flash: int, ram_origin: int, ram: int, stack: int) -> str:
    """Linker script for `flash` and `ram` bytes at their origins, with `stack` bytes of stack at the bottom of RAM."""
    return f"""ENTRY(fw_reset)
PHDRS {{ flash PT_LOAD FLAGS(5); data PT_LOAD FLAGS(6); ram PT_LOAD FLAGS(6); }}
MEMORY
{{
    FLASH (rx) : ORIGIN = {flash_origin:#x}, LENGTH = {flash}
    RAM (rw) : ORIGIN = {ram_origin:#x}, LENGTH = {ram}
}}
SECTIONS
{{
    .text : {{ KEEP(*(.vectors)) KEEP(*(.text.fw_return)) *(.text .text.*) . = ALIGN(4); }} > FLASH :flash
    .rodata : {{ *(.rodata .rodata.*) . = ALIGN(4); }} > FLASH :flash
    .stack (NOLOAD) : {{ fw_stack_end = .; . += {stack}; }} > RAM AT > RAM :ram
    fw_stack_top = (ADDR(.stack) + {stack}) & ~7; /* out of the section, in which GNU ld counts from its beginning */
    .data : {{ fw_data_start = .; *(.data .data.*) . = ALIGN(4); fw_data_end = .; }} > RAM AT > FLASH :data
    .bss (NOLOAD) : {{ fw_bss_start = .; *(.bss .bss.* COMMON) . = ALIGN(4); fw_bss_end = .; }} > RAM AT > RAM :ram
    .noinit (NOLOAD) : {{ *(.noinit .noinit.*) }} > RAM AT > RAM :ram
    fw_data_load = LOADADDR(.data);
    /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab* .comment .note*) }}
}}
"""


def _link(build: Build, objects: Sequence[Path], text: str, keep: Sequence[str]) -> bytes:
    with tempfile.TemporaryDirectory() as tmp:
        ld, out = os.path.join(tmp, "link.ld"), os.path.join(tmp, "firmware.elf")
        Path(ld).write_text(text, encoding="utf-8")
        undefined = [x for symbol in keep for x in ("-u", symbol)]
        if build.compiler == "clang":
            command = [_zig()[0], "ld.lld", "--gc-sections", "-z", "max-page-size=4", *undefined, "-T", ld,
                       *map(str, objects), "-o", out]
        else:
            command = [*build.command(), "-nostdlib", "-Wl,--gc-sections,-z,max-page-size=4",
                       *(f"-Wl,-u,{s}" for s in keep), "-T", ld, *map(str, objects), "-lgcc", "-o", out]
        _run(command)
        return Path(out).read_bytes()


def link(build: Build, objects: Sequence[Path], memory: Memory, keep: Sequence[str] = (), entry: str = "") -> Elf:
    """Links `objects` into a firmware for `memory`; `keep` names symbols that nothing else refers to.

    entry: a function whose static stack bound must be left for the stack too, not only `memory.stack`.

    All RAM that .data, .bss and .noinit leave is stack.  Raises BudgetError naming sections and missing bytes, and
    ConfigError with the linker's message (an undefined symbol, say).
    """
    draft = Elf(_link(build, objects, script(memory.flash_origin, UNLIMITED, RAM, UNLIMITED, 4096), keep))
    size = draft.section_bytes
    flash = {s: size(s) for s in (".text", ".rodata", ".data") if size(s)}
    if sum(flash.values()) > memory.flash:
        raise BudgetError(memory.names[0], memory.flash, flash)
    least = max(memory.stack, draft.stack_bound(entry)[0] if entry else 0)
    static = {s: size(s) for s in (".data", ".bss", ".noinit") if size(s)}
    first, last, align = draft.extent(tuple(static))
    end = memory.ram_origin + memory.ram
    start = end - (last - first)
    start -= start % align
    stack = start - start % 8 - memory.ram_origin  # its top is a multiple of 8 (AAPCS)
    if stack < least:
        rest = end - start - sum(static.values()) + start % 8
        raise BudgetError(memory.names[1], memory.ram,
                          {".stack": least, **static, **({"alignment": rest} if rest else {})})
    stack = start - memory.ram_origin
    text = script(memory.flash_origin, memory.flash, memory.ram_origin, memory.ram, stack)
    return Elf(_link(build, objects, text, keep))
