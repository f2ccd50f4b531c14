/*
 * settings_live.h: the settings that may change while a program runs. A process cannot see a
 * changed environment, so they may also come from a file, LOG_SETTINGS_FILE, which is read again.
 *
 * The file has lines NAME=value as an EnvironmentFile of systemd, and may be the same one: blank
 * lines, comments ("#", ";") and other names are passed over, a value may be in quotes, of lines of
 * one name the last counts. What is in the file replaces what is in the environment.
 */
#ifndef BASE_SETTINGS_LIVE_H
#define BASE_SETTINGS_LIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/settings.h"

#define SETTINGS_LIVE_ERROR_MAX 320

struct settings_live {
    enum log_level log_level;
    int64_t access_log_sample_rate; /* in millionths */
};

/* False, with *out unchanged, when the file cannot be read or has a value that is not allowed:
 * `error` says what is wrong. */
MUST_CHECK bool settings_live_read(const struct settings *settings, struct settings_live *out,
                                   char error[SETTINGS_LIVE_ERROR_MAX]);

#endif
