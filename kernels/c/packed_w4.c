#include "packed.h"
#include "step.h"

/* Linear layers with weights of four bits, packed for cores with the DSP extension (Armv7E-M, Armv8-M): see tinyloc.h for
 * the layout.
 *
 * A half-word is 2^12 a + 2^8 b + 2^4 c + d of four columns' weights, a signed, the others plus 8.  With u = x + 128 of each
 * column, it times u_a is 2^12 a u_a and what the lower three make of u_a; these, masked, times 2^4 u_b - u_a take that back
 * and add 2^12 b u_b, and so on down: four dual products of a word need three masks.  128 times the sum of the weights is in
 * what the rows start from; 8 times the sum of u_b, u_c and u_d comes off once for all rows. */

#ifdef TL_DSP

typedef struct {
    tl_vector v;
    int32_t eights; /* 44: 2^12 times what comes off */
    int32_t odd;    /* 48: octets */
    uint32_t mask;  /* 52 */
} vector;

#define MIDDLE 0x0ff00ff0u
#define NONE 0x80808080u /* four columns of u = 0 */

/* The last n columns, one to three, and what makes four of them */
static inline uint32_t rest(const int8_t *x, int32_t n)
{
    int32_t x1 = (n & 2) ? x[1] : -128, x2 = n == 3 ? x[2] : -128;
    return (uint32_t)(x[0] & 255) | (uint32_t)(x1 & 255) << 8 | (uint32_t)(x2 & 255) << 16 | (NONE & 0xff000000u);
}

/* pairs[4q .. 4q+3] = u_a, 16 u_b - u_a, 16 u_c - u_b, 16 u_d - u_c for x[8q .. 8q+7], beyond k as if u were 0; returns the
 * sum of u_b, u_c and u_d.  A function of its own: called once a vector, it would be in each caller twice. */
static TL_NOINLINE int32_t prepare(uint32_t *pairs, const int8_t *x, int32_t k)
{
    uint32_t v, w, a, b;
    int32_t sum = 0;
#define PAIRS                                 \
    "eor %[v], %[v], #0x80808080\n"           \
    "eor %[w], %[w], #0x80808080\n"           \
    "uxtb16 %[a], %[v]\n"                     \
    "uxtb16 %[b], %[v], ror #8\n"             \
    "and %[v], %[m], %[v], lsr #4\n"          \
    "smlad %[sum], %[b], %[one], %[sum]\n"    \
    "ssub16 %[v], %[v], %[a]\n"               \
    "strd %[a], %[v], [%[p]], #8\n"           \
    "uxtb16 %[a], %[w]\n"                     \
    "usada8 %[sum], %[w], %[zero], %[sum]\n"  \
    "and %[v], %[m], %[w], lsl #4\n"          \
    "and %[w], %[m], %[w], lsr #4\n"          \
    "ssub16 %[v], %[v], %[b]\n"               \
    "ssub16 %[w], %[w], %[a]\n"               \
    "strd %[v], %[w], [%[p]], #8\n"
/* sum has a register of its own ("&"), although zero begins as the same value. */
#define CONSTANTS [m] "r"(MIDDLE), [one] "r"(0x00010001u), [zero] "r"(0)
    if (k >= 8)
        __asm__ volatile("1: ldr %[v], [%[x]], #4\n"
                         "ldr %[w], [%[x]], #4\n" PAIRS
                         "cmp %[x], %[e]\n"
                         "bne 1b\n"
                         : [x] "+r"(x), [p] "+r"(pairs), [v] "=&r"(v), [w] "=&r"(w), [a] "=&r"(a), [b] "=&r"(b),
                           [sum] "+&r"(sum)
                         : [e] "r"(x + (k & ~7)), CONSTANTS
                         : "cc", "memory");
    if (k & 7) {
        v = w = NONE;
        if (k & 4)
            v = tl_next4(&x);
        if (k & 3)
            *((k & 4) ? &w : &v) = rest(x, k & 3);
        __asm__ volatile(PAIRS
                         : [p] "+r"(pairs), [v] "+r"(v), [w] "+r"(w), [a] "=&r"(a), [b] "=&r"(b), [sum] "+&r"(sum)
                         : CONSTANTS
                         : "memory");
    }
#undef PAIRS
#undef CONSTANTS
    return sum;
}

#define PRODUCTS(pair)                \
    "smlad r0, r4, " pair ", r0\n"    \
    "smlad r1, r5, " pair ", r1\n"    \
    "smlad r2, r6, " pair ", r2\n"    \
    "smlad r3, r7, " pair ", r3\n"
