"""Packages on the host: what they hold, who accepts them, and that the private key stays where it is."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import updates
import vectors
from click.testing import CliRunner

from tinyloc import package
from tinyloc.cli import main
from tinyloc.errors import BrokenError, ConfigError, ModelError
from tinyloc.export import inputs_digest, project, write_project
from tinyloc.kernels.build_c import UPDATE
from tinyloc.package import Package
from tinyloc.program import Program
from tinyloc.stream import Config

imgtool = pytest.importorskip("imgtool.image", reason="the extra sign is not installed: pip install 'tinyloc[sign]'")


@pytest.fixture(scope="module")
def program() -> Program:
    return updates.program()


@pytest.fixture(scope="module")
def made(program: Program) -> Package:
    return updates.made(program, "1.2.3+4")


def run(*arguments: object, code: int = 0, text: str | None = None) -> Any:
    result = CliRunner().invoke(main, [str(a) for a in arguments], input=text)
    assert result.exit_code == code, result.output
    return result


# ---- what a package holds ----

def test_a_package_says_what_was_put_in(made: Package, program: Program) -> None:
    info = program.info
    assert made.version == (1, 2, 3, 4) and made.version_text == "1.2.3+4"
    assert made.counter == (1 << 24) + (2 << 16) + 3, "imgtool's auto"
    assert made.rooms == tuple(info["rooms"]) and made.aps == tuple(info["aps"])
    assert made.stream == Config.of(info) and made.delay == 0 and made.windows == 2
    assert made.inputs == inputs_digest(info)
    assert made.id == made.hash[:8] == hashlib.sha256(made.data[: made.signed]).digest()[:8]
    assert made.to_dict()["bytes"] == len(made.data) and json.dumps(made.to_dict())
    lean = updates.made(program, "1.2.3", ap_names=False)
    assert lean.aps is None and lean.inputs == made.inputs and len(lean.data) < len(made.data)


def test_the_same_model_gives_the_same_package(made: Package, program: Program) -> None:
    assert updates.made(program, "1.2.3+4").data == made.data


@pytest.mark.parametrize("change", [lambda i: i["aps"].reverse(), lambda i: i["aps"].append("one more"),
                                    lambda i: i.update(motion=[i["aps"][-1]]),
                                    lambda i: i["aps"].__setitem__(0, i["aps"][0] + "x")],
                         ids=["order", "number", "motion", "name"])
def test_inputs_have_a_name(program: Program, change: Any) -> None:
    info = {**program.info, "aps": list(program.info["aps"])}
    assert inputs_digest(info) == inputs_digest(program.info)
    change(info)
    assert inputs_digest(info) != inputs_digest(program.info)


@pytest.mark.parametrize("kind", ["Ed25519", "ECDSA256P1"])
def test_imgtool_accepts_it(made: Package, kind: str, tmp_path: Path) -> None:
    """MCUboot's own tool: with the key, not with another one, not when it is changed."""
    key = getattr(imgtool.keys, kind).generate()
    found = Package.parse(package.sign(made.payload, key, "1.2.3"))
    found.verify(key)
    file = tmp_path / "model.bin"
    file.write_bytes(found.data)
    assert imgtool.Image.verify(str(file), key)[0] == imgtool.VerifyResult.OK
    other = getattr(imgtool.keys, kind).generate()
    assert imgtool.Image.verify(str(file), other)[0] == imgtool.VerifyResult.INVALID_SIGNATURE
    with pytest.raises(BrokenError, match="another key"):
        found.verify(other)
    with pytest.raises(BrokenError, match="signature"):
        replace(found, signature=found.signature[:-1] + bytes([found.signature[-1] ^ 1])).verify(key)
    file.write_bytes(found.data[:100] + b"\0\0\0" + found.data[103:])
    assert imgtool.Image.verify(str(file), key)[0] == imgtool.VerifyResult.INVALID_HASH


def test_bits_and_lengths_are_checked(made: Package, level: int) -> None:
    """The C code's own test tries every bit; here every one of the envelope, and some of the payload."""
    data, step = made.data, 1 if level > 1 else 211
    bits = [*range(32 * 8), *range(32 * 8, made.signed * 8, step), *range(made.signed * 8, len(data) * 8)]
    for bit in bits:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((ModelError, BrokenError)):
            Package.parse(bytes(changed)).verify(updates.key())
    for size in range(0, len(data), 1 if level > 1 else 29):
        with pytest.raises(ModelError):
            Package.parse(data[:size])
    with pytest.raises(ModelError, match="cut off, or something follows"):
        Package.parse(data + b"\0")


