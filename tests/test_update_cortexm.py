"""Updates on an emulated Cortex-M: what a check costs, and that a core says what the host says."""

from __future__ import annotations

import struct

import pytest
import updates

pytest.importorskip("unicorn", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("ziglang", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("elftools", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("capstone", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("imgtool.image", reason="the extra sign is not installed: pip install 'tinyloc[sign]'")

from tinyloc.emulator.flash import PARTS, Cost, Device, Flash, boot_on, codes, cost
from tinyloc.emulator.toolchain import compilers
from tinyloc.errors import ConfigError
from tinyloc.package import GOLDEN, Package, device_key

STACK, BYTES = 2100, 12 << 10
MOST = {"m0plus": 19_500_000, "m4": 6_000_000, "m33": 6_000_000}  # instructions; the M0+ has no product of 64 bits


def spent(which: str, compiler: str = "clang", optimize: str = "-O3", data: bytes = b"") -> Cost:
    p = updates.made(updates.program(), "1.2.3")
    return cost(data or p.data, device_key(updates.key()), p.inputs, which, compiler, optimize)


@pytest.mark.parametrize("which", list(MOST))
def test_a_check_is_bounded(which: str) -> None:
    """A package of 4 KB: the signature is nearly all of it."""
    c = spent(which)
    assert MOST[which] * 0.8 < c.instructions < MOST[which]
    assert 1024 < c.stack <= c.stack_bound <= STACK and c.check_bytes < c.all_bytes <= BYTES


@pytest.mark.parametrize("which", list(MOST))
def test_a_core_boots_as_the_host_does(which: str) -> None:
    """The first boot of a new model: the same marks in flash, one for the attempt and one that confirms; with a wrong window
    the model is marked bad instead."""
    p = updates.made(updates.program(), "1.2.3")
    golden = updates.place(p.payload, GOLDEN)[0]
    runs, size = struct.unpack_from("<2I", p.payload, golden)
    wrong = Package.parse(updates.signed(updates.poked(p.payload, golden + 12 + runs * size, "I", 1), "1.2.4"))
    for package, name in ((p, "OK"), (wrong, "NONE")):
        flash = Flash(PARTS["stm32l4"], 4)
        device = Device(flash, [device_key(updates.key())], p.inputs)
        device.boot()
        assert device.install(package.data, package.id) == 0
        code, memory, _, stack = boot_on(which, flash, p.inputs)
        before = flash.memory.tobytes()
        assert device.boot() == code == dict(codes())[name]
        assert memory == flash.memory.tobytes() != before and stack < STACK


def test_no_compiler_makes_another_answer() -> None:
    for compiler in compilers():
        assert spent("m4", compiler, "-O0").instructions > MOST["m4"]
    p = updates.made(updates.program(), "1.2.3")
    for at, says in ((40, "damaged"), (len(p.data) - 1, "signature is wrong"), (p.signed + 45, "another key")):
        data = bytearray(p.data)
        data[at] ^= 1
        with pytest.raises(ConfigError, match=says):
            spent("m4", data=bytes(data))
