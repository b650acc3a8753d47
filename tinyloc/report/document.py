"""The facts of a report as one JSON document, of the form that `schema.json` describes."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version as version_of
from importlib.resources import files
from pathlib import Path
from typing import Any

from tinyloc import __version__
from tinyloc.errors import ConfigError, ModelError

FORMAT, VERSION = "tinyloc-report", 4
EXTRA = "install it with: pip install 'tinyloc[report]'"


def collect(subjects: Sequence[Any], command: Sequence[str] = ()) -> dict[str, Any]:
    """The document about `subject.Subject`s of the same test rows and target; command: what made it.

    The same inputs give the same document: it has a date only where SOURCE_DATE_EPOCH gives one.
    """
    from tinyloc.report import facts
    from tinyloc.report.sections import SECTIONS
    from tinyloc.report.subject import Missing

    models = []
    for s in subjects:
        found: dict[str, Any] = {}
        for section in SECTIONS:
            try:
                found[section.name] = section.collect(s)
            except Missing as e:
                found[section.name] = {"missing": str(e)}
        models.append({"name": s.name, "sections": found})
    target = subjects[0].target
    document = {
        "format": FORMAT, "version": VERSION, "created": _created(),
        "target": {"name": target.name, "mcu": target.mcu.name if target.mcu else None, "core": target.core,
                   "ram": target.ram, "flash": target.flash},
        "data": facts.data(subjects[0].dataset), "models": models,
        "front": facts.front(models) if len(models) > 1 else None,
        "environment": _environment(), "command": shlex.join(command) if command else None}
    plain: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))
    return plain


def _created() -> str | None:
    """ISO 8601 in UTC, of SOURCE_DATE_EPOCH (reproducible-builds.org)."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"SOURCE_DATE_EPOCH={text!r}: expected a whole number of seconds since 1970") from None


def _environment() -> dict[str, Any]:
    """Versions that the figures depend on."""
    from tinyloc.emulator.toolchain import compiler_version
    from tinyloc.kernels import simd

    try:
        clang: str | None = compiler_version("clang")
    except ConfigError:
        clang = None
    return {"tinyloc": __version__, "python": platform.python_version(), "numpy": version_of("numpy"),
            "numba": version_of("numba"), "clang": clang, "machine": f"{sys.platform} {platform.machine()}",
            "simd": simd.level()}


@cache
def schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a document."""
    found: dict[str, Any] = json.loads(files("tinyloc.report").joinpath("schema.json").read_text(encoding="utf-8"))
    return found


def is_document(path: str | Path) -> bool:
    """Whether a file looks like JSON."""
    try:
        with Path(path).open("rb") as f:
            return f.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    except OSError:
        return False


def load(path: str | Path) -> dict[str, Any]:
    """The document that `tinyloc report --json FILE` wrote.

    Raises ModelError naming the file, and the place in it that is not as the schema says; ConfigError without the extra.
    """
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number of JSON")

    try:
        document = json.loads(Path(path).read_bytes(), parse_constant=refuse)
    except (ValueError, OSError, RecursionError) as e:
        raise ModelError(f"{path}: cannot be read as the JSON facts of a report ({e})") from None
    try:
        check(document)
    except ModelError as e:
        raise ModelError(f"{path}: {e}") from None
    plain: dict[str, Any] = document
    return plain


def check(document: Any) -> None:
    """Raises ModelError naming what in the document is not as the schema says; ConfigError without the extra."""
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise ModelError(f"expected the JSON facts of a report (format {FORMAT!r}), found format {found!r}")
    if document.get("version") != VERSION:
        raise ModelError(f"{FORMAT} version {document.get('version')!r}; this tinyloc reads version {VERSION}")
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import best_match
    except ImportError as e:
        raise ConfigError(f"reading a report's facts needs the package {e.name or 'jsonschema'}; {EXTRA}") from None
    error = best_match(Draft202012Validator(schema()).iter_errors(document))
    if error is not None:
        message = error.message if len(error.message) < 200 else error.message[:197] + "..."
        raise ModelError(f"{error.json_path}: {message}")