@pytest.mark.parametrize(("at", "form", "value", "says"), [
    (0, "I", 1, "magic"), (4, "H", 2, "format version 2"), (8, "I", 5, "payload of"), (12, "I", 7, "other kernels"),
    (16, "I", 4, "arena"), (28, "H", 99, "section 99"), (32, "I", 2, "out of bounds"), (36, "I", 1 << 31, "out of bounds"),
    (40, "H", 1, "twice"), (66, "H", 3, "texts"),
], ids=str)
def test_payloads_are_checked(made: Package, at: int, form: str, value: int, says: str) -> None:
    changed = bytearray(made.payload)
    struct.pack_into("<" + form, changed, at, value)
    with pytest.raises(ModelError, match=says):
        Package.parse(updates.signed(bytes(changed)))


@pytest.mark.parametrize("text", ["1", "1.2", "256.0.0", "1.2.65536", "1.2.3+4294967296", "1.-2.3", "v1.2.3", ""])
def test_versions_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected MAJOR\.MINOR\.REVISION"):
        package.version_of(text)


def test_a_model_that_does_not_name_its_rooms(program: Program) -> None:
    bare = replace(program, info={k: v for k, v in program.info.items() if k != "rooms"})
    with pytest.raises(ModelError, match="does not name its rooms"):
        package.payload(bare, updates.windows(program, 1))
    with pytest.raises(ModelError, match="golden windows: expected"):
        package.payload(program, np.zeros((1, 2, 3), np.int8))


def test_what_no_stream_takes_is_not_packaged() -> None:
    """A device would roll it back."""
    p = updates.program("mamba-h4l1")
    assert p.saturating and p.can_stream
    package.payload(p, updates.windows(p, 1), stream=True)
    with pytest.raises(ModelError, match=r"expected one row a run \(--stream\)"):
        package.payload(p, updates.windows(p, 1), stream=False)


# ---- keys ----

def test_keys_that_do_not_sign(tmp_path: Path) -> None:
    for name, key in (("rsa", imgtool.keys.RSA.generate()), ("p384", imgtool.keys.ECDSA384P1.generate())):
        key.export_private(str(tmp_path / name))
        with pytest.raises(ConfigError, match=f"{name}: expected an Ed25519 or an ECDSA P-256 key"):
            package.load_key(tmp_path / name)
    updates.key().export_public(str(tmp_path / "public"))
    assert package.load_key(tmp_path / "public", private=False)
    with pytest.raises(ConfigError, match="public: a public key; expected the private one"):
        package.load_key(tmp_path / "public")
    with pytest.raises(ConfigError, match=r"no such file.*imgtool keygen"):
        package.load_key(tmp_path / "absent")
    (tmp_path / "garbage").write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ConfigError, match="garbage: expected a key in PEM") as e:
        package.load_key(tmp_path / "garbage")
    assert "c2VjcmV0" not in str(e.value) and e.value.__cause__ is None


def test_a_key_with_a_password(tmp_path: Path) -> None:
    updates.key().export_private(str(tmp_path / "key"), b"open sesame")
    assert package.load_key(tmp_path / "key") is None
    assert package.device_key(package.load_key(tmp_path / "key", b"open sesame")) == package.device_key(updates.key())
    with pytest.raises(ConfigError, match="another password"):
        package.load_key(tmp_path / "key", b"wrong")


def test_without_imgtool(monkeypatch: pytest.MonkeyPatch, made: Package) -> None:
    monkeypatch.setitem(sys.modules, "imgtool.image", None)
    with pytest.raises(ConfigError, match=r"tinyloc\[sign\]"):
        package.load_key("any")
    assert Package.parse(made.data).hash == made.hash, "reading needs no extra"


# ---- the command ----

@pytest.fixture
def files(tmp_path: Path, program: Program) -> Path:
    program.save(tmp_path / "m.int8.safetensors")
    updates.key().export_private(str(tmp_path / "key.pem"))
    updates.key().export_public(str(tmp_path / "public.pem"))
    return tmp_path


