"""The command that makes a model's package for an update in the field, and shows one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyloc.cli.common import CSV, DATA_HELP, JSON, MISSING, emit, main, read_program, warn_of_stream
from tinyloc.cli.programs import golden_codes
from tinyloc.errors import BrokenError, ConfigError, ModelError

if TYPE_CHECKING:
    from tinyloc.package import Package

SAVES = 0.9  # of the package's bytes: a patch that is larger is not worth that it fits one version only


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as e:
        raise ModelError(f"{path}: cannot be read ({e.strerror})") from None


def _parse(path: str) -> Package:
    from tinyloc.package import Package

    data = _read(path)
    try:
        return Package.parse(data)
    except ModelError as e:
        raise ModelError(f"{path}: {e}") from None


def _key(path: str, private: bool) -> Any:
    from tinyloc.package import load_key

    key = load_key(path, private=private)
    if key is None:
        key = load_key(path, click.prompt(f"Password of {path}", hide_input=True, err=True).encode(), private)
    return key


@main.command("package")
@click.argument("model", required=False, type=click.Path(dir_okay=False))
@click.option("--key", type=click.Path(dir_okay=False),
              help="PEM file of the private key that signs (make one: imgtool keygen -t ed25519 -k KEY.pem).")
@click.option("--version", "number", help="Of the model: MAJOR.MINOR.REVISION[+BUILD].")
@click.option("--out", type=click.Path(dir_okay=False), help="File to write the package to.")
@click.option("--from", "old", type=click.Path(dir_okay=False),
              help="Package that the devices run: what they would refuse is refused; OUT.patch is written too, where that "
                   "saves radio time.")
@click.option("--counter", type=click.IntRange(0, 2**32 - 1),
              help="Security counter; devices refuse a lesser one than they have run. [from the version]")
@click.option("--core", help="Pack weights for this Cortex-M, where that is faster. [the plain kernels, for any core]")
@click.option("--stream/--at-once", default=None, help="One sample a run, or a whole window. [what takes less RAM]")
@click.option("--windows", default=2, show_default=True, type=click.IntRange(0, 255),
              help="Golden windows of the test rows, beside a random one; with 0 no data are read.")
@click.option("--ap-names/--no-ap-names", default=True, show_default=True, help="Send the access points' names along.")
@click.option("--show", type=click.Path(dir_okay=False), help="Instead: check and explain this package.")
@click.option("--public", type=click.Path(dir_okay=False), help="With --show: PEM file of the key to verify with.")
@click.option("--data", "data_name", help=DATA_HELP + " [what the model was trained on]")
@click.option("--seed", type=int, help="Of the data's split. [the model's]")
@MISSING
@CSV
@JSON
def package_(model: str | None, key: str | None, number: str | None, out: str | None, old: str | None, counter: int | None,
             core: str | None, stream: bool | None, windows: int, ap_names: bool, show: str | None, public: str | None,
             data_name: str | None, missing: str, as_json: bool, **given: Any) -> None:
    """Sign an int8 Program (MODEL) for updates in the field.

    The package is in MCUboot's image format: `imgtool verify` accepts it.  It holds the image, the constants of the input,
    golden windows and names.  Files are written whole or not at all.  With --show, exit code 1: another key signed it.
    """
    if show is not None:
        if model or key or out or old:
            raise ConfigError("--show explains a package that is there; expected no MODEL, --key, --out or --from beside it")
        _show(show, public, as_json)
        return
    needed = {"MODEL": model, "--key": key, "--version": number, "--out": out}
    lacking = [n for n, v in needed.items() if v is None]
    if lacking:
        raise ConfigError(f"package: expected {', '.join(needed)}; {lacking[0]} is missing (or --show FILE)")
    assert model and key and number and out
    from tinyloc import package
    from tinyloc.emulator import toolchain
    from tinyloc.files import check_writable, write_atomic
    from tinyloc.patch import encode, is_patch

    package.version_of(number)
    target = toolchain.core(core).cpu if core else None
    program = read_program(model)
    read = (model, key, old, data_name, program.info.get("source", {}).get("data"))
    for file in (out, *([f"{out}.patch"] if old else [])):
        check_writable(file, *read)
    base = _parse(old) if old else None
    codes = golden_codes(program, windows, data_name, missing, given)
    payload = package.payload(program, codes, core, stream, ap_names)
    warn_of_stream(model, program)
    signer = _key(key, True)
    made = package.Package.parse(package.sign(payload, signer, number, counter))
    lines = [f"{out}: {_summary(made)}; for {target or 'any core, no weights packed (--core)'}"]
    facts: dict[str, Any] = {"out": out, "core": target, **made.to_dict()}
    patch_file, patch = Path(f"{out}.patch"), b""
    if base is not None:
        notes = made.after(base)
        try:
            base.verify(signer)
        except BrokenError as e:
            raise ModelError(f"{old}: {e}; no device runs it") from None
        patch = encode(made, base)
        share = len(patch) / len(made.data)
        saves = share < SAVES
        lines.append(f"{patch_file}: {len(patch):,} B, {100 * share:.0f} % of the package, for devices that run "
                     f"{base.version_text} ({base.id.hex()})" if saves else
                     f"no patch: from {base.version_text} it would have {len(patch):,} B, {100 * share:.0f} % of all")
        lines += [f"note: {n}" for n in notes]
        facts |= {"patch": str(patch_file) if saves else None, "patch_bytes": len(patch), "from": base.id.hex(),
                  "notes": notes}
        patch = patch if saves else b""
    if is_patch(patch_file):  # it makes the package that is replaced; gone before, so that no kill leaves it beside the new
        patch_file.unlink()
    write_atomic(out, made.data)
    if patch:
        write_atomic(patch_file, patch)
    emit(as_json, {"model": model, **facts}, "\n".join(lines))


def _summary(p: Package) -> str:
    return (f"{len(p.data):,} B, version {p.version_text}, security counter {p.counter}, {p.to_dict()['scheme']}; announced "
            f"to devices as {len(p.data)} bytes, {p.id.hex()}")


def _show(path: str, public: str | None, as_json: bool) -> None:
    p = _parse(path)
    facts = p.to_dict()
    lines = [f"{path}: {_summary(p)}",
             f"image of {facts['image_bytes']:,} B, {facts['steps']} steps, arena of {facts['arena_bytes']:,} B, kernels "
             f"{facts['abi']}; input constants of {facts['scaler_bytes']:,} B, {facts['golden_windows']} golden windows",
             f"for the inputs {{{', '.join(facts['inputs'])}}}" + (f": {', '.join(p.aps)}" if p.aps else ""),
             f"rooms: {', '.join(p.rooms)}", f"SHA-256 {facts['hash']}, whole; signed by the key {facts['key_hash']}"]
    if public is not None:
        from tinyloc.package import device_key

        key = _key(public, False)
        p.verify(key)
        _, key_hash, raw = device_key(key)
        facts |= {"verified": public, "key": raw.hex()}
        lines += [f"the signature is right ({public}); that key in a firmware:"]
        lines += [f"static const uint8_t {n}[] = {{{', '.join(f'{b:#04x}' for b in v)}}};" for n, v in (("key", raw),
                                                                                                  ("key_hash", key_hash))]
    else:
        facts |= {"verified": None}
        lines.append("the signature was NOT verified: name the key with --public")
    emit(as_json, {"file": path, **facts}, "\n".join(lines))
