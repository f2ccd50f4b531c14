/*
 * log_line.h: one line of the log while it is made. Used by log.c, and by whoever makes lines with
 * members of its own for log_gather():
 *   log_line_begin(); log_line_text(), …_int(), …_us() as often as wanted; log_line_end().
 * It is valid whatever is put into it: texts are escaped and bounded, and a member for which there
 * is no room is left out.
 */
#ifndef BASE_LOG_LINE_H
#define BASE_LOG_LINE_H

#include "base/log.h"

struct log_line {
    char data[LOG_LINE_MAX];
    size_t length;
    enum log_format format;
};

/* Who writes: set by log_init(). */
void log_line_init(const char *program, enum log_format format);

/* Begins with the present time and the members of the subject, which may be NULL. */
void log_line_begin(struct log_line *line, enum log_level level, const struct log_subject *subject);

/* Members; names are literals. Empty text is left out. */
void log_line_text(struct log_line *line, const char *name, struct text_span value);
void log_line_int(struct log_line *line, const char *name, int64_t value);
/* One word of the program's own: printable ASCII without spaces, quotes and backslashes; or NULL.
 */
void log_line_word(struct log_line *line, const char *name, const char *word);
/* Microseconds, shown as milliseconds with three digits behind the point. */
void log_line_us(struct log_line *line, const char *name, int64_t us);

void log_line_end(struct log_line *line, const char *message);

#endif
