/* config.c: see config.h. */
#include "kafka/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kafka/log.h"

#define PREFIX "KAFKA_PROPERTY_"
#define PREFIX_LENGTH (sizeof PREFIX - 1)

/* The longest name of a property is shorter by half. */
#define NAME_MAX_LENGTH 127

/* More than any value that is compared or read here. */
#define VALUE_MAX 4096

/* librdkafka waits up to ten seconds between two attempts, and those concerned would wait with it.
 * A firewall forgets a connection that nobody uses. */
static const struct kafka_property everywhere[] = {
    {"reconnect.backoff.max.ms", "1000"},
    {"socket.keepalive.enable", "true"},
    {NULL, NULL},
};

/* What is being made, and what went wrong. */
struct making {
    rd_kafka_conf_t *config;
    rd_kafka_conf_t *pristine; /* as `config`, but for the environment */
    const struct kafka_wishes *wishes;
    char *error;
};

/* A value as librdkafka shows it, whatever the spelling it was set with; "" when it has none. */
static void get(const rd_kafka_conf_t *config, const char *name, char value[VALUE_MAX]) {
    size_t size = VALUE_MAX;
    value[0] = '\0';
    if (rd_kafka_conf_get(config, name, value, &size) != RD_KAFKA_CONF_OK)
        value[0] = '\0';
}

int64_t kafka_config_int(const rd_kafka_conf_t *config, const char *name, int64_t otherwise) {
    char value[VALUE_MAX];
    int64_t number = otherwise;
    get(config, name, value);
    return text_parse_int(&number, value, strlen(value)) ? number : otherwise;
}

static bool set_all(rd_kafka_conf_t *config, const struct kafka_property *list, char *error) {
    char reason[KAFKA_ERROR_MAX]; /* may show the value: never told */
    for (; list->name != NULL; list++) {
        if (list->value == NULL)
            continue;
        if (rd_kafka_conf_set(config, list->name, list->value, reason, sizeof reason) !=
            RD_KAFKA_CONF_OK) {
            (void)snprintf(error, KAFKA_ERROR_MAX, "librdkafka refuses the value of %s",
                           list->name);
            return false;
        }
    }
    return true;
}

/* Whether every property of the list has the value in both. */
static bool is_same(const struct making *m, const struct kafka_property *list) {
    char now[VALUE_MAX];
    char before[VALUE_MAX];
    for (; list->name != NULL; list++) {
        get(m->config, list->name, now);
        get(m->pristine, list->name, before);
        if (strcmp(now, before) != 0)
            return false;
    }
    return true;
}

/* "SASL_USERNAME" as "sasl.username", in no language's alphabet but ASCII. */
static bool name_of(const char *variable, size_t length, char name[NAME_MAX_LENGTH + 1]) {
    if (length == 0 || length > NAME_MAX_LENGTH)
        return false;
    for (size_t i = 0; i < length; i++) {
        name[i] = variable[i];
        if (variable[i] == '_')
            name[i] = '.';
        else if (variable[i] >= 'A' && variable[i] <= 'Z')
            name[i] = (char)(variable[i] - 'A' + 'a');
    }
    name[length] = '\0';
    return true;
}

/* A line that begins with the variable. Its name is not the service's to choose: bounded. */
static bool refuse(const struct making *m, const char *variable, size_t length, const char *why) {
    const int shown = length > NAME_MAX_LENGTH ? NAME_MAX_LENGTH : (int)length;
    (void)snprintf(m->error, KAFKA_ERROR_MAX, "%.*s: %s", shown, variable, why);
    return false;
}

static bool take_variable(const struct making *m, const struct kafka_property *own,
                          const char *variable) {
    char name[NAME_MAX_LENGTH + 1];
    char reason[KAFKA_ERROR_MAX]; /* shows the value: never told */
    const char *value = strchr(variable, '=');
    if (value == NULL || value[1] == '\0')
        return true;
    const size_t length = (size_t)(value - variable);
    if (!name_of(variable + PREFIX_LENGTH, length - PREFIX_LENGTH, name))
        return refuse(m, variable, length, "librdkafka has no such property");
    switch (rd_kafka_conf_set(m->config, name, value + 1, reason, sizeof reason)) {
    case RD_KAFKA_CONF_OK:
        break;
    case RD_KAFKA_CONF_UNKNOWN:
        return refuse(m, variable, length, "librdkafka has no such property");
    default:
        return refuse(m, variable, length, "librdkafka does not take this value");
    }
    if (!is_same(m, own))
        return refuse(m, variable, length, "set KAFKA_BROKERS or KAFKA_CLIENT_ID instead");
    if (!is_same(m, m->wishes->fixed))
        return refuse(m, variable, length, "what this program promises does not allow this value");
    return true;
}

static bool take_environment(const struct making *m, const struct kafka_property *own,
                             char *const *environment) {
    for (; environment != NULL && *environment != NULL; environment++) {
        if (strncmp(*environment, PREFIX, PREFIX_LENGTH) == 0 &&
            !take_variable(m, own, *environment))
            return false;
    }
    return true;
}

static bool make(struct making *m, const struct settings *settings, char *const *environment) {
    const struct kafka_property own[] = {
        {"bootstrap.servers", settings->kafka_brokers},
        {"client.id", settings->kafka_client_id},
        {"log.queue", "false"},
        {NULL, NULL},
    };
    if (!set_all(m->config, everywhere, m->error) ||
        !set_all(m->config, m->wishes->defaults, m->error) || !set_all(m->config, own, m->error) ||
        !set_all(m->config, m->wishes->fixed, m->error))
        return false;
    m->pristine = rd_kafka_conf_dup(m->config);
    rd_kafka_conf_set_log_cb(m->config, kafka_log_write);
    return take_environment(m, own, environment);
}

rd_kafka_conf_t *kafka_config_new(const struct settings *settings, char *const *environment,
                                  const struct kafka_wishes *wishes, char *error) {
    struct making m = {.config = rd_kafka_conf_new(), .wishes = wishes, .error = error};
    error[0] = '\0';
    const bool made = make(&m, settings, environment);
    if (m.pristine != NULL)
        rd_kafka_conf_destroy(m.pristine);
    if (made)
        return m.config;
    rd_kafka_conf_destroy(m.config);
    return NULL;
}
