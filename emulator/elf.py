"""What a linked firmware says about itself: sections, symbols, instructions, call graph and the bound of its stack."""

from __future__ import annotations

import bisect
import io
import itertools
import re
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from tinyloc.errors import ConfigError, ModelError, unknown

EXTRA = "install it with: pip install 'tinyloc[mcu]'"


@dataclass(frozen=True)
class Function:
    """A function of the image: [start, end) without the Thumb bit."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Instruction:
    """One Thumb instruction; `data` when capstone does not know it (an MVE one, say)."""

    address: int
    size: int
    mnemonic: str
    operands: str

    def __str__(self) -> str:
        return f"{self.mnemonic} {self.operands}".strip()

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def base(self) -> str:
        """Mnemonic without condition and width: `ldrne.w` -> `ldr`."""
        return base_mnemonic(self.mnemonic)

    @property
    def registers(self) -> int:
        """How many registers a {list} in the operands names; ranges counted."""
        found = re.search(r"\{(.*?)\}", self.operands)
        return len([r for r in found.group(1).split(",") if r.strip()]) if found else 0

    @property
    def target(self) -> int | None:
        """Address that a direct branch or call goes to."""
        found = re.search(r"#(0x[0-9a-f]+|\d+)$", self.operands)
        return int(found.group(1), 0) if found else None


_CONDITIONS = ("eq", "ne", "cs", "hs", "cc", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
_WHOLE = {"bls", "bics", "smlals", "umlals", "muls", "teq", "movs", "lsls", "mls", "vmls", "adcs", "sbcs", "svc", "cls"}


@cache
def base_mnemonic(text: str) -> str:
    """`text` without width suffix and condition: `addeq.w` -> `add`, `bne` -> `b`; flags (`adds`) stay."""
    name = text.split(".")[0]
    if name in _WHOLE and name != "bls":
        return name
    if len(name) > 2 and name[-2:] in _CONDITIONS:
        return name[:-2]
    return name


class Elf:
    """A linked image.  Raises ConfigError when pyelftools or capstone is missing, ModelError when it is no ELF."""

    def __init__(self, data: bytes) -> None:
        try:
            from elftools.common.exceptions import ELFError
            from elftools.elf.elffile import ELFFile
            from elftools.elf.sections import SymbolTableSection
        except ImportError:
            raise ConfigError(f"the package pyelftools is missing; {EXTRA}") from None
        self.data = data
        self.costs: dict[object, tuple[np.ndarray, np.ndarray]] = {}  # of its instructions, by table: see `cycles.estimate`
        try:
            elf = ELFFile(io.BytesIO(data))
            if elf["e_machine"] != "EM_ARM":
                raise ModelError(f"firmware for {elf['e_machine']}; expected an ELF file for Arm")
            self.entry = int(elf["e_entry"])
            self._sections = {s.name: (int(s["sh_addr"]), int(s["sh_size"]), int(s["sh_addralign"]))
                              for s in elf.iter_sections() if s["sh_flags"] & 2}
            self.segments = [(int(s["p_paddr"]), s.data()) for s in elf.iter_segments()
                             if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
            table = elf.get_section_by_name(".symtab")
            raw = [(s.name, int(s["st_value"]), int(s["st_size"]), s["st_info"]["type"], s["st_shndx"],
                    s["st_info"]["bind"])
                   for s in table.iter_symbols()] if isinstance(table, SymbolTableSection) else []
            text = elf.get_section_by_name(".text")
            self.text = text.data() if text else b""
        except ELFError as e:
            raise ModelError(f"not a complete ELF file: {e}") from None
        self.text_start = self._sections.get(".text", (0, 0, 0))[0]
        self.symbols = {n: v for n, v, _, _, where, _ in raw if n and not n.startswith("$") and where != "SHN_UNDEF"}
        self.objects = sorted((v, size, n) for n, v, size, kind, _, _ in raw if kind == "STT_OBJECT" and size)
        self.exported = sorted({n for n, _, _, kind, _, bind in raw if kind == "STT_FUNC" and bind == "STB_GLOBAL"})
        functions = sorted({(v & ~1, size, n) for n, v, size, kind, _, _ in raw if kind == "STT_FUNC"})
        starts = sorted({f[0] for f in functions})
        end = self.text_start + len(self.text)
        self.functions: list[Function] = []
        for start, size, name in functions:
            if self.functions and self.functions[-1].start == start:
                continue  # an alias
            after = bisect.bisect_right(starts, start)
            limit = starts[after] if after < len(starts) else end
            self.functions.append(Function(name, start, min(start + size, limit) if size else limit))
        self._starts = [f.start for f in self.functions]
        # $t starts code, $d data (literal pools, tables) in the text section (AAELF, mapping symbols).
        self._mapping = sorted((v & ~1, n[1]) for n, v, _, _, _, _ in raw
                               if n[:2] in ("$t", "$d") and self.text_start <= v <= end)

    def section_bytes(self, name: str) -> int:
        """Size of a section, 0 when it is absent."""
        return self._sections.get(name, (0, 0, 0))[1]

    def extent(self, names: tuple[str, ...]) -> tuple[int, int, int]:
        """First address, end and greatest alignment (at least 4) of the sections `names`; (0, 0, 4) for none."""
        chosen = [self._sections[n] for n in names]
        return (min((a for a, _, _ in chosen), default=0), max((a + n for a, n, _ in chosen), default=0),
                max([4, *(x for _, _, x in chosen)]))

    def sizes(self) -> dict[str, int]:
        """Bytes of each allocated section."""
        return {n: s for n, (_, s, _) in self._sections.items()}

    def symbol(self, name: str) -> int:
        """Address of a symbol (functions with the Thumb bit set); raises ConfigError with the nearest name."""
        if name not in self.symbols:
            raise unknown("symbol", name, self.symbols)
        return self.symbols[name]

    def function(self, name: str) -> Function:
        """That of a name; where files have static ones of the same name, the global one.  Raises ConfigError with the
        nearest name."""
        address = self.symbols.get(name, -1) & ~1  # a table of symbols has the global ones last (ELF, symbol table)
        found = self.function_at(address)
        if found is None or found.start != address:
            raise unknown("function", name, [f.name for f in self.functions])
        return found

    def function_at(self, address: int) -> Function | None:
        """The function that holds `address`."""
        i = bisect.bisect_right(self._starts, address & ~1) - 1
        return self.functions[i] if i >= 0 and address < self.functions[i].end else None

    def where(self, address: int) -> str:
        """`function+0x12`, or the address alone."""
        f = self.function_at(address)
        return f"{f.name}+{(address & ~1) - f.start:#x}" if f else f"{address:#010x}"

    def near(self, address: int) -> str:
        """The section or object that `address` lies in or nearest behind."""
        best = ""
        for start, size, name in self.objects:
            if start <= address < start + size + 64:
                past = address - start - size
                best = f"{name}+{address - start:#x}" if past < 0 else f"{past} bytes past {name}"
        if best:
            return best
        for name, (start, size, _) in self._sections.items():
            if start <= address < start + size:
                return f"{name}+{address - start:#x}"
        return "outside every section"

    @cached_property
    def code(self) -> np.ndarray:
        """(halfwords of .text,) int8: 1 where an instruction starts, 2 inside one, 0 for data."""
        kind = np.zeros(len(self.text) // 2 + 1, np.int8)
        half = np.frombuffer(self.text[: len(self.text) // 2 * 2], "<u2")
        marks = [*self._mapping, (self.text_start + len(self.text), "d")]
        for (start, what), (stop, _) in itertools.pairwise(marks):
            at = start
            while what == "t" and at < stop:
                i = (at - self.text_start) // 2
                wide = half[i] >> 11 in (0b11101, 0b11110, 0b11111)
                kind[i] = 1
                if wide:
                    kind[i + 1] = 2
                at += 4 if wide else 2
        return kind

    @cached_property
    def instructions(self) -> list[Instruction]:
        """Every instruction of .text, in order."""
        try:
            import capstone
        except ImportError:
            raise ConfigError(f"the package capstone is missing; {EXTRA}") from None
        cs = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB + capstone.CS_MODE_MCLASS)
        out = []
        kind = self.code
        for i in np.flatnonzero(kind == 1).tolist():
            address = self.text_start + 2 * i
            size = 4 if kind[i + 1] == 2 else 2
            found = next(cs.disasm_lite(self.text[2 * i: 2 * i + size], address), None)
            out.append(Instruction(address, size, *(found[2:] if found and found[1] == size else ("data", ""))))
        return out

    def body(self, f: Function) -> list[Instruction]:
        """The instructions of a function."""
        first, last = (bisect.bisect_left(self._addresses, a) for a in (f.start, f.end))
        return self.instructions[first:last]

    @cached_property
    def _addresses(self) -> list[int]:
        return [x.address for x in self.instructions]

    def frame(self, f: Function) -> int:
        """Bytes that a function may take from the stack: the sum of everything that it ever subtracts from sp.

        Raises ModelError for a frame whose size is computed at run time.
        """
        total = 0
        for x in self.body(f):
            base, ops = x.base, x.operands
            if base == "push":
                total += 4 * x.registers
            elif base in ("stmdb", "vpush", "vstmdb") and (base == "vpush" or ops.startswith("sp!")):
                total += (8 if "{d" in ops else 4) * x.registers
            elif base in ("sub", "subw", "add", "mov", "subs") and re.match(r"sp\b", ops):
                found = re.fullmatch(r"sp, (?:sp, )?#(-?(?:0x[0-9a-f]+|\d+))", ops)
                if found:
                    n = int(found.group(1), 0)
                    total += n if base.startswith("sub") else max(-n, 0)
                elif base == "add" and re.fullmatch(r"sp, (?:sp, )?r\d+", ops):
                    total += self._literal_subtracted(f, x)
                elif not (base == "mov" and ops == "sp, r7"):
                    raise ModelError(f"{f.name}: the stack pointer is computed at run time ({x})")
            elif re.search(r"\[sp, #-(0x[0-9a-f]+|\d+)\]!", ops):
                found = re.search(r"\[sp, #-(0x[0-9a-f]+|\d+)\]!", ops)
                total += int(found.group(1), 0) if found else 0
        return total

    def _literal_subtracted(self, f: Function, add: Instruction) -> int:
        """`ldr rN, [pc, #x]; add sp, rN` of Armv6-M: the literal's bytes when negative, 0 when it releases."""
        register = add.operands.split()[-1]
        for x in reversed([y for y in self.body(f) if y.address < add.address]):
            if x.operands.startswith(register + ","):
                found = re.fullmatch(rf"{register}, \[pc, #(0x[0-9a-f]+|\d+)\]", x.operands)
                if x.base == "ldr" and found:
                    at = (x.address + 4 & ~3) + int(found.group(1), 0) - self.text_start
                    value = int.from_bytes(self.text[at: at + 4], "little", signed=True)
                    return max(-value, 0)
                break
        raise ModelError(f"{f.name}: the stack pointer is computed at run time ({add})")

    @cached_property
    def taken_addresses(self) -> set[Function]:
        """Functions whose address stands in constant data or in a MOVW and MOVT: what an indirect call may reach."""
        known = {f.start | 1: f for f in self.functions}
        found = set()
        for base, data in self.segments:
            skip = 64 if base == self.text_start else 0  # the vector table is called by the hardware
            words = np.frombuffer(data[skip: len(data) // 4 * 4], "<u4")
            found |= {known[w] for w in np.unique(words).tolist() if w in known}
        low: dict[str, int] = {}
        for x in self.instructions:
            half = re.fullmatch(r"(\w+), #(0x[0-9a-f]+|\d+)", x.operands) if x.base in ("movw", "movt", "mov") else None
            if half and x.base == "movt":
                value = int(half.group(2), 0) << 16 | low.get(half.group(1), 0)
                found |= {known[value]} if value in known else set()
            elif half:
                low[half.group(1)] = int(half.group(2), 0)
        return found

    def calls(self, f: Function) -> set[Function]:
        """What a function may call: its calls and tail calls, and for an indirect one every function whose address is
        taken.  Raises ModelError for an indirect call when there is none."""
        out: set[Function] = set()
        for x in self.body(f):
            jump = x.base in ("blx", "bx") and x.operands != "lr"
            if (jump and x.target is None) or (x.base == "mov" and x.operands.startswith("pc,")):
                if not self.taken_addresses:
                    raise ModelError(f"{f.name} calls through a pointer ({x}), and no function's address is stored "
                                     "anywhere: where it goes is not known")
                out |= self.taken_addresses
            elif x.base in ("bl", "b", "blx", "cbz", "cbnz") and x.target is not None:
                to = self.function_at(x.target)
                if to and (x.base == "bl" or not f.start <= x.target < f.end):
                    out.add(to)
        return out

    def reachable(self, entry: str) -> set[Function]:
        """`entry` and everything that it may call, directly or not."""
        found, todo = set(), [self.function(entry)]
        while todo:
            f = todo.pop()
            if f not in found:
                found.add(f)
                todo += self.calls(f)
        return found

    def stack_bound(self, entry: str) -> tuple[int, list[str]]:
        """Most bytes of stack below `entry`'s caller, and the chain of calls that needs them.

        Interrupts are not in it: each nesting level adds 32 bytes (104 with the FPU) and its handler's own.
        Raises ModelError for recursion and for frames computed at run time.
        """
        done: dict[Function, tuple[int, list[str]]] = {}

        def deepest(f: Function, chain: list[Function]) -> tuple[int, list[str]]:
            if f in chain:
                loop = " -> ".join(g.name for g in [*chain[chain.index(f):], f])
                raise ModelError(f"recursion: {loop}; the stack has no bound")
            if f not in done:
                called = sorted(self.calls(f), key=lambda g: (g.name, g.start))
                most, path = max((deepest(g, [*chain, f]) for g in called), key=lambda b: b[0], default=(0, []))
                done[f] = self.frame(f) + most, [f.name, *path]
            return done[f]

        return deepest(self.function(entry), [])
