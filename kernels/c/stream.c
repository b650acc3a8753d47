#include "step.h"

enum { INPUT = 3, OUTPUT = 4, RAILS = 128 };

/* From the next row on it is as after tl_stream_open, but for what was heard. */
static void start(tl_stream *s)
{
    tl_reset(s->model);
    s->rows = 0;
}

static void count(uint16_t *n) { *n = (uint16_t)(*n + (*n != 65535)); }

/* Rows that a run takes. */
static uint32_t rows_of(const tl_stream *s) { return tl_section(s->model, INPUT)[0] >> 16; }

int32_t tl_stream_fits(const tl_model *m, const tl_scaler *scaler, const tl_stream_config *config, uint32_t window_bytes)
{
    const uint32_t *in = tl_section(m, INPUT), *out = tl_section(m, OUTPUT), *rails = tl_section(m, RAILS);
    uint32_t rows = in[0] >> 16, labels = out[0] >> 16, arena = tl_arena_bytes(m);
    /* int8 codes of so many inputs a row; uint8 labels, of as many rows or of the last ones, with confidences or without */
    if ((in[0] & 0xff00u) != 0x0800u || (out[0] & 0xff00u) != 0 || rows == 0 || labels > rows ||
        in[2] != rows * scaler->count || (out[2] != labels && out[2] != 2 * labels))
        return TL_ERR_STREAM;
    if (config->aps == 0 || config->aps > scaler->count || config->window == 0 || (rows != 1 && rows != config->window))
        return TL_ERR_STREAM;
    if (rails) {
        const uint32_t *p = (const uint32_t *)(const void *)(m->image + rails[1]);
        /* Of several rows at once, what saturated may not stay to be seen. */
        if (rows != 1 || rails[2] != (rails[0] >> 16) * 8)
            return TL_ERR_STREAM;
        for (uint32_t n = rails[0] >> 16; n; n--, p += 2)
            if ((p[0] | p[1]) & 3u || !tl_inside(p[0], p[1], arena))
                return TL_ERR_STREAM;
    }
    return rows != 1 && in[2] > window_bytes ? TL_ERR_WINDOW : TL_ERR_OK;
}

int32_t tl_stream_open(tl_stream *s, const tl_model *m, const tl_scaler *scaler, const tl_stream_config *config,
                       tl_heard *heard, int8_t *window, uint32_t window_bytes)
{
    int32_t error = tl_stream_fits(m, scaler, config, window ? window_bytes : 0);
    if (error)
        return error;
    s->model = m;
    s->scaler = scaler;
    s->config = config;
    s->heard = heard;
    s->window = window;
    s->dropped = s->saturated = 0;
    s->ms = s->row = 0;
    s->running = 0;
    tl_forget(scaler, heard);
    start(s);
    return TL_ERR_OK;
}

void tl_stream_hear(tl_stream *s, uint32_t ap, int16_t dbm, uint32_t ms)
{
    if (dbm == TL_NOT_HEARD)
        return;
    if (ap >= s->scaler->count || dbm < (ap < s->config->aps ? TL_DBM_LEAST : -128) ||
        dbm > (ap < s->config->aps ? TL_DBM_MOST : 127) ||
        (s->heard[ap].dbm != TL_NOT_HEARD && (int32_t)(ms - s->heard[ap].ms) < 0))
        count(&s->dropped);
    else
        tl_hear(s->scaler, s->heard, ap, dbm, ms);
}

/* Whether a state of the model lies at an end of its 16 bits. */
static int at_rails(const tl_stream *s)
{
    const uint32_t *rails = tl_section(s->model, RAILS);
    if (!rails)
        return 0;
    const uint32_t *p = (const uint32_t *)(const void *)(s->model->image + rails[1]);
    for (uint32_t n = rails[0] >> 16; n; n--, p += 2) {
        const uint32_t *state = (const uint32_t *)(const void *)(s->model->arena + p[0]), *end = state + p[1] / 4;
        uint32_t beyond = 0;
        /* Bit 15 of each half: it differs from the next two, so that the state is in the outer quarter of what 16 bits hold,
         * where calibration leaves none. */
        for (const uint32_t *w = state; w < end; w++)
            beyond |= (*w ^ (*w << 1)) & (*w ^ (*w << 2));
        if (!(beyond & 0x80008000u))
            continue;
        for (const uint32_t *w = state; w < end; w++) {
            uint32_t low = *w & 0xffffu, high = *w >> 16;
            if (low - 0x7fffu < 2 || high - 0x7fffu < 2)
                return 1;
        }
    }
    return 0;
}

