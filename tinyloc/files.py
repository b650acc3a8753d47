"""Files that are written whole or not at all, and read with errors that say what is wrong."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from tinyloc.errors import ConfigError, ModelError


def write_atomic(path: str | Path, data: bytes | str) -> None:
    """Writes `path` through a temporary file beside it, so that a crash leaves the old file or the new one.

    Raises ConfigError naming the path when it cannot be written.
    """
    try:
        _write_atomic(Path(path), data)
    except OSError as e:
        raise ConfigError(f"{path}: cannot be written ({e.strerror or e})") from None


def check_writable(path: str | Path) -> None:
    """Makes the folder of `path`; raises ConfigError when no file could be written there, before work is put into it."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, tmp = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(fd)
        Path(tmp).unlink()
    except OSError as e:
        raise ConfigError(f"{path}: cannot be written ({e.strerror or e})") from None
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder, expected a file's name")


def _write_atomic(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, tmp = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
            f.flush()
            os.fsync(f.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(tmp, 0o666 & ~umask)
        os.replace(tmp, path)
    except BaseException:
        Path(tmp).unlink(missing_ok=True)
        raise


def read_safetensors(path: str | Path, kind: str, version: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and metadata of a safetensors file whose metadata says `format` = kind and `version` = version.

    Raises ModelError when the file is missing, cut off, of another kind or of another version.
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
        raise ModelError(f"{path}: cut off or no safetensors file ({e})") from None
    return arrays, meta
