"""Bytes of the file that `torch.save(model.state_dict(), path)` writes: what the paper calls a model's size.

Its kilobytes are 1,000 bytes of that file, as its printed sizes show; weights are a part of it.  The file is a zip archive,
stored, each record's data at a multiple of 64 (PyTorch 2.13): a pickle that names the tensors, a record of bytes for each
of them, and a few more.  Counted here without PyTorch; equal to its files to the byte (tests/test_torch.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tinyloc.errors import unknown
from tinyloc.model import Config, Model

KILOBYTE = 1000  # the paper's
METHODS = ("float", "static", "dynamic")
#: File names are in each record of the archive.  The authors' are not known; of about these lengths they bring 71 of the 77
#: sizes that the paper prints to within its rounding and a kilobyte (tests/test_paper.py names the others).
STEM = {"float": "model_state_dict", "static": "model_state_dict_static", "dynamic": "model_state_dict"}
#: `nn.Linear` in the authors' code; all else are convolutions, norms, the scan's and the CRF's parameters.
LINEAR = frozenset({"encoder", "head", "in_proj", "x_proj", "dt_proj", "out_proj", "fc1", "fc2", "context", "glu"})
POSITIONS = 160  # rows of MDCSA's table of positions, a buffer and so in the file
ALIGNMENT = 64
# Records beside the pickle and the tensors, in the file's order, and what they hold.
FIRST = {".format_version": 1, ".storage_alignment": 2, "byteorder": 6}
LAST = {"version": 2, ".data/serialization_id": 40}
STORAGE = {"float32": ("FloatStorage", 4), "int64": ("LongStorage", 8), "int8": ("CharStorage", 1),
           "uint8": ("ByteStorage", 1), "qint8": ("QInt8Storage", 1)}


@dataclass
class _Pickle:
    """Counts the bytes of a pickle, protocol 2.  What was stored before is fetched by its number in the memo."""

    size: int = 2
    memo: int = 0
    known: dict[str, int] = field(default_factory=dict)

    def add(self, *sizes: int) -> None:
        self.size += sum(sizes)

    def put(self) -> None:
        self.add(2 if self.memo < 256 else 5)
        self.memo += 1

    def once(self, key: str, size: int) -> None:
        """An object of that many bytes, or a reference to it."""
        if key in self.known:
            self.add(2 if self.known[key] < 256 else 5)
        else:
            self.known[key] = self.memo
            self.add(size)
            self.put()

    def known_global(self, module: str, name: str) -> None:
        self.once(f"{module} {name}", 3 + len(module) + len(name))

    def text(self, text: str, shared: bool = False) -> None:
        if shared:
            return self.once(f"'{text}'", 5 + len(text))
        self.add(5 + len(text))
        return self.put()

    def number(self, value: int) -> None:
        self.add(2 if value < 1 << 8 else 3 if value < 1 << 16 else 5)

    def numbers(self, values: tuple[int, ...]) -> None:
        for v in values:
            self.number(v)
        self.add(1 if len(values) < 4 else 2)
        if values:
            self.put()

    def empty_dict(self) -> None:
        """An OrderedDict()."""
        self.known_global("collections", "OrderedDict")
        self.add(2)
        self.put()

    def storage(self, kind: str, number: int, elements: int) -> None:
        self.add(1)
        self.text("storage", shared=True)
        self.known_global("torch", STORAGE[kind][0])
        self.text(str(number))
        self.text("cpu", shared=True)
        self.number(elements)
        self.add(1)
        self.put()
        self.add(1)

    def tensor(self, kind: str, shape: tuple[int, ...], number: int) -> None:
        quantized = kind == "qint8"
        self.known_global("torch._utils", "_rebuild_qtensor" if quantized else "_rebuild_tensor_v2")
        self.add(1)
        self.storage(kind, number, int(np.prod(shape)))
        self.number(0)
        self.numbers(shape)
        self.numbers(tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape))))
        if quantized:  # (per tensor, scale, zero point)
            self.known_global("torch", "per_tensor_affine")
            self.add(9, 2, 1)
            self.put()
        self.add(1)
        self.empty_dict()
        self.add(1)
        self.put()
        self.add(1)
        self.put()


@dataclass(frozen=True)
class Tensor:
    """An entry of the state dict: dtype, shape; one of PyTorch's quantized layers has weight and bias in one."""

    name: str
    kind: str
    shape: tuple[int, ...]
    bias: int = 0


