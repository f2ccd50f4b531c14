/* settings_live.c: see settings_live.h. */
#include "base/settings_live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/settings_value.h"

/* Longer than any line that matters here. */
#define LINE_MAX_BYTES 1024

#define BLANK " \t\r\n"

/* The member for a name, with the row that says how it is written; NULL: not one of these. */
static void *member_of(struct settings_live *live, const struct settings_row *row) {
    const struct text_span name = {row->name, strlen(row->name)};
    if (text_is(name, "LOG_LEVEL"))
        return &live->log_level;
    if (text_is(name, "ACCESS_LOG_SAMPLE_RATE"))
        return &live->access_log_sample_rate;
    return NULL;
}

/* Cuts white space off the end, and quotes off both. */
static const char *trim_value(char *value) {
    value += strspn(value, BLANK);
    size_t length = strlen(value);
    while (length > 0 && strchr(BLANK, value[length - 1]) != NULL)
        length--;
    value[length] = '\0';
    if (length < 2 || (*value != '"' && *value != '\'') || value[length - 1] != *value)
        return value;
    value[length - 1] = '\0';
    return value + 1;
}

static bool take_value(struct settings_live *live, const struct settings_row *row,
                       const char *value) {
    const char *text = *value == '\0' ? row->initial : value;
    return settings_value_parse(row, text, member_of(live, row)) == SETTINGS_OK;
}

/* The name of the setting whose value is wrong; NULL: all is well. */
static const char *take_line(struct settings_live *live, char *line) {
    line += strspn(line, BLANK);
    const size_t name = strcspn(line, "=" BLANK);
    if (line[name] != '=')
        return NULL;
    for (size_t i = 0; i < settings_rows_count; i++) {
        const struct settings_row *row = &settings_rows[i];
        if (text_is((struct text_span){line, name}, row->name) && member_of(live, row) != NULL)
            return take_value(live, row, trim_value(line + name + 1)) ? NULL : row->name;
    }
    return NULL;
}

/* Lines that are too long hold nothing that is wanted: all of them is passed over. */
static const char *take_file(struct settings_live *live, FILE *file) {
    char line[LINE_MAX_BYTES];
    bool at_start = true;
    const char *wrong = NULL;
    while (wrong == NULL && fgets(line, sizeof line, file) != NULL) {
        const bool is_whole = strchr(line, '\n') != NULL || feof(file);
        if (at_start && is_whole)
            wrong = take_line(live, line);
        at_start = is_whole;
    }
    return wrong;
}

/* A pipe would hold up whoever opens it, and whoever reads. */
static FILE *open_file(const char *path) {
    struct stat status;
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    FILE *file = NULL;
    if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode))
        errno = EINVAL;
    else if (fd >= 0)
        file = fdopen(fd, "r");
    if (file == NULL && fd >= 0)
        (void)close(fd);
    return file;
}

static bool read_file(const char *path, struct settings_live *live,
                      char error[SETTINGS_LIVE_ERROR_MAX]) {
    FILE *file = open_file(path);
    if (file == NULL) {
        (void)snprintf(error, SETTINGS_LIVE_ERROR_MAX, "%s: %s", path, strerror(errno));
        return false;
    }
    const char *wrong = take_file(live, file);
    const bool failed = ferror(file) != 0;
    if (wrong != NULL)
        (void)snprintf(error, SETTINGS_LIVE_ERROR_MAX, "%s: the value of %s is not allowed", path,
                       wrong);
    else if (failed)
        (void)snprintf(error, SETTINGS_LIVE_ERROR_MAX, "%s: it cannot be read", path);
    (void)fclose(file);
    return wrong == NULL && !failed;
}

bool settings_live_read(const struct settings *settings, struct settings_live *out,
                        char error[SETTINGS_LIVE_ERROR_MAX]) {
    const char *path = settings->log_settings_file;
    struct settings_live live = {settings->log_level, settings->access_log_sample_rate};
    if (*path != '\0' && !read_file(path, &live, error))
        return false;
    *out = live;
    return true;
}
