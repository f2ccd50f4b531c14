/*
 * attributes.h: the compiler attributes used in this project, under short names.
 */
#ifndef BASE_ATTRIBUTES_H
#define BASE_ATTRIBUTES_H

/* The caller must look at the result. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Checked as printf's: which argument is the format, and which the first value, counted from 1. */
#define PRINTF_LIKE(format_at, values_at) __attribute__((format(printf, format_at, values_at)))

#endif
