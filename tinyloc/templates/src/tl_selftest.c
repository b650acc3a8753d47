#include "tl_selftest.h"
#include "tl_golden.h"

#define INPUT_BYTES (TL_GOLDEN_RUNS * TL_GOLDEN_RUN_BYTES)
#define LINE_BYTES 64u
#define LINE_CRCS 16u

typedef struct {
    tl_put put;
    uint32_t crc;
} line;

static void print(line *l, const char *text, uint32_t n)
{
    l->crc = tl_crc32(l->crc, text, n);
    l->put(text, n);
}

static void word(line *l, const char *text)
{
    uint32_t n = 0;
    while (text[n])
        n++;
    print(l, text, n);
}

/* The `digits` lowest digits of n, 0: as many as it has. */
static void hex(line *l, uint32_t n, uint32_t digits)
{
    char text[8];
    uint32_t i = 8;
    do {
        text[--i] = "0123456789abcdef"[n & 15u];
        n >>= 4;
    } while (digits ? 8 - i < digits : n != 0);
    print(l, text + i, 8 - i);
}

static void number(line *l, uint32_t n)
{
    word(l, " ");
    hex(l, n, 0);
}

static void crc32(line *l, uint32_t crc)
{
    word(l, " ");
    hex(l, crc, 8);
}

static void end(line *l)
{
    uint32_t crc = l->crc;
    l->put(" *", 2);
    hex(l, crc, 8);
    l->put("\n", 1);
    l->crc = 0;
}

static uint32_t scaler_crc(void)
{
    uint32_t crc = 0;
    for (uint32_t ap = 0; ap < TL_MODEL_APS; ap++)
        for (int32_t dbm = -128; dbm < 128; dbm++) {
            int8_t code = tl_code(&tl_model_scaler, ap, dbm);
            crc = tl_crc32(crc, &code, 1);
        }
    return crc;
}

#ifdef TL_MODEL_STREAM
/* Of the answers to a script: a clock that wraps, packets at random, a gap, silence, a clock that runs backwards. */
static uint32_t stream_crc(tl_selftest_memory *m)
{
    uint32_t crc = 0, random = 1, now = 0u - 5000u, period = tl_model_stream.period ? tl_model_stream.period : 200;
    if (tl_stream_open(&m->stream, &m->model, &tl_model_scaler, &tl_model_stream, m->heard, m->window,
                       sizeof m->window))
        return 0;
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t silent = i >= 30 && i < 33;
        for (uint32_t ap = 0; ap < TL_MODEL_APS; ap++) {
            random = random * 1664525u + 1013904223u;
            if (random >> 30 && !silent)
                tl_stream_hear(&m->stream, ap, (int16_t)((random >> 20 & 63u) - 100u), now + (random >> 8 & 127u));
        }
        now += i == 20 ? 100000u : i == 45 ? 0u - 5000u : period + silent * TL_MODEL_HOLD_MS;
        tl_answer a = tl_stream_answer(&m->stream, now);
        const uint8_t bytes[7] = {(uint8_t)a.room, (uint8_t)((uint16_t)a.room >> 8), (uint8_t)a.heard,
                                  (uint8_t)(a.heard >> 8), a.label, a.confidence, a.reason};
        crc = tl_crc32(crc, bytes, 7);
    }
    return crc;
}
#endif

/* The runs of window w from the initial state; the last label. */
static uint32_t run(tl_selftest_memory *m, uint32_t w)
{
    tl_reset(&m->model);
    for (uint32_t r = 0; r < TL_GOLDEN_RUNS; r++) {
        uint8_t *to = tl_input(&m->model);
        const uint8_t *from = tl_golden_input[w] + r * TL_GOLDEN_RUN_BYTES;
        for (uint32_t i = 0; i < TL_GOLDEN_RUN_BYTES; i++)
            to[i] = from[i];
        tl_sign(&m->model, m->crcs);
        for (uint32_t i = 0; i <= TL_MODEL_STEPS; i++)
            m->signature[i] = r ? tl_crc32(m->signature[i], &m->crcs[i], 4) : m->crcs[i];
    }
    return ((const uint8_t *)tl_output(&m->model))[(TL_MODEL_LABELS - 1) * TL_MODEL_LABEL_BYTES];
}

int32_t tl_selftest(tl_selftest_memory *m, tl_put put)
{
    line l = {put, 0};
    uint32_t wrong = 0, crc = scaler_crc();
    int32_t error = tl_open(&m->model, tl_model_image, sizeof tl_model_image, m->arena, sizeof m->arena, tl_model_kernels);
    word(&l, "tinyloc 3");
    crc32(&l, TL_MODEL_IMAGE_CRC);
    number(&l, TL_GOLDEN_RUNS);
    number(&l, TL_MODEL_STEPS);
    number(&l, TL_GOLDEN_WINDOWS);
    number(&l, INPUT_BYTES);
    end(&l);
    if (error) {
        word(&l, "refused ");
        word(&l, tl_error_text(error));
        end(&l);
        return error;
    }
    word(&l, "scaler");
    crc32(&l, crc);
    end(&l);
    int32_t failed = crc != TL_GOLDEN_SCALER_CRC;
#ifdef TL_MODEL_STREAM
    crc = stream_crc(m);
    failed |= crc != TL_GOLDEN_STREAM_CRC;
    word(&l, "stream");
    crc32(&l, crc);
    end(&l);
#endif
    for (uint32_t w = 0; w < TL_GOLDEN_WINDOWS; w++) {
        uint32_t label = run(m, w), differ = label ^ tl_golden_label[w];
        for (uint32_t i = 0; i < INPUT_BYTES; i++) {
            if (i % LINE_BYTES == 0) {
                word(&l, "input");
                number(&l, w);
                word(&l, " ");
            }
            hex(&l, tl_golden_input[w][i], 2);
            if (i % LINE_BYTES == LINE_BYTES - 1 || i == INPUT_BYTES - 1)
                end(&l);
        }
        for (uint32_t i = 0; i <= TL_MODEL_STEPS; i++) {
            if (i % LINE_CRCS == 0) {
                word(&l, "sign");
                number(&l, w);
                number(&l, label);
            }
            crc32(&l, m->signature[i]);
            differ |= m->signature[i] ^ tl_golden_signature[w][i];
            if (i % LINE_CRCS == LINE_CRCS - 1 || i == TL_MODEL_STEPS)
                end(&l);
        }
        wrong += differ != 0;
    }
    failed |= wrong != 0;
    word(&l, failed ? "FAIL" : "PASS");
    number(&l, failed ? wrong : TL_GOLDEN_WINDOWS);
    end(&l);
    return failed;
}
