"""Imported as ``tinyloc.emulator``; the folder's top-level place is fixed, its import name is not."""

if __name__ != "tinyloc.emulator":
    raise ImportError("import this package as tinyloc.emulator, not as emulator: a second copy would share no state")
