"""The C kernels; everything else is in pyproject.toml."""

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError


class Abi3Wheel(bdist_wheel):
    """One wheel for every CPython from 3.10 on: the extension uses the limited API only."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.py_limited_api = "cp310"


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
    cmdclass={"bdist_wheel": Abi3Wheel, "build_ext": BuildKernels},
)