def state_dict(config: Config, method: str = "float") -> Iterator[Tensor]:
    """The entries of a model's state dict in order: in float, or with each `nn.Linear` as bitsandbytes's `Linear8bitLt`
    ("static") or PyTorch's dynamically quantized one ("dynamic").  Raises ConfigError for another method."""
    if method not in METHODS:
        raise unknown("size of", method, METHODS)
    shapes = {name: p.shape for name, p in Model.create(config).params.items()}
    for name, shape in shapes.items():
        if config.family == "mdcsa" and name == "crf.transitions":
            yield Tensor("positions", "float32", (1, POSITIONS, config.d))
        module, _, leaf = name.rpartition(".")
        if method == "float" or module.rpartition(".")[2] not in LINEAR:
            yield Tensor(name, "float32", shape)
        elif method == "static":
            yield Tensor(name, "int8" if leaf == "weight" else "float32", shape)
            if leaf == "bias" or f"{module}.bias" not in shapes:
                yield Tensor(f"{module}.SCB", "float32", shape[:1])
                yield Tensor(f"{module}.weight_format", "uint8", ())
        elif leaf == "weight":
            yield Tensor(f"{module}.scale", "float32", ())
            yield Tensor(f"{module}.zero_point", "int64", ())
            yield Tensor(f"{module}._packed_params.dtype", "", ())
            yield Tensor(f"{module}._packed_params._packed_params", "qint8", shape,
                         bias=shape[0] if f"{module}.bias" in shapes else 0)


def _modules(tensors: list[Tensor]) -> list[str]:
    """Names of all modules that lie above the tensors, the root ("") among them."""
    found = {"": None}
    for t in tensors:
        parts = t.name.split(".")[:-1]
        found |= {".".join(parts[: i + 1]): None for i in range(len(parts))}
    return list(found)


def checkpoint_bytes(config: Config, method: str = "float", stem: str | None = None) -> int:
    """Bytes of the checkpoint `stem`.pt of a model in float, "static" (LLM.int8()) or "dynamic" (PyTorch's)."""
    tensors = list(state_dict(config, method))
    stem = STEM[method] if stem is None else stem
    p = _Pickle()
    records: list[int] = []

    def store(kind: str, shape: tuple[int, ...]) -> None:
        p.tensor(kind, shape, len(records))
        records.append(int(np.prod(shape)) * STORAGE[kind][1])

    p.empty_dict()
    p.add(1)
    for t in tensors:
        p.text(t.name)
        if not t.kind:
            p.known_global("torch", "qint8")
            continue
        store(t.kind, t.shape)
        if t.kind == "qint8":  # (weight, bias), the bias a parameter
            if t.bias:
                p.known_global("torch._utils", "_rebuild_parameter")
                store("float32", (t.bias,))
                p.add(1)
                p.empty_dict()
                p.add(1)
                p.put()
                p.add(1)
                p.put()
            else:
                p.add(1)
            p.add(1)
            p.put()
    p.add(1, 1)  # SETITEMS, then the dict's attributes: `_metadata`, a version a module
    p.put()
    p.text("_metadata")
    p.empty_dict()
    p.add(1)
    for module in _modules(tensors):
        p.text(module)
        p.add(1)
        p.put()
        p.text("version", shared=True)
        p.number(1)
        p.add(1)
    p.add(4)  # SETITEMS, SETITEM, BUILD, STOP
    files = {"data.pkl": p.size, **FIRST, **{f"data/{i}": size for i, size in enumerate(records)}, **LAST}
    at, central = 0, 0
    for name, size in files.items():
        name = f"{stem}/{name}"
        at = -(-(at + 30 + len(name) + 4) // ALIGNMENT) * ALIGNMENT  # a local header, an extra field that fills up
        at += size + (16 if size else 0)  # a data descriptor
        central += 46 + len(name)
    return at + central + 98  # the ends of the directory, zip64's too


def kilobytes(config: Config, method: str = "float") -> float:
    """`checkpoint_bytes` in the paper's unit."""
    return checkpoint_bytes(config, method) / KILOBYTE