def make(folder: Path, version: str, out: str, *more: object, code: int = 0, text: str | None = None,
         key: str = "key.pem") -> Any:
    return run("package", folder / "m.int8.safetensors", "--key", folder / key, "--version", version, "--out", folder / out,
               "--windows", 0, *more, code=code, text=text)


def test_package_and_show(files: Path, program: Program) -> None:
    said = make(files, "1.2.0", "a.bin", "--json").output
    facts = json.loads(said)
    found = Package.parse((files / "a.bin").read_bytes())
    assert facts["id"] == found.id.hex() and facts["bytes"] == len(found.data) and found.windows == 1
    assert facts["core"] is None and "for any core, no weights packed (--core)" in make(files, "1.2.0", "c.bin").output
    packed = make(files, "1.2.0", "c.bin", "--core", "m4").output
    assert "; for cortex-m4" in packed and "no weights" not in packed
    shown = run("package", "--show", files / "a.bin", "--public", files / "public.pem").output
    assert "the signature is right" in shown and ", ".join(program.info["rooms"]) in shown
    assert f"0x{package.device_key(updates.key())[2][0]:02x}" in shown
    assert "NOT verified" in run("package", "--show", files / "a.bin").output
    imgtool.keys.Ed25519.generate().export_public(str(files / "other.pem"))
    assert "another key" in run("package", "--show", files / "a.bin", "--public", files / "other.pem", code=1).output
    (files / "a.bin").write_bytes(found.data[:-1])
    assert "a.bin: package: no TLVs" in run("package", "--show", files / "a.bin", code=2).output


def test_the_private_key_is_in_nothing_that_is_written(files: Path) -> None:
    """Neither in a file, nor in what is printed, in none of the usual forms."""
    before = {p.name for p in files.iterdir()}
    said = make(files, "1.2.0", "a.bin").output + make(files, "1.3.0", "b.bin", "--from", files / "a.bin", "--json").output
    said += run("package", "--show", files / "b.bin", "--public", files / "key.pem").output
    secret = updates.SECRET
    pem = b"".join((files / "key.pem").read_bytes().splitlines()[1:-1])
    written = {p.name: p.read_bytes() for p in files.iterdir() if p.name not in before}
    assert set(written) == {"a.bin", "b.bin", "b.bin.patch"}
    forms = [secret, secret.hex().encode(), base64.b64encode(secret), pem, repr(secret).encode(),
             ", ".join(f"{b:#04x}" for b in secret).encode()]
    for form in forms:
        assert form not in said.encode() and not any(form in data for data in written.values())


def test_a_password_is_asked_for(files: Path) -> None:
    updates.key().export_private(str(files / "locked.pem"), b"open sesame")
    said = make(files, "1.2.0", "a.bin", key="locked.pem", text="open sesame\n").output
    assert "Password of" in said and "open sesame" not in said
    assert "another password" in make(files, "1.2.0", "b.bin", key="locked.pem", text="wrong\n", code=2).output
    assert not (files / "b.bin").exists()


