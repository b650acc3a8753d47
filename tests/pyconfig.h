/* What Python's headers must know of a platform when an extension of the limited API is cross-compiled (tests/wheels.py):
 * the sizes of C's types and how symbols are imported, in the place of the pyconfig.h of the Python that builds.  The limited
 * API depends on nothing else of a configuration.  64 bits: LP64 of Linux and macOS, LLP64 of Windows. */
#ifndef Py_PYCONFIG_H
#define Py_PYCONFIG_H

#define STDC_HEADERS 1
#define HAVE_INTTYPES_H 1
#define HAVE_SSIZE_T 1
#define HAVE_STDARG_PROTOTYPES 1
#define HAVE_STDINT_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_WCHAR_H 1
#define WITH_THREAD 1

#define SIZEOF_SHORT 2
#define SIZEOF_INT 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_TIME_T 8
#define SIZEOF_PID_T 4
#define SIZEOF_FLOAT 4
#define SIZEOF_DOUBLE 8
#define ALIGNOF_SIZE_T 8

#ifdef _WIN32
#define MS_WINDOWS
#define MS_WIN64
#define SIZEOF_LONG 4
#define SIZEOF_WCHAR_T 2
#define ALIGNOF_LONG 4
/* functions and data come out of python3.dll: __declspec(dllimport) */
#define HAVE_DECLSPEC_DLL
#define Py_ENABLE_SHARED 1
#else
#define HAVE_SYS_TIME_H 1
#define HAVE_UNISTD_H 1
#define SIZEOF_LONG 8
#define SIZEOF_WCHAR_T 4
#define ALIGNOF_LONG 8
/* alloca, which -std=c99 hides in the headers of GNU's C library */
#define _GNU_SOURCE 1
#endif

#endif
