/* retry.c: see retry.h. */
#include "http/retry.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

int64_t retry_pause_ms(int64_t backoff_ms, int tries, int64_t asked_ms, uint32_t chance) {
    const int64_t longest = backoff_ms > RETRY_PAUSE_MAX_MS ? backoff_ms : RETRY_PAUSE_MAX_MS;
    int64_t pause = backoff_ms;
    for (int i = 1; i < tries && pause < longest; i++)
        pause *= 2;
    if (pause > longest)
        pause = longest;
    pause += (int64_t)(chance % ((uint64_t)pause / 4 + 1));
    if (asked_ms > RETRY_ASKED_MAX_MS)
        asked_ms = RETRY_ASKED_MAX_MS;
    return pause > asked_ms ? pause : asked_ms;
}

/* All digits: so many that they fit nowhere are seconds too. */
static bool is_seconds(const char *value, size_t length) {
    return length > 0 && strspn(value, "0123456789") == length;
}

int64_t retry_after_ms(const char *value, int64_t now_s) {
    const size_t length = strlen(value);
    int64_t seconds = 0;
    if (is_seconds(value, length)) {
        if (!text_parse_int(&seconds, value, length))
            return RETRY_ASKED_MAX_MS;
    } else {
        /* Takes all three forms of RFC 9110, section 5.6.7, and more. */
        const time_t date = curl_getdate(value, NULL);
        if (date < 0)
            return RETRY_NOT_ASKED;
        seconds = (int64_t)date - now_s;
    }
    if (seconds < 0)
        return 0;
    return seconds > RETRY_ASKED_MAX_MS / 1000 ? RETRY_ASKED_MAX_MS : seconds * 1000;
}
