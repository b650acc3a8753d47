/* What tests/vectors.c asks of a C library, over Linux's system calls on x86: a 32-bit program then needs no 32-bit library. */
#ifndef NOLIBC_H
#define NOLIBC_H

#include <stddef.h>

typedef struct nolibc_file FILE;

extern FILE *const stdout, *const stderr;
#define EOF (-1)

FILE *fopen(const char *path, const char *mode); /* to read, one at a time */
int fclose(FILE *f);
size_t fread(void *to, size_t size, size_t n, FILE *f);
int getc(FILE *f);
int ungetc(int c, FILE *f); /* what getc gave last */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));            /* %s %d %lu, with a width */
int fprintf(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

void *malloc(size_t n); /* of a fixed pool, which starts anew when everything is free */
void free(void *p);
void exit(int status) __attribute__((noreturn));

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *p, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
int strcmp(const char *a, const char *b);

#endif
