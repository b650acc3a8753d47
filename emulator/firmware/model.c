/* Firmware around a model image: opens it, then does what the host asks for, one run at a time.  The host writes the
 * input and reads the output and the signature where they lie; a product does the same from its radio and to its link. */
#include "tl_image.h"
#include "semihost.h"

static tl_model model;
static uint8_t arena[TL_MODEL_ARENA_BYTES] __attribute__((section(".noinit"), aligned(4)));

#ifdef FW_STREAM
#include "tl_model.h"

static tl_stream stream;
static tl_heard heard[TL_MODEL_APS];
#if TL_MODEL_ROWS > 1
static int8_t window[TL_MODEL_ROWS * TL_MODEL_APS];
#else
#define window 0
#endif

/* What the host writes before it asks, and reads afterwards. */
struct {
    uint32_t ms;
    int16_t dbm;
    uint16_t ap;
} fw_event;
tl_answer fw_answer;
#endif

#ifdef FW_SIGN
uint32_t fw_crcs[TL_MODEL_STEPS + 1];
#endif

/* Where the host finds input and output; 0 until the image is open. */
void *fw_input, *fw_output;

int main(void);
int main(void)
{
    int32_t error = tl_open(&model, tl_model_image, sizeof tl_model_image, arena, sizeof arena, tl_model_kernels);
#ifdef FW_STREAM
    if (!error)
        error = tl_stream_open(&stream, &model, &tl_model_scaler, &tl_model_stream, heard, window, sizeof window);
#endif
    if (error) {
        tl_host_print(tl_error_text(error));
        return error;
    }
    fw_input = tl_input(&model);
    fw_output = tl_output(&model);
    for (;;)
        switch (tl_host(TL_SYS_REQUEST, 0)) {
        case 1:
            tl_run(&model);
            break;
        case 2:
            for (int32_t i = 0; i < model.count; i++) {
                tl_host_mark(TL_MODEL_STEPS);
                tl_step(&model, i);
                tl_host_mark((uint32_t)i);
            }
            break;
        case 3:
            tl_reset(&model);
            break;
#ifdef FW_SIGN
        case 4:
            tl_sign(&model, fw_crcs);
            break;
#endif
#ifdef FW_STREAM
        case 5:
            tl_stream_hear(&stream, fw_event.ap, fw_event.dbm, fw_event.ms);
            break;
        case 6:
            fw_answer = tl_stream_answer(&stream, fw_event.ms);
            break;
#endif
        default:
            return 0;
        }
}
