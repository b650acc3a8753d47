/* All of k and of v as panels, then some rows of q at a time: scores, softmax, weighted sum. */

static void pack_all(v8 *panel, const int8_t *b, int32_t n, int32_t k, int32_t zp, packing *pack)
{
    for (int32_t at = 0, first, panels; at < n;) {
        at = block(at, n, &first, &panels);
        for (int32_t p = 0; p < panels; p++, panel += (k + 1) / 2)
            pack(panel, b, n, k, first + 8 * p, zp);
    }
}

static void packed_product(int8_t *y, const int16_t *a, const v8 *panel, int32_t m, int32_t n, int32_t k, const finish *f)
{
    int32_t pairs = (k + 1) / 2;
    for (int32_t at = 0, first, panels; at < n; panel += panels * pairs) {
        at = block(at, n, &first, &panels);
        columns_s8(y, a, panel, m, n, pairs, first, panels, f);
    }
}

static void attention_s8(const tl_arg *a)
{
    enum { ROWS = 16, SCORES = 512 };
    int8_t *y = a[0].p, scores[ROWS * SCORES];
    const int8_t *q = a[1].c;
    int32_t m = a[7].i, n = a[8].i, d = a[9].i, width = a[10].i, d2 = (d + 1) / 2, n2 = (n + 1) / 2;
    int8_t s_shift = (int8_t)a[19].i, shift = (int8_t)a[21].i;
    finish scoring = {0, &a[18].i, &s_shift, 0, 0, a[15].i}, weighting = {0, &a[20].i, &shift, 0, 0, a[17].i};
    v8 k_panels[PANEL_ROOM], v_panels[PANEL_ROOM];
    int16_t rows[ROOM + ROWS] ALIGNED;
    if (d > ROOM / ROWS || n > SCORES - 1 || (int64_t)((n + 8) / 8 + 1) * d2 > PANEL_ROOM ||
        (int64_t)((width + 8) / 8 + 1) * n2 > PANEL_ROOM) {
        tl_step_attention_s8(a);
        return;
    }
    pack_all(k_panels, a[2].c, n, d, a[14].i, pack_rows);
    pack_all(v_panels, a[3].c, width, n, a[16].i, pack_columns);
    for (int32_t some; m > 0; m -= some, q += some * d, y += some * width) {
        some = m < ROWS ? m : ROWS;
        widen(rows, q, some, d, a[13].i);
        packed_product(scores, rows, k_panels, some, n, d, &scoring);
        softmax(scores, scores, a[4].c, some, n, a[11].i);
        widen(rows, scores, some, n, -128);
        packed_product(y, rows, v_panels, some, width, n, &weighting);
    }
}
#define TL_FAST_attention_s8 ~, attention_s8
