"""QEMU (qemu-system-arm) as the second emulator: the only one with a Cortex-M55 and MVE, and a judge of the first.

The host drives it through its debugger's port, so that the firmware is the same to the byte, and answers semihosting
itself.  A plugin of the code generator counts blocks with the hook that Unicorn calls: counts are exact, and comparable.

Memory is that of the emulated board.  RAM lies at the end of the board's, with nothing behind it; on the Cortex-M55 the
memory protection unit bounds flash, RAM and each array of a single kernel, which begin with a page, to 32 bytes.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import select
import shutil
import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinyloc.emulator import cortexm
from tinyloc.emulator.cortexm import PAGE, Fault, Finding, Machine, _Counts
from tinyloc.emulator.elf import Elf
from tinyloc.emulator.toolchain import FIRMWARE, Core, Memory, host_library
from tinyloc.errors import BrokenError, ConfigError, unknown

EXECUTABLE = "qemu-system-arm"
INSTALL = f"install QEMU 7.2 or newer, built with plugins ({EXECUTABLE}; Debian and Ubuntu: apt install qemu-system-arm)"
EMULATORS = ("unicorn", "qemu")
CHUNK = 1500  # bytes of memory a packet: the port takes 4096 characters
_XPSR = 25
_VTOR, _CPACR, _CFSR, _MMFAR, _BFAR = (0xE000_E000 + x for x in (0xD08, 0xD88, 0xD28, 0xD34, 0xD38))
_MPU_CTRL, _MPU_RNR, _MPU_RBAR, _MPU_RLAR = (0xE000_E000 + x for x in (0xD94, 0xD98, 0xD9C, 0xDA0))
_FAULTS = {0: "execution outside flash", 1: "access outside memory", 3: "stack outside memory on return from an exception",
           4: "stack outside memory on entry of an exception", 8: "execution outside memory", 9: "access outside memory",
           10: "access outside memory", 12: "stack outside memory on entry of an exception", 16: "undefined instruction",
           17: "branch to Arm (not Thumb) state", 19: "coprocessor, FPU or MVE instruction without that unit",
           20: "stack limit passed", 24: "unaligned access"}  # bits of CFSR


@dataclass(frozen=True)
class Machinery:
    """A board of QEMU: its name; where flash and RAM may lie, RAM ending where nothing follows; a place for arrays, 0 where
    there is none; with an Armv8-M protection unit, a place for code of the host's."""

    name: str
    flash_origin: int
    flash: int
    ram_end: int
    ram: int
    heap: int = 0
    stub: int = 0


# QEMU's documentation, "Arm MPS2 and MPS3 boards" and "micro:bit"; sizes as `info mtree` gives them.
BOARDS = {
    "m0plus": Machinery("microbit", 0, 256 << 10, 0x2000_4000, 16 << 10),
    "m3": Machinery("mps2-an385", 0, 4 << 20, 0x2080_0000, 4 << 20, 0x2100_0000),
    "m4": Machinery("mps2-an386", 0, 4 << 20, 0x2080_0000, 4 << 20, 0x2100_0000),
    "m7": Machinery("mps2-an500", 0, 4 << 20, 0x2080_0000, 4 << 20, 0x6000_0000),
    "m33": Machinery("mps2-an505", 0x1000_0000, 4 << 20, 0x3840_0000, 2 << 20, 0x3800_0000),
    "m55": Machinery("mps3-an547", 0x1000_0000, 508 << 10, 0x3008_0000, 256 << 10, 0x3000_0000, 0x1007_F000),
}
# The debugger's writes do not reach registers of the system: this code writes them, from a list of (address, value).
# 1: ldmia r0!, {r1, r2};  cbz r1, 2f;  str r2, [r1];  b 1b;  2: dsb;  isb;  nop
STUB, STUB_END = bytes.fromhex("06c8 09b1 0a60 fbe7 bff3 4f8f bff3 6f8f 00bf"), 16


def executable() -> str:
    """Path of QEMU; raises ConfigError saying what to install."""
    if not sys.platform.startswith("linux"):
        raise ConfigError("QEMU is driven on Linux only: the counting plugin is an ELF library")
    found = shutil.which(EXECUTABLE)
    if found is None:
        raise ConfigError(f"{EXECUTABLE} is not on the PATH; {INSTALL}")
    return found


def present() -> bool:
    """Whether QEMU is there."""
    try:
        executable()
    except ConfigError:
        return False
    return True