#define LOWER /* of three weights the two lower ones, and of these the lower one, each time 16-fold */ \
    "and r4, r12, r4, lsl #4\n"       \
    "and r5, r12, r5, lsl #4\n"       \
    "and r6, r12, r6, lsl #4\n"       \
    "and r7, r12, r7, lsl #4\n"
#define OCTET                         \
    "ldmia r10!, {r4, r5, r6, r7}\n"  \
    "ldrd r8, r9, [r11], #8\n"        \
    PRODUCTS("r8")                    \
    "bic r4, r4, #0xf000f000\n"       \
    "bic r5, r5, #0xf000f000\n"       \
    "bic r6, r6, #0xf000f000\n"       \
    "bic r7, r7, #0xf000f000\n"       \
    PRODUCTS("r9")                    \
    "ldrd r8, r9, [r11], #8\n"        \
    LOWER PRODUCTS("r8") LOWER PRODUCTS("r9")

/* Two octets at a time; of an odd number, the first one is a second. */
#define SUMS                          \
    "add r4, lr, #44\n"               \
    "ldmia r4, {r4, r5, r12}\n"       \
    "subs r0, r0, r4\n"               \
    "subs r1, r1, r4\n"               \
    "subs r2, r2, r4\n"               \
    "subs r3, r3, r4\n"               \
    "cmp r5, #0\n"                    \
    "bne 3f\n"                        \
    "2:\n" OCTET                      \
    "3:\n" OCTET                      \
    "ldr r4, [lr, #24]\n"             \
    "cmp r11, r4\n"                   \
    "bne 2b\n"

TL_OUTPUTS_S8(outputs_s8, SUMS, "11")
TL_OUTPUTS_S16(outputs_s16, SUMS, "11")

TL_INLINE void outputs(vector *all, uint32_t *pairs, const int8_t *x, int32_t octets, int32_t k, int wide)
{
    all->eights = tl_shl(prepare(pairs, x, k), 15);
    all->odd = octets & 1;
    all->mask = MIDDLE;
    if (wide)
        outputs_s16(&all->v);
    else
        outputs_s8(&all->v);
}

#else

typedef struct {
    tl_vector v;
} vector;

/* All outputs of one vector x, of 8 bits or 16, four at a time */
TL_INLINE void outputs(vector *all, uint32_t *pairs, const int8_t *x, int32_t octets, int32_t k, int wide)
{
    tl_vector *v = &all->v;
    for (; v->n > 0; v->w += 16 * octets) {
        int32_t twice[4];
        for (int32_t r = 0; r < 4; r++) {
            const uint8_t *words = (const uint8_t *)v->w + 4 * r;
            int32_t sum = v->rows[r];
            for (int32_t j = 0; j < k; j++) {
                int32_t both = words[16 * (j >> 3) + (j & 2) + ((j & 4) ? 0 : 1)];
                int32_t one = ((j & 1) ? both & 15 : both >> 4) ^ ((j & 5) ? 0 : 8); /* plus 8 */
                sum = tl_add(sum, 4096 * (one - 8) * (x[j] + 128));
            }
            twice[r] = sum >> 11;
        }
        tl_packed_store(v, twice, wide);
    }
    (void)pairs;
}

#endif

TL_INLINE void linear(void *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                      int32_t octets, int32_t n, int32_t k, int32_t mult, int32_t offset, int32_t shift, int32_t per_row,
                      int wide)
{
    vector all = {.v = {y, n, w, rows, pairs, pairs, pairs + 4 * octets, mult, offset, shift, per_row}};
    for (; t > 0; t--, x += k) {
        tl_begin(&all.v, w, rows, n);
        outputs(&all, pairs, x, octets, k, wide);
    }
}

void tl_linear_w4_packed_s8(int8_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                            int32_t groups, int32_t octets, int32_t n, int32_t k, int32_t mult, int32_t offset,
                            int32_t shift, int32_t per_row)
{
    linear(y, x, w, rows, pairs, t, octets, n, k, mult, offset, shift, per_row, 0);
    (void)groups;
}

void tl_linear_w4_packed_s16(int16_t *y, const int8_t *x, const int8_t *w, const int32_t *rows, uint32_t *pairs, int32_t t,
                             int32_t groups, int32_t octets, int32_t n, int32_t k, int32_t mult, int32_t offset,
                             int32_t shift, int32_t per_row)
{
    linear(y, x, w, rows, pairs, t, octets, n, k, mult, offset, shift, per_row, 1);
    (void)groups;
}

TL_STEP(linear_w4_packed_s8, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i,
        a[11].i, a[12].i, a[13].i)
TL_STEP(linear_w4_packed_s16, a[0].p, a[1].p, a[2].p, a[3].p, a[4].p, a[5].i, a[6].i, a[7].i, a[8].i, a[9].i, a[10].i,
        a[11].i, a[12].i, a[13].i)
