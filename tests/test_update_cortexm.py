"""Updates on an emulated Cortex-M: what a check costs, and that a core says what the host says."""

from __future__ import annotations

import pytest
import updates

pytest.importorskip("unicorn", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("ziglang", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("elftools", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("capstone", reason="the extra mcu is not installed: pip install 'tinyloc[mcu]'")
pytest.importorskip("imgtool.image", reason="the extra sign is not installed: pip install 'tinyloc[sign]'")

from tinyloc.emulator.flash import Cost, cost
from tinyloc.emulator.toolchain import compilers
from tinyloc.errors import ConfigError
from tinyloc.package import device_key

STACK, BYTES = 2048, 12 << 10
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


def test_no_compiler_makes_another_answer() -> None:
    for compiler in compilers():
        for optimize in ("-O0", "-Os"):
            assert spent("m4", compiler, optimize).instructions > 1_000_000
    p = updates.made(updates.program(), "1.2.3")
    for at, says in ((40, "damaged"), (len(p.data) - 1, "signature is wrong"), (p.signed + 45, "another key")):
        data = bytearray(p.data)
        data[at] ^= 1
        with pytest.raises(ConfigError, match=says):
            spent("m4", data=bytes(data))
