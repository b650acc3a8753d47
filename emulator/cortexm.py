"""Runs firmware on an emulated Cortex-M whose flash and RAM end exactly where the budget does.

Counts are of instructions, exact, from executed blocks; see `cycles` for the estimate made of them.  Whatever a board
would turn into a hard fault, or worse into silence, is a `Finding`: an access outside flash and RAM, a write to
flash, execution outside flash, an undefined instruction, an alignment fault, a stack below its end.
"""

from __future__ import annotations

import ctypes
import re
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.emulator.cycles import estimate, timing
from tinyloc.emulator.elf import EXTRA, Elf, Function
from tinyloc.emulator.toolchain import EMULATED, FIRMWARE, Build, Core, Memory, core, host_library, link
from tinyloc.errors import BrokenError, ConfigError
from tinyloc.kernels.op import DTYPES, Args, Op

PAGE = 1024
_MULTIPLE = ("ldm", "ldmia", "ldmdb", "stm", "stmia", "stmdb")
_DOUBLE = ("ldrd", "strd")
_BASE, _BRACKET = re.compile(r"(\w+)"), re.compile(r"\[(\w+)")
PAINT = 0xA5
BLOCKS = 1 << 36  # a run longer than this is taken for a hang
_BKPT, _EXCEPTIONS = 7, {1: "undefined instruction", 2: "supervisor call", 3: "instruction fetch fault",
                         4: "data access fault or unaligned access", 8: "exception return outside an exception",
                         17: "coprocessor or FPU instruction without that unit", 18: "branch to Arm (not Thumb) state",
                         20: "stack limit passed", 22: "secure gateway fault", 23: "unaligned access"}


@dataclass(frozen=True)
class Finding:
    """What went wrong on the device: `what`, the code that did it, the address, and the region (step) that ran."""

    what: str
    pc: int
    code: str
    address: int | None = None
    size: int = 0
    near: str = ""
    region: str = ""

    def __str__(self) -> str:
        at = f" of {self.size} bytes at {self.address:#010x} ({self.near})" if self.address is not None else ""
        step = f", in {self.region}" if self.region else ""
        return f"{self.what}{at}, by {self.code} (pc {self.pc:#010x}){step}"


class Fault(BrokenError):
    """The firmware did something that a board would not survive; `finding` says what."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(str(finding))


class _Counts(ctypes.Structure):
    _fields_ = [("base", ctypes.c_uint64), ("halfwords", ctypes.c_uint64), ("last", ctypes.c_uint64),
                ("left", ctypes.c_uint64), ("outside", ctypes.c_uint64), ("edge", ctypes.c_void_p),
                ("jump", ctypes.c_void_p), ("stop", ctypes.c_void_p)]


class _Aligned(ctypes.Structure):
    _fields_ = [("address", ctypes.c_uint64), ("reg", ctypes.c_int32), ("read", ctypes.c_void_p),
                ("stop", ctypes.c_void_p)]


@lru_cache(maxsize=1)
def _hooks() -> Any:
    """The compiled hooks, or None where no compiler for this machine is found (the Python ones: the same, slower)."""
    try:
        return ctypes.CDLL(str(host_library(FIRMWARE / "blockhook.c")))
    except (ConfigError, OSError):
        return None


@dataclass(frozen=True)
class Profile:
    """How often each instruction of `elf` was executed, and how often control left behind it; both (n,) int64."""

    elf: Elf
    executed: np.ndarray
    taken: np.ndarray

    def __sub__(self, other: Profile) -> Profile:
        return Profile(self.elf, self.executed - other.executed, self.taken - other.taken)

    @property
    def instructions(self) -> int:
        """Instructions executed; those that an IT block predicates off are fetched and counted too."""
        return int(self.executed.sum())

    def cycles(self, core_name: str) -> int:
        """Estimated cycles by the core's timing table."""
        return int(estimate(self.elf, self.executed, self.taken, timing(core_name)).sum())

    def by_function(self) -> dict[str, int]:
        """Instructions per function, greatest first; static ones of one name are one."""
        starts = np.array([f.start for f in self.elf.functions])
        owner = np.searchsorted(starts, [x.address for x in self.elf.instructions], "right") - 1
        total = np.bincount(np.maximum(owner, 0), self.executed, len(starts)).astype(np.int64)
        found: Counter[str] = Counter()
        for f, n in zip(self.elf.functions, total.tolist(), strict=True):
            found[f.name] += n
        return {name: n for name, n in found.most_common() if n}

    def only(self, functions: set[Function]) -> Profile:
        """The share of these functions."""
        inside = np.zeros(len(self.executed), bool)
        addresses = np.array([x.address for x in self.elf.instructions])
        for f in functions:
            inside |= (addresses >= f.start) & (addresses < f.end)
        return Profile(self.elf, self.executed * inside, self.taken * inside)

    def differences(self, other: Profile) -> list[str]:
        """Where two runs differ: the first instruction of each run of unequal counts, as `function+0x12 mnemonic`."""
        unequal = self.executed != other.executed
        first = np.flatnonzero(unequal & ~np.append(False, unequal[:-1])).tolist()
        code = self.elf.instructions
        return [f"{self.elf.where(code[i].address)}: {int(self.executed[i])} and {int(other.executed[i])} times "
                f"{code[i]}, behind {code[i - 1]}" for i in first]


