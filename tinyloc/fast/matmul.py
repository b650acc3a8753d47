"""Products of small matrices inside kernels: operands stay in the first-level cache from one layer to the next.

A tile of the result stays in registers while the inner dimension runs: values of the left factor, each broadcast, times one
or two vectors of a row of the right one.  LLVM does not find that form in loops, so `_tile` writes it down.  At the sizes
of small models it takes 0.8 of the time of the BLAS that NumPy brings, and 0.6 for products of 32 x 32.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinyloc.fast.jit import kernel

#: Values a vector, and rows a tile.  A tile of two vectors fills half of the registers of AVX-512, and all but four of AVX2.
LANES, ROWS = (16, 8) if llvm.get_host_cpu_features().get("avx512f") else (8, 6)

#: Columns of a result that are a multiple of this take whole vectors.
WHOLE = 8


@intrinsic
def _tile(typing: Any, c: Any, a: Any, b: Any, i: Any, j: Any, add: Any, rows: Any, vectors: Any, lanes: Any) -> Any:
    """c[i : i + rows, j : j + n] = (c there if add, else 0) + a[i : i + rows] @ b[:, j : j + n], n = vectors * lanes.

    float32; a of any strides, rows of c and b without gaps.  rows, vectors and lanes are literals.
    """
    if not all(isinstance(n, types.IntegerLiteral) for n in (rows, vectors, lanes)):
        return None
    r, v, n = (literal.literal_value for literal in (rows, vectors, lanes))

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = [context.make_array(signature.args[k])(context, builder, args[k]) for k in range(3)]
        (c_row, _), (a_row, a_step), (b_row, _) = (cgutils.unpack_tuple(builder, x.strides, 2) for x in arrays)
        depth = cgutils.unpack_tuple(builder, arrays[1].shape, 2)[1]
        byte, int32, word, single = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
        vector, fast = ir.VectorType(single, n), ("contract", "reassoc", "nsz")

        def pointer(array: Any, *offsets: Any) -> Any:
            """`offsets` bytes behind an array's start."""
            total = word(0)
            for offset in offsets:
                total = builder.add(total, offset)
            return builder.gep(builder.bitcast(array.data, byte.as_pointer()), [total])

        def load(at: Any, kind: Any) -> Any:
            return builder.load(builder.bitcast(at, kind.as_pointer()), align=4)

        def everywhere(value: Any) -> Any:
            first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, int32(0))
            return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined),
                                          ir.Constant(ir.VectorType(int32, n), [int32(0)] * n))

        row = [builder.add(args[3], word(k)) for k in range(r)]
        column = [builder.mul(builder.add(args[4], word(n * k)), word(4)) for k in range(v)]
        tiles = [(k, m) for k in range(r) for m in range(v)]
        # LLVM keeps these in registers: they are loaded and stored whole, and nothing else has their address.
        sums = {at: cgutils.alloca_once(builder, vector) for at in tiles}
        for at in tiles:
            builder.store(ir.Constant(vector, [single(0)] * n), sums[at])
        with cgutils.for_range(builder, depth, intp=word) as loop:
            down, along = builder.mul(loop.index, b_row), builder.mul(loop.index, a_step)
            right = [load(pointer(arrays[2], down, m), vector) for m in column]
            for k in range(r):
                left = everywhere(load(pointer(arrays[1], builder.mul(row[k], a_row), along), single))
                for m in range(v):
                    product = builder.fmul(left, right[m], flags=fast)
                    builder.store(builder.fadd(builder.load(sums[k, m]), product, flags=fast), sums[k, m])
        place = {(k, m): pointer(arrays[0], builder.mul(row[k], c_row), column[m]) for k, m in tiles}
        with builder.if_then(args[5]):
            for at in tiles:
                total = builder.fadd(load(place[at], vector), builder.load(sums[at]), flags=fast)
                builder.store(total, sums[at])
        for at in tiles:
            builder.store(builder.load(sums[at]), builder.bitcast(place[at], vector.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(c, a, b, types.int64, types.int64, types.boolean, rows, vectors, lanes), build


@kernel("void(f4[:,:], f4[:,:], f4[:,:], b1)")
def matmul(c, a, b, add):
    """c = a @ b, or c += a @ b if add.  c (m, n), a (m, k), b (k, n), float32; a of any strides (a.T, overlapping windows),
    the values of a row of c and of b side by side.  No shape is checked."""
    m, n = c.shape
    whole = m - m % ROWS
    j = 0
    while n - j >= 2 * LANES:
        for i in range(0, whole, ROWS):
            _tile(c, a, b, i, j, add, ROWS, 2, LANES)
        for i in range(whole, m):
            _tile(c, a, b, i, j, add, 1, 2, LANES)
        j += 2 * LANES
    while n - j >= LANES:
        for i in range(0, whole, ROWS):
            _tile(c, a, b, i, j, add, ROWS, 1, LANES)
        for i in range(whole, m):
            _tile(c, a, b, i, j, add, 1, 1, LANES)
        j += LANES
    while n - j >= WHOLE:
        for i in range(0, whole, ROWS):
            _tile(c, a, b, i, j, add, ROWS, 1, WHOLE)
        for i in range(whole, m):
            _tile(c, a, b, i, j, add, 1, 1, WHOLE)
        j += WHOLE
    # Models of a width below 8 or no power of two: a form like those above would take time to compile, in every kernel.
    while n - j >= 4:
        for i in range(m):
            _tile(c, a, b, i, j, add, 1, 1, 4)
        j += 4
    while n - j >= 1:
        for i in range(m):
            _tile(c, a, b, i, j, add, 1, 1, 1)
        j += 1
