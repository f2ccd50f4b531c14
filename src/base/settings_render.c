/*
 * settings_render.c: fills the settings into a template, such as the configuration of nginx, so
 * that both sides of a limit come from one place.
 */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/settings.h"
#include "base/settings_value.h"

/* A rendering in progress. */
struct rendering {
    const struct settings *settings;
    FILE *errors;
    int error_count;
    int line; /* of the template, from 1 */
    struct buffer out;
};

static void append_answer_timeout(struct buffer *b, const struct settings *settings) {
    buffer_append_int(b, settings_answer_timeout_ms(settings));
}

static void append_read_timeout(struct buffer *b, const struct settings *settings) {
    buffer_append_int(b, settings_answer_timeout_ms(settings) + 1000);
}

static void append_operations_allow(struct buffer *b, const struct settings *settings) {
    const char *p = settings->guard_operations_networks;
    const char *separator = "";
    while (*p) {
        size_t length = strcspn(p, ",");
        buffer_append_text(b, separator);
        buffer_append_text(b, "allow ");
        buffer_append(b, p, length);
        buffer_append_char(b, ';');
        separator = " ";
        p += length;
        p += *p == ',';
    }
}

/* A token as a regular expression that matches nothing else. */
static void append_token_pattern(struct buffer *b, const char *token, size_t length) {
    buffer_append_text(b, "    \"~^");
    for (size_t i = 0; i < length; i++)
        buffer_printf(b, "\\x%02x", (unsigned char)token[i]);
    buffer_append_text(b, "$\" known;\n");
}

/* Lines of nginx's map: plain tokens; and any token at all where one is given by its digest. */
static void append_admin_tokens_map(struct buffer *b, const struct settings *settings) {
    static const char DIGEST[] = "sha256:";
    const char *p = settings->availability_guard_admin_tokens;
    bool has_digest = false;
    while (*p) {
        size_t length = strcspn(p, ",");
        if (strncmp(p, DIGEST, sizeof DIGEST - 1) == 0)
            has_digest = true;
        else
            append_token_pattern(b, p, length);
        p += length;
        p += *p == ',';
    }
    if (has_digest)
        buffer_append_text(b, "    \"~.\" unknown;\n");
}

static const struct {
    const char *name;
    void (*append)(struct buffer *b, const struct settings *settings);
} derived[] = {
    {"GUARD_ANSWER_TIMEOUT_MS", append_answer_timeout},
    {"NGINX_READ_TIMEOUT_MS", append_read_timeout},
    {"OPERATIONS_ALLOW", append_operations_allow},
    {"ADMIN_TOKENS_MAP", append_admin_tokens_map},
};

static bool is_name(const char *name, const char *text, size_t length) {
    return strlen(name) == length && memcmp(name, text, length) == 0;
}

/* Reports a name, shown from its "${" on. */
static void report(struct rendering *r, const char *shown, size_t length, const char *what) {
    /* A name is short; longer than this is only shown in part. */
    int shown_length = length > 80 ? 80 : (int)length;
    (void)fprintf(r->errors, "line %d: %.*s: %s\n", r->line, shown_length, shown, what);
    r->error_count++;
}

/* Reports what is not about a name. */
static void fail(struct rendering *r, const char *what, int error) {
    (void)fprintf(r->errors, "%s%s%s\n", what, error ? ": " : "", error ? strerror(error) : "");
    r->error_count++;
}

/* The name stands between "${" and "}". */
static void append_named(struct rendering *r, const char *name, size_t length) {
    for (size_t i = 0; i < sizeof(derived) / sizeof(derived[0]); i++) {
        if (is_name(derived[i].name, name, length)) {
            derived[i].append(&r->out, r->settings);
            return;
        }
    }
    for (size_t i = 0; i < settings_rows_count; i++) {
        const struct settings_row *row = &settings_rows[i];
        if (!is_name(row->name, name, length))
            continue;
        if (row->secret)
            report(r, name - 2, length + 3, "a secret must not be in a file");
        else
            settings_value_append(&r->out, row, (const char *)r->settings + row->offset);
        return;
    }
    report(r, name - 2, length + 3, "no such setting");
}

/* Renders one line, with its newline if it has one. */
static void render_line(struct rendering *r, const char *line, size_t length) {
    const char *p = line;
    const char *end = line + length;
    while (p < end) {
        const char *open = memmem(p, (size_t)(end - p), "${", 2);
        if (!open) {
            buffer_append(&r->out, p, (size_t)(end - p));
            return;
        }
        buffer_append(&r->out, p, (size_t)(open - p));
        const char *name = open + 2;
        const char *close = memchr(name, '}', (size_t)(end - name));
        if (!close) {
            size_t shown = (size_t)(end - open);
            report(r, open, end[-1] == '\n' ? shown - 1 : shown, "not closed on its line");
            return;
        }
        append_named(r, name, (size_t)(close - name));
        p = close + 1;
    }
}

static bool read_all(FILE *in, struct buffer *text) {
    while (buffer_reserve(text, 4096)) {
        size_t got = fread(text->data + text->length, 1, 4096, in);
        text->length += got;
        if (got == 0)
            break;
    }
    return !text->failed && !ferror(in);
}

static void render_text(struct rendering *r, const struct buffer *text) {
    size_t at = 0;
    while (at < text->length) {
        const char *line = text->data + at;
        const char *newline = memchr(line, '\n', text->length - at);
        size_t length = newline ? (size_t)(newline - line) + 1 : text->length - at;
        r->line++;
        render_line(r, line, length);
        at += length;
    }
    if (r->out.failed)
        fail(r, "out of memory", 0);
}

static void write_out(struct rendering *r, FILE *out) {
    if (fwrite(r->out.data, 1, r->out.length, out) != r->out.length || fflush(out) != 0)
        fail(r, "the rendered template cannot be written", errno);
}

int settings_render(const struct settings *settings, FILE *template_in, FILE *out, FILE *errors) {
    struct rendering r = {.settings = settings, .errors = errors};
    struct buffer text = {0};

    if (read_all(template_in, &text))
        render_text(&r, &text);
    else
        fail(&r, "the template cannot be read", errno);
    if (r.error_count == 0 && r.out.length > 0)
        write_out(&r, out);
    buffer_free(&text);
    buffer_free(&r.out);
    return r.error_count;
}
