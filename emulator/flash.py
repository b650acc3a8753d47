"""NOR flash whose power fails, and a device around it that runs the very C of kernels/update on it.

Pages are erased to ones; units are programmed once after that (or as often as the part allows, bits then only falling).
A power failure at operation number `cut` leaves what `tear` says: nothing or all of it done, some bits, any bits, bits that
read differently each time, or reads that fail (error correction).  After it nothing works until `power_on`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tinyloc.emulator.mcu import ZEPHYR
from tinyloc.errors import ConfigError, unknown
from tinyloc.kernels._c import ffi, lib

TEARS = ("nothing", "done", "partly", "anything", "unstable", "hardly", "almost", "error")  # TL_TEAR_ of flash.h
NEVER = 2**64 - 1


@dataclass(frozen=True)
class Part:
    """A part's flash: bytes a page and a program unit, how often a unit may be programmed between erases, and the source."""

    name: str
    page: int
    unit: int
    most: int
    source: str


PARTS = {p.name: p for p in (
    Part("nrf52840", 4096, 4, 2, "Nordic nRF52840 Product Specification, 4.3.1: words, at most nWRITE = 2 times; "
         f"{ZEPHYR}arm/nordic/nrf52840.dtsi: erase-block-size 4096, write-block-size 4"),
    Part("stm32l4", 2048, 8, 1, "ST RM0351, embedded flash memory: pages of 2 KB, double words of 64 bits and 8 of ECC, "
         "programmed when erased"),
    Part("stm32u5", 8192, 16, 1, "ST RM0456, embedded flash memory: pages of 8 KB, quad-words of 128 bits and 9 of ECC, "
         f"programmed when erased; {ZEPHYR}arm/st/u5/stm32u5.dtsi: erase-block-size 8192, write-block-size 16"),
)}


def part(name: str) -> Part:
    """That of the name; raises ConfigError."""
    if name not in PARTS:
        raise unknown("flash", name, PARTS)
    return PARTS[name]


