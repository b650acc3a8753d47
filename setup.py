"""The C kernels, and archives whose bytes depend on the sources alone; everything else is in pyproject.toml."""

import gzip
import os
import tarfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist
from setuptools.errors import CCompilerError, ExecError, PlatformError


def mode(path: Path) -> int:
    """Who may run a file is the sources' affair, who may read it the umask's of whoever built."""
    return 0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644


class Abi3Wheel(bdist_wheel):
    """One wheel for every CPython from 3.10 on: the extension uses the limited API only.

    The times in it are SOURCE_DATE_EPOCH, where that is set.
    """

    def finalize_options(self) -> None:
        super().finalize_options()
        self.py_limited_api = "cp310"

    def write_wheelfile(self, wheelfile_base: str, *args: str, **kwargs: str) -> None:
        """The last step before the folder is packed."""
        super().write_wheelfile(wheelfile_base, *args, **kwargs)
        for path in Path(wheelfile_base).parent.rglob("*"):
            path.chmod(mode(path))


class SortedSdist(sdist):
    """An sdist in the order of its names, without its maker's name and umask.

    All its times are SOURCE_DATE_EPOCH, where that is set.
    """

    def make_archive(self, base_name: str, format: str, *args: object, **kwargs: object) -> str:
        if format != "gztar":
            return str(super().make_archive(base_name, format, *args, **kwargs))
        root, out = Path(str(kwargs["base_dir"])), Path(f"{base_name}.tar.gz")
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        out.parent.mkdir(parents=True, exist_ok=True)
        with (out.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed,
              tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar):
            for path in sorted([root, *root.rglob("*")]):
                entry = tar.gettarinfo(path)
                entry.uid = entry.gid = 0
                entry.uname = entry.gname = ""
                entry.mode, entry.mtime = mode(path), int(epoch or entry.mtime)
                if path.is_dir():
                    tar.addfile(entry)
                    continue
                # setuptools links what it packs: two names of one file would become one file and a link.
                entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
                with path.open("rb") as f:
                    tar.addfile(entry, f)
        return str(out)


class BuildKernels(build_ext):
    """Says what to do when the kernels cannot be compiled; there is no half of an install without them."""

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except (CCompilerError, ExecError, PlatformError) as e:
            raise SystemExit(
                f"\ntinyloc: the C kernels could not be compiled: {e}\n"
                "They need a C99 compiler and Python's headers (Debian, Ubuntu: apt install gcc python3-dev; "
                "CC=... names another compiler).\n"
            ) from e


setup(
    cffi_modules=["kernels/build_c.py:ffi"],
    cmdclass={"bdist_wheel": Abi3Wheel, "build_ext": BuildKernels, "sdist": SortedSdist},
)
