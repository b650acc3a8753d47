"""Imported as ``tinyloc.kernels``; the folder's top-level place is fixed, its import name is not."""

if __name__ != "tinyloc.kernels":
    raise ImportError("import this package as tinyloc.kernels, not as kernels: a second copy would share no state")
