#include "base/id.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <uuid.h>

#include "base/clock.h"
#include "base/text.h"

/* Random bytes of one id, and of one system call: never interrupted or short up to 256 bytes. */
#define RANDOM_PER_ID 8
#define RANDOM_POOL 256

static bool has_dash_before(size_t byte) {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

bool id_parse(struct id *out, const char *text, size_t length) {
    if (length != ID_TEXT_LENGTH)
        return false;
    const char *p = text;
    for (size_t i = 0; i < sizeof(out->bytes); i++) {
        if (has_dash_before(i) && *p++ != '-')
            return false;
        int high = text_hex_digit(p[0]);
        int low = text_hex_digit(p[1]);
        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (unsigned char)(high * 16 + low);
        p += 2;
    }
    return true;
}

void id_format(const struct id *id, char out[ID_TEXT_LENGTH + 1]) {
    static const char hex[] = "0123456789abcdef";
    char *p = out;
    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        if (has_dash_before(i))
            *p++ = '-';
        *p++ = hex[id->bytes[i] >> 4];
        *p++ = hex[id->bytes[i] & 15];
    }
    *p = '\0';
}

bool id_equal(const struct id *a, const struct id *b) {
    return id_compare(a, b) == 0;
}

int id_compare(const struct id *a, const struct id *b) {
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

void id_v5(struct id *out, const struct id *namespace_id, const char *name, size_t length) {
    uuid_generate_sha1(out->bytes, namespace_id->bytes, name, length);
}

/* Milliseconds since 1970 in the upper 48 bits, their fraction in the lower 12; always greater. */
static uint64_t next_stamp(void) {
    static uint64_t last;
    int64_t now_us = wall_now_us();
    uint64_t us = now_us < 0 ? 0 : (uint64_t)now_us;
    uint64_t stamp = (us / 1000) << 12 | (us % 1000) * 4096 / 1000;
    /* Counting on runs over into the milliseconds by itself. */
    if (stamp <= last)
        stamp = last + 1;
    last = stamp;
    return stamp;
}

/* Copies fresh random bytes of the pool to out; false with errno set when there are none. */
static bool take_random(unsigned char out[RANDOM_PER_ID]) {
    static unsigned char pool[RANDOM_POOL];
    static size_t left;
    while (left == 0) {
        ssize_t got = getrandom(pool, sizeof(pool), 0);
        if (got == (ssize_t)sizeof(pool))
            left = sizeof(pool);
        else if (got >= 0 || errno != EINTR)
            return false; /* EINTR: only before the kernel's generator is seeded, at boot */
    }
    left -= RANDOM_PER_ID;
    memcpy(out, pool + left, RANDOM_PER_ID);
    return true;
}

bool id_v7(struct id *out) {
    if (!take_random(out->bytes + 8))
        return false;
    uint64_t stamp = next_stamp();
    uint64_t ms = stamp >> 12;
    for (size_t i = 0; i < 6; i++)
        out->bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
    out->bytes[6] = (unsigned char)(0x70 | ((stamp >> 8) & 0x0F)); /* version */
    out->bytes[7] = (unsigned char)stamp;
    out->bytes[8] = (unsigned char)(0x80 | (out->bytes[8] & 0x3F)); /* variant */
    return true;
}
