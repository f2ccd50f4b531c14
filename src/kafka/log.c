/* log.c: see log.h. */
#include "kafka/log.h"

#include <stdbool.h>
#include <string.h>
#include <syslog.h>

#include "base/log.h"

/*
 * What is done on purpose, and would be a warning: at every start the property that producer.h
 * explains, and those of consumers in a producer, for all programs have one environment; whenever a
 * client is dropped, that there are messages in it.
 */
static bool is_known(const char *facility, const char *text) {
    return strcmp(facility, "TERMINATE") == 0 ||
           (strcmp(facility, "CONFWARN") == 0 &&
            (strstr(text, "enable.gapless.guarantee is experimental") != NULL ||
             strstr(text, "will be ignored by this") != NULL));
}

static enum log_level level_of(int level) {
    if (level < LOG_ERR)
        return LOG_LEVEL_ERROR;
    if (level <= LOG_WARNING)
        return LOG_LEVEL_WARN;
    return level < LOG_DEBUG ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

void kafka_log_write(const rd_kafka_t *client, int level, const char *facility, const char *text) {
    (void)client;
    log_write(is_known(facility, text) ? LOG_LEVEL_DEBUG : level_of(level), "kafka: %s: %s",
              facility, text);
}
