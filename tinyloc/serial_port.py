"""What a board prints over a serial port, compared with what this host computes from the same input.

The lines are those of the exported self-test (templates/src/tl_selftest.h).  The board says which image it runs and on which
input; the signatures are computed here anew, so no file of the export is needed.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinyloc.errors import ConfigError, TinylocError
from tinyloc.export import scaler_crc, sign_runs, stream_crc, variant_of
from tinyloc.program import Program
from tinyloc.scaling import constants_of
from tinyloc.stream import streams
from tinyloc.verify import Difference

VERSION = 3
MOST = 1 << 20  # bytes of a line: what is longer is noise
ATTEMPTS = 5  # self-tests that may come damaged
EXTRA = "install it with: pip install 'tinyloc[serial]'"


class BoardError(TinylocError):
    """A board that says nothing, or nothing that could be compared."""


@dataclass(frozen=True)
class Report:
    """A self-test's lines.

    image: CRC-32 in its image's header; steps, runs: of its image, and runs a window; scaler: CRC-32 of all input codes;
    stream: that of what the stream answered, None for a model that it does not run; inputs, labels, signatures: one a
    window; passed: its own verdict.
    """

    image: int
    steps: int
    runs: int
    scaler: int
    stream: int | None
    inputs: tuple[bytes, ...]
    labels: tuple[int, ...]
    signatures: np.ndarray
    passed: bool


def lines(read: Callable[[], bytes], timeout: float, clock: Callable[[], float] = time.monotonic) -> Iterator[list[str]]:
    """The words of each undamaged line that `read` (a few bytes at a time, none when it has waited) delivers.

    A damaged line, or what is none of ours, gives an empty list.  Raises BoardError after `timeout` seconds of silence:
    without a line of ours.
    """
    pending, last, got = b"", clock(), 0
    while True:
        data = read()
        got += len(data)
        *whole, pending = (pending + data).split(b"\n")
        pending = pending[-MOST:]
        for raw in whole:
            text, star, crc = raw.rstrip(b"\r").rpartition(b" *")
            try:
                good = bool(star) and len(crc) == 8 and int(crc, 16) == zlib.crc32(text)
            except ValueError:
                good = False
            if good:
                last = clock()
            yield text.decode("ascii", "replace").split() if good else []
        if clock() - last > timeout:
            raise BoardError(f"{timeout:g} s without a line of the self-test ({got} bytes came); is it running, and is the "
                             "baud rate right?")


def read_report(read: Callable[[], bytes], timeout: float) -> Report:
    """The first complete self-test that the board prints, whatever comes before it.

    A self-test with a damaged or missing line is passed over: a board repeats it, or is reset.  Raises BoardError for
    silence, a board that refuses its image, and another version of the lines.
    """
    head: list[int] = []
    scaler: int | None = None
    stream: int | None = None
    inputs: list[bytes] = []
    signs: list[list[int]] = []
    damaged = 0
    try:
        for words in lines(read, timeout):
            kind, rest = (words[0], words[1:]) if words else ("", [])
            try:
                if kind == "tinyloc":
                    if rest[0] != f"{VERSION:x}":
                        raise BoardError(f"the board's self-test has version {rest[0]}, expected {VERSION}: export it anew")
                    head, scaler, stream, inputs, signs = [int(w, 16) for w in rest[1:]], None, None, [], []
                    _expect(len(head) == 5)
                elif not head:
                    continue
                elif kind == "refused":
                    raise BoardError(f"the board refuses its image: {' '.join(rest)}")
                elif kind == "scaler":
                    scaler = int(rest[0], 16)
                elif kind == "stream":
                    _expect(scaler is not None and not inputs)
                    stream = int(rest[0], 16)
                elif kind == "input":
                    if len(inputs) == len(signs):
                        inputs.append(b"")
                    inputs[-1] += bytes.fromhex(rest[1])
                    _expect(int(rest[0], 16) == len(inputs) - 1 == len(signs) and len(rest) == 2)
                elif kind == "sign":
                    window, label, *crcs = (int(w, 16) for w in rest)
                    if len(signs) < len(inputs):
                        _expect(len(inputs[-1]) == head[4])
                        signs.append([label])
                    _expect(window == len(signs) - 1 and label == signs[-1][0])
                    signs[-1] += crcs
                elif kind in ("PASS", "FAIL"):
                    _expect(scaler is not None and len(inputs) == len(signs) == head[3] > 0 and
                            all(len(s) == 2 + head[2] for s in signs))
                    return Report(head[0], head[2], head[1], scaler or 0, stream, tuple(inputs), tuple(s[0] for s in signs),
                                  np.array([s[1:] for s in signs], np.uint32), kind == "PASS")
                else:
                    _expect(False)
            except (ValueError, IndexError) as e:
                if isinstance(e, BoardError):
                    raise
                damaged, head = damaged + 1, []
                if damaged == ATTEMPTS:
                    raise BoardError("nothing but damaged lines: is the line noisy, or does something else print on it?"
                                     ) from None
    except BoardError as e:
        if damaged:
            raise BoardError(f"{e} (damaged or incomplete self-tests: {damaged})") from None
        raise
    raise AssertionError("unreachable: lines() ends by BoardError alone")


def _expect(right: bool) -> None:
    if not right:
        raise ValueError


@dataclass(frozen=True)
class Verdict:
    """A board's report against the host's.

    image, runs, windows: of the report; core: whose packing of weights the image has, None for the plain one; ours: the
    image is one of this model; scaler: its integer input gives the codes of the float path; stream: its answers are this
    host's; difference: the first
    window and step that differs; passed: the board's own verdict.
    """

    image: int
    runs: int
    windows: int
    core: str | None
    ours: bool
    scaler: bool
    stream: bool
    difference: Difference | None
    passed: bool

    @property
    def equal(self) -> bool:
        """Whether the board computes this model, bit for bit."""
        return self.ours and self.scaler and self.stream and self.difference is None and self.passed

    def summary(self) -> str:
        """One line."""
        head = f"board, image {self.image:08x}, {self.windows} windows of {self.runs} run{'s' * (self.runs > 1)}"
        if not self.ours:
            return f"{head}: the image is NOT of this model"
        wrong = [str(self.difference)] if self.difference else []
        wrong += [] if self.scaler else ["its input codes DIFFER from the scaler's"]
        wrong += [] if self.stream else ["its stream's answers DIFFER"]
        if not self.passed and not wrong:
            wrong = ["the same bits as here, but it says FAIL: its golden windows are not of this model"]
        return f"{head}: {'; '.join(wrong) if wrong else 'the same bits as here'}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "image": f"{self.image:08x}", "equal": self.equal}


def check(program: Program, report: Report) -> Verdict:
    """Recomputes a report with the host's C kernels.  Raises BoardError when its input does not fit its own image."""
    from tinyloc.run import Session

    found = variant_of(program, report.image)
    windows = len(report.inputs)
    if found is None:
        return Verdict(report.image, report.runs, windows, None, False, False, False, None, report.passed)
    made, core = found
    b = made.buffers[made.input]
    session, difference = Session(made, "c"), None
    for w, data in enumerate(report.inputs):
        if len(data) != report.runs * b.nbytes or report.steps != len(made.steps):
            raise BoardError(f"window {w}: {report.runs} runs of {report.steps} steps on {len(data)} bytes; the image has "
                             f"{len(made.steps)} steps and takes {b.nbytes} bytes a run")
        x = np.frombuffer(data, np.dtype(b.dtype).newbyteorder("<")).astype(b.dtype).reshape(-1, *b.shape)
        label, crcs = sign_runs(session, x)
        wrong = np.append(crcs != report.signatures[w], label != report.labels[w])
        if wrong.any():
            step = int(wrong.argmax())
            op, buffer = (made.steps[step].op, str(made.steps[step].args[0])) if step < len(made.steps) else (
                ("run", "state") if step == len(made.steps) else ("run", made.output))
            difference = Difference(w, step, op, buffer)
            break
    scaler = "scaler" in made.info and report.scaler == scaler_crc(constants_of(made))
    told = "scaler" in made.info and report.stream == (stream_crc(made) if streams(made) else None)
    return Verdict(report.image, report.runs, windows, core, True, scaler, told, difference, report.passed)


