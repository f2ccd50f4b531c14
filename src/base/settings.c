#include "base/settings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/settings_value.h"
#include "base/text.h"

/* Variables with this prefix can only be meant for us. */
#define OWN_PREFIX "AVAILABILITY_GUARD_"

/* The most of a wrong value or name that is shown. */
#define SHOWN_MAX 80

#define ROW(row_name, member, row_kind, initial_text, least_value, greatest_value, is_secret,      \
            text)                                                                                  \
    {.name = #row_name,                                                                            \
     .initial = (initial_text),                                                                    \
     .help = (text),                                                                               \
     .least = (least_value),                                                                       \
     .greatest = (greatest_value),                                                                 \
     .offset = offsetof(struct settings, member),                                                  \
     .kind = SETTINGS_##row_kind,                                                                  \
     .secret = (is_secret)},
const struct settings_row settings_rows[] = {SETTINGS_TABLE(ROW)};
#undef ROW

/* Where each setting stands in the table. */
#define INDEX(name, member, kind, initial, least, greatest, secret, help) INDEX_##name,
enum { SETTINGS_TABLE(INDEX) INDEX_COUNT };
#undef INDEX

const size_t settings_rows_count = INDEX_COUNT;

static void *member_of(struct settings *settings, const struct settings_row *row) {
    return (char *)settings + row->offset;
}

static const void *const_member_of(const struct settings *settings,
                                   const struct settings_row *row) {
    return (const char *)settings + row->offset;
}

/* The value of the first "name=value", as getenv() would find it, or NULL. */
static const char *find_variable(char *const *environment, const char *name) {
    size_t length = strlen(name);
    for (; *environment; environment++) {
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    }
    return NULL;
}

/* Appends text from outside so that it stays on its line: what is not printable as \xHH. */
static void append_shown(struct buffer *b, const char *text, size_t length) {
    size_t i = 0;
    while (i < length) {
        if (i >= SHOWN_MAX) {
            buffer_append_text(b, "...");
            return;
        }
        size_t size = text_utf8_sequence(text + i, length - i);
        if (size > 0 && !text_is_control(text + i, size)) {
            buffer_append(b, text + i, size);
            i += size;
        } else {
            /* The second byte of U+0080 to U+009F follows by itself: alone it is not valid. */
            buffer_printf(b, "\\x%02X", (unsigned)(unsigned char)text[i]);
            i++;
        }
    }
}

/* Ends the line and writes it. Without memory something shorter is said. */
static void report(struct buffer *line, const char *name, FILE *errors) {
    buffer_append_char(line, '\n');
    if (line->failed)
        (void)fprintf(errors, "%s: wrong, and out of memory\n", name);
    else
        (void)fwrite(line->data, 1, line->length, errors);
    buffer_free(line);
}

static void report_wrong(const struct settings_row *row, const char *text, FILE *errors) {
    struct buffer line = {0};
    buffer_append_text(&line, row->name);
    buffer_append_text(&line, ": ");
    if (row->secret) {
        buffer_append_text(&line, "the value (secret, not shown)");
    } else {
        buffer_append_char(&line, '"');
        append_shown(&line, text, strlen(text));
        buffer_append_char(&line, '"');
    }
    buffer_append_text(&line, " is not allowed; allowed is ");
    settings_value_append_allowed(&line, row);
    report(&line, row->name, errors);
}

/* Sets one member: to its default when the variable is missing, empty or wrong. */
static bool load_row(struct settings *settings, const struct settings_row *row,
                     char *const *environment, FILE *errors) {
    void *member = member_of(settings, row);
    const char *text = find_variable(environment, row->name);
    enum settings_result result = SETTINGS_OK;

    if (!text || !*text) {
        result = settings_value_parse(row, row->initial, member);
    } else {
        result = settings_value_parse(row, text, member);
        if (result == SETTINGS_WRONG) {
            report_wrong(row, text, errors);
            /* Reported already: what happens to the default changes nothing. */
            (void)!settings_value_parse(row, row->initial, member);
        }
    }
    if (result == SETTINGS_NO_MEMORY)
        (void)fprintf(errors, "%s: out of memory\n", row->name);
    return result == SETTINGS_OK;
}

