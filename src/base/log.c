#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/timestamp.h"

/* Kept free for the end of a line: a mark, and the longest ending. */
#define CUT_MARK "..."
#define JSON_END "\"}\n"
#define LINE_RESERVE (sizeof(CUT_MARK JSON_END) - 1)

/* The most that the name and the request id may take of a line, so that they cannot fill it. */
#define PROGRAM_MAX 64
#define REQUEST_ID_MAX 256

struct line {
    char data[LOG_LINE_MAX];
    size_t length;
    enum log_format format;
};

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
    const char *program;
    enum log_level level;
    enum log_format format;
} config = {"-", LOG_LEVEL_INFO, LOG_FORMAT_JSON};

void log_init(const char *program, enum log_level level, enum log_format format) {
    config.program = program;
    config.level = level;
    config.format = format;
}

bool log_is_enabled(enum log_level level) {
    return level >= config.level;
}

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

/* The reserve is left free; false, with nothing added, when there is no room. */
static bool line_add(struct line *line, const char *text, size_t length) {
    if (length > LOG_LINE_MAX - LINE_RESERVE - line->length)
        return false;
    memcpy(line->data + line->length, text, length);
    line->length += length;
    return true;
}

static void line_add_text(struct line *line, const char *text) {
    (void)line_add(line, text, strlen(text));
}

/* The end of the line goes into the reserve. */
static void line_finish(struct line *line, const char *end) {
    memcpy(line->data + line->length, end, strlen(end));
    line->length += strlen(end);
}

static bool add_hex(struct line *line, const char *character, size_t size) {
    char text[sizeof("\\xHH\\xHH")] = "";
    for (size_t i = 0; i < size; i++)
        (void)snprintf(text + 4 * i, 5, "\\x%02X", (unsigned)(unsigned char)character[i]);
    return line_add(line, text, 4 * size);
}

static bool add_json_escape(struct line *line, char c) {
    char text[sizeof("\\u00HH")];
    if (c == '"' || c == '\\')
        return line_add(line, (char[]){'\\', c}, 2);
    if (c == '\n')
        return line_add(line, "\\n", 2);
    if (c == '\t')
        return line_add(line, "\\t", 2);
    (void)snprintf(text, sizeof(text), "\\u%04x", (unsigned)(unsigned char)c);
    return line_add(line, text, 6);
}

/* Adds one character: `size` bytes of valid UTF-8, or one byte that is none when size is 0. */
static bool add_character(struct line *line, const char *character, size_t size) {
    if (line->format == LOG_FORMAT_TEXT) {
        if (size == 0)
            return add_hex(line, character, 1);
        if (text_is_control(character, size))
            return add_hex(line, character, size);
        return line_add(line, character, size);
    }
    if (size == 0)
        return line_add(line, "\\ufffd", 6);
    if (size == 1 && ((unsigned char)*character < 0x20 || *character == '"' || *character == '\\'))
        return add_json_escape(line, *character);
    return line_add(line, character, size);
}

/* Adds text that may be anything. False when the line was full before its end. */
static bool line_add_escaped(struct line *line, const char *text, size_t length) {
    size_t i = 0;
    while (i < length) {
        size_t size = text_utf8_sequence(text + i, length - i);
        if (!add_character(line, text + i, size))
            return false;
        i += size ? size : 1;
    }
    return true;
}

static void begin_json(struct line *line, enum log_level level, const char *time,
                       const char *request_id) {
    char head[128];
    (void)snprintf(head, sizeof(head), "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"", time,
                   level_names[level]);
    line_add_text(line, head);
    (void)line_add_escaped(line, config.program, strnlen(config.program, PROGRAM_MAX));
    (void)snprintf(head, sizeof(head), "\",\"pid\":%d", (int)getpid());
    line_add_text(line, head);
    if (request_id) {
        line_add_text(line, ",\"requestId\":\"");
        (void)line_add_escaped(line, request_id, strnlen(request_id, REQUEST_ID_MAX));
        line_add_text(line, "\"");
    }
    line_add_text(line, ",\"message\":\"");
}

static void begin_text(struct line *line, enum log_level level, const char *time,
                       const char *request_id) {
    char head[128];
    (void)snprintf(head, sizeof(head), "%s %s ", time, level_names[level]);
    line_add_text(line, head);
    (void)line_add_escaped(line, config.program, strnlen(config.program, PROGRAM_MAX));
    (void)snprintf(head, sizeof(head), "[%d] ", (int)getpid());
    line_add_text(line, head);
    if (request_id) {
        line_add_text(line, "(");
        (void)line_add_escaped(line, request_id, strnlen(request_id, REQUEST_ID_MAX));
        line_add_text(line, ") ");
    }
}

static void write_line(const struct line *line) {
    ssize_t written = 0;
    do {
        written = write(STDERR_FILENO, line->data, line->length);
    } while (written < 0 && errno == EINTR);
}

PRINTF_LIKE(3, 0)
static void write_message(enum log_level level, const char *request_id, const char *format,
                          va_list values) {
    char time[TIMESTAMP_TEXT_LENGTH + 1];
    /* What does not fit in here does not fit into the line either, which is cut before. */
    char message[LOG_LINE_MAX];
    struct line line;
    /* clang-tidy 14 does not see that every caller has begun the list. */
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    int printed = vsnprintf(message, sizeof(message), format, values);
    if (printed < 0)
        (void)snprintf(message, sizeof(message), "(cannot be formatted) %s", format);

    line.length = 0;
    line.format = config.format;
    timestamp_format(wall_now_us(), time);
    if (line.format == LOG_FORMAT_JSON)
        begin_json(&line, level, time, request_id);
    else
        begin_text(&line, level, time, request_id);
    if (!line_add_escaped(&line, message, strlen(message)))
        line_finish(&line, CUT_MARK);
    line_finish(&line, line.format == LOG_FORMAT_JSON ? JSON_END : "\n");
    write_line(&line);
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

void log_request(enum log_level level, const char *request_id, const char *format, ...) {
    if (!log_is_enabled(level))
        return;
    int saved_errno = errno;
    va_list values;
    va_start(values, format);
    write_message(level, request_id, format, values);
    va_end(values);
    errno = saved_errno;
}
