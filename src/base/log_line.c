/* log_line.c: see log_line.h. */
#include "base/log_line.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/timestamp.h"

/* Kept free for the end of a line: a mark, and the longest ending. */
#define CUT_MARK "..."
#define JSON_END "\"}\n"
#define LINE_RESERVE (sizeof(CUT_MARK JSON_END) - 1)

/* The most that the program's name and one text may take of a line, so that a few of them cannot
 * fill it. */
#define PROGRAM_MAX 64
#define TEXT_MAX 512

/* What a member needs besides its value: name, quotes, colon, comma. */
#define MEMBER_MAX 32
#define NUMBER_MAX 24

/* Literals only: their length is known when it is compiled. */
#define ADD(line, literal) ((void)line_add((line), (literal), sizeof(literal) - 1))

/* The program and its pid as they stand in each line; plain lines before log_line_init(). */
static struct {
    enum log_format format;
    char text[2 * PROGRAM_MAX + MEMBER_MAX];
    size_t length;
} author;

/* The reserve is left free; false, with nothing added, when there is no room. */
static bool line_add(struct log_line *line, const char *text, size_t length) {
    if (length > LOG_LINE_MAX - LINE_RESERVE - line->length)
        return false;
    memcpy(line->data + line->length, text, length);
    line->length += length;
    return true;
}

/* The end of the line goes into the reserve. */
static void line_finish(struct log_line *line, const char *end) {
    memcpy(line->data + line->length, end, strlen(end));
    line->length += strlen(end);
}

static bool add_hex(struct log_line *line, const char *character, size_t size) {
    char text[sizeof("\\xHH\\xHH")] = "";
    for (size_t i = 0; i < size; i++)
        (void)snprintf(text + 4 * i, 5, "\\x%02X", (unsigned)(unsigned char)character[i]);
    return line_add(line, text, 4 * size);
}

