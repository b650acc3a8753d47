"""The layers that training spends its time in, again in float32 and Numba: fused, and without the reference's temporaries.

Names, arguments and gradients are the reference's, which decides what is right; tests hold each to it within a bound.  The
flow: `fast` imports `reference` (formulas, shapes), Numba and the kernels' cache of machine code; `tinyloc.layers` chooses
between the two.  It is no part of `kernels`, whose every file is an integer op with a C twin.
"""