def chosen(which: Core, emulator: str = "") -> str:
    """The emulator of a core: the one asked for, else Unicorn where it has the core."""
    if emulator and emulator not in EMULATORS:
        raise unknown("emulator", emulator, EMULATORS)
    return emulator or ("unicorn" if which.unicorn else "qemu")


def placed(memory: Memory, which: Core, emulator: str = "") -> Memory:
    """`memory` where the emulator has it; sizes that its board cannot have become the board's."""
    if chosen(which, emulator) == "unicorn":
        return memory
    b = BOARDS[which.name]
    names = (f"flash of QEMU's {b.name}" if memory.flash > b.flash else memory.names[0],
             f"RAM of QEMU's {b.name}" if memory.ram > b.ram else memory.names[1])
    ram = min(memory.ram, b.ram)
    # Where the protection unit is on, the debugger reads a page only if its first byte may be read: RAM begins with a page.
    end = b.ram_end - (-ram % PAGE if b.stub else 0)
    return replace(memory, flash=min(memory.flash, b.flash), ram=ram, flash_origin=b.flash_origin, ram_end=end, names=names)


def machine(which: Core, elf: Elf, memory: Memory, fast: bool = True, emulator: str = "") -> Machine:
    """A core with `elf` in its flash, on the emulator "unicorn" or "qemu"; by default Unicorn where it has the core."""
    return (Machine if chosen(which, emulator) == "unicorn" else Qemu)(which, elf, memory, fast)


def _end(process: subprocess.Popen[bytes], counts: mmap.mmap, folder: str) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    with contextlib.suppress(BufferError):  # a view of the counts is still alive: they end with it
        counts.close()
    shutil.rmtree(folder, ignore_errors=True)