static bool add_json_escape(struct log_line *line, char c) {
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
static bool add_character(struct log_line *line, const char *character, size_t size) {
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

/* How many bytes from here on stand for themselves in both formats. */
static size_t plain_length(const char *text, size_t length) {
    size_t i = 0;
    while (i < length && text[i] >= 0x20 && text[i] < 0x7F && text[i] != '"' && text[i] != '\\')
        i++;
    return i;
}

/* Adds text that may be anything, as long as it takes at most so many bytes of the line. False when
 * that was before its end. */
static bool line_add_escaped(struct log_line *line, const char *text, size_t length, size_t most) {
    const size_t start = line->length;
    const size_t room = LOG_LINE_MAX - LINE_RESERVE - start;
    const size_t end = start + (most < room ? most : room);
    size_t i = 0;
    while (i < length) {
        const size_t plain = plain_length(text + i, length - i);
        const size_t fits = plain < end - line->length ? plain : end - line->length;
        (void)line_add(line, text + i, fits);
        if (fits < plain)
            return false;
        i += plain;
        if (i == length)
            break;
        const size_t before = line->length;
        const size_t size = text_utf8_sequence(text + i, length - i);
        if (!add_character(line, text + i, size) || line->length > end) {
            line->length = before;
            return false;
        }
        i += size ? size : 1;
    }
    return true;
}

/* --- beginning ---------------------------------------------------------------------------- */

void log_line_init(const char *program, enum log_format format) {
    struct log_line line = {.format = format};
    char pid[MEMBER_MAX];
    author.format = format;
    if (format == LOG_FORMAT_JSON)
        ADD(&line, ",\"program\":\"");
    else
        ADD(&line, " ");
    (void)line_add_escaped(&line, program, strnlen(program, PROGRAM_MAX), PROGRAM_MAX);
    (void)snprintf(pid, sizeof pid, format == LOG_FORMAT_JSON ? "\",\"pid\":%d" : "[%d]",
                   (int)getpid());
    (void)line_add(&line, pid, strlen(pid));
    memcpy(author.text, line.data, line.length);
    author.length = line.length;
}

static void add_id(struct log_line *line, const char *name, const struct id *id) {
    static const struct id NONE;
    char text[ID_TEXT_LENGTH + 1];
    if (id_equal(id, &NONE))
        return;
    id_format(id, text);
    log_line_word(line, name, text);
}

static void add_subject(struct log_line *line, const struct log_subject *s) {
    log_line_text(line, "requestId", s->request_id);
    log_line_text(line, "correlationId", s->correlation_id);
    log_line_text(line, "traceId", s->trace_id);
    add_id(line, "tenantId", &s->tenant_id);
    add_id(line, "eventId", &s->event_id);
    add_id(line, "lockId", &s->lock_id);
    log_line_word(line, "operation", s->operation);
    log_line_word(line, "outcome", s->outcome);
    if (s->duration_us > 0)
        log_line_us(line, "durationMs", s->duration_us);
}

void log_line_begin(struct log_line *line, enum log_level level,
                    const struct log_subject *subject) {
    char time[TIMESTAMP_TEXT_LENGTH + 1];
    const char *name = log_level_name(level);
    if (author.length == 0)
        log_line_init("-", LOG_FORMAT_JSON);
    line->length = 0;
    line->format = author.format;
    timestamp_format(wall_now_us(), time);
    if (line->format == LOG_FORMAT_JSON)
        ADD(line, "{\"time\":\"");
    (void)line_add(line, time, TIMESTAMP_TEXT_LENGTH);
    if (line->format == LOG_FORMAT_JSON)
        ADD(line, "\",\"level\":\"");
    else
        ADD(line, " ");
    (void)line_add(line, name, strlen(name));
    if (line->format == LOG_FORMAT_JSON)
        ADD(line, "\"");
    (void)line_add(line, author.text, author.length);
    if (subject != NULL)
        add_subject(line, subject);
}

/* --- members ------------------------------------------------------------------------------ */

static bool begin_member(struct log_line *line, const char *name, size_t value_max) {
    if (line->length + MEMBER_MAX + value_max > LOG_LINE_MAX - LINE_RESERVE)
        return false;
    if (line->format == LOG_FORMAT_JSON)
        ADD(line, ",\"");
    else
        ADD(line, " ");
    (void)line_add(line, name, strlen(name));
    if (line->format == LOG_FORMAT_JSON)
        ADD(line, "\":");
    else
        ADD(line, "=");
    return true;
}

/* In text, values that are not one word are quoted. */
static bool is_word(struct text_span value) {
    return value.length > 0 && memchr(value.data, ' ', value.length) == NULL &&
           memchr(value.data, '"', value.length) == NULL;
}

void log_line_text(struct log_line *line, const char *name, struct text_span value) {
    if (value.length == 0 || !begin_member(line, name, TEXT_MAX))
        return;
    const bool quoted = line->format == LOG_FORMAT_JSON || !is_word(value);
    if (quoted)
        ADD(line, "\"");
    (void)line_add_escaped(line, value.data, value.length, TEXT_MAX);
    if (quoted)
        ADD(line, "\"");
}

void log_line_word(struct log_line *line, const char *name, const char *word) {
    if (word == NULL || !begin_member(line, name, strlen(word)))
        return;
    if (line->format == LOG_FORMAT_JSON)
        ADD(line, "\"");
    (void)line_add(line, word, strlen(word));
    if (line->format == LOG_FORMAT_JSON)
        ADD(line, "\"");
}

/* The digits of a number that is not negative, at least `least` of them. */
static void add_digits(struct log_line *line, uint64_t value, size_t least) {
    char digits[NUMBER_MAX];
    size_t place = sizeof digits;
    while (value > 0 || sizeof digits - place < least) {
        digits[--place] = (char)('0' + value % 10);
        value /= 10;
    }
    (void)line_add(line, digits + place, sizeof digits - place);
}

static uint64_t add_sign(struct log_line *line, int64_t value) {
    if (value >= 0)
        return (uint64_t)value;
    ADD(line, "-");
    return 0 - (uint64_t)value;
}

void log_line_int(struct log_line *line, const char *name, int64_t value) {
    if (begin_member(line, name, NUMBER_MAX))
        add_digits(line, add_sign(line, value), 1);
}

void log_line_us(struct log_line *line, const char *name, int64_t us) {
    if (!begin_member(line, name, NUMBER_MAX))
        return;
    const uint64_t value = add_sign(line, us);
    add_digits(line, value / 1000, 1);
    ADD(line, ".");
    add_digits(line, value % 1000, 3);
}

void log_line_end(struct log_line *line, const char *message) {
    const bool json = line->format == LOG_FORMAT_JSON;
    if (json)
        ADD(line, ",\"message\":\"");
    else
        ADD(line, " ");
    if (!line_add_escaped(line, message, strlen(message), LOG_LINE_MAX))
        line_finish(line, CUT_MARK);
    line_finish(line, json ? JSON_END : "\n");
}
