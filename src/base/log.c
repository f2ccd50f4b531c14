/* log.c: see log.h. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log_line.h"
#include "base/log_sink.h"

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error",
};
static const char *const format_names[] = {
    [LOG_FORMAT_JSON] = "json",
    [LOG_FORMAT_TEXT] = "text",
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct {
    _Atomic enum log_level level; /* may change while other threads log */
    uint32_t sampled_below;       /* of 2^32 values of chance; ALL: every one */
    bool samples_all;
    uint32_t chance;
} config = {.level = LOG_LEVEL_INFO, .samples_all = true, .chance = 1};

/* Lines that are written together. */
static struct {
    char data[LOG_LINE_MAX];
    size_t length;
    uint64_t lines;
} gathered;

static struct {
    _Atomic uint64_t all;
    _Atomic uint64_t untold;
} lost;

void log_init(const char *program, enum log_level level, enum log_format format) {
    log_sink_init();
    log_line_init(program, format);
    log_adjust(level, LOG_SAMPLE_ALL);
}

void log_adjust(enum log_level level, int64_t sample_millionths) {
    atomic_store(&config.level, level);
    config.samples_all = sample_millionths >= LOG_SAMPLE_ALL;
    config.sampled_below = (uint32_t)((uint64_t)sample_millionths * UINT32_MAX / LOG_SAMPLE_ALL);
    if (config.chance == 1)
        config.chance = (uint32_t)random() | 1U;
}

bool log_is_enabled(enum log_level level) {
    return level >= atomic_load_explicit(&config.level, memory_order_relaxed);
}

/* Marsaglia's xorshift: nobody gains from guessing it. */
bool log_is_sampled(void) {
    if (config.samples_all)
        return true;
    config.chance ^= config.chance << 13;
    config.chance ^= config.chance >> 17;
    config.chance ^= config.chance << 5;
    return config.chance < config.sampled_below;
}

uint64_t log_lost(void) {
    return atomic_load_explicit(&lost.all, memory_order_relaxed);
}

/* --- names -------------------------------------------------------------------------------- */

const char *log_level_name(enum log_level level) {
    return level_names[level];
}

const char *log_format_name(enum log_format format) {
    return format_names[format];
}

/* The index of the name, or -1. */
static int find_name(const char *const *names, size_t count, const char *name, size_t length) {
    for (size_t i = 0; i < count; i++) {
        if (text_equals_nocase(names[i], strlen(names[i]), name, length))
            return (int)i;
    }
    return -1;
}

bool log_level_parse(enum log_level *out, const char *name, size_t length) {
    int found = find_name(level_names, COUNT(level_names), name, length);
    if (found < 0)
        return false;
    *out = (enum log_level)found;
    return true;
}

bool log_format_parse(enum log_format *out, const char *name, size_t length) {
    int found = find_name(format_names, COUNT(format_names), name, length);
    if (found < 0)
        return false;
    *out = (enum log_format)found;
    return true;
}

/* --- personal data ------------------------------------------------------------------------ */

static const char *show_whole(char out[MASK_MAX], struct text_span text) {
    (void)snprintf(out, MASK_MAX, "%.*s", (int)text.length, text.data);
    return out;
}

const char *log_name(char out[MASK_MAX], struct text_span name) {
    return log_is_enabled(LOG_LEVEL_DEBUG) ? show_whole(out, name) : mask_name(out, name);
}

const char *log_contact(char out[MASK_MAX], struct text_span contact) {
    return log_is_enabled(LOG_LEVEL_DEBUG) ? show_whole(out, contact) : mask_contact(out, contact);
}

/* --- writing ------------------------------------------------------------------------------ */

static bool tell_lost(uint64_t count) {
    struct log_line line;
    char message[64];
    (void)snprintf(message, sizeof message, "%llu lines of the log were lost",
                   (unsigned long long)count);
    log_line_begin(&line, LOG_LEVEL_WARN, NULL);
    log_line_end(&line, message);
    return log_sink_write(line.data, line.length);
}

/* What is lost is told before what can be written again. */
static void write_lines(const char *data, size_t length, uint64_t lines) {
    uint64_t untold = 0;
    if (atomic_load_explicit(&lost.untold, memory_order_relaxed) > 0)
        untold = atomic_exchange(&lost.untold, 0);
    if (untold > 0 && tell_lost(untold))
        untold = 0;
    if (untold == 0 && log_sink_write(data, length))
        return;
    atomic_fetch_add(&lost.untold, untold + lines);
    atomic_fetch_add(&lost.all, lines);
}

void log_flush(void) {
    if (gathered.length == 0)
        return;
    const int saved_errno = errno;
    const size_t length = gathered.length;
    gathered.length = 0; /* first: a handler of a crash may be the next to call */
    write_lines(gathered.data, length, gathered.lines);
    gathered.lines = 0;
    errno = saved_errno;
}

void log_gather(const struct log_line *line) {
    if (line->length > sizeof gathered.data - gathered.length)
        log_flush();
    memcpy(gathered.data + gathered.length, line->data, line->length);
    gathered.length += line->length;
    gathered.lines++;
}

PRINTF_LIKE(3, 0)
static void write_message(enum log_level level, const struct log_subject *subject,
                          const char *format, va_list values) {
    /* What does not fit in here does not fit into the line either, which is cut before. */
    char message[LOG_LINE_MAX];
    char masked[LOG_LINE_MAX];
    struct log_line line;
    /* clang-tidy 14 does not see that every caller has begun the list. */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    int printed = vsnprintf(message, sizeof(message), format, values);
    if (printed < 0)
        (void)snprintf(message, sizeof(message), "(cannot be formatted) %s", format);
    mask_message(masked, sizeof masked, message, !log_is_enabled(LOG_LEVEL_DEBUG));
    log_line_begin(&line, level, subject);
    log_line_end(&line, masked);
    log_flush();
    write_lines(line.data, line.length, 1);
}

void log_write(enum log_level level, const char *format, ...) {
    if (!log_is_enabled(level))
        return;
    int saved_errno = errno;
    va_list values;
    va_start(values, format);
    write_message(level, NULL, format, values);
    va_end(values);
    errno = saved_errno;
}

void log_request(enum log_level level, const struct log_subject *subject, const char *format, ...) {
    if (!log_is_enabled(level))
        return;
    int saved_errno = errno;
    va_list values;
    va_start(values, format);
    write_message(level, subject, format, values);
    va_end(values);
    errno = saved_errno;
}
