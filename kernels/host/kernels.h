/* The vector kernels and their table, compiled once a level by avx2.c and avx512.c, which say what MADD is.
 *
 * A kernel here is a step: it decodes its arguments, in the order of the op's spec, and `TL_FAST_<op>` puts it into the
 * table in the place of the portable one.  Where it has no room (its buffers are on the stack, of fixed sizes) it calls the
 * portable step.  Nothing is read or written beside the arrays. */
#include "../c/fixed.h"
#include "vector.h"

#include "product.h"

#include "conv.h"
#include "elementwise.h"
#include "norm.h"
#include "scan.h"
#include "softmax.h"
#include "viterbi.h"

#include "attention.h"

#define SECOND_OF(first, second, ...) second
#define SECOND(...) SECOND_OF(__VA_ARGS__)
#define X(op) {SECOND(TL_FAST_##op, tl_step_##op, 0), tl_spec_##op},
const tl_kernel TL_TABLE[] = {TL_OPS(X)};
