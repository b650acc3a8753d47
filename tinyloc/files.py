"""Files that are written whole or not at all, and read with errors that say what is wrong."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.errors import ConfigError, ModelError

try:
    import fcntl
except ImportError:  # not POSIX: what a killed process left stays there
    fcntl = None  # type: ignore[assignment, unused-ignore]


# Whatever is called so beside a file is a killed writer's, and is removed: no name that anybody would give.
_PREFIX, _SUFFIX = ".{}.tinyloc-", ".tmp"
SEAL = "sha256"  # of a safetensors file's metadata: the digest of all else that it holds


def write_atomic(path: str | Path, data: bytes | str) -> None:
    """Writes `path` through a temporary file beside it, so that a crash leaves the old file or the new one: the data are on
    the disk before they get the name.  Temporary files of writers that were killed are removed.  Of a symbolic link the
    target is written; what is there and is no regular file (/dev/null, a pipe) gets the data as it is.

    Raises ConfigError naming the path when it cannot be written.
    """
    raw = data.encode() if isinstance(data, str) else data
    try:
        if _regular(path):
            _write_atomic(Path(os.path.realpath(path)), raw)
        else:
            with open(path, "wb") as f:
                f.write(raw)
    except OSError as e:
        raise ConfigError(f"{path}: cannot be written ({e.strerror or e})") from None


def json_text(value: Any, **how: Any) -> str:
    """JSON of a value, null for numbers that JSON does not have (NaN, infinities); how: keywords of `json.dumps`."""
    def plain(v: Any) -> Any:
        if isinstance(v, dict):
            return {k: plain(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return [plain(x) for x in v]
        return None if isinstance(v, float) and not math.isfinite(v) else v

    return json.dumps(plain(value), allow_nan=False, **how)


def check_writable(path: str | Path, *inputs: str | Path | None) -> None:
    """Makes the folder of `path`; raises ConfigError when no file could be written there, before work is put into it, or
    when it is one of the `inputs`, which writing would replace: a recording or a model cannot be had again.

    inputs: files that the same command reads; None and the names of data sets are none.
    """
    for read in inputs:
        if read is not None and same_file(path, read):
            which = "is read" if str(path) == str(read) else f"is the file {read}, which is read"
            raise ConfigError(f"{path}: {which}; expected another file's name to write to")
    path = Path(path)
    try:
        if _regular(path):
            where = Path(os.path.realpath(path))
            where.parent.mkdir(parents=True, exist_ok=True)
            fd, tmp = tempfile.mkstemp(_SUFFIX, _PREFIX.format(where.name), where.parent)
            os.close(fd)
            Path(tmp).unlink(missing_ok=True)  # held by nobody: a writer of the same path may have swept it
        elif not path.is_dir() and not os.access(path, os.W_OK):  # to open a pipe would wait for its reader
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as e:
        raise ConfigError(f"{path}: cannot be written ({e.strerror or e})") from None
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder, expected a file's name")


def _regular(path: str | Path) -> bool:
    """Whether `path`, or what it is a link to, is a regular file, or none yet.  Raises OSError for links in a circle."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True


def same_file(a: str | Path, b: str | Path) -> bool:
    """Whether two names are of one file that is there, by whatever folders, links or letters they say so."""
    try:
        return Path(a).samefile(b)
    except (OSError, ValueError):
        return False


def _write_atomic(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    while True:
        fd, tmp = tempfile.mkstemp(_SUFFIX, _PREFIX.format(path.name), path.parent)
        try:
            with os.fdopen(fd, "wb") as f:
                _held(f.fileno(), wait=True)
                if not os.path.exists(tmp):
                    continue  # swept before it was held
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
                os.chmod(tmp, 0o666 & ~_umask())
                if fcntl:  # held until it has its name
                    os.replace(tmp, path)
            if not fcntl:
                os.replace(tmp, path)
            return sync_folder(path.parent)
        except BaseException:
            Path(tmp).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, which is gone afterwards unless it got another name; those of killed writers are removed,
    once this one is done.  Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(_SUFFIX, _PREFIX.format(path.name), path.parent))
    fd = os.open(made, os.O_RDONLY) if fcntl else -1
    try:
        if fcntl:
            _held(fd, wait=True)
        made.chmod(0o777 & ~_umask())
        yield made
        _sweep(path)
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if fcntl:
            os.close(fd)


