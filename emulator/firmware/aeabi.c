/* The helpers that compilers call on their own (Arm RTABI, IHI 0043) and that a firmware project gets from its C
 * library.  Sizes and products only: the time of each depends on sizes, never on data.  Kernels divide nothing. */
#include <stddef.h>
#include <stdint.h>

/* A linker that optimizes drops what nothing calls yet, and then makes calls of it. */
#define KEPT __attribute__((used))

KEPT void *memcpy(void *restrict to, const void *restrict from, size_t n);
KEPT void *memmove(void *to, const void *from, size_t n);
KEPT void *memset(void *to, int value, size_t n);
KEPT void __aeabi_memcpy(void *to, const void *from, size_t n);
KEPT void __aeabi_memcpy4(void *to, const void *from, size_t n);
KEPT void __aeabi_memmove(void *to, const void *from, size_t n);
KEPT void __aeabi_memmove4(void *to, const void *from, size_t n);
KEPT void __aeabi_memset(void *to, size_t n, int value);
KEPT void __aeabi_memset4(void *to, size_t n, int value);
KEPT void __aeabi_memclr(void *to, size_t n);
KEPT void __aeabi_memclr4(void *to, size_t n);
KEPT void __aeabi_memcpy8(void *to, const void *from, size_t n);
KEPT void __aeabi_memclr8(void *to, size_t n);
KEPT int64_t __aeabi_lmul(int64_t a, int64_t b);

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    while (n--)
        *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)to <= (uintptr_t)from)
        return memcpy(to, from, n);
    while (n--)
        t[n] = f[n];
    return to;
}

void *memset(void *to, int value, size_t n)
{
    uint8_t *t = to;
    while (n--)
        *t++ = (uint8_t)value;
    return to;
}

void __aeabi_memcpy(void *to, const void *from, size_t n) { memcpy(to, from, n); }
void __aeabi_memcpy4(void *to, const void *from, size_t n) { memcpy(to, from, n); }
void __aeabi_memmove(void *to, const void *from, size_t n) { memmove(to, from, n); }
void __aeabi_memmove4(void *to, const void *from, size_t n) { memmove(to, from, n); }
void __aeabi_memset(void *to, size_t n, int value) { memset(to, value, n); }
void __aeabi_memset4(void *to, size_t n, int value) { memset(to, value, n); }
void __aeabi_memclr(void *to, size_t n) { memset(to, 0, n); }
void __aeabi_memclr4(void *to, size_t n) { memset(to, 0, n); }
void __aeabi_memcpy8(void *to, const void *from, size_t n) { memcpy(to, from, n); }
void __aeabi_memclr8(void *to, size_t n) { memset(to, 0, n); }

#if defined(__clang__) && __ARM_ARCH_ISA_THUMB == 1
/* a * b modulo 2^64 from 16 x 16 bit products; Armv6-M multiplies to 32 bits only.  (gcc's comes from libgcc.) */
int64_t __aeabi_lmul(int64_t a, int64_t b)
{
    uint32_t al = (uint32_t)a, bl = (uint32_t)b, ah = (uint32_t)((uint64_t)a >> 32), bh = (uint32_t)((uint64_t)b >> 32);
    uint32_t a0 = al & 0xffff, a1 = al >> 16, b0 = bl & 0xffff, b1 = bl >> 16;
    uint32_t low = a0 * b0, middle = a1 * b0 + (low >> 16), other = a0 * b1 + (middle & 0xffff);
    uint32_t high = a1 * b1 + (middle >> 16) + (other >> 16) + ah * bl + al * bh;
    return (int64_t)((uint64_t)high << 32 | (other << 16) | (low & 0xffff));
}
#endif