def test_patches_are_written_where_they_save(files: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    make(files, "1.2.0", "a.bin")
    said = make(files, "1.2.1", "b.bin", "--from", files / "a.bin").output
    patch = (files / "b.bin.patch").read_bytes()
    assert len(patch) < 400 and f"b.bin.patch: {len(patch):,} B" in said
    other = updates.program("mdcsa-h4l1", 1)
    other.save(files / "m.int8.safetensors")
    facts = json.loads(make(files, "1.2.1", "c.bin", "--from", files / "a.bin", "--json").output)
    assert facts["patch_bytes"] > 0.6 * facts["bytes"], "of another model"
    monkeypatch.setattr("tinyloc.cli.package.SAVES", 0.9 * facts["patch_bytes"] / facts["bytes"])
    facts = json.loads(make(files, "1.2.1", "d.bin", "--from", files / "a.bin", "--json").output)
    assert facts["patch"] is None and (files / "d.bin").exists() and not (files / "d.bin.patch").exists()


def test_no_patch_of_another_package_stays(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a package is its own patch or none, whatever was there before; a file that is no patch is left alone."""
    patch = files / "b.bin.patch"
    make(files, "1.2.0", "a.bin")
    make(files, "1.2.1", "b.bin", "--from", files / "a.bin")
    assert patch.exists()
    make(files, "1.2.2", "b.bin")
    assert not patch.exists()
    make(files, "1.2.1", "b.bin", "--from", files / "a.bin")
    written = []
    monkeypatch.setattr("tinyloc.files.write_atomic", lambda path, data: written.append((str(path), patch.exists())))
    make(files, "1.2.3", "b.bin", "--from", files / "a.bin")
    assert written == [(str(files / "b.bin"), False), (str(patch), False)]
    monkeypatch.undo()
    make(files, "1.2.1", "b.bin", "--from", files / "a.bin")
    monkeypatch.setattr("tinyloc.cli.package.SAVES", 0)
    make(files, "1.2.3", "b.bin", "--from", files / "a.bin")
    assert not patch.exists()
    patch.write_text("--- a/notes\n")
    make(files, "1.2.4", "b.bin")
    assert patch.read_text() == "--- a/notes\n"


def renamed(p: Program, **changes: Any) -> Program:
    return replace(p, info={**p.info, **changes})


@pytest.mark.parametrize(("change", "options", "says"), [
    ({}, {"key": "other.pem"}, r"signed with another key \(Ed25519, hash {other}\.\.\.\) than the one that devices that run "
                               r"1\.2\.0 \({id}\) know; expected theirs \(Ed25519, hash {key}\.\.\.\).*leave out --from"),
    ({}, {"key": "p256.pem"}, r"another key \(ECDSA P-256, .*expected theirs \(Ed25519, hash {key}"),
    ({}, {"version": "1.1.9"}, "refuse the new package: its security counter is 16842761; expected 16908288 or more"),
    ({"aps": lambda a: ["new", *a[1:]]}, {}, r"other access points or motion channels: new new; missing {ap}; expected the"),
    ({"aps": lambda a: a[:1] + a[:0:-1]}, {}, r"channels: \d+ in another order, number 1 is ap_11, was ap_2; expected"),
    ({"motion": lambda m: ["ap_11"]}, {}, r"other access points or motion channels; expected the same ones"),
], ids=["key", "scheme", "counter", "access point", "order", "motion"])
def test_what_devices_would_refuse_is_not_written(files: Path, program: Program, change: dict[str, Any],
                                                  options: dict[str, str], says: str) -> None:
    """In one line that names what differs; neither package nor patch, and an older one of that name stays."""
    make(files, "1.2.0", "a.bin")
    imgtool.keys.Ed25519.generate().export_private(str(files / "other.pem"))
    imgtool.keys.ECDSA256P1.generate().export_private(str(files / "p256.pem"))
    base = Package.parse((files / "a.bin").read_bytes())
    other = package.device_key(package.load_key(files / "other.pem"))[1]
    renamed(program, **{k: f(program.info.get(k)) for k, f in change.items()}).save(files / "m.int8.safetensors")
    (files / "b.bin").write_bytes(b"before")
    there = {p.name for p in files.iterdir()}
    said = make(files, options.get("version", "1.2.1"), "b.bin", "--from", files / "a.bin", code=2,
                key=options.get("key", "key.pem")).output
    found = {"id": base.id.hex(), "key": base.key_hash[:8].hex(), "other": other[:8].hex(), "ap": program.info["aps"][0]}
    assert re.search(re.sub(r"{(\w+)}", lambda m: found[m[1]], says), said), said
    assert {p.name for p in files.iterdir()} == there and (files / "b.bin").read_bytes() == b"before"


def test_a_package_that_no_device_runs(files: Path, made: Package) -> None:
    """Its hash fits, its signature does not."""
    (files / "a.bin").write_bytes(made.data[:-1] + bytes([made.data[-1] ^ 1]))
    said = make(files, "1.2.4", "b.bin", "--from", files / "a.bin", code=2).output
    assert "a.bin: package: the signature (Ed25519) is wrong; no device runs it" in said and not (files / "b.bin").exists()


def test_what_devices_may_mind_is_noted(files: Path, program: Program) -> None:
    """Rooms go with the package, and memory is the firmware's."""
    make(files, "1.2.0", "a.bin")
    first, *rest = program.info["rooms"]
    for other, says in (
            (program, []),
            (renamed(program, rooms=["attic", *rest]),
             [rf"rooms are not those of 1\.2\.0 \(new attic; missing {first}\): devices take it.*by the rooms' names"]),
            (updates.program("mdcsa-h4l1"),
             [r"more memory than 1\.2\.0 \(\d+ B instead of \d+ for the arena, \d+ words instead of \d+ for signatures, "
              r"\d+ B instead of 0 for the stream's window\): devices that have less refuse it"])):
        other.save(files / "m.int8.safetensors")
        notes = json.loads(make(files, "1.2.1", "b.bin", "--from", files / "a.bin", "--json").output)["notes"]
        assert len(notes) == len(says) and all(re.search(s, n) for s, n in zip(says, notes, strict=True)), notes
        printed = make(files, "1.2.1", "b.bin", "--from", files / "a.bin").output
        assert all(f"\nnote: {n}" in printed for n in notes)


@pytest.mark.parametrize(("arguments", "says"), [
    (["--version", "1.2.0", "--out", "x"], "MODEL is missing"), (["m", "--key", "k", "--out", "x"], "--version is missing"),
    (["m", "--key", "k", "--version", "1.2", "--out", "x"], "expected MAJOR"),
    (["--show", "x", "--out", "y"], "--show explains"),
    (["--show", "absent"], "absent: cannot be read"),
])
def test_options_that_make_no_sense(arguments: list[str], says: str, tmp_path: Path,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in run("package", *arguments, code=2).output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("where", "old"), [("fsync", b"an older package"), ("replace", None)])
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_package_leaves_no_half_file(files: Path, where: str, old: bytes | None) -> None:
    out = files / "a.bin"
    if old:
        out.write_bytes(old)
    code = (f"import os, signal, sys\nos.{where} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
            "from tinyloc.cli import main\nmain(sys.argv[1:])\n")
    done = subprocess.run([sys.executable, "-c", code, "package", str(files / "m.int8.safetensors"), "--key",
                           str(files / "key.pem"), "--version", "1.2.0", "--out", str(out), "--windows", "0"], cwd=files,
                          capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (out.read_bytes() if out.exists() else None) == old
    make(files, "1.2.0", "a.bin")
    assert Package.parse(out.read_bytes()).version_text == "1.2.0"


def test_an_export_brings_the_sources(program: Program, tmp_path: Path) -> None:
    """Beside the kernels, as one folder that builds strictly, and with the words that packages must have."""
    files = project(program, updates.windows(program, 1), update=True)
    plain = project(program, updates.windows(program, 1))
    assert {n for n in files if n not in plain} == {f"src/{p.name}" for p in UPDATE.glob("*.[ch]")}
    words = ", ".join(f"{w:#010x}u" for w in inputs_digest(program.info))
    assert f"#define TL_MODEL_INPUTS {{{words}}}".encode() in files["src/tl_model.h"]
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    write_project(files, tmp_path / "out")
    sources = [tmp_path / "out" / "host" / "main.c", *sorted((tmp_path / "out" / "src").glob("*.c"))]
    done = subprocess.run(["gcc", *vectors.WARNINGS, "-I", tmp_path / "out" / "src", *sources, "-o", tmp_path / "self"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / "self"], capture_output=True).returncode == 0


# ---- constants of the input ----

@pytest.mark.parametrize("aps", [3, 30])
def test_scaler_sections_hold_the_constants(aps: int) -> None:
    """Rows and curve; what C makes of them is in test_update."""
    from tinyloc.data import Scaler
    from tinyloc.program import Buffer
    from tinyloc.quantize import INPUT_SCALE, INPUT_ZERO
    from tinyloc.scaling import input_constants

    lo = np.full(aps, -90.0, np.float32) if aps == 30 else np.array([-90, -80, -99], np.float32)
    scaler = Scaler(lo=lo, hi=np.full(aps, -30, np.float32))
    constants = input_constants(scaler, Buffer("x", (20, aps), "int8", "input", INPUT_SCALE, INPUT_ZERO))
    data = package.scaler_data(constants)
    assert len(data) == 12 + constants.nbytes and bool(constants.curve) == (aps == 30)
    assert struct.unpack_from("<3Hh2b", data) == (aps, constants.curved, constants.hold, constants.silent, constants.least,
                                                 constants.most)
