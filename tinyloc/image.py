"""Program <-> image: the little-endian bytes that a device holds in flash and runs where they lie.

The format is specified in kernels/c/tinyloc.h.  It has no pointers and no names: it may lie at any address that is a
multiple of 4.  A step record takes 6 bytes, 4 an array, 2 an int that fits 16 bits, else 4.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinyloc.emulator.plan import Plan, plan
from tinyloc.errors import ModelError
from tinyloc.kernels.op import ElementError, NumberError, Op
from tinyloc.kernels.spec import DTYPES, WRITTEN, SizeError
from tinyloc.kernels.table import ABI, NUMBERS, OPS
from tinyloc.program import CONSTANT, Program, complete

MAGIC, VERSION = 0x434F4C54, 1
STEPS, STATE, INPUT, OUTPUT, OPTIONAL = 1, 2, 3, 4, 128
RAILS = 128
SECTIONS = {STEPS: "steps", STATE: "state", INPUT: "input", OUTPUT: "output"}
HEADER, ENTRY = 24, 12
IN_IMAGE, SIGNED = 0x8000, 0x80
MAX_ARGS, MAX_INTS = 24, 16
UNIT = 2  # log2 of the unit of places in the arena, and the least one in the image
# What tl_open answers, in the order of tinyloc.h; ALIGN, ARENA and KERNEL are about a device, not about an image.
CODES = ("OK", "ALIGN", "SHORT", "MAGIC", "CRC", "VERSION", "VARIANT", "ABI", "SECTION", "ARENA", "STEP", "BOUNDS", "KERNEL",
         "NUMBER", "SIZE", "PLACE", "OVERLAP", "VALUE", "STREAM", "WINDOW")


class ImageError(ModelError):
    """An image that no device opens; code: what `tl_open` answers to it, one of CODES."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(f"image: {text}")


def _dtype_code(dtype: str) -> int:
    d = np.dtype(dtype)
    return d.itemsize.bit_length() - 1 | (8 if d.kind == "i" else 0)


_DTYPES = {_dtype_code(n): n for n in DTYPES}


def _halves(n: int) -> tuple[int, ...]:
    """The half-words of an int: one if it fits."""
    return (n & 0xFFFF,) if -(2**15) <= n < 2**15 else (n & 0xFFFF, (n >> 16) & 0xFFFF)


def _units(n: int, unit: int) -> int:
    return -(-n >> unit)


