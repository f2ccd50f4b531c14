/*
 * config.h: how a client of Kafka is configured: what this service wants, the settings, and every
 * KAFKA_PROPERTY_ variable of the environment.
 *
 * KAFKA_PROPERTY_SASL_USERNAME=u sets librdkafka's property sasl.username: the rest of the name in
 * lower case, with a dot for each "_". An empty value is as none. librdkafka ignores a property of
 * producers in a consumer, and the reverse, so all programs can have one environment. The
 * properties are listed in CONFIGURATION.md of librdkafka.
 */
#ifndef KAFKA_CONFIG_H
#define KAFKA_CONFIG_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/settings.h"

struct kafka_property {
    const char *name;
    const char *value;
};

/* What a program wants: two lists, each ended by a name that is NULL. */
struct kafka_wishes {
    const struct kafka_property *defaults; /* a KAFKA_PROPERTY_ variable may say otherwise */
    const struct kafka_property *fixed; /* none may; with the value NULL none may set it at all */
};

/* Room for any error text of kafka_config_new() and of rd_kafka_new(). */
#define KAFKA_ERROR_MAX 512

/*
 * Makes a configuration for rd_kafka_new(): wishes->defaults, the environment (an array of
 * "NAME=value", ended by NULL, such as environ, or NULL), wishes->fixed; for every program
 * bootstrap.servers and client.id are fixed by KAFKA_BROKERS and KAFKA_CLIENT_ID, librdkafka's
 * messages go to the log, and it reconnects within seconds. Callbacks and the opaque pointer are
 * the caller's to set.
 *
 * Returns NULL when librdkafka refuses a property, or the environment wants to change one that is
 * fixed. `error` (KAFKA_ERROR_MAX bytes) then has one line that names the
 * variable and never holds a value. Free the result with rd_kafka_conf_destroy(), or hand it to
 * rd_kafka_new().
 */
MUST_CHECK rd_kafka_conf_t *kafka_config_new(const struct settings *settings,
                                             char *const *environment,
                                             const struct kafka_wishes *wishes, char *error);

/* The value of a property that is a whole number, or `otherwise` when it is not. */
int64_t kafka_config_int(const rd_kafka_conf_t *config, const char *name, int64_t otherwise);

#endif