class Flash:
    """Two slots of `pages` pages each, erased.  The parts of its state are those of `tl_nor` in flash.h."""

    def __init__(self, which: Part, pages: int, seed: int = 0) -> None:
        if pages < 2:
            raise ConfigError(f"slots of {pages} pages: expected at least 2")
        self.part, self.pages, self.slot_bytes = which, pages, pages * which.page
        size = 2 * self.slot_bytes
        self._arrays = {n: np.full(b, fill, np.uint8) for n, b, fill in (
            ("memory", size + 4, 255), ("truth", size, 255), ("past", lib.TL_WEAK * which.page, 0),
            ("writes", size // which.unit, 0))}
        self.memory = self._arrays["memory"][:size]
        self.nor = ffi.new("tl_nor *", {
            "bytes": size, "page": which.page, "unit": which.unit, "most": which.most, "cut": NEVER, "random": 2 * seed + 1,
            **{n: ffi.from_buffer("uint8_t[]", a) for n, a in self._arrays.items()}})
        address = ffi.addressof
        self.driver = ffi.new("tl_flash *", {
            "context": self.nor, "read": address(lib, "tl_nor_read"), "program": address(lib, "tl_nor_program"),
            "erase": address(lib, "tl_nor_erase"), "map": self.nor.memory, "page_bytes": which.page,
            "unit_bytes": which.unit, "slot_bytes": self.slot_bytes})

    def cut(self, operation: int, tear: str = "partly") -> None:
        """The power fails at that operation from now on."""
        self.nor.operations, self.nor.cut, self.nor.tear = 0, operation, TEARS.index(tear)

    def power_on(self) -> None:
        """Power again, and no failure ahead."""
        self.nor.off, self.nor.operations, self.nor.cut = 0, 0, NEVER

    @property
    def off(self) -> bool:
        """The power has failed."""
        return bool(self.nor.off)

    def state(self) -> tuple[Any, ...]:
        """All of it, for `restore`."""
        return bytes(ffi.buffer(self.nor)), *(a.copy() for a in self._arrays.values())

    def restore(self, state: tuple[Any, ...]) -> None:
        """As it was when `state` was called."""
        ffi.buffer(self.nor)[:] = state[0]
        for a, old in zip(self._arrays.values(), state[1:], strict=True):
            a[:] = old

    def weak(self, slot: int, size: int) -> int:
        """Bytes of the slot's first `size` that do not read the same each time."""
        return int(lib.tl_nor_weak(self.nor, slot * self.slot_bytes, size))


class Device:
    """A firmware with `flash`, as update.h describes its flow.

    keys: (type, hash, key) each, as `package.device_key` gives them.  verify: a function pointer of `tl_update_key.verify`,
    by default tl_update_ed25519.  inputs: `export.inputs_digest`.  words: room for signatures.  window_bytes: of the window
    that it has for tl_stream_open.
    """

    def __init__(self, flash: Flash, keys: list[tuple[int, bytes, bytes]], inputs: tuple[int, int],
                 arena_bytes: int = 1 << 16, words: int = 256, least_counter: int = 0, verify: Any = None,
                 window_bytes: int = 1 << 16) -> None:
        self.flash = flash
        self.arena, self.signatures = np.zeros(-(-arena_bytes // 4) + 1, np.uint32), np.zeros(max(words, 1), np.uint32)
        self._keep = [[ffi.new("uint8_t[]", k) for k in key[1:]] for key in keys]
        self.keys = ffi.new("tl_update_key[]", [
            {"type": key[0], "hash": kept[0], "key": kept[1], "verify": verify or ffi.addressof(lib, "tl_update_ed25519")}
            for key, kept in zip(keys, self._keep, strict=True)])
        self.c = ffi.new("tl_update_device *", {
            "flash": flash.driver, "keys": self.keys, "key_count": len(keys), "kernels": lib.tl_all_kernels,
            "arena": ffi.from_buffer(self.arena), "arena_bytes": arena_bytes, "inputs": list(inputs),
            "signatures": ffi.from_buffer("uint32_t[]", self.signatures), "signature_words": words,
            "least_counter": least_counter, "window_bytes": window_bytes})
        self.booted, self.update, self.patch = ffi.new("tl_booted *"), ffi.new("tl_update *"), ffi.new("tl_patch *")

    def boot(self) -> int:
        """Power, and a boot: its code.  `running` says what runs then."""
        self.flash.nor.off = 0
        self.flash.nor.keep_bytes = 0
        code = int(lib.tl_update_boot(self.c, self.booted))
        if self.booted.valid:  # an update may change the other slot alone
            self.flash.nor.keep, self.flash.nor.keep_bytes = self.booted.slot * self.flash.slot_bytes, self.flash.slot_bytes
        return code

    @property
    def running(self) -> bytes | None:
        """The hash of what runs."""
        return bytes(self.booted.envelope.hash) if self.booted.valid else None

    def install(self, data: bytes, identity: bytes, chunk: int = 64) -> int:
        """An update over the air, from the byte that the device asks for, `chunk` bytes at a time; its code."""
        start = ffi.new("uint32_t *")
        code = lib.tl_update_begin(self.update, self.c, self.booted, len(data), identity, start)
        self.began_at = int(start[0])
        at = self.began_at
        while not code and at < len(data):
            part_ = data[at : at + chunk]
            code = lib.tl_update_write(self.update, part_, len(part_))
            at += len(part_)
        return int(code or lib.tl_update_finish(self.update))


def text(code: int) -> str:
    """What the device says of a code."""
    return str(ffi.string(lib.tl_update_text(code)).decode())


def codes() -> Iterator[tuple[str, int]]:
    """(name, number) of each TL_UPDATE_ code, in order."""
    for name in ("OK", "FLASH", "SIZE", "SHORT", "MAGIC", "FORMAT", "DAMAGED", "KEY", "SIGNATURE", "OLD", "PAYLOAD",
                 "VERSION", "ABI", "INPUTS", "ARENA", "MODEL", "SELF_TEST", "HANGS", "NONE", "PATCH", "BASE", "ORDER",
                 "GEOMETRY"):
        yield name, int(getattr(lib, f"TL_UPDATE_{name}"))


# ---- what it costs a core ----

@dataclass(frozen=True)
class Cost:
    """Of one check of a package: instructions, bytes of stack used and its static bound; bytes of code and constants that
    the check takes in flash, and all of kernels/update, beside the runner."""

    instructions: int
    stack: int
    stack_bound: int
    check_bytes: int
    all_bytes: int


@cache
def _firmware(which: str, compiler: str, optimize: str, keep: tuple[str, ...]) -> Any:
    """What firmware/update.c, kernels/update and the kernels link to; () stands for every function of kernels/update."""
    from tinyloc.emulator.cortexm import kernel_folder
    from tinyloc.emulator.elf import Elf
    from tinyloc.emulator.toolchain import FIRMWARE, Build, Memory, core, link

    kernels = kernel_folder()
    build = Build(core(which), compiler, optimize, include=(kernels, kernels.parent / "update"))
    own = build.compile(sorted((kernels.parent / "update").glob("*.c")))
    rest = build.compile([FIRMWARE / "update.c", *sorted(kernels.glob("*.c")),
                          *(FIRMWARE / n for n in ("startup.c", "aeabi.c", "no_main.c"))])
    runner = ("tl_open", "tl_reset", "tl_sign", "tl_input", "tl_crc32")
    every = sorted({n for o in own for n in Elf(o.read_bytes()).exported})
    memory = Memory(flash=512 << 10, ram=32 << 10)
    return link(build, [*own, *rest], memory, [*(keep or every), *runner]), memory


class _Core:
    """A core with that firmware, and `size` bytes at `at` for what it is given."""

    def __init__(self, which: str, compiler: str, optimize: str, keep: str, size: int, writable: bool) -> None:
        from tinyloc.emulator.cortexm import Machine
        from tinyloc.emulator.toolchain import core

        self.elf, memory = _firmware(which, compiler, optimize, (keep,))
        self.machine = Machine(core(which), self.elf, memory)
        self.machine.initialize()
        self.at, self.keep = self.machine.heap, keep
        self.machine.map(self.at, -(-size // 1024) * 1024, writable)

    def call(self, *arguments: int) -> tuple[int, int]:
        """(what the function returns, instructions)."""
        self.machine.paint_stack()
        before = self.machine.profile()
        code = self.machine.call(self.keep, *arguments)
        return code, (self.machine.profile() - before).instructions


def cost(package: bytes, key: tuple[int, bytes, bytes], inputs: tuple[int, int], which: str = "m4",
         compiler: str = "clang", optimize: str = "-O3") -> Cost:
    """`tl_update_check` of a package on an emulated core.  Raises ConfigError when it refuses, or without the extra mcu."""
    size = -(-len(package) // 4) * 4
    c = _Core(which, compiler, optimize, "fw_check", size + 128, False)
    c.machine.write(c.at, package)
    c.machine.write(c.at + size, key[2] + key[1] + np.array(inputs, "<u4").tobytes())
    places = c.at + size + np.cumsum([0, len(key[2]), len(key[1])])
    code, spent = c.call(c.at, len(package), *map(int, places))
    if code:
        raise ConfigError(f"package: {text(code)}")

    def taken(*keep: str) -> int:
        elf, _ = _firmware(which, compiler, optimize, keep)
        return int(sum(elf.section_bytes(s) for s in (".text", ".rodata")))

    without = taken("tl_crc32")
    return Cost(spent, c.machine.stack_used(), c.elf.stack_bound("fw_check")[0], taken("fw_check") - without,
                taken() - without)


def boot_on(which: str, flash: Flash, inputs: tuple[int, int], compiler: str = "clang", optimize: str = "-O3"
            ) -> tuple[int, bytes, int, int]:
    """`tl_update_boot` on an emulated core from a copy of the flash: (code, the flash afterwards, instructions, stack)."""
    size, p = 2 * flash.slot_bytes, flash.part
    c = _Core(which, compiler, optimize, "fw_boot", size + 8, True)
    c.machine.write(c.at, flash.memory)
    c.machine.write(c.at + size, np.array(inputs, "<u4"))
    code, spent = c.call(c.at, p.page, p.unit, flash.slot_bytes, c.at + size)
    return code, c.machine.read(c.at, size), spent, c.machine.stack_used()
