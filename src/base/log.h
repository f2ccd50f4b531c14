/*
 * log.h: the log, one line for each event, to stderr.
 *
 * Each line is one write(2) of at most LOG_LINE_MAX bytes with its newline, so that the lines of
 * several processes on one pipe or file do not mix. As JSON:
 *   {"time":"2027-01-31T00:00:00.000Z","level":"info","program":"availability-guard","pid":7,
 *    "requestId":"…","message":"…"}
 * or as text:
 *   2027-01-31T00:00:00.000Z info availability-guard[7] (request id) message
 * Whatever bytes a message has, the line is valid JSON in valid UTF-8: invalid bytes become U+FFFD,
 * and a long message is cut at the end of a character and marked with "...". In text, control
 * characters become \xHH, so a message cannot fake a second line.
 *
 * Log once, where the cause is known. The lines of log_write() and log_request() must not hold
 * secrets or the contents of requests. errno is left as it was, and %m may be used.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

#define LOG_LINE_MAX 8192

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

/*
 * Sets the name shown in each line (kept as a pointer: a literal), the lowest level that is
 * written, and the format. Before the first call it is "-", info and JSON.
 */
void log_init(const char *program, enum log_level level, enum log_format format);

/* True when lines of this level are written. */
bool log_is_enabled(enum log_level level);

/* Writes a line, if its level is enabled. A failed write is ignored: there is nobody to tell. */
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same with the id of the request it is about; without one when request_id is NULL. */
void log_request(enum log_level level, const char *request_id, const char *format, ...)
    PRINTF_LIKE(3, 4);

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
