"""The C kernels; everything else is in pyproject.toml."""

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


class Abi3Wheel(bdist_wheel):
    """One wheel for every CPython from 3.10 on: the extension uses the limited API only."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.py_limited_api = "cp310"


setup(cffi_modules=["kernels/build_c.py:ffi"], cmdclass={"bdist_wheel": Abi3Wheel})
