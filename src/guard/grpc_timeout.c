/* grpc_timeout.c: see grpc_timeout.h. */
#include "guard/grpc_timeout.h"

#include <stddef.h>

#define DIGITS_MAX 8

static int64_t ms_of(int64_t value, char unit) {
    switch (unit) {
    case 'H':
        return value * 3600000;
    case 'M':
        return value * 60000;
    case 'S':
        return value * 1000;
    case 'm':
        return value;
    case 'u':
        return (value + 999) / 1000;
    case 'n':
        return (value + 999999) / 1000000;
    default:
        return -1;
    }
}

bool grpc_timeout_parse(int64_t *out, struct text_span text) {
    int64_t value = 0;
    if (text.length < 2 || text.length > DIGITS_MAX + 1)
        return false;
    const size_t digits = text.length - 1;
    if (text.data[0] == '-' || !text_parse_int(&value, text.data, digits))
        return false;
    const int64_t ms = ms_of(value, text.data[digits]);
    if (ms < 0)
        return false;
    *out = ms;
    return true;
}