def to_image(program: Program, layout: Plan | None = None) -> bytes:
    """The image of a Program whose buffers lie as in `layout` (by default the planner's).

    Raises ModelError when the arena has more than 128 KiB, the constants more than the places can reach (1 GiB), or an
    offset is no multiple of 4.
    """
    layout = layout or plan(program)
    if layout.arena_bytes > 0x7FFF << UNIT:
        raise ModelError(f"the arena has {layout.arena_bytes} bytes; an image can address {0x7FFF << UNIT}")
    names = list(dict.fromkeys(a for s in program.steps for a in s.args
                               if isinstance(a, str) and program.buffers[a].kind in CONSTANT))
    whole = program.pack_state(program.data)
    state = whole[: -(-len(whole.rstrip(b"\0")) // 4) * 4]
    records = sum(6 + sum(4 if isinstance(a, str) else 2 * len(_halves(a)) for a in s.args) for s in program.steps)
    rails = struct.pack(f"<{2 * len(program.saturating)}I", *(
        v for n in program.saturating for v in (layout.offsets[n], _units(program.buffers[n].nbytes, 2) << 2)))
    steps_at = HEADER + ENTRY * (3 + bool(whole) + bool(rails))
    state_at = steps_at + records + records % 4
    rails_at = state_at + len(state)
    for unit in range(UNIT, 16):
        places, end = {}, rails_at + len(rails)
        for n in names:
            places[n] = end = _units(end, unit) << unit
            end += program.buffers[n].nbytes
        total = _units(end, unit) << unit
        if total <= 0x7FFF << unit:
            break
    else:
        raise ModelError(f"the constants have {total} bytes; an image can address {0x7FFF << 15}")

    halves: list[int] = []
    for step, signed in zip(program.steps, complete(program), strict=True):
        arrays = [a for a in step.args if isinstance(a, str)]
        ints = [_halves(a) for a in step.args if not isinstance(a, str)]
        if len(arrays) + len(ints) > MAX_ARGS or len(ints) > MAX_INTS:
            raise ModelError(f"{step.op}: {len(arrays)} arrays and {len(ints)} numbers; an image has room for "
                             f"{MAX_ARGS} in all, {MAX_INTS} numbers")
        spare = -program.buffers[arrays[0]].nbytes % (1 << UNIT)
        halves += [NUMBERS[step.op] | (spare | (SIGNED if signed else 0)) << 8, len(arrays) | len(ints) << 8,
                   sum(1 << i for i, h in enumerate(ints) if len(h) == 2)]
        for a in arrays:
            at, shift, flag = (places[a], unit, IN_IMAGE) if a in places else (layout.offsets[a], UNIT, 0)
            if at % (1 << shift):
                raise ModelError(f"buffer {a!r}: offset {at} is no multiple of {1 << shift}")
            halves += [at >> shift | flag, _units(program.buffers[a].nbytes, shift)]
        halves += [h for pair in ints for h in pair]

    sections = [(STEPS, unit | UNIT << 4, len(program.steps), steps_at, state_at - steps_at)]
    if whole:
        sections.append((STATE, 0, len(whole) // 4, state_at, len(state)))
    for kind, name in ((INPUT, program.input), (OUTPUT, program.output)):
        b = program.buffers[name]
        sections.append((kind, _dtype_code(b.dtype), b.shape[0], layout.offsets[name], b.nbytes))
    if rails:
        sections.append((RAILS, 0, len(rails) // 8, rails_at, len(rails)))
    body = struct.pack("<4I", VERSION | len(sections) << 16, total, ABI, layout.arena_bytes)
    body += b"".join(struct.pack("<BBHII", *s) for s in sections)
    body += struct.pack(f"<{len(halves)}H", *halves)
    body = body.ljust(state_at - 8, b"\0") + state + rails
    for n in names:
        data = program.data[n]
        body = body.ljust(places[n] - 8, b"\0") + data.astype(data.dtype.newbyteorder("<")).tobytes()
    body = body.ljust(total - 8, b"\0")
    return struct.pack("<2I", MAGIC, zlib.crc32(body)) + body


@dataclass(frozen=True)
class Place:
    """An array of a step: where it begins, in bytes from the image's or the arena's start, its extent, and what both are
    multiples of."""

    in_image: bool
    offset: int
    extent: int
    unit: int = 1 << UNIT

    def overlaps(self, other: Place) -> bool:
        """Whether both lie in the arena and have a byte in common."""
        return (not self.in_image and not other.in_image and self.offset < other.offset + other.extent
                and other.offset < self.offset + self.extent)


@dataclass(frozen=True)
class Record:
    """A step as the device reads it; signed: its output, of `output_bytes`, is complete after it."""

    op: str
    places: tuple[Place, ...]
    ints: tuple[int, ...]
    signed: bool
    output_bytes: int


@dataclass(frozen=True)
class Section:
    """Offset and size in bytes; count and format as tinyloc.h has them."""

    kind: int
    format: int
    count: int
    offset: int
    bytes: int


def _check_section(s: Section, sections: tuple[Section, ...], whole: int) -> None:
    name = SECTIONS.get(s.kind, f"of kind {s.kind}")
    if s.kind < OPTIONAL and s.kind not in SECTIONS:
        raise ImageError("SECTION", f"section {name} is unknown")
    if sum(other.kind == s.kind for other in sections) > 1:
        raise ImageError("SECTION", f"two sections {name}")
    if s.offset % 4 or s.offset + s.bytes > whole:
        raise ImageError("SECTION", f"section {name} is out of bounds")
    if s.kind in (INPUT, OUTPUT):
        row = s.count * np.dtype(_DTYPES.get(s.format, "int8")).itemsize
        if s.format not in _DTYPES or not row or not s.bytes or s.bytes % row:
            raise ImageError("SECTION", f"section {name} has no dtype or shape")


@dataclass(frozen=True)
class Image:
    """What the bytes of an image say."""

    data: bytes
    variant: int
    abi: int
    arena_bytes: int
    sections: tuple[Section, ...]
    steps: tuple[Record, ...]

    @staticmethod
    def parse(data: bytes) -> Image:
        """Reads an image that a device would open; `tl_open` accepts the same ones.

        Raises ImageError with the device's code, naming the part that is wrong.
        """
        if len(data) < HEADER:
            raise ImageError("SHORT", f"{len(data)} bytes, expected at least {HEADER}")
        magic, crc, head, total, abi, arena = struct.unpack_from("<6I", data)
        version, count, variant = head & 0xFFFF, head >> 16 & 0xFF, head >> 24
        if magic != MAGIC:
            raise ImageError("MAGIC", "no tinyloc image (magic)")
        if total > len(data) or total < HEADER + ENTRY * count:
            raise ImageError("SHORT", f"cut off: {len(data)} bytes, the header says {total}")
        if zlib.crc32(memoryview(data)[8:total]) != crc:
            raise ImageError("CRC", "damaged (CRC-32)")
        if version != VERSION:
            raise ImageError("VERSION", f"format version {version}, expected {VERSION}")
        if variant:
            raise ImageError("VARIANT", f"packed for another core (variant {variant})")
        if abi != ABI:
            raise ImageError("ABI", f"made for other kernels (ABI {abi:#010x}, expected {ABI:#010x})")
        sections = tuple(Section(*struct.unpack_from("<BBHII", data, HEADER + ENTRY * i)) for i in range(count))
        for s in sections:
            _check_section(s, sections, arena if s.kind in (INPUT, OUTPUT) else total)
        found = {s.kind: s for s in sections}
        for kind in (STEPS, INPUT, OUTPUT):
            if kind not in found:
                raise ImageError("SECTION", f"no section {SECTIONS[kind]}")
        steps, state = found[STEPS], found.get(STATE)
        if steps.bytes % 2 or min(steps.format >> 4, steps.format & 15) < UNIT:
            raise ImageError("SECTION", f"section steps is not of half-words, or its places are no multiples of {1 << UNIT}")
        if state and ((state.bytes | arena) % 4 or not state.bytes <= 4 * state.count <= arena):
            raise ImageError("SECTION", "section state is larger than the arena, or not of words")
        image = Image(data[:total], variant, abi, arena, sections, ())
        return Image(data[:total], variant, abi, arena, sections, tuple(image._records()))

    def section(self, kind: int) -> Section | None:
        """The section of that kind."""
        return next((s for s in self.sections if s.kind == kind), None)

    @property
    def ops(self) -> tuple[str, ...]:
        """Names of the ops that the image needs, in the order of their numbers."""
        return tuple(n for n in NUMBERS if any(s.op == n for s in self.steps))

    @property
    def step_bytes(self) -> int:
        """Bytes of header, section table and step records: what the image has beside the Program's data."""
        s = self.section(STEPS)
        return HEADER + ENTRY * len(self.sections) + (s.bytes if s else 0)

    def _records(self) -> Iterable[Record]:
        s = self.section(STEPS)
        assert s is not None
        halves, names, at = struct.unpack_from(f"<{s.bytes // 2}H", self.data, s.offset), list(OPS), 0
        for i in range(s.count):
            if at + 3 > len(halves):
                raise ImageError("STEP", f"step {i} is cut off")
            (flags, number), (ints, arrays), wide = divmod(halves[at], 256), divmod(halves[at + 1], 256), halves[at + 2]
            if number >= len(names):
                raise ImageError("STEP", f"step {i}: no op {number}")
            op = OPS[names[number]]
            where, at = f"step {i} ({op.name})", at + 3
            if (arrays, ints) != (sum(p.is_array for p in op.params), sum(not p.is_array for p in op.params)):
                raise ImageError("STEP", f"{where}: {arrays} arrays and {ints} numbers, not its arguments")
            if wide >> ints or at + 2 * arrays + ints + wide.bit_count() > len(halves):
                raise ImageError("STEP", f"{where} is cut off")
            places = [self._place(*halves[j : j + 2]) for j in range(at, at + 2 * arrays, 2)]
            at += 2 * arrays
            values = []
            for j in range(ints):
                bits = 32 if wide >> j & 1 else 16
                n = halves[at] | (halves[at + 1] << 16 if bits == 32 else 0)
                values.append(n - (1 << bits) if n >> (bits - 1) else n)
                at += bits // 16
            yield self._checked(i, op, places, values, flags)
        if len(halves) - at > 1:
            raise ImageError("STEP", "more steps than the header says")

    def _place(self, place: int, extent: int) -> Place:
        """The array at two half-words of a record."""
        s, in_image = self.section(STEPS), bool(place & IN_IMAGE)
        assert s is not None
        unit = s.format & 15 if in_image else s.format >> 4
        return Place(in_image, (place & ~IN_IMAGE) << unit, extent << unit, 1 << unit)

    def _checked(self, i: int, op: Op, places: list[Place], values: list[int], flags: int) -> Record:
        """The record, once its op can run on it."""
        try:
            ints = op.numbers([None] * len(places) + values)
            for p, place in zip(op.params, places, strict=False):
                size = op.size(p, ints)
                if p.role in (WRITTEN if place.in_image else CONSTANT):
                    where = "image" if place.in_image else "arena"
                    raise ImageError("PLACE", f"step {i} ({op.name}): {p.name} is in the {where}")
                if place.offset + place.extent > (len(self.data) if place.in_image else self.arena_bytes):
                    raise ImageError("BOUNDS", f"step {i} ({op.name}): {p.name} is out of bounds")
                spare = place.extent - size * DTYPES[p.dtype].itemsize
                if not 0 <= spare < place.unit or (place is places[0] and spare != flags & ~SIGNED):
                    raise SizeError(f"{op.name}: {p.name} has {place.extent} bytes, {p.size} = {size} elements of "
                                    f"{p.dtype} expected")
                for q, other in zip(op.params, places, strict=False):
                    if other is place:
                        break
                    same = other is places[0] and p.name in op.in_place and other.offset == place.offset
                    if {p.role, q.role} & set(WRITTEN) and place.overlaps(other) and not same:
                        raise ImageError("OVERLAP", f"step {i} ({op.name}): {p.name} overlaps {q.name}")
                if p.ranges:
                    dtype = np.dtype(p.dtype).newbyteorder("<")
                    op.check_elements(p, np.frombuffer(self.data, dtype, size, place.offset), ints)
        except (NumberError, SizeError, ElementError) as e:
            code = {NumberError: "NUMBER", SizeError: "SIZE", ElementError: "VALUE"}[type(e)]
            raise ImageError(code, f"step {i} ({e})") from None
        output = op.size(op.params[0], ints) * DTYPES[op.params[0].dtype].itemsize
        return Record(op.name, tuple(places), tuple(values), bool(flags & SIGNED), output)

def sources(image: Image, arena_bytes: int) -> dict[str, str]:
    """The image as C: tl_image.h (sizes, declarations) and tl_image.c (its words; a table of the kernels that it uses and
    no others, so that a linker drops the rest)."""
    words = np.frombuffer(image.data + bytes(-len(image.data) % 4), "<u4")
    rows = "\n".join("    " + " ".join(f"{w:#010x}," for w in words[i : i + 8]) for i in range(0, len(words), 8))
    kernels = "\n".join(f"    {{{f'tl_step_{n}, tl_spec_{n}' if n in image.ops else '0, 0'}}}," for n in OPS)
    steps = "\n".join(f"void tl_step_{n}(const tl_arg *a);\nextern const uint8_t tl_spec_{n}[];" for n in image.ops)
    return {
        "tl_image.h": f"""#ifndef TL_IMAGE_H
#define TL_IMAGE_H

#include "tinyloc.h"

#define TL_MODEL_IMAGE_BYTES {len(image.data)}u
#define TL_MODEL_IMAGE_CRC {int.from_bytes(image.data[4:8], "little"):#010x}u /* its second word */
#define TL_MODEL_ARENA_BYTES {max(arena_bytes, 4)}u
#define TL_MODEL_STEPS {len(image.steps)}

#ifdef __cplusplus
extern "C" {{
#endif

/* For tl_open. */
extern const uint32_t tl_model_image[{len(words)}];
extern const tl_kernel tl_model_kernels[{len(OPS)}];

#ifdef __cplusplus
}}
#endif

#endif
""",
        "tl_image.c": f"""#include "tl_image.h"

{steps}

const uint32_t tl_model_image[] = {{
{rows}
}};

const tl_kernel tl_model_kernels[] = {{
{kernels}
}};
""",
    }