def pyserial() -> Any:
    """The module `serial`.  Raises ConfigError saying which extra has it."""
    try:
        import serial
    except ImportError:
        raise ConfigError(f"no serial ports: the package pyserial is missing; {EXTRA}") from None
    return serial


def verify_port(program: Program, port: str, baud: int = 115200, timeout: float = 20.0) -> Verdict:
    """Reads a self-test from the serial port `port` and checks it; `timeout`: seconds without a line.

    Raises ConfigError for a port that cannot be opened or a missing extra, BoardError for what cannot be compared.
    """
    serial = pyserial()
    if not (math.isfinite(timeout) and timeout > 0):
        raise ConfigError(f"timeout of {timeout:g} s: expected more than 0")
    try:
        with closing(serial.Serial(port, baud, timeout=min(0.2, timeout))) as s:
            return check(program, read_report(lambda: bytes(s.read(s.in_waiting or 1)), timeout))
    except BoardError as e:
        raise BoardError(f"{port}: {e}") from None
    except (serial.SerialException, OSError) as e:
        raise ConfigError(f"{port}: {e}; expected a serial port such as /dev/ttyACM0 or COM3") from None
    except ValueError as e:
        if isinstance(e, TinylocError):
            raise
        raise ConfigError(f"{port}: {e}") from None
