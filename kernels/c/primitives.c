#include "fixed.h"
#include "tinyloc.h"

int32_t tl_test_primitive(int32_t which, int32_t a, int32_t b, int32_t c)
{
    switch (which) {
    case 0: return tl_clamp(a, b, c);
    case 1: return tl_sat8(a);
    case 2: return tl_sat16(a);
    case 3: return tl_add(a, b);
    case 4: return tl_sub(a, b);
    case 5: return tl_mul(a, b);
    case 6: return tl_shl(a, b);
    case 7: return tl_srdhm(a, b);
    case 8: return tl_rdbpot(a, b);
    case 9: return tl_rshift_round(a, b);
    default: return tl_mbqm(a, b, c);
    }
}