/* A row that was due: codes of what is heard by ms. */
static void row(const tl_stream *s, uint32_t ms)
{
    uint32_t width = s->scaler->count, rows = rows_of(s);
    if (rows == 1) {
        tl_row(s->scaler, s->heard, tl_input(s->model), ms);
        return;
    }
    int8_t *to = s->window, *last = to + (rows - 1) * width;
    for (; to < last; to++)
        *to = to[width];
    tl_row(s->scaler, s->heard, last, ms);
    if (!s->rows) /* what was before the first row is taken to have been as it */
        for (to = s->window; to < last; to += width)
            for (uint32_t i = 0; i < width; i++)
                to[i] = last[i];
}

/* Runs the model on the rows that are there; whether its state has saturated. */
static int run(const tl_stream *s)
{
    uint32_t rows = rows_of(s);
    if (rows != 1 || s->config->window == 1)
        tl_reset(s->model);
    if (rows != 1) {
        int8_t *to = tl_input(s->model);
        for (uint32_t i = 0; i < rows * s->scaler->count; i++)
            to[i] = s->window[i];
    }
    tl_run(s->model);
    return at_rails(s);
}

static tl_answer unknown(uint8_t reason) { return (tl_answer){TL_UNKNOWN, 0, 0, 0, reason}; }

tl_answer tl_stream_answer(tl_stream *s, uint32_t ms)
{
    const tl_stream_config *c = s->config;
    uint32_t due = 1;
    int saturated = 0;
    tl_answer a = unknown(TL_ROOM);

    if (!s->running) {
        s->row = ms;
    } else if ((int32_t)(ms - s->ms) < 0) {
        tl_forget(s->scaler, s->heard); /* what was heard then lies at no known distance from now */
        a.reason = TL_BACKWARDS;
    } else if (c->window != 1 && ms - s->ms > c->gap) {
        a.reason = TL_GAP;
    } else if (c->window != 1 && c->period) {
        /* To the nearest row; s->row is at most half a period ahead. */
        uint32_t late = ms - s->row + c->period / 2u;
        for (due = 0; late >= c->period; due++, s->row += c->period)
            late -= c->period;
    }
    s->running = 1;
    s->ms = ms;
    if (!due)
        return s->last;
    if (a.reason != TL_ROOM) {
        s->row = ms;
        start(s);
    }

    for (uint32_t i = due; i && !saturated; i--) {
        row(s, ms);
        if (i == due) {
            for (uint32_t ap = 0; ap < c->aps; ap++)
                a.heard = (uint16_t)(a.heard + (s->heard[ap].dbm != TL_NOT_HEARD));
            if (!a.heard) {
                start(s);
                return s->last = unknown(a.reason == TL_ROOM ? TL_SILENT : a.reason);
            }
        }
        count(&s->rows);
        if (i == 1 || rows_of(s) == 1)
            saturated = run(s);
    }
    const uint8_t *y = (const uint8_t *)tl_output(s->model);
    const uint32_t *out = tl_section(s->model, OUTPUT);
    uint32_t bytes = out[2], sure = bytes != out[0] >> 16;
    a.label = y[bytes - 1 - sure];
    a.confidence = sure ? y[bytes - 1] : 255;
    if (saturated) {
        count(&s->saturated);
        start(s);
        a.reason = TL_SATURATED;
    } else if (a.reason == TL_ROOM) {
        if (a.heard < c->least)
            a.reason = TL_FEW;
        else if (s->rows < c->warm_up)
            a.reason = TL_WARMING_UP;
        else if (a.confidence < c->threshold)
            a.reason = TL_UNSURE;
        else
            a.room = a.label;
    }
    return s->last = a;
}
