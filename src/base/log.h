/*
 * log.h: the log, one line for each event, to stderr.
 *
 * Each line has at most LOG_LINE_MAX bytes with its newline and is written as a whole, so that the
 * lines of several processes on one pipe or file do not mix. As JSON:
 *   {"time":"2027-01-31T00:00:00.000Z","level":"info","program":"availability-guard","pid":7,
 *    "requestId":"…","tenantId":"…","message":"…"}
 * or as text:
 *   2027-01-31T00:00:00.000Z info availability-guard[7] requestId=… tenantId=… message
 * Whatever bytes a message has, the line is valid JSON in valid UTF-8: invalid bytes become U+FFFD,
 * and a long message is cut at the end of a character and marked with "...". In text, control
 * characters become \xHH, so a message cannot fake a second line.
 *
 * No call waits for whoever reads the log (log_sink.h). A line that cannot be written is lost and
 * counted, and the next one that can be is preceded by a line that says how many were.
 *
 * Log once, where the cause is known. Lines must not hold secrets or the contents of requests; what
 * looks like one is masked all the same, and personal data too unless the level is debug (mask.h).
 * errno is left as it was, and %m may be used. Any thread may log; log_gather() and log_flush() are
 * for one only.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/id.h"
#include "base/mask.h"
#include "base/text.h"

/* PIPE_BUF of Linux: so much a pipe takes as a whole or not at all. */
#define LOG_LINE_MAX 4096

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/* What a line is about. What is zero (no data, no id, no text) is left out of the line. Of texts
 * that come from outside a bounded part is shown. */
struct log_subject {
    struct text_span request_id;
    struct text_span correlation_id;
    struct text_span trace_id;
    struct id tenant_id;
    struct id event_id;
    struct id lock_id;
    const char *operation; /* this and the next: a word of the program's own */
    const char *outcome;
    int64_t duration_us;
};

/* Of all requests, in millionths: see log_is_sampled(). */
#define LOG_SAMPLE_ALL 1000000

/*
 * Looks at what stderr is, and sets the name shown in each line (a literal), the lowest level that
 * is written, and the format. Before the first call it is "-", info and JSON.
 */
void log_init(const char *program, enum log_level level, enum log_format format);

/* Sets what may change while the program runs: the level, and how many access lines are written. */
void log_adjust(enum log_level level, int64_t sample_millionths);

/* True when lines of this level are written. */
bool log_is_enabled(enum log_level level);

/* True for as many calls as access lines are to be written, by chance. */
bool log_is_sampled(void);

/* Writes a line, if its level is enabled. */
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same about something; NULL: about nothing. */
void log_request(enum log_level level, const struct log_subject *subject, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Keeps a finished line (log_line.h) to be written together with others. It is written before any
 * later line, and by log_flush() at the latest: call that before the process sleeps. */
struct log_line;
void log_gather(const struct log_line *line);
void log_flush(void);

/* Lines that could not be written since the process began. */
uint64_t log_lost(void);

/* A person's name, or an address of one (email, phone, Slack), as a line may show it: masked unless
 * the level is debug. Returns `out`. */
const char *log_name(char out[MASK_MAX], struct text_span name);
const char *log_contact(char out[MASK_MAX], struct text_span contact);

/* "debug", "info", "warn", "error"; "json", "text". */
const char *log_level_name(enum log_level level);
const char *log_format_name(enum log_format format);

/* The reverse, in either case. False, with *out unchanged, for other names. */
MUST_CHECK bool log_level_parse(enum log_level *out, const char *name, size_t length);
MUST_CHECK bool log_format_parse(enum log_format *out, const char *name, size_t length);

/* These do not even evaluate their arguments when the level is not enabled. */
#define LOG_IF_ENABLED(level, ...)                                                                 \
    do {                                                                                           \
        if (log_is_enabled(level))                                                                 \
            log_write((level), __VA_ARGS__);                                                       \
    } while (0)
#define log_debug(...) LOG_IF_ENABLED(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) LOG_IF_ENABLED(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) LOG_IF_ENABLED(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) LOG_IF_ENABLED(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
