/* CMSIS-NN's kernels behind flat arguments, for benchmarks/cmsis_nn.py: each function only fills CMSIS-NN's structures and
 * calls the public function that its name says.  Nothing of it counts; the instructions are those of the callee. */
#include "arm_nnfunctions.h"

/* y[t,n] of x[t,k] and w[n,k]; bias holds the input's zero point, so its offset is 0. */
void tl_arm_fully_connected_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, int32_t t, int32_t n,
                               int32_t k, int32_t y_zp, int32_t mult, int32_t shift);
void tl_arm_fully_connected_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, int32_t t, int32_t n,
                               int32_t k, int32_t y_zp, int32_t mult, int32_t shift)
{
    const cmsis_nn_context none = {0, 0};
    const cmsis_nn_fc_params params = {.output_offset = y_zp, .activation = {-128, 127}};
    const cmsis_nn_per_tensor_quant_params scale = {mult, shift};
    const cmsis_nn_dims in = {t, 1, 1, k}, filter = {k, 1, 1, n}, b = {1, 1, 1, n}, out = {t, 1, 1, n};
    (void)arm_fully_connected_s8(&none, &params, &scale, &in, x, &filter, w, &b, bias, &out, y);
}

/* The same with a multiplier and a shift a row. */
void tl_arm_fully_connected_per_channel_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias,
                                           const int32_t *mult, const int32_t *shift, int32_t t, int32_t n, int32_t k,
                                           int32_t y_zp);
void tl_arm_fully_connected_per_channel_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias,
                                           const int32_t *mult, const int32_t *shift, int32_t t, int32_t n, int32_t k,
                                           int32_t y_zp)
{
    const cmsis_nn_context none = {0, 0};
    const cmsis_nn_fc_params params = {.output_offset = y_zp, .activation = {-128, 127}};
    const cmsis_nn_per_channel_quant_params scale = {(int32_t *)(uintptr_t)mult, (int32_t *)(uintptr_t)shift};
    const cmsis_nn_dims in = {t, 1, 1, k}, filter = {k, 1, 1, n}, b = {1, 1, 1, n}, out = {t, 1, 1, n};
    (void)arm_fully_connected_per_channel_s8(&none, &params, &scale, &in, x, &filter, w, &b, bias, &out, y);
}

/* The first with weights of four bits, two a byte, the first of two in its low half; a row has `row` bytes. */
void tl_arm_fully_connected_s4(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, int32_t t, int32_t n,
                               int32_t row, int32_t y_zp, int32_t mult, int32_t shift);
void tl_arm_fully_connected_s4(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *bias, int32_t t, int32_t n,
                               int32_t row, int32_t y_zp, int32_t mult, int32_t shift)
{
    const cmsis_nn_context none = {0, 0};
    const cmsis_nn_fc_params params = {.output_offset = y_zp, .activation = {-128, 127}};
    const cmsis_nn_per_tensor_quant_params scale = {mult, shift};
    const cmsis_nn_dims in = {t, 1, 1, 2 * row}, filter = {2 * row, 1, 1, n}, b = {1, 1, 1, n}, out = {t, 1, 1, n};
    (void)arm_fully_connected_s4(&none, &params, &scale, &in, x, &filter, w, &b, bias, &out, y);
}

/* y[m,n] of a[m,k] and b[n,k]. */
void tl_arm_batch_matmul_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t m, int32_t n, int32_t k, int32_t a_zp,
                            int32_t b_zp, int32_t y_zp, int32_t mult, int32_t shift);
void tl_arm_batch_matmul_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t m, int32_t n, int32_t k, int32_t a_zp,
                            int32_t b_zp, int32_t y_zp, int32_t mult, int32_t shift)
{
    const cmsis_nn_context none = {0, 0};
    const cmsis_nn_bmm_params params = {
        .fc_params = {.input_offset = -a_zp, .filter_offset = -b_zp, .output_offset = y_zp, .activation = {-128, 127}}};
    const cmsis_nn_per_tensor_quant_params scale = {mult, shift};
    const cmsis_nn_dims left = {1, 1, m, k}, right = {1, 1, n, k}, out = {1, 1, m, n};
    (void)arm_batch_matmul_s8(&none, &params, &scale, &left, a, &right, b, &out, y);
}

void tl_arm_softmax_s8(int8_t *y, const int8_t *x, int32_t t, int32_t n, int32_t mult, int32_t shift, int32_t diff_min);
void tl_arm_softmax_s8(int8_t *y, const int8_t *x, int32_t t, int32_t n, int32_t mult, int32_t shift, int32_t diff_min)
{
    arm_softmax_s8(x, t, n, mult, shift, diff_min, y);
}

void tl_arm_elementwise_add_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t size, int32_t a_zp, int32_t b_zp,
                               int32_t y_zp, int32_t a_mult, int32_t a_shift, int32_t b_mult, int32_t b_shift,
                               int32_t left_shift, int32_t mult, int32_t shift);
void tl_arm_elementwise_add_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t size, int32_t a_zp, int32_t b_zp,
                               int32_t y_zp, int32_t a_mult, int32_t a_shift, int32_t b_mult, int32_t b_shift,
                               int32_t left_shift, int32_t mult, int32_t shift)
{
    (void)arm_elementwise_add_s8(a, b, -a_zp, a_mult, a_shift, -b_zp, b_mult, b_shift, left_shift, y, y_zp, mult, shift,
                                 -128, 127, size);
}

void tl_arm_elementwise_mul_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t size, int32_t a_zp, int32_t b_zp,
                               int32_t y_zp, int32_t mult, int32_t shift);
void tl_arm_elementwise_mul_s8(int8_t *y, const int8_t *a, const int8_t *b, int32_t size, int32_t a_zp, int32_t b_zp,
                               int32_t y_zp, int32_t mult, int32_t shift)
{
    (void)arm_elementwise_mul_s8(a, b, -a_zp, -b_zp, y, y_zp, mult, shift, -128, 127, size);
}

#if defined(__clang__) && __ARM_ARCH_ISA_THUMB == 1
/* Armv6-M has no division and does not count leading zeros: what a firmware gets from its compiler's library (Arm RTABI,
 * IHI 0043).  CMSIS-NN divides row counts by 3, and normalizes once a row of softmax. */
int32_t __aeabi_idiv(int32_t a, int32_t b);
void __aeabi_idivmod(void);
int32_t __clzsi2(uint32_t v);

int32_t __aeabi_idiv(int32_t a, int32_t b)
{
    uint32_t n = a < 0 ? -(uint32_t)a : (uint32_t)a, d = b < 0 ? -(uint32_t)b : (uint32_t)b, bit = 1, q = 0;
    while (d < n && !(d >> 31)) {
        d <<= 1;
        bit <<= 1;
    }
    for (; bit; bit >>= 1, d >>= 1)
        if (n >= d) {
            n -= d;
            q |= bit;
        }
    return (int32_t)((a ^ b) < 0 ? -q : q);
}

/* r0 = a / b, r1 = a - b * r0 */
__attribute__((naked)) void __aeabi_idivmod(void)
{
    __asm__ volatile("push {r0, r1, r2, lr}\n"
                     "bl __aeabi_idiv\n"
                     "pop {r1, r2}\n"
                     "muls r2, r0, r2\n"
                     "subs r1, r1, r2\n"
                     "pop {r2, pc}\n");
}

int32_t __clzsi2(uint32_t v)
{
    int32_t n = 32;
    for (int32_t s = 16; s; s >>= 1)
        if (v >> s) {
            v >>= s;
            n -= s;
        }
    return n - (int32_t)v;
}
#endif
