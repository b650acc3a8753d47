#include "fixed.h"
#include "tinyloc.h"

int8_t tl_code(const tl_scaler *s, uint32_t ap, int32_t dbm)
{
    if (ap < s->curved)
        return s->curve[tl_clamp(dbm, -128, 127) + 128];
    const tl_ap *a = s->aps + (ap - s->curved);
    uint32_t d = (uint32_t)(tl_clamp(dbm, a->first, a->last) - a->first), fix = s->fixes[a->fix + (d >> 3)];
    int32_t code = s->least + (int32_t)(((d * a->mult + a->offset) >> 24) + ((fix >> (d & 7u)) & 1u));
    code = tl_select(tl_less(dbm, a->first), s->least, code);
    return (int8_t)tl_select(tl_less(a->last, dbm), s->most, code);
}

static int8_t code_or_silent(const tl_scaler *s, uint32_t ap, int32_t dbm)
{
    return tl_code(s, ap, tl_select(tl_less(TL_NOT_HEARD, dbm), dbm, s->silent));
}

void tl_scale(const tl_scaler *s, int8_t *codes, const int16_t *dbm)
{
    for (uint32_t i = 0; i < s->count; i++)
        codes[i] = code_or_silent(s, i, dbm[i]);
}

void tl_forget(const tl_scaler *s, tl_heard *heard)
{
    for (uint32_t i = 0; i < s->count; i++) {
        heard[i].ms = 0;
        heard[i].dbm = TL_NOT_HEARD;
    }
}

void tl_hear(const tl_scaler *s, tl_heard *heard, uint32_t ap, int16_t dbm, uint32_t ms)
{
    if (ap >= s->count || dbm == TL_NOT_HEARD)
        return;
    heard[ap].ms = ms;
    heard[ap].dbm = dbm;
}

void tl_row(const tl_scaler *s, tl_heard *heard, int8_t *codes, uint32_t ms)
{
    int32_t most = s->hold + TL_AHEAD;
    for (uint32_t i = 0; i < s->count; i++) {
        /* Counted from TL_AHEAD on, an age of 2^31 ms and more is negative, as that of a stamp too far ahead is; where it
         * is not, most - age is negative if it is too old.  Both go for good: they must not come back when the clock has
         * gone round.  dbm is written in any case: on a core without conditional stores one by data is a branch. */
        int32_t age = (int32_t)(ms + TL_AHEAD - heard[i].ms);
        int32_t old = (int32_t)((uint32_t)age | ((uint32_t)most - (uint32_t)age)) >> 31;
        heard[i].dbm = (int16_t)tl_select(old, TL_NOT_HEARD, heard[i].dbm);
        codes[i] = code_or_silent(s, i, heard[i].dbm);
    }
}

int16_t tl_motion(const int16_t *xyz, uint32_t n)
{
    /* 64 times the variance, in mg^2, from which a level is the next one; ten times that a decade on. */
    static const uint16_t rounds_up[10] = {72, 90, 114, 143, 180, 227, 286, 360, 453, 571};
    int32_t sum[3] = {0, 0, 0}, level = 0;
    uint64_t squares = 0, unit = (uint64_t)n * n;
    if (n < 2 || n > TL_MOTION_SAMPLES)
        return TL_NOT_HEARD;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < 3; k++) {
            int32_t a = xyz[3 * i + k];
            sum[k] += a; /* at most 2^27 */
            squares += (uint32_t)(a * a);
        }
    uint64_t scatter = n * squares; /* n^2 times the variance, below 2^56 */
    for (uint32_t k = 0; k < 3; k++)
        scatter -= (uint64_t)((int64_t)sum[k] * sum[k]);
    scatter <<= 6;
    for (uint32_t decade = 0; decade < 10; decade++, unit *= 10u)
        for (uint32_t i = 0; i < 10; i++)
            level += (int32_t)(scatter >= (uint64_t)rounds_up[i] * unit);
    return (int16_t)level;
}
