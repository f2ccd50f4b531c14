/*
 * unit.h: what all unit test programs share. Each is one test_MODULE.c, which defines unit_suite(),
 * linked with unit.c, which has main(). Run one by hand as tests/unit/test_MODULE; CK_RUN_CASE,
 * CK_FORK=no and CK_VERBOSITY=verbose help (see the manual of check).
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <check.h>
#include <stddef.h>

/* The tests of the program. */
Suite *unit_suite(void);

/* The number of elements of an array, as the type that tcase_add_loop_test() wants. */
#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Compares bytes with a C string. */
#define ck_assert_bytes_eq(data, size, expected)                                                   \
    do {                                                                                           \
        ck_assert_uint_eq((size), sizeof(expected) - 1);                                           \
        ck_assert_mem_eq((data), (expected), sizeof(expected) - 1);                                \
    } while (0)

#endif
