#include "tl_selftest.h"
#include "tl_golden.h"

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
    return ((const uint8_t *)tl_output(&m->model))[TL_MODEL_LABELS - 1];
}

int32_t tl_selftest(tl_selftest_memory *m, tl_put put)
{
    line l = {put, 0};
    uint32_t wrong = 0, crc = scaler_crc();
    int32_t error = tl_open(&m->model, tl_model_image, sizeof tl_model_image, m->arena, sizeof m->arena, tl_model_kernels);
    word(&l, "tinyloc 1");
    crc32(&l, TL_MODEL_IMAGE_CRC);
    number(&l, TL_GOLDEN_RUNS);
    number(&l, TL_MODEL_STEPS);
    number(&l, TL_GOLDEN_WINDOWS);
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
    for (uint32_t w = 0; w < TL_GOLDEN_WINDOWS; w++) {
        uint32_t label = run(m, w), differ = label ^ tl_golden_label[w];
        word(&l, "input");
        number(&l, w);
        word(&l, " ");
        for (uint32_t i = 0; i < TL_GOLDEN_RUNS * TL_GOLDEN_RUN_BYTES; i++)
            hex(&l, tl_golden_input[w][i], 2);
        end(&l);
        word(&l, "sign");
        number(&l, w);
        number(&l, label);
        for (uint32_t i = 0; i <= TL_MODEL_STEPS; i++) {
            crc32(&l, m->signature[i]);
            differ |= m->signature[i] ^ tl_golden_signature[w][i];
        }
        end(&l);
        wrong += differ != 0;
    }
    int32_t failed = wrong || crc != TL_GOLDEN_SCALER_CRC;
    word(&l, failed ? "FAIL" : "PASS");
    number(&l, failed ? wrong : TL_GOLDEN_WINDOWS);
    end(&l);
    return failed;
}
