"""The sdist and the wheel: built twice and compared, checked, installed in a fresh environment and tested there.

    python tests/dist.py dist             # into dist/
    python tests/dist.py dist --test      # and test it: what ships with the sdist, by what is in the wheel

The two builds are of copies in folders of other names and depths, with other times and another umask.  What must agree is
SHA-256.  SOURCE_DATE_EPOCH is the last commit's time, or in an sdist that of its PKG-INFO.  Needs setuptools and cffi.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "tests" / "requirements" / "ci.txt"
HOOK = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
# What says most about an installation: every kernel, a Program and an image in full, the command line, C that compiles.
TESTS = ("frozen", "kernels", "program", "image", "run", "cli", "missing", "mcu", "sizes", "simd")


def call(*command: object, cwd: Path = ROOT, **env: str) -> str:
    """What the command says; exits with its output when it fails."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env={**clean, **env}, text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def tracked() -> list[str]:
    """The files that a commit of this folder would have; without git, those of the sdist that it is."""
    if (ROOT / ".git").exists():
        names = call("git", "ls-files", "-co", "--exclude-standard").splitlines()
    else:
        names = (ROOT / "tinyloc.egg-info" / "SOURCES.txt").read_text().splitlines()
        names = [n for n in names if ".egg-info/" not in n]
    return sorted(n for n in names if (ROOT / n).is_file())


def epoch() -> str:
    """Seconds since 1970, as SOURCE_DATE_EPOCH has them."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return os.environ["SOURCE_DATE_EPOCH"]
    if (ROOT / ".git").exists():
        return call("git", "log", "-1", "--format=%ct").strip()
    return str(int((ROOT / "PKG-INFO").stat().st_mtime))


@dataclass(frozen=True)
class Sources:
    """The files of this checkout by name, as content and whether they may be run, at one moment; and its time."""

    files: dict[str, tuple[bytes, bool]]
    epoch: str

    @staticmethod
    def now() -> Sources:
        return Sources({n: ((ROOT / n).read_bytes(), os.access(ROOT / n, os.X_OK)) for n in tracked()}, epoch())


def sdist_of(sources: Sources, folder: Path, out: Path, umask: int, age: int) -> Path:
    """The sdist of a copy in `folder`, whose files are `age` seconds old."""
    before = os.umask(umask)
    try:
        for name, (data, runs) in sources.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod((0o777 if runs else 0o666) & ~umask)
            now = path.stat().st_mtime
            os.utime(path, (now - age, now - age))
        out.mkdir()
        call(sys.executable, "-c", HOOK, "build_sdist", out, cwd=folder, SOURCE_DATE_EPOCH=sources.epoch)
    finally:
        os.umask(before)
    (made,) = out.glob("*.tar.gz")
    return made


def unpack(sdist: Path, folder: Path) -> Path:
    """The one folder that an sdist has, unpacked in `folder`."""
    with tarfile.open(sdist) as tar:
        tar.extractall(folder, **({"filter": "data"} if sys.version_info >= (3, 12) else {}))
    (unpacked,) = folder.iterdir()
    return unpacked


def wheel_of(sdist: Path, folder: Path, out: Path, umask: int, epoch: str) -> Path:
    """The wheel of an sdist that is unpacked in `folder`."""
    before = os.umask(umask)
    try:
        unpacked = unpack(sdist, folder)
        out.mkdir()
        call(sys.executable, "-c", HOOK, "build_wheel", out, cwd=unpacked, SOURCE_DATE_EPOCH=epoch)
    finally:
        os.umask(before)
    (made,) = out.glob("*.whl")
    return made


def twice(scratch: Path) -> list[tuple[Path, Path]]:
    """(first, second) of the sdist and of the wheel."""
    places = [(scratch / "a", 0o022, 0), (scratch / "another" / "much" / "deeper", 0o077, 100_000)]
    sources, sdists, wheels = Sources.now(), [], []
    for i, (folder, umask, age) in enumerate(places):
        sdists.append(sdist_of(sources, folder / "sources", scratch / f"sdist{i}", umask, age))
        wheels.append(wheel_of(sdists[i], folder / "unpacked", scratch / f"wheel{i}", umask, sources.epoch))
    return [(sdists[0], sdists[1]), (wheels[0], wheels[1])]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same(one: Path, other: Path) -> Path:
    """The first of two builds; exits unless they have the same bytes."""
    if sha256(one) != sha256(other):
        sys.exit(f"{one.name}: two builds of the same sources differ")
    return one


def check(sdist: Path, wheel: Path) -> None:
    """Exits when twine or abi3audit has something to say."""
    call(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    call(sys.executable, "-m", "abi3audit", "--strict", wheel)


def test(sdist: Path, tinyloc: Sequence[object], scratch: Path, lock: Path = LOCK) -> str:
    """The last line of pytest, in a fresh environment of locked packages and of what pip installs as `tinyloc` (a wheel, or
    options that find one), over the sdist's own tests."""
    folder = scratch / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = folder / ("python.exe" if os.name == "nt" else "python")
    call(sys.executable, "-m", "venv", scratch / "venv")
    pip = (python, "-m", "pip", "install", "-q", "--disable-pip-version-check")
    call(*pip, "--require-hashes", "-r", lock)
    call(*pip, "--no-deps", *tinyloc)
    unpacked = unpack(sdist, scratch / "tested")
    files = [f"tests/test_{name}.py" for name in TESTS]
    # Not `python -m pytest`, which looks into the folder first: tinyloc's plugin is imported before tests/conftest.py takes
    # it off the path again, and would be the sdist's, which has no kernels.
    said = call(folder / "pytest", "-q", "-n", str(min(os.cpu_count() or 1, 8)), *files, cwd=unpacked,
                OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    return said.strip().splitlines()[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description="Build sdist and wheel twice, compare and check them.")
    parser.add_argument("out", type=Path, help="folder for both")
    parser.add_argument("--test", action="store_true", help="run the sdist's tests on the wheel, in a fresh environment")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tinyloc-dist-") as tmp:
        files = [same(*pair) for pair in twice(Path(tmp))]
        check(*files)
        a.out.mkdir(parents=True, exist_ok=True)
        for path in files:
            shutil.copyfile(path, a.out / path.name)
            print(f"{sha256(path)}  {a.out / path.name}")
        print("built twice, the same bytes; twine check and abi3audit have nothing to say")
        if a.test:
            print("installed from the wheel, tested from the sdist:", test(files[0], files[1:], Path(tmp)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