class Qemu(Machine):
    """A core of QEMU; see `cortexm.Machine`.  `memory` is one that `placed` gave."""

    fence = 32
    patience = 300.0  # seconds without a stop: taken for a hang

    def _open(self, fast: bool) -> None:
        path, b = executable(), BOARDS[self.core.name]
        self.board, self.heap = b, b.heap
        plugin = host_library(FIRMWARE / "qemuplugin.c", FIRMWARE / "blockhook.c")
        folder = tempfile.mkdtemp(prefix="tinyloc-qemu-")
        n = len(self.elf.text) // 2
        head = ctypes.sizeof(_Counts)
        file, self._said = os.path.join(folder, "counts"), os.path.join(folder, "messages")
        with open(file, "wb") as f:
            f.truncate(head + 16 * (n + 1))
        with open(file, "r+b") as f:
            shared = mmap.mmap(f.fileno(), 0)
        self._c = _Counts.from_buffer(shared)
        self._c.base, self._c.halfwords = self.elf.text_start, n
        self._edge = np.frombuffer(shared, np.int64, n + 1, head)
        self._jump = np.frombuffer(shared, np.uint64, n + 1, head + 8 * (n + 1))
        self.counts_compiled = True
        with open(self._said, "wb") as messages:
            self._process = subprocess.Popen(
                [path, "-M", b.name, "-S", "-gdb", "stdio", "-display", "none", "-serial", "none", "-monitor", "none",
                 "-plugin", f"{plugin},counts={file}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=messages)
        self._finalizer = weakref.finalize(self, _end, self._process, shared, folder)
        self._received = b""
        self._configured = self._guarded = False  # regions are as in _regions; the protection unit is on
        self._breaks: set[int] = set()
        self._stopped = False
        try:
            self._ask("qXfer:features:read:target.xml:0,ff0")  # from here on registers have numbers
        except BrokenError:
            raise ConfigError(f"{EXECUTABLE} does not start: {self._messages() or 'no message'}; {INSTALL}") from None
        self._regions: dict[int, tuple[int, int, int]] = {}
        if b.stub:
            self.write(b.stub, STUB)
            self._break(b.stub + STUB_END)
            m = self.memory
            self._regions = {0: (b.stub, PAGE, 0b110), 1: (m.flash_origin, m.flash, 0b110), 2: (m.ram_origin, m.ram, 0b001)}
        bkpt = [x.address for x in self.elf.instructions if x.mnemonic == "bkpt" and x.operands == "#0xab"]
        self._back = self.elf.symbol("fw_return") & ~1
        self._calls = {a for a in bkpt if a != self._back}
        self._fault = self.elf.symbol("fault") & ~1
        for address in (*self._calls, self._fault):
            self._break(address)

    def _configure(self) -> None:
        """The vectors, the regions, and the FPU, as the firmware's own reset code does."""
        self._configured = self._guarded = True  # the stub's own region is in every set
        pairs = [(_MPU_CTRL, 0), (_VTOR, self.memory.flash_origin), (_CPACR, 0xF << 20)]
        for number in range(16):
            address, size, kind = self._regions.get(number, (0, 1, 0))
            pairs += [(_MPU_RNR, number), (_MPU_RBAR, address & ~31 | kind),
                      (_MPU_RLAR, (address + size - 1) & ~31 | int(number in self._regions))]
        words = [w for pair in (*pairs, (_MPU_CTRL, 1), (0, 0)) for w in pair]
        self.write(self.board.stub + 32, np.array(words, "<u4"))
        saved = [self._get(f"r{i}") for i in range(3)]
        self._set("r0", self.board.stub + 32)
        self._set("xpsr", 1 << 24)
        self._set("pc", self.board.stub)
        self._send("c")
        self._packet(30)
        if self._get("pc") != self.board.stub + STUB_END:
            raise BrokenError(f"QEMU's {self.board.name} does not take the protection unit's regions")
        for i, value in enumerate(saved):
            self._set(f"r{i}", value)

    # ---- the debugger's port ----

    def _messages(self) -> str:
        with open(self._said, encoding="utf-8", errors="replace") as f:
            return f.read().strip()

    def _send(self, text: str) -> None:
        data = text.encode()
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(b"$" + data + b"#%02x" % (sum(data) & 255))
            self._process.stdin.flush()
        except OSError:
            raise BrokenError(f"QEMU ended: {self._messages() or 'no message'}") from None

    def _packet(self, patience: float) -> str:
        """The next packet from QEMU."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while True:
            start = self._received.find(b"$")
            end = self._received.find(b"#", start)
            if start >= 0 and 0 < end <= len(self._received) - 3:
                text, self._received = self._received[start + 1: end], self._received[end + 3:]
                assert self._process.stdin is not None
                self._process.stdin.write(b"+")
                self._process.stdin.flush()
                return text.decode("latin1")
            if not select.select([pipe], [], [], patience)[0]:
                raise TimeoutError
            more = os.read(pipe, 1 << 16)
            if not more:
                raise BrokenError(f"QEMU ended: {self._messages() or 'no message'}")
            self._received += more

    def _ask(self, text: str) -> str:
        self._send(text)
        try:
            return self._packet(30)
        except TimeoutError:
            raise BrokenError(f"QEMU does not answer {text[:40]!r}") from None

    def _expect(self, text: str) -> None:
        answer = self._ask(text)
        if answer != "OK":
            raise BrokenError(f"QEMU refuses {text[:40]!r}: {answer or 'unknown'}")

    def _break(self, address: int) -> None:
        if address not in self._breaks:
            self._breaks.add(address)
            self._expect(f"Z1,{address:x},2")

    # ---- memory ----

    def _peek(self, address: int) -> int:
        """A register of the system."""
        return int.from_bytes(bytes.fromhex(self._ask(f"m{address:x},4")), "little")

    def map(self, address: int, size: int, writable: bool) -> None:
        if self.board.stub:
            number = next(i for i in range(len(self._regions) + 1) if i not in self._regions)
            if number >= 16:
                raise ConfigError(f"QEMU's {self.board.name} protects no more than 16 regions")
            self._regions[number] = (address, size, 0b001 if writable else 0b111)  # AP[2:1], XN
            self._configured = False

    def unmap(self, address: int, size: int) -> None:
        for number in [i for i, r in self._regions.items() if r[0] == address]:
            del self._regions[number]
            self._configured = False

    def _settle(self) -> None:
        """Regions as the next access of the debugger needs them: it reaches no page that has none."""
        if self._guarded and not self._configured:
            self._configure()

    def read(self, address: int, size: int) -> bytes:
        self._settle()
        parts = []
        for at in range(address, address + size, CHUNK):
            n = min(CHUNK, address + size - at)
            data = bytes.fromhex(self._ask(f"m{at:x},{n:x}").replace("E14", ""))
            if len(data) != n:
                raise ConfigError(f"QEMU's {self.board.name} has no memory of {n} bytes at {at:#010x}")
            parts.append(data)
        return b"".join(parts)

    def write(self, address: int, data: bytes | np.ndarray) -> None:
        self._settle()
        data = data.tobytes() if isinstance(data, np.ndarray) else bytes(data)
        for at in range(0, len(data), CHUNK):
            part = data[at : at + CHUNK]
            self._expect(f"M{address + at:x},{len(part):x}:{part.hex()}")

    # ---- running ----

    def _register(self, name: str) -> int:
        return _XPSR if name == "xpsr" else {"sp": 13, "lr": 14, "pc": 15}.get(name) or int(name[1:])

    def _get(self, register: str) -> int:
        return int.from_bytes(bytes.fromhex(self._ask(f"p{self._register(register):x}")), "little")

    def _set(self, register: str, value: int) -> None:
        self._expect(f"P{self._register(register):x}={(value & 0xFFFFFFFF).to_bytes(4, 'little').hex()}")

    def _stop(self) -> None:
        self._stopped = True

    def _go(self, start: int, until: int) -> None:
        self._finding, self._stopped = None, False
        self._c.last, self._c.left = 0, cortexm.BLOCKS
        if until:
            self._break(until)
        if self.board.stub and not self._configured:
            self._configure()
            self._c.last = 0
        self._set("xpsr", 1 << 24)  # Thumb
        self._set("pc", start & ~1)
        while not self._stopped:
            self._stopped = self._until_stop(until)
        if self._finding is not None:
            if self._process.poll() is None:  # nothing but a reset leaves a fault's handler for good
                self._ask("qRcmd," + b"system_reset".hex())
                self._configured = self._guarded = False
            raise Fault(self._finding)

    def _until_stop(self, until: int) -> bool:
        """Runs to the next breakpoint and deals with it; whether that was the last."""
        self._send("c")
        try:
            self._packet(self.patience)
        except TimeoutError:
            assert self._process.stdin is not None
            self._process.stdin.write(b"\3")
            self._process.stdin.flush()
            self._packet(30)
            self._finding = self._here(f"no end after {self.patience:.0f} s")
            return True
        except BrokenError as e:  # a lockup, say: QEMU gives up
            self._finding = Finding(str(e).split("\n")[0], 0, "an address that QEMU does not tell", region=self.region)
            return True
        pc = self._get("pc") & ~1
        if pc == self._fault:
            self._finding = self._cause()
        elif until and pc == until:
            if pc != self._c.last:
                self._jump[(self._c.last - self._c.base) // 2] += np.uint64(1)
        elif pc in self._calls:
            at = (pc - self._c.base) // 2
            if pc != self._c.last and 0 <= (last := (self._c.last - self._c.base) // 2) <= self._c.halfwords:
                self._jump[last] += np.uint64(1)
            self._edge[at] += 1  # the BKPT itself, which QEMU does not execute
            self._edge[at + 1] -= 1
            self._c.last = pc + 2
            self._semihost(self._get("r0"), self._get("r1"))
            self._set("pc", pc + 2)
            return self._stopped
        else:
            self._finding = self._here("stopped without a reason")
        return True

    def _cause(self) -> Finding:
        """What the fault registers and the stacked frame say."""
        if self.core.name == "m0plus":
            return self._stacked("fault (Armv6-M does not say which)", None)
        status = self._peek(_CFSR)
        what = next((text for bit, text in _FAULTS.items() if status >> bit & 1), f"fault, CFSR {status:#x}")
        address = self._peek(_MMFAR) if status >> 7 & 1 else self._peek(_BFAR) if status >> 15 & 1 else None
        if address is not None and what == "access outside memory":
            m = self.memory
            inside = m.flash_origin <= address < m.flash_origin + m.flash
            what = "write to read-only memory" if inside else what
        return self._stacked(what, address)

    def _stacked(self, what: str, address: int | None) -> Finding:
        pc = 0
        with contextlib.suppress(ConfigError):  # the stack itself may be what lies outside
            pc = int.from_bytes(self.read(self._get("sp") + 24, 4), "little")
        near = "" if address is None else self._near(address)
        return Finding(what, pc, self.elf.where(pc), address, 0, near, self.region)

    def close(self) -> None:
        """Ends QEMU; also done when the machine is forgotten."""
        self._finalizer()


def version() -> str:
    """QEMU's own version text; raises ConfigError when it is absent."""
    r: Any = subprocess.run([executable(), "--version"], capture_output=True, text=True, check=False)
    return str(r.stdout.splitlines()[0]) if r.stdout else ""
