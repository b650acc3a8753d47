#include "fixed.h"
#include "step.h"

/* 2^(-(i + 1/2) / 128) in Q31, raised by (ln 2 / 256)^2 / 4: half of what the line through an entry falls short of the
 * curve at the ends of its reach. */
static const uint32_t exp2_q31[128] = {
    2141680898, 2130114586, 2118610740, 2107169020, 2095789093, 2084470623, 2073213280, 2062016733, 2050880654,
    2039804716, 2028788595, 2017831967, 2006934511, 1996095907, 1985315839, 1974593989, 1963930043, 1953323688,
    1942774614, 1932282511, 1921847072, 1911467989, 1901144960, 1890877681, 1880665852, 1870509172, 1860407344,
    1850360072, 1840367061, 1830428018, 1820542651, 1810710671, 1800931790, 1791205720, 1781532176, 1771910875,
    1762341535, 1752823875, 1743357615, 1733942479, 1724578190, 1715264474, 1706001057, 1696787667, 1687624036,
    1678509893, 1669444972, 1660429007, 1651461733, 1642542887, 1633672209, 1624849437, 1616074313, 1607346580,
    1598665982, 1590032264, 1581445173, 1572904457, 1564409867, 1555961151, 1547558064, 1539200358, 1530887789,
    1522620112, 1514397086, 1506218469, 1498084021, 1489993503, 1481946679, 1473943313, 1465983169, 1458066015,
    1450191618, 1442359747, 1434570173, 1426822667, 1419117002, 1411452952, 1403830292, 1396248799, 1388708251,
    1381208426, 1373749104, 1366330067, 1358951097, 1351611977, 1344312493, 1337052431, 1329831577, 1322649720,
    1315506649, 1308402154, 1301336029, 1294308064, 1287318054, 1280365794, 1273451081, 1266573711, 1259733483,
    1252930196, 1246163650, 1239433648, 1232739992, 1226082485, 1219460933, 1212875141, 1206324916, 1199810066,
    1193330400, 1186885728, 1180475860, 1174100610, 1167759790, 1161453214, 1155180697, 1148942055, 1142737106,
    1136565667, 1130427557, 1124322596, 1118250606, 1112211408, 1106204825, 1100230681, 1094288801, 1088379011,
    1082501137, 1076655007,
};
#define LN2_128_Q32 23258160 /* ln 2 / 128 */

/* 2^(-q 2^shift / 2^39) in Q31 for 0 <= q 2^shift < 2^43, 1 <= shift <= 31. */
static inline uint32_t decay(uint32_t q, int32_t shift)
{
    uint32_t high = q >> (32 - shift);
    int32_t f = (int32_t)((q << shift) ^ 0x80000000u); /* from the middle of the entry's reach, in 2^-32 of it */
    int32_t top = (int32_t)exp2_q31[high & 127];
    int32_t t = (int32_t)(tl_mul64(top, f) >> 32);
    return (uint32_t)(top + (int32_t)(tl_mul64(t, -LN2_128_Q32) >> 32)) >> (high >> 7);
}

/* floor(h d / 2^16) in two 32-bit products, the second below 2^31 */
static inline int32_t keep(int32_t h, uint32_t d)
{
    return h * (int32_t)(d >> 16) + ((h * (int32_t)(d & 0xffff)) >> 16);
}

/* The state after a step: g b is the input in Q15.  |h d / 2^16| <= 2^30, |g b| <= 2^30 - 2^15. */
static inline int32_t advance(uint32_t d, int32_t h, int32_t g, int32_t b)
{
    return tl_sat16(tl_add(g * b + 16384, keep(h, d)) >> 15);
}

static inline int32_t drive(int32_t delta, int32_t v, int32_t mult, int32_t shift)
{
    return tl_clamp(tl_mbqm(tl_mul(delta, v), mult, shift), -32767, 32767);
}

void tl_scan_s8(int8_t *y, const int8_t *x, const uint16_t *dt, const int8_t *b, const int8_t *c, const uint8_t *a,
                const int8_t *a_shift, const int16_t *d_skip, const int8_t *h_exp, int16_t *h, int32_t t, int32_t e,
                int32_t n, int32_t x_zp, int32_t y_zp, int32_t g_mult, int32_t g_shift, int32_t b_shift,
                int32_t d_shift, int32_t y_mult, int32_t y_shift)
{
    for (int32_t i = 0; i < t; i++, b += n, c += n) {
        const uint8_t *rate = a;
        int16_t *state = h;
        for (int32_t j = 0; j < e; j++, rate += n, state += n) {
            int32_t delta = *dt++, v = *x++ - x_zp;
            int32_t g = drive(delta, v, g_mult, g_shift - h_exp[j]);
            int32_t acc = tl_shl(d_skip[j] * v, d_shift);
            for (int32_t k = 0; k < n; k++) {
                uint32_t d = decay((uint32_t)delta * rate[k], a_shift[k]);
                state[k] = (int16_t)advance(d, state[k], g, tl_shl(b[k], b_shift));
                acc = tl_add(acc, c[k] * state[k]);
            }
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, y_mult, y_shift + h_exp[j])));
        }
    }
}

void tl_scan_powers_s8(int8_t *y, const int8_t *x, const uint16_t *dt, const int8_t *b, const int8_t *c,
                       const uint16_t *a, const int16_t *d_skip, const int8_t *h_exp, int16_t *h, int32_t t, int32_t e,
                       int32_t n, int32_t x_zp, int32_t y_zp, int32_t a_shift, int32_t g_mult, int32_t g_shift,
                       int32_t b_shift, int32_t d_shift, int32_t y_mult, int32_t y_shift)
{
    for (int32_t i = 0; i < t; i++, b += n, c += n) {
        int16_t *state = h;
        for (int32_t j = 0; j < e; j++, state += n) {
            int32_t delta = *dt++, v = *x++ - x_zp;
            int32_t g = drive(delta, v, g_mult, g_shift - h_exp[j]);
            int32_t acc = tl_shl(d_skip[j] * v, d_shift);
            uint32_t first = decay((uint32_t)delta * a[j], a_shift), d = first;
            for (int32_t k = 0; k < n; k++) {
                state[k] = (int16_t)advance(d, state[k], g, tl_shl(b[k], b_shift));
                acc = tl_add(acc, c[k] * state[k]);
                d = (uint32_t)(tl_umul64(d, first << 1) >> 32);
            }
            *y++ = tl_sat8(tl_add(y_zp, tl_mbqm(acc, y_mult, y_shift + h_exp[j])));
        }
    }
}

TL_STEP(scan_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].p, a[7].p, a[8].p, a[9].p, a[10].i, a[11].i,
        a[12].i, a[13].i, a[14].i, a[15].i, a[16].i, a[17].i, a[18].i, a[19].i, a[20].i)
TL_STEP(scan_powers_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].p, a[6].p, a[7].p, a[8].p, a[9].i, a[10].i, a[11].i,
        a[12].i, a[13].i, a[14].i, a[15].i, a[16].i, a[17].i, a[18].i, a[19].i, a[20].i)
