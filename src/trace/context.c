/* context.c: see context.h. */
#include "trace/context.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

/* Where the parts stand in the text. */
enum { AT_TRACE = TRACE_CONTEXT_AT_TRACE_ID, AT_SPAN = TRACE_CONTEXT_AT_SPAN_ID, AT_FLAGS = 53 };

enum { FLAG_SAMPLED = 1, FLAG_RANDOM = 2 };

static const char DIGITS[] = "0123456789abcdef";

/* --- reading ------------------------------------------------------------------------------- */

/* The value of a lower-case hexadecimal digit, or -1. */
static int digit_of(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool are_digits(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (digit_of(text[i]) < 0)
            return false;
    }
    return true;
}

static bool are_zeros(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '0')
            return false;
    }
    return true;
}

static bool is_id(const char *text, size_t length) {
    return are_digits(text, length) && !are_zeros(text, length);
}

/* What is not known yet may have more behind the flags. */
static bool has_known_length(struct text_span text) {
    if (text.length == TRACE_CONTEXT_LENGTH)
        return true;
    return text.length > TRACE_CONTEXT_LENGTH && text.data[TRACE_CONTEXT_LENGTH] == '-' &&
           memcmp(text.data, "00", 2) != 0;
}

bool trace_context_parse(struct trace_context *out, struct text_span text) {
    const char *t = text.data;
    if (t == NULL || !has_known_length(text) || !are_digits(t, 2) || memcmp(t, "ff", 2) == 0 ||
        t[AT_TRACE - 1] != '-' || !is_id(t + AT_TRACE, TRACE_ID_LENGTH) || t[AT_SPAN - 1] != '-' ||
        !is_id(t + AT_SPAN, TRACE_SPAN_ID_LENGTH) || t[AT_FLAGS - 1] != '-' ||
        !are_digits(t + AT_FLAGS, 2))
        return false;
    memcpy(out->text, t, TRACE_CONTEXT_LENGTH);
    memcpy(out->text, "00", 2);
    out->text[AT_FLAGS] = '0';
    out->text[AT_FLAGS + 1] = DIGITS[digit_of(t[AT_FLAGS + 1]) & (FLAG_SAMPLED | FLAG_RANDOM)];
    out->text[TRACE_CONTEXT_LENGTH] = '\0';
    return true;
}

uint64_t trace_context_random_part(const struct trace_context *context) {
    uint64_t value = 0;
    for (size_t i = AT_TRACE + TRACE_ID_LENGTH - 16; i < AT_TRACE + TRACE_ID_LENGTH; i++)
        value = value << 4 | (uint64_t)digit_of(context->text[i]);
    return value;
}

bool trace_context_is_sampled(const struct trace_context *context) {
    return trace_context_is_set(context) &&
           (digit_of(context->text[AT_FLAGS + 1]) & FLAG_SAMPLED) != 0;
}

/* --- making -------------------------------------------------------------------------------- */

static uint64_t rotate(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
}

/* Without random bytes of the kernel, at boot, ids are still not likely to be anybody else's. */
static void seed(uint64_t state[4]) {
    if (getrandom(state, 4 * sizeof *state, GRND_NONBLOCK) == (ssize_t)(4 * sizeof *state))
        return;
    state[0] = (uint64_t)wall_now_us();
    state[1] = (uint64_t)mono_now().us;
    state[2] = (uint64_t)getpid();
    state[3] = (uint64_t)(uintptr_t)state;
}

/* xoshiro256** (Blackman and Vigna, https://prng.di.unimi.it/): ids must be unique, not secret. */
static uint64_t next_random(void) {
    static uint64_t s[4];
    while ((s[0] | s[1] | s[2] | s[3]) == 0)
        seed(s);
    const uint64_t result = rotate(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t trace_context_random(void) {
    uint64_t value = next_random();
    while (value == 0)
        value = next_random();
    return value;
}

static void put_digits(char *out, uint64_t value) {
    for (size_t i = 0; i < 16; i++) {
        out[i] = DIGITS[value >> 60];
        value <<= 4;
    }
}

void trace_context_new_span_id(char out[TRACE_SPAN_ID_LENGTH]) {
    put_digits(out, trace_context_random());
}

void trace_context_make(struct trace_context *out, uint64_t random_part, bool sampled) {
    memset(out->text, '-', TRACE_CONTEXT_LENGTH);
    memcpy(out->text, "00", 2);
    put_digits(out->text + AT_TRACE, next_random());
    put_digits(out->text + AT_TRACE + 16, random_part);
    put_digits(out->text + AT_SPAN, trace_context_random());
    out->text[AT_FLAGS] = '0';
    out->text[AT_FLAGS + 1] = DIGITS[FLAG_RANDOM | (sampled ? FLAG_SAMPLED : 0)];
    out->text[TRACE_CONTEXT_LENGTH] = '\0';
}

void trace_context_set_sampled(struct trace_context *context, bool sampled) {
    const int flags = digit_of(context->text[AT_FLAGS + 1]) & FLAG_RANDOM;
    context->text[AT_FLAGS + 1] = DIGITS[flags | (sampled ? FLAG_SAMPLED : 0)];
}

void trace_context_child(struct trace_context *out, const struct trace_context *parent,
                         bool sampled) {
    if (out != parent)
        *out = *parent;
    put_digits(out->text + AT_SPAN, trace_context_random());
    trace_context_set_sampled(out, sampled);
}