class Machine:
    """A core with `elf` in its flash.

    memory: sizes of flash and RAM; the same that the image was linked for.
    console: what the firmware printed; status: its exit status, None while it has not exited; region: a name that
    findings carry, set by the host; marks: (number, instructions so far) of each mark of the firmware.
    fast: count with the compiled hook where there is one.
    """

    heap, fence = 0x3000_0000, PAGE  # where `map` may lay arrays, and the unit of their sizes there

    def __init__(self, which: Core, elf: Elf, memory: Memory, fast: bool = True) -> None:
        self.core, self.elf, self.memory = which, elf, memory
        self.console = bytearray()
        self.status: int | None = None
        self._waits_at: int | None = None
        self.region = ""
        self.marks: list[tuple[int, Profile]] = []
        self._finding: Finding | None = None
        self._names: list[tuple[int, int, str]] = []
        self._open(fast)
        for address, data in elf.segments:
            self.write(address, data)
        self._stack_end, self._stack_top = (elf.symbol(f"fw_stack_{x}") for x in ("end", "top"))
        self.paint_stack()

    def _open(self, fast: bool) -> None:
        """The emulator, with flash and RAM and whatever watches them and counts."""
        try:
            import unicorn as uc
            from unicorn import arm_const as arm
        except ImportError:
            raise ConfigError(f"no emulator for Cortex-M: the package unicorn is missing; {EXTRA}") from None
        if self.core.unicorn is None:
            raise ConfigError(f"the emulator has no {self.core.cpu}; it runs {', '.join(EMULATED)}")
        self._uc, self._arm = uc, arm
        self.engine = uc.Uc(uc.UC_ARCH_ARM, uc.UC_MODE_THUMB)
        self.engine.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_{self.core.unicorn}"))
        self.engine.ctl_set_page_size(PAGE)
        m = self.memory
        self._map(m.flash_origin, m.flash, uc.UC_PROT_READ | uc.UC_PROT_EXEC)
        self._map(m.ram_origin, m.ram, uc.UC_PROT_READ | uc.UC_PROT_WRITE)
        self._add_hooks(fast)

    # ---- memory ----

    def _map(self, origin: int, size: int, rights: int) -> None:
        """Maps [origin, origin + size); what the 1 KiB pages hold beyond that is fenced by a hook."""
        uc = self._uc
        low, high = origin // PAGE * PAGE, -(-(origin + size) // PAGE) * PAGE
        self.engine.mem_map(low, high - low, rights)
        for begin, end in ((low, origin), (origin + size, high)):
            if begin < end:
                self.engine.hook_add(uc.UC_HOOK_MEM_READ | uc.UC_HOOK_MEM_WRITE, self._on_fence, begin=begin,
                                     end=end - 1)

    def map(self, address: int, size: int, writable: bool) -> None:
        """Memory for an array; both numbers are multiples of `fence`."""
        uc = self._uc
        self.engine.mem_map(address, size, uc.UC_PROT_READ | (uc.UC_PROT_WRITE if writable else 0))

    def unmap(self, address: int, size: int) -> None:
        """Undoes `map`."""
        self.engine.mem_unmap(address, size)

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from `address`."""
        return bytes(self.engine.mem_read(address, size))

    def write(self, address: int, data: bytes | np.ndarray) -> None:
        """Writes `data` at `address`, whatever the firmware's own rights there."""
        self.engine.mem_write(address, data.tobytes() if isinstance(data, np.ndarray) else bytes(data))

    def name(self, address: int, size: int, text: str) -> None:
        """Findings in or near these bytes will say `text`."""
        self._names.append((address, size, text))

    def _near(self, address: int) -> str:
        for start, size, text in self._names:
            if start <= address < start + size:
                return f"{text}+{address - start}"
        for start, size, text in self._names:
            if 0 <= address - start - size < PAGE:
                return f"{address - start - size} bytes past the end of {text}"
            if 0 < start - address < PAGE:
                return f"{start - address} bytes before {text}"
        if self._stack_end - 4 * PAGE <= address < self._stack_end:
            return f"{self._stack_end - address} bytes below the stack"
        end = self.memory.ram_origin + self.memory.ram
        if end <= address < end + PAGE:
            return f"{address - end} bytes past the end of {self.memory.names[1]}"
        return self.elf.near(address)

    def paint_stack(self) -> None:
        """Fills the free stack with a pattern, from which `stack_used` reads how deep it got."""
        top = self._stack_top if self._stack_top > self._stack_end else self._stack_end
        self.write(self._stack_end, bytes([PAINT]) * (top - self._stack_end))

    def stack_used(self) -> int:
        """Bytes between the stack's top and the deepest one written since `paint_stack`.

        A deepest word that was written with the pattern's own value is missed: a measurement, at most the static bound.
        """
        data = np.frombuffer(self.read(self._stack_end, self._stack_top - self._stack_end), np.uint8)
        touched = np.flatnonzero(data != PAINT)
        return int(len(data) - touched[0]) if len(touched) else 0

    # ---- counting ----

    def _add_hooks(self, fast: bool) -> None:
        uc, engine = self._uc, self.engine
        n = len(self.elf.text) // 2
        self._edge, self._jump = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.uint64)
        self._c = _Counts(self.elf.text_start, n, 0, BLOCKS, 0, self._edge.ctypes.data, self._jump.ctypes.data, None)
        compiled = _hooks() if fast else None
        self.counts_compiled = compiled is not None
        if compiled is not None:
            self._c.stop = self._native("uc_emu_stop")
            self._add_native(uc.UC_HOOK_BLOCK, compiled.tl_block_hook, self._c, 1, 0)
        else:
            engine.hook_add(uc.UC_HOOK_BLOCK, self._on_block)
        self._aligned = []
        for x in self.elf.instructions if self.core.name != "m0plus" else ():  # Armv6-M: the emulator faults itself
            pattern = _BASE if x.base in _MULTIPLE else _BRACKET if x.base in _DOUBLE else None
            found = pattern.search(x.operands) if pattern else None
            if found is None or found.group(1) in ("sp", "pc"):
                continue  # sp's two lowest bits are always 0
            a = _Aligned(0, self._register(found.group(1)), self._native("uc_reg_read"), self._native("uc_emu_stop"))
            self._aligned.append(a)
            if compiled is not None:
                self._add_native(uc.UC_HOOK_CODE, compiled.tl_aligned_hook, a, x.address, x.address)
            else:
                engine.hook_add(uc.UC_HOOK_CODE, self._on_multiple, a, begin=x.address, end=x.address)
        engine.hook_add(uc.UC_HOOK_INTR, self._on_interrupt)
        engine.hook_add(uc.UC_HOOK_INSN_INVALID, self._on_undefined)
        engine.hook_add(uc.UC_HOOK_MEM_INVALID, self._on_invalid)

    def _native(self, function: str) -> ctypes.c_void_p:
        return ctypes.cast(getattr(self._uc.unicorn_py3.unicorn.uclib, function), ctypes.c_void_p)

    def _add_native(self, kind: int, hook: Any, data: ctypes.Structure, begin: int, end: int) -> None:
        """Adds a compiled hook; `data` must live as long as the machine."""
        handle = ctypes.c_size_t()
        status = self._uc.unicorn_py3.unicorn.uclib.uc_hook_add(
            self.engine._uch, ctypes.byref(handle), kind, ctypes.cast(hook, ctypes.c_void_p),
            ctypes.cast(ctypes.pointer(data), ctypes.c_void_p), ctypes.c_uint64(begin), ctypes.c_uint64(end))
        if status:
            raise ConfigError(f"unicorn {self._uc.__version__} refuses a hook (error {status}); expected 2.1.4")

    def _on_multiple(self, engine: Any, address: int, size: int, a: _Aligned) -> None:
        if engine.reg_read(a.reg) & 3:
            a.address = address
            engine.emu_stop()

    def _on_block(self, engine: Any, address: int, size: int, _: Any) -> None:
        """The compiled hook's mirror (firmware/blockhook.c)."""
        c = self._c
        at, last = (address - c.base) // 2, (c.last - c.base) // 2
        if address != c.last and 0 <= last <= c.halfwords:
            self._jump[last] += np.uint64(1)
        c.last = address + size
        if 0 <= at < at + size // 2 <= c.halfwords:
            self._edge[at] += 1
            self._edge[at + size // 2] -= 1
        else:
            c.outside += 1
        c.left -= 1
        if c.left == 0:
            engine.emu_stop()

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.flatnonzero(self.elf.code == 1)

    def profile(self) -> Profile:
        """Executions of each instruction since the machine was made."""
        wide = self.elf.code[np.minimum(self._starts + 1, len(self.elf.code) - 1)] == 2
        ends = self._starts + 1 + wide
        return Profile(self.elf, np.cumsum(self._edge)[self._starts], self._jump[ends].astype(np.int64))

    # ---- running ----

    def registers(self) -> dict[str, int]:
        """r0-r12, sp, lr, pc, xpsr."""
        names = [*(f"r{i}" for i in range(13)), "sp", "lr", "pc", "xpsr"]
        return {n: self._get(n) for n in names}

    def start(self) -> None:
        """From reset to the firmware's exit (`status` says how) or its next request.  Raises Fault."""
        stack, start = struct.unpack("<2I", self.read(self.elf.text_start, 8))
        self._set("sp", stack)
        self._continue(start)

    def resume(self, answer: int) -> None:
        """Answers the firmware's request, and runs to its exit or its next request.  Raises Fault."""
        if self._waits_at is None:
            raise ConfigError("the firmware waits for no answer")
        self._set("r0", answer)
        self._continue(self._waits_at)

    def run(self) -> int:
        """From reset to the firmware's exit; returns its status.  Raises Fault."""
        self.start()
        if self.status is None:
            raise Fault(self._here("stopped without an exit"))
        return self.status

    def _continue(self, start: int) -> None:
        self.status = self._waits_at = None
        self._go(start, 0)
        if self.status is None and self._waits_at is None:
            raise Fault(self._here("stopped without an exit"))

    def call(self, function: str, *arguments: int) -> int:
        """Calls a function of the image as C would (AAPCS: r0-r3, then the stack); returns r0.  Raises Fault.

        Arguments are 32-bit numbers or addresses.  Static data is what it is: `run` initializes it, and so does
        `initialize`.
        """
        words = [a & 0xFFFFFFFF for a in arguments]
        extra = struct.pack(f"<{max(len(words) - 4, 0)}I", *words[4:])
        sp = self._stack_top - (len(extra) + 7) // 8 * 8
        if sp < self._stack_end:
            raise ConfigError(f"{function}: {len(extra)} bytes of arguments, a stack of "
                              f"{self._stack_top - self._stack_end}")
        self.write(sp, extra)
        for i, word in enumerate(words[:4]):
            self._set(f"r{i}", word)
        self._set("sp", sp)
        back = self.elf.symbol("fw_return")
        self._set("lr", back | 1)
        self._go(self.elf.symbol(function), back & ~1)
        if self._get("sp") != sp:
            raise Fault(self._here(f"{function} returned with sp {self._get('sp'):#x}, expected {sp:#x}"))
        return self._get("r0")

    def initialize(self) -> None:
        """What the reset code does with .data and .bss, for a host that calls functions without `run`."""
        s = self.elf.symbols
        size = s["fw_data_end"] - s["fw_data_start"]
        self.write(s["fw_data_start"], self.read(s["fw_data_load"], size))
        self.write(s["fw_bss_start"], bytes(s["fw_bss_end"] - s["fw_bss_start"]))

    def _go(self, start: int, until: int) -> None:
        """Runs from `start` to the host's stop, or to the address `until`.  Raises Fault."""
        self._finding, self._c.last, self._c.left = None, 0, BLOCKS
        error: Exception | None = None
        try:
            self.engine.emu_start(start | 1, until)
            if until and self._get("pc") & ~1 == until:  # the return itself: no block begins behind it
                self._jump[(self._c.last - self._c.base) // 2] += np.uint64(1)
        except self._uc.UcError as e:
            error = e
        if self._finding is None and error is not None:
            self._finding = self._here(str(error))
        if self._finding is None and self._c.left in (0, 2**64 - 1):
            self._finding = self._here(f"no end after {BLOCKS} blocks")
        for a in self._aligned:
            if a.address:
                base = int(self.engine.reg_read(a.reg))
                self._finding = self._here("unaligned access", base, 4)
                a.address = 0
        if self._finding is not None:
            raise Fault(self._finding)

    def _register(self, name: str) -> int:
        return int(getattr(self._arm, f"UC_ARM_REG_{name.upper()}"))

    def _get(self, register: str) -> int:
        return int(self.engine.reg_read(self._register(register)))

    def _set(self, register: str, value: int) -> None:
        self.engine.reg_write(self._register(register), value)

    def _here(self, what: str, address: int | None = None, size: int = 0) -> Finding:
        pc = self._get("pc")
        near = "" if address is None else self._near(address)
        return Finding(what, pc, self.elf.where(pc), address, size, near, self.region)

    def _stop_with(self, finding: Finding) -> None:
        if self._finding is None:
            self._finding = finding
        self._stop()

    def _stop(self) -> None:
        """Back to the host, behind the instruction that runs."""
        self.engine.emu_stop()

    def _on_invalid(self, _: Any, access: int, address: int, size: int, value: int, __: Any) -> bool:
        uc = self._uc
        what = {uc.UC_MEM_READ_UNMAPPED: "read outside memory", uc.UC_MEM_WRITE_UNMAPPED: "write outside memory",
                uc.UC_MEM_FETCH_UNMAPPED: "execution outside memory", uc.UC_MEM_WRITE_PROT: "write to read-only memory",
                uc.UC_MEM_FETCH_PROT: "execution outside flash", uc.UC_MEM_READ_PROT: "read of protected memory"}
        if self._finding is None:
            self._finding = self._here(what.get(access, f"invalid access {access}"), address, size)
        return False

    def _on_fence(self, _: Any, access: int, address: int, size: int, value: int, __: Any) -> None:
        write = access == self._uc.UC_MEM_WRITE
        self._stop_with(self._here("write outside memory" if write else "read outside memory", address, size))

    def _on_undefined(self, _: Any, __: Any) -> bool:
        if self._finding is None:
            self._finding = self._here("undefined instruction")
        return False

    def _on_interrupt(self, _: Any, number: int, __: Any) -> None:
        pc = self._get("pc")
        if number == _BKPT and self.read(pc, 2) == b"\xab\xbe":
            self._semihost(self._get("r0"), self._get("r1"))
            self._set("pc", (pc + 2) | 1)
        else:
            self._stop_with(self._here(_EXCEPTIONS.get(number, f"exception {number}")))

    def _semihost(self, operation: int, argument: int) -> None:
        """Arm semihosting: WRITEC, WRITE0, WRITE to the console, EXIT, and our own MARK and REQUEST."""
        if operation == 0x03:
            self.console += self.read(argument, 1)
        elif operation == 0x04:
            while (byte := self.read(argument, 1)) != b"\0":
                self.console += byte
                argument += 1
        elif operation == 0x05:
            _, start, size = struct.unpack("<3I", self.read(argument, 12))
            self.console += self.read(start, size)
            self._set("r0", 0)
        elif operation in (0x18, 0x20):
            extended = operation == 0x20  # its argument points to the reason and the status
            self.status = struct.unpack("<2I", self.read(argument, 8))[1] if extended else int(argument != 0x20026)
            self._stop()
        elif operation == 0x101:
            self._waits_at = self._get("pc") + 2
            self._stop()
        elif operation == 0x100:
            self.marks.append((argument, self.profile()))
        else:
            self._stop_with(self._here(f"semihosting call {operation:#x}, which the emulator does not answer"))


# ---- one kernel at a time ----


@dataclass(frozen=True)
class Call:
    """A kernel's run: its profile (`.instructions`) and the stack that it took, arguments included, in bytes."""

    profile: Profile
    stack: int

    @property
    def instructions(self) -> int:
        return self.profile.instructions


@dataclass
class Kernels:
    """C kernels on an emulated core, called with the flat arguments of `Op.c`.

    Every array ends where a page ends and the next page faults, what the kernel may not write is read-only, and so a
    kernel that leaves its arguments is found at the first byte (in front of an array: within its page).
    sources: the C files, by default all of kernels/c; include: folders of headers beside kernels/c; emulator: see
    `emulator.qemu.machine`.
    """

    core: str
    compiler: str = "clang"
    optimize: str = "-O3"
    sources: Sequence[Path] = ()
    include: Sequence[Path] = ()
    align: int = 4  # what the memory plan promises of every buffer
    fast: bool = True
    emulator: str = ""
    elf: Elf = field(init=False)
    machine: Machine = field(init=False)

    def __post_init__(self) -> None:
        which = core(self.core)
        self.core = which.name
        folder = kernel_folder()
        sources = list(self.sources) or sorted(folder.glob("*.c"))
        build = Build(which, self.compiler, self.optimize, include=(folder, *self.include))
        objects = build.compile([*sources, FIRMWARE / "startup.c", FIRMWARE / "aeabi.c", FIRMWARE / "no_main.c"])
        exported = sorted({name for o in objects[: len(sources)] for name in Elf(o.read_bytes()).exported})
        from tinyloc.emulator.qemu import machine, placed

        memory = placed(Memory(flash=512 << 10, ram=8 << 10), which, self.emulator)
        self.elf = link(build, objects, memory, exported)
        self.machine = machine(which, self.elf, memory, self.fast, self.emulator)
        self.machine.initialize()

    def call(self, op: Op, args: Args) -> Call:
        """Runs `tl_<op>`; what it writes arrives in the arrays of `args`, as with `op.c`.  Raises Fault."""
        m = self.machine
        words, mapped = [], []
        at = m.heap
        try:
            for p, a in zip(op.params, args, strict=True):
                if not p.is_array:
                    words.append(int(a))
                    continue
                data = np.ascontiguousarray(a, DTYPES[p.dtype]).tobytes()
                size = max(-(-(len(data) + 1) // m.fence) * m.fence, m.fence)
                m.map(at, size, p.role in ("out", "state", "scratch"))
                mapped.append((at, size))
                start = at + (size - len(data)) // self.align * self.align
                m.write(at, bytes([PAINT]) * (start - at) + data + bytes([PAINT]) * (at + size - start - len(data)))
                m.name(start, len(data), p.name)
                words.append(start)
                at = -(-(at + size) // PAGE) * PAGE + PAGE
            m.region = op.name
            m.paint_stack()
            before = m.profile()
            m.call(f"tl_{op.name}", *words)
            profile = m.profile() - before
            spans = iter(mapped)
            for p, a, start in zip(op.params, args, words, strict=True):
                if p.is_array:
                    low, size = next(spans)
                    page = m.read(low, size)
                    end = start - low + a.nbytes
                    if page[: start - low].strip(bytes([PAINT])) or page[end:].strip(bytes([PAINT])):
                        raise Fault(Finding("write outside an array", self.elf.symbol(f"tl_{op.name}"), f"tl_{op.name}",
                                            start, a.nbytes, p.name, op.name))
                    if p.role in ("out", "state", "scratch"):
                        a.reshape(-1)[:] = np.frombuffer(page[start - low: end], a.dtype)
            return Call(profile, m.stack_used())
        finally:
            m._names.clear()
            m.region = ""
            for low, size in mapped:
                m.unmap(low, size)

    def stack_bound(self, op: Op) -> int:
        """The static bound of `Call.stack`: arguments on the stack and the call graph below."""
        extra = max(len(op.params) - 4, 0)
        return (4 * extra + 7) // 8 * 8 + self.elf.stack_bound(f"tl_{op.name}")[0]


def kernel_folder() -> Path:
    """Where the C kernels are."""
    import tinyloc.kernels

    return Path(next(iter(tinyloc.kernels.__path__))) / "c"