def write_synced(path: Path, data: bytes) -> None:
    """Writes a file of a folder that has no name yet; it is on the disk before this returns.  Raises OSError."""
    with path.open("wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())


def sync_folder(path: Path) -> None:
    """Has the names in a folder on the disk, where the system can."""
    if fcntl:
        fd = os.open(path, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # not every file system can
                os.fsync(fd)
        finally:
            os.close(fd)


def private_folder(name: str) -> Path:
    """A folder of this user below the system's temporary one, for code that is run later.

    Raises PermissionError when another user owns it, or may write there: whoever comes first can make a folder of any name.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"tinyloc-{name}-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if hasattr(os, "getuid") and (not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o022):
        raise PermissionError(errno.EPERM, "another user owns it or may write there", str(folder))
    return folder


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _held(fd: int, wait: bool = False) -> bool:
    """Whether this process holds the file now, as a living writer does: the system lets go of a killed one's."""
    try:
        if fcntl:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return fcntl is not None
    except OSError:  # another one does; or the file system has no locks, and then a writer needs none, since nobody sweeps
        return False


def _sweep(path: Path) -> None:
    """Removes the temporary files and folders that killed writers of `path` left beside it."""
    named = re.compile(f"{re.escape(_PREFIX.format(path.name))}[a-z0-9_]{{8}}{re.escape(_SUFFIX)}")
    with contextlib.suppress(OSError):  # another one may sweep as well
        for left in path.parent.iterdir():
            if fcntl and named.fullmatch(left.name) and not left.is_symlink():
                fd = os.open(left, os.O_RDONLY)
                try:
                    if _held(fd):
                        shutil.rmtree(left) if left.is_dir() else left.unlink()
                finally:
                    os.close(fd)


def write_safetensors(path: str | Path, arrays: dict[str, np.ndarray], meta: dict[str, str]) -> None:
    """Writes a safetensors file, whole or not at all; the same arrays and metadata give the same bytes.

    What it holds has its digest in the metadata, as `sha256`, which `read_safetensors` asks.
    Raises ConfigError naming the path when it cannot be written.
    """
    from safetensors.numpy import save

    meta = {**meta, SEAL: content_digest(arrays, meta)}

    # The library writes its metadata in the order of a hash that differs from call to call.  The header, eight bytes of its
    # length and JSON, has its arrays in an order that does not.
    data = save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, metadata=meta)
    end = 8 + int.from_bytes(data[:8], "little")
    head = json.loads(data[8:end])
    head["__metadata__"] = dict(sorted(meta.items()))
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    write_atomic(path, len(text).to_bytes(8, "little") + text + data[end:])


def content_digest(arrays: Mapping[str, np.ndarray], meta: Mapping[str, str]) -> str:
    """Hexadecimal SHA-256 of arrays and metadata, but for the digest that the metadata may hold already."""
    h = hashlib.sha256(json.dumps({k: v for k, v in meta.items() if k != SEAL}, sort_keys=True).encode())
    for name, a in sorted(arrays.items()):
        dense = np.ascontiguousarray(a)
        h.update(json.dumps([name, dense.dtype.str, dense.shape]).encode())
        h.update(dense.tobytes())
    return h.hexdigest()


def sha256(path: str | Path) -> str:
    """Hexadecimal digest of a file."""
    h = hashlib.sha256()
    with Path(path).open("rb") as f:
        while part := f.read(1 << 20):
            h.update(part)
    return h.hexdigest()


def format_of(path: str | Path) -> str | None:
    """What a safetensors file's metadata call its format; None for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as f:
            return (f.metadata() or {}).get("format")
    except (SafetensorError, OSError):
        return None


def read_safetensors(path: str | Path, kind: str, version: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and metadata of a safetensors file whose metadata says `format` = kind and `version` = version.

    Raises ModelError when the file is missing, cut off, of another kind or of another version, when a bit of what was
    written is another one now, or when it has no digest: a flipped bit in the digest's name would take it away.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise ModelError(f"{path}: no such file; expected a {kind} file")
    try:
        with safe_open(str(path), framework="numpy") as f:
            meta = dict(f.metadata() or {})
            if meta.get("format") != kind:
                raise ModelError(f"{path}: expected a {kind} file, found format {meta.get('format', 'none')!r}")
            if meta.get("version") != str(version):
                raise ModelError(f"{path}: {kind} version {meta.get('version')!r}; this tinyloc reads version {version}")
            arrays = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 (not a dict)
    except ModelError:
        raise
    except (SafetensorError, OSError, TypeError, ValueError) as e:
        raise ModelError(f"{path}: cut off or no safetensors file ({e}); expected a {kind} file") from None
    if SEAL not in meta:
        raise ModelError(f"{path}: no digest ({SEAL!r} in its metadata), which every {kind} file has: damaged, or not "
                         "written by tinyloc; make it again with the command that made it, or copy it anew")
    if meta.pop(SEAL) != content_digest(arrays, meta):
        raise ModelError(f"{path}: damaged: arrays or metadata are not those that were written (their digest is another "
                         f"one); expected a {kind} file as tinyloc wrote it")
    return arrays, meta


class Log:
    """A new file that grows line by line: each is in it, whole, once `write` has returned, also when this process is killed
    afterwards; a kill in the middle of a write leaves a last line without its newline.

    Raises ConfigError when there is such a file, or none can be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("xb", buffering=0)
        except OSError as e:
            if self.path.exists():
                raise ConfigError(f"{path}: is there already, and stays as it is; expected the name of a new file") from None
            raise ConfigError(f"{path}: cannot be written ({e.strerror or e})") from None

    def write(self, line: bytes) -> None:
        """Adds a line, which has its newline."""
        try:
            while line:  # a full disk takes a part, and complains about the rest
                line = line[self._file.write(line):]
        except OSError as e:
            raise ConfigError(f"{self.path}: cannot be written ({e.strerror or e})") from None

    def close(self) -> None:
        """No more lines; they are on the disk."""
        with contextlib.suppress(OSError):
            os.fsync(self._file.fileno())
        self._file.close()
