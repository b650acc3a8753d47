#include "nolibc.h"

#include <stdarg.h>
#include <stdint.h>

int main(int argc, char **argv);
void nolibc_start(long *stack) __attribute__((noreturn, used));

/* The entry: argc lies at the stack pointer, argv behind it. */
#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, OPEN = 2, EXIT = 60 };
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call nolibc_start\n");

static long call(long number, long a, long b, long c)
{
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}
#elif defined(__i386__)
enum { READ = 3, WRITE = 4, OPEN = 5, EXIT = 1 };
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n"
        " call nolibc_start\n");

static long call(long number, long a, long b, long c)
{
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return r;
}
#else
#error "only x86"
#endif

struct nolibc_file {
    int fd, last, again; /* `again`: the next getc gives `last` */
    size_t at, size;
    unsigned char buffer[1 << 16];
};

static struct nolibc_file in, out = {1, 0, 0, 0, 0, {0}}, err = {2, 0, 0, 0, 0, {0}};
FILE *const stdout = &out, *const stderr = &err;

static unsigned char pool[64 << 20] __attribute__((aligned(16)));
static size_t used, blocks;

void nolibc_start(long *stack) { exit(main((int)stack[0], (char **)(stack + 1))); }

void exit(int status)
{
    for (;;) {
        call(EXIT, status, 0, 0);
    }
}

FILE *fopen(const char *path, const char *mode)
{
    (void)mode;
    in.fd = (int)call(OPEN, (long)path, 0, 0);
    in.at = in.size = 0;
    in.again = 0;
    return in.fd < 0 ? NULL : &in;
}

int fclose(FILE *f)
{
    (void)f;
    return 0;
}

int getc(FILE *f)
{
    if (f->again) {
        f->again = 0;
        return f->last;
    }
    if (f->at == f->size) {
        long n = call(READ, f->fd, (long)f->buffer, sizeof f->buffer);
        f->at = 0;
        f->size = n > 0 ? (size_t)n : 0;
        if (!f->size) {
            return EOF;
        }
    }
    return f->last = f->buffer[f->at++];
}

int ungetc(int c, FILE *f)
{
    f->again = 1;
    return f->last = c;
}

size_t fread(void *to, size_t size, size_t n, FILE *f)
{
    unsigned char *p = to;
    size_t i;
    for (i = 0; i < size * n; i++) {
        int c = getc(f);
        if (c == EOF) {
            break;
        }
        p[i] = (unsigned char)c;
    }
    return size ? i / size : 0;
}

static void put(FILE *f, const char *s, size_t n) { call(WRITE, f->fd, (long)s, (long)n); }

static void print(FILE *f, const char *format, va_list args)
{
    for (; *format; format++) {
        char digits[24];
        const char *s = digits + sizeof digits;
        size_t width = 0, n = 0;
        int left = 0, wide = 0, negative = 0;
        if (*format != '%') {
            put(f, format, 1);
            continue;
        }
        for (format++; *format == '-'; format++) {
            left = 1;
        }
        for (; *format >= '0' && *format <= '9'; format++) {
            width = 10 * width + (size_t)(*format - '0');
        }
        for (; *format == 'l'; format++) {
            wide = 1;
        }
        if (*format == 's') {
            for (s = va_arg(args, const char *); s[n]; n++) {
            }
        } else {
            unsigned long v = wide ? va_arg(args, unsigned long) : 0;
            if (!wide) {
                int i = va_arg(args, int);
                negative = i < 0;
                v = negative ? 0 - (unsigned long)i : (unsigned long)i;
            }
            char *d = digits + sizeof digits;
            do {
                *--d = (char)('0' + v % 10);
                v /= 10;
            } while (v);
            if (negative) {
                *--d = '-';
            }
            s = d;
            n = (size_t)(digits + sizeof digits - d);
        }
        for (size_t i = n; !left && i < width; i++) {
            put(f, " ", 1);
        }
        put(f, s, n);
        for (size_t i = n; left && i < width; i++) {
            put(f, " ", 1);
        }
    }
}

int printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(stdout, format, args);
    va_end(args);
    return 0;
}

int fprintf(FILE *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(f, format, args);
    va_end(args);
    return 0;
}

/* A block's address is a multiple of 4 and of no more, which is all that a memory plan promises of an array. */
void *malloc(size_t n)
{
    size_t start = ((used + 15) & ~(size_t)15) + 4;
    if (n > sizeof pool || start + n > sizeof pool) {
        return NULL;
    }
    used = start + n;
    blocks++;
    return pool + start;
}

void free(void *p)
{
    if (p && --blocks == 0) {
        used = 0;
    }
}

/* Volatile, so that no compiler makes a call of the very function of it. */
void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    volatile unsigned char *t = to;
    for (const unsigned char *f = from; n; n--) {
        *t++ = *f++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    volatile unsigned char *t = to;
    const unsigned char *f = from;
    if ((uintptr_t)to <= (uintptr_t)from) {
        return memcpy(to, from, n);
    }
    for (t += n, f += n; n; n--) {
        *--t = *--f;
    }
    return to;
}

void *memset(void *p, int c, size_t n)
{
    for (volatile unsigned char *t = p; n; n--) {
        *t++ = (unsigned char)c;
    }
    return p;
}

int memcmp(const void *a, const void *b, size_t n)
{
    for (const unsigned char *p = a, *q = b; n; n--, p++, q++) {
        if (*p != *q) {
            return *p < *q ? -1 : 1;
        }
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++) {
    }
    return (unsigned char)*a - (unsigned char)*b;
}