/* What no row can tell alone. A row that is wrong by itself has been reported and is left out. */
static int check_together(const struct settings *settings, const bool *good, FILE *errors) {
    if (!good[INDEX_LOCK_DEFAULT_TTL_SECONDS] || !good[INDEX_LOCK_MAX_TTL_SECONDS] ||
        settings->lock_default_ttl_seconds <= settings->lock_max_ttl_seconds)
        return 0;
    (void)fprintf(errors,
                  "LOCK_DEFAULT_TTL_SECONDS: \"%" PRId64 "\" is not allowed; allowed is an integer "
                  "that is not above LOCK_MAX_TTL_SECONDS, which is %" PRId64 "\n",
                  settings->lock_default_ttl_seconds, settings->lock_max_ttl_seconds);
    return 1;
}

static bool is_known(const char *name, size_t length) {
    for (size_t i = 0; i < settings_rows_count; i++) {
        if (strlen(settings_rows[i].name) == length &&
            memcmp(settings_rows[i].name, name, length) == 0)
            return true;
    }
    return false;
}

/* A typo must not pass in silence. The value is not shown: it may be a secret. */
static void warn_unknown(char *const *environment, FILE *errors) {
    for (; *environment; environment++) {
        size_t length = strcspn(*environment, "=");
        if (strncmp(*environment, OWN_PREFIX, strlen(OWN_PREFIX)) != 0 ||
            is_known(*environment, length))
            continue;
        struct buffer line = {0};
        buffer_append_text(&line, "warning: ");
        append_shown(&line, *environment, length);
        buffer_append_text(&line, ": no such setting");
        report(&line, "warning: unknown setting", errors);
    }
}

int settings_load(struct settings *settings, char *const *environment, FILE *errors) {
    int wrong = 0;
    bool good[INDEX_COUNT];
    memset(settings, 0, sizeof(*settings));
    for (size_t i = 0; i < INDEX_COUNT; i++) {
        good[i] = load_row(settings, &settings_rows[i], environment, errors);
        if (!good[i])
            wrong++;
    }
    wrong += check_together(settings, good, errors);
    warn_unknown(environment, errors);
    return wrong;
}

void settings_free(struct settings *settings) {
    for (size_t i = 0; i < settings_rows_count; i++) {
        if (settings_value_is_owned(&settings_rows[i]))
            free(*(char **)member_of(settings, &settings_rows[i]));
    }
    memset(settings, 0, sizeof(*settings));
}

void settings_print(const struct settings *settings, FILE *out) {
    struct buffer value = {0};
    for (size_t i = 0; i < settings_rows_count; i++) {
        const struct settings_row *row = &settings_rows[i];
        buffer_clear(&value);
        settings_value_append(&value, row, const_member_of(settings, row));
        if (row->secret && value.length > 0) {
            buffer_clear(&value);
            buffer_append_text(&value, "********");
        }
        buffer_append_char(&value, '\0');
        (void)fprintf(out, "%s=%s\n", row->name, value.failed ? "(out of memory)" : value.data);
    }
    buffer_free(&value);
}

void settings_print_help(FILE *out) {
    struct buffer allowed = {0};
    for (size_t i = 0; i < settings_rows_count; i++) {
        const struct settings_row *row = &settings_rows[i];
        buffer_clear(&allowed);
        settings_value_append_allowed(&allowed, row);
        buffer_append_char(&allowed, '\0');
        (void)fprintf(out, "%s=%s\n    %s: %s\n", row->name, row->initial, row->help,
                      allowed.failed ? "(out of memory)" : allowed.data);
    }
    buffer_free(&allowed);
}

int64_t settings_answer_timeout_ms(const struct settings *settings) {
    return settings->guard_queue_timeout_ms + settings->db_statement_timeout_ms + 1000;
}
