/*
 * settings.h: all settings, in one table. They come from the environment, once, at the start.
 *
 * To add one, add a row: it is then parsed, checked, printed by -n and known to templates. The row
 * says: variable, member of struct settings, kind, default, least and greatest, secret, help.
 *
 *   kind       member type       the value is                         least, greatest are
 *   INTEGER    int64_t           a decimal number                     its bounds
 *   BOOLEAN    bool              true, false, 1, 0, yes, no, on, off  not used
 *   TEXT       const char *      UTF-8 without control characters     bounds of its bytes
 *   HOST       const char *      a host name or an IP address         bounds of its bytes
 *   PATH       const char *      an absolute path [A-Za-z0-9._/-],    bounds of its bytes
 *                                or nothing if least is 0
 *   NETWORKS   const char *      networks "address/bits", by comma    bounds of its bytes
 *   TOPIC      const char *      a name of Kafka [A-Za-z0-9._-]       bounds of its bytes
 *   TOKENS     const char *      secrets by comma, or their           bounds of its bytes
 *                                "sha256:" and 64 hexadecimal digits
 *   LEVEL      enum log_level    debug, info, warn, error             not used
 *   FORMAT     enum log_format   json, text                           not used
 *   SHARE      int64_t           a decimal number from 0 to 1, kept   not used
 *                                in millionths
 *
 * HOST is kept as nginx wants it: an IPv6 address is put in brackets. NETWORKS and TOKENS are kept
 * without spaces. Text members are not NULL once settings_load() has returned 0.
 */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attributes.h"
#include "base/log.h"

/* clang-format off */
#define SETTINGS_TABLE(X)                                                                          \
    X(HOST, host, HOST, "0.0.0.0", 1, 253, false,                                                  \
      "address on which nginx listens for HTTP")                                                   \
    X(PORT, port, INTEGER, "3800", 1, 65535, false,                                                \
      "port on which nginx listens for HTTP")                                                      \
    X(GRPC_HOST, grpc_host, HOST, "0.0.0.0", 1, 253, false,                                        \
      "address on which nginx listens for gRPC")                                                   \
    X(GRPC_PORT, grpc_port, INTEGER, "4400", 1, 65535, false,                                      \
      "port on which nginx listens for gRPC")                                                      \
    X(GRPC_AUTH_TOKEN, grpc_auth_token, TOKENS, "", 0, 8192, true,                                 \
      "bearer tokens of gRPC callers, by comma; empty: none is needed")                            \
    X(SHADOW_MODE, shadow_mode, BOOLEAN, "true", 0, 0, false,                                      \
      "shown by the health routes: the guard runs beside the old locker")                          \
    X(AVAILABILITY_GUARD_FAIL_OPEN, availability_guard_fail_open, BOOLEAN, "true", 0, 0, false,    \
      "whether callers may go on without a lock when the guard fails")                             \
    X(LOCK_DEFAULT_TTL_SECONDS, lock_default_ttl_seconds, INTEGER, "7200", 1, 31536000, false,     \
      "how long a lock is held when the request does not say it")                                  \
    X(LOCK_MAX_TTL_SECONDS, lock_max_ttl_seconds, INTEGER, "86400", 1, 31536000, false,            \
      "the longest a lock is held; longer requests are cut to it")                                 \
    X(LOCK_MAX_STAY_DAYS, lock_max_stay_days, INTEGER, "3660", 1, 36600, false,                    \
      "the longest stay that is accepted")                                                         \
    X(LOCK_RETENTION_DAYS, lock_retention_days, INTEGER, "400", 0, 36600, false,                   \
      "released and expired locks are deleted after this; 0 keeps them")                           \
    X(DB_HOST, db_host, TEXT, "127.0.0.1", 1, 1024, false,                                         \
      "PostgreSQL hosts, by comma, or the directory of its socket")                                \
    X(DB_PORT, db_port, INTEGER, "5432", 1, 65535, false,                                          \
      "port of PostgreSQL")                                                                        \
    X(DB_NAME, db_name, TEXT, "availability_guard", 1, 1024, false,                                \
      "name of the database")                                                                      \
    X(DB_USER, db_user, TEXT, "availability_guard", 1, 1024, false,                                \
      "role in the database")                                                                      \
    X(DB_PASSWORD, db_password, TEXT, "", 0, 1024, true,                                           \
      "password of the role; empty: libpq looks for one itself")                                   \
    X(DB_SSL, db_ssl, BOOLEAN, "false", 0, 0, false,                                               \
      "whether the connection to PostgreSQL must be encrypted")                                    \
    X(DATABASE_URL, database_url, TEXT, "", 0, 4096, true,                                         \
      "connection string of libpq; when set, it replaces the DB_ settings of the connection")      \
    X(DB_STATEMENT_TIMEOUT_MS, db_statement_timeout_ms, INTEGER, "5000", 100, 60000, false,        \
      "how long one statement may take")                                                           \
    X(DB_CONNECT_TIMEOUT_MS, db_connect_timeout_ms, INTEGER, "3000", 100, 60000, false,            \
      "how long one try to connect to a database host may take")                                   \
    X(GUARD_WORKERS, guard_workers, INTEGER, "2", 1, 256, false,                                   \
      "number of guard processes")                                                                 \
    X(GUARD_BATCH_MAX, guard_batch_max, INTEGER, "64", 1, 1000, false,                             \
      "most commands in one statement")                                                            \
    X(GUARD_QUEUE_MAX, guard_queue_max, INTEGER, "1024", 1, 100000, false,                         \
      "most commands that wait in one process; the next one is answered 503 overloaded")           \
    X(GUARD_QUEUE_TIMEOUT_MS, guard_queue_timeout_ms, INTEGER, "2000", 10, 60000, false,           \
      "how long a command may wait before it is sent to the database")                             \
    X(GUARD_SOCKET, guard_socket, PATH, "/run/availability-guard/guard.sock", 2, 100, false,       \
      "socket between nginx and the guard processes")                                              \
    X(GUARD_MAX_BODY_BYTES, guard_max_body_bytes, INTEGER, "1048576", 1024, 16777216, false,       \
      "longest body of a request")                                                                 \
    X(GUARD_OPERATIONS_NETWORKS, guard_operations_networks, NETWORKS,                              \
      "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7", 1, 1024, false,      \
      "networks that may ask for health, readiness and metrics")                                   \
    X(GUARD_METRICS_ENABLED, guard_metrics_enabled, BOOLEAN, "true", 0, 0, false,                  \
      "whether the programs count what they do")                                                   \
    X(GUARD_METRICS_FILE, guard_metrics_file, PATH, "/run/availability-guard/metrics", 2, 200,     \
      false, "file in which they do, one for all programs of a machine")                           \
    X(AVAILABILITY_GUARD_METRICS_TENANTS_MAX, availability_guard_metrics_tenants_max, INTEGER,     \
      "0", 0, 1000, false,                                                                         \
      "tenants whose conflicts are counted apart; 0: none")                                        \
    X(SWEEP_INTERVAL_MS, sweep_interval_ms, INTEGER, "1000", 10, 3600000, false,                   \
      "pause between two sweeps for expired locks")                                                \
    X(SWEEP_BATCH, sweep_batch, INTEGER, "200", 1, 10000, false,                                   \
      "most locks marked or deleted in one statement of the sweeper")                              \
    X(AVAILABILITY_GUARD_MANUAL_RELEASE_ENABLED, availability_guard_manual_release_enabled,        \
      BOOLEAN, "true", 0, 0, false,                                                                \
      "whether operators may release locks by force")                                              \
    X(AVAILABILITY_GUARD_ADMIN_TOKENS, availability_guard_admin_tokens, TOKENS, "", 0, 8192, true, \
      "tokens of operators, by comma; empty: nobody is let in")                                    \
    X(AVAILABILITY_GUARD_NOTIFICATIONS_ENABLED, availability_guard_notifications_enabled, BOOLEAN, \
      "true", 0, 0, false,                                                                         \
      "whether a manual release is announced")                                                     \
    X(AVAILABILITY_GUARD_NOTIFICATION_TOPIC, availability_guard_notification_topic, TOPIC,         \
      "availability-guard.notifications", 1, 249, false,                                           \
      "Kafka topic of announcements")                                                              \
    X(AVAILABILITY_GUARD_NOTIFICATION_DLQ_TOPIC, availability_guard_notification_dlq_topic, TOPIC, \
      "availability-guard.notifications.dlq", 1, 249, false,                                       \
      "Kafka topic of announcements that could not be delivered")                                  \
    X(AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS, availability_guard_notification_recipients, TEXT,\
      "", 0, 8192, false,                                                                          \
      "who is told of every manual release, by comma")                                             \
    X(AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_ENABLED,                                            \
      availability_guard_notification_consumer_enabled,                                            \
      BOOLEAN, "true", 0, 0, false,                                                                \
      "whether the notifier does anything")                                                        \
    X(AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_GROUP,                                              \
      availability_guard_notification_consumer_group,                                              \
      TOPIC, "availability-guard-notification-worker", 1, 249, false,                              \
      "Kafka consumer group of the notifier")                                                      \
    X(AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_MAX_RETRIES,                                        \
      availability_guard_notification_consumer_max_retries,                                        \
      INTEGER, "3", 0, 100, false,                                                                 \
      "how often a webhook call is repeated")                                                      \
    X(AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_RETRY_BACKOFF_MS,                                   \
      availability_guard_notification_consumer_retry_backoff_ms,                                   \
      INTEGER, "2000", 1, 600000, false,                                                           \
      "pause before the first repetition; it doubles with each")                                   \
    X(AVAILABILITY_GUARD_NOTIFICATION_DRY_RUN, availability_guard_notification_dry_run, BOOLEAN,   \
      "true", 0, 0, false,                                                                         \
      "log what would be sent, and send nothing")                                                  \
    X(AVAILABILITY_GUARD_NOTIFICATION_SIGNING_SECRET,                                              \
      availability_guard_notification_signing_secret,                                              \
      TEXT, "", 0, 1024, true,                                                                     \
      "signs webhook calls; two by comma while one replaces the other")                            \
    X(AVAILABILITY_GUARD_NOTIFICATION_REFUSE_PRIVATE_ADDRESSES,                                    \
      availability_guard_notification_refuse_private_addresses,                                    \
      BOOLEAN, "false", 0, 0, false,                                                               \
      "whether webhooks at private addresses are refused")                                         \
    X(AVAILABILITY_GUARD_NOTIFICATION_BREAKER_FAILURES,                                            \
      availability_guard_notification_breaker_failures,                                            \
      INTEGER, "5", 1, 1000, false,                                                                \
      "failures in a row after which a webhook is left alone")                                     \
    X(AVAILABILITY_GUARD_NOTIFICATION_BREAKER_PAUSE_MS,                                            \
      availability_guard_notification_breaker_pause_ms,                                            \
      INTEGER, "30000", 10, 3600000, false,                                                        \
      "how long it is left alone")                                                                 \
    X(AVAILABILITY_GUARD_NOTIFICATION_EMAIL_ENABLED,                                               \
      availability_guard_notification_email_enabled,                                               \
      BOOLEAN, "true", 0, 0, false,                                                                \
      "whether email recipients are told")                                                         \
    X(AVAILABILITY_GUARD_NOTIFICATION_EMAIL_WEBHOOK_URL,                                           \
      availability_guard_notification_email_webhook_url,                                           \
      TEXT, "", 0, 2048, true,                                                                     \
      "http(s) address of the webhook for email")                                                  \
    X(AVAILABILITY_GUARD_NOTIFICATION_EMAIL_TIMEOUT_MS,                                            \
      availability_guard_notification_email_timeout_ms,                                            \
      INTEGER, "7000", 10, 600000, false,                                                          \
      "how long one call of the email webhook may take")                                           \
    X(AVAILABILITY_GUARD_NOTIFICATION_EMAIL_API_KEY,                                               \
      availability_guard_notification_email_api_key,                                               \
      TEXT, "", 0, 4096, true,                                                                     \
      "bearer token for the email webhook")                                                        \
    X(AVAILABILITY_GUARD_NOTIFICATION_SMS_ENABLED, availability_guard_notification_sms_enabled,    \
      BOOLEAN, "false", 0, 0, false,                                                               \
      "whether SMS recipients are told")                                                           \
    X(AVAILABILITY_GUARD_NOTIFICATION_SMS_WEBHOOK_URL,                                             \
      availability_guard_notification_sms_webhook_url,                                             \
      TEXT, "", 0, 2048, true,                                                                     \
      "http(s) address of the webhook for SMS")                                                    \
    X(AVAILABILITY_GUARD_NOTIFICATION_SMS_TIMEOUT_MS,                                              \
      availability_guard_notification_sms_timeout_ms,                                              \
      INTEGER, "5000", 10, 600000, false,                                                          \
      "how long one call of the SMS webhook may take")                                             \
    X(AVAILABILITY_GUARD_NOTIFICATION_SMS_API_KEY, availability_guard_notification_sms_api_key,    \
      TEXT, "", 0, 4096, true,                                                                     \
      "bearer token for the SMS webhook")                                                          \
    X(AVAILABILITY_GUARD_NOTIFICATION_SLACK_ENABLED,                                               \
      availability_guard_notification_slack_enabled,                                               \
      BOOLEAN, "false", 0, 0, false,                                                               \
      "whether Slack recipients are told")                                                         \
    X(AVAILABILITY_GUARD_NOTIFICATION_SLACK_WEBHOOK_URL,                                           \
      availability_guard_notification_slack_webhook_url,                                           \
      TEXT, "", 0, 2048, true,                                                                     \
      "http(s) address of the webhook for Slack")                                                  \
    X(AVAILABILITY_GUARD_NOTIFICATION_SLACK_TIMEOUT_MS,                                            \
      availability_guard_notification_slack_timeout_ms,                                            \
      INTEGER, "5000", 10, 600000, false,                                                          \
      "how long one call of the Slack webhook may take")                                           \
    X(AVAILABILITY_GUARD_NOTIFICATION_SLACK_API_KEY,                                               \
      availability_guard_notification_slack_api_key,                                               \
      TEXT, "", 0, 4096, true,                                                                     \
      "bearer token for the Slack webhook")                                                        \
    X(AVAILABILITY_GUARD_NOTIFICATION_SMS_RETRY_UNCERTAIN,                                         \
      availability_guard_notification_sms_retry_uncertain,                                         \
      BOOLEAN, "true", 0, 0, false,                                                                \
      "repeat an SMS that may have been sent already")                                             \
    X(AVAILABILITY_GUARD_INVENTORY_EVENTS_ENABLED,                                                 \
      availability_guard_inventory_events_enabled,                                                 \
      BOOLEAN, "true", 0, 0, false,                                                                \
      "whether what becomes of each lock is told to Kafka")                                        \
    X(INVENTORY_EVENTS_TOPIC, inventory_events_topic, TOPIC, "inventory.events.shadow", 1, 249,    \
      false,                                                                                       \
      "Kafka topic of what becomes of locks")                                                      \
    X(KAFKA_BROKERS, kafka_brokers, TEXT, "localhost:29092", 1, 4096, false,                       \
      "Kafka brokers host:port, by comma")                                                         \
    X(KAFKA_CLIENT_ID, kafka_client_id, TOPIC, "tartware-availability-guard", 1, 249, false,       \
      "name of this service at Kafka")                                                             \
    X(RELAY_BATCH, relay_batch, INTEGER, "500", 1, 10000, false,                                   \
      "most events read from the outbox at once")                                                  \
    X(RELAY_IN_FLIGHT_MAX, relay_in_flight_max, INTEGER, "10000", 1, 1000000, false,               \
      "most events of each stream on their way to Kafka")                                          \
    X(RELAY_POLL_INTERVAL_MS, relay_poll_interval_ms, INTEGER, "100", 10, 3600000, false,          \
      "pause between two looks into an outbox that was empty")                                     \
    X(COMMAND_CENTER_TOPIC, command_center_topic, TOPIC, "commands.primary", 1, 249, false,        \
      "Kafka topic of commands")                                                                   \
    X(COMMAND_CENTER_TARGET_SERVICE_ID, command_center_target_service_id, TEXT,                    \
      "availability-guard-service", 1, 255, false,                                                 \
      "name of this service in commands: those for others are passed over")                        \
    X(AVAILABILITY_GUARD_COMMANDS_ENABLED, availability_guard_commands_enabled, BOOLEAN, "true",   \
      0, 0, false,                                                                                 \
      "whether commands are performed")                                                            \
    X(AVAILABILITY_GUARD_COMMAND_CONSUMER_GROUP, availability_guard_command_consumer_group, TOPIC, \
      "availability-guard-service-commands", 1, 249, false,                                        \
      "Kafka consumer group of those who perform commands")                                        \
    X(INVENTORY_EVENTS_DLQ_TOPIC, inventory_events_dlq_topic, TOPIC, "inventory.events.dlq",       \
      1, 249, false,                                                                               \
      "Kafka topic of commands that cannot be performed")                                          \
    X(COMMANDS_BATCH, commands_batch, INTEGER, "200", 1, 1000, false,                              \
      "most commands performed in one statement")                                                  \
    X(COMMANDS_IN_FLIGHT_MAX, commands_in_flight_max, INTEGER, "10000", 1, 1000000, false,         \
      "most commands in hand; the rest waits in Kafka")                                            \
    X(COMMANDS_RETENTION_DAYS, commands_retention_days, INTEGER, "30", 1, 36600, false,            \
      "how long it is known which commands were performed; longer than Kafka keeps them")          \
    X(GUARD_TRACE_SOCKET, guard_trace_socket, PATH, "/run/availability-guard/traces.sock",         \
      2, 100, false,                                                                               \
      "socket on which the trace exporter takes the spans of all programs of a machine")           \
    X(OTEL_SDK_DISABLED, otel_sdk_disabled, BOOLEAN, "false",                                      \
      0, 0, false,                                                                                 \
      "whether no spans are told, whatever else is set")                                           \
    X(OTEL_SERVICE_NAME, otel_service_name, TEXT, "",                                              \
      0, 255, false,                                                                               \
      "name of this service in its spans; empty: availability-guard")                              \
    X(OTEL_RESOURCE_ATTRIBUTES, otel_resource_attributes, TEXT, "",                                \
      0, 4096, false,                                                                              \
      "more about this service, as key=value by comma")                                            \
    X(OTEL_TRACES_SAMPLER, otel_traces_sampler, TEXT, "parentbased_always_on",                     \
      1, 64, false,                                                                                \
      "which traces spans are told of: [parentbased_](always_on|always_off|traceidratio)")         \
    X(OTEL_TRACES_SAMPLER_ARG, otel_traces_sampler_arg, TEXT, "",                                  \
      0, 32, false,                                                                                \
      "of traceidratio: the ratio, from 0 to 1; empty: 1")                                         \
    X(OTEL_EXPORTER_OTLP_ENDPOINT, otel_exporter_otlp_endpoint, TEXT, "",                          \
      0, 2048, false,                                                                              \
      "http(s) address of an OTLP collector, without /v1/traces; empty: no spans are told")        \
    X(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, otel_exporter_otlp_traces_endpoint, TEXT, "",            \
      0, 2048, false,                                                                              \
      "the whole address for spans, instead of the one above")                                     \
    X(OTEL_EXPORTER_OTLP_HEADERS, otel_exporter_otlp_headers, TEXT, "",                            \
      0, 4096, true,                                                                               \
      "headers for the collector, as key=value by comma")                                          \
    X(OTEL_EXPORTER_OTLP_TIMEOUT, otel_exporter_otlp_timeout, INTEGER, "10000",                    \
      10, 600000, false,                                                                           \
      "how long one call of the collector may take, in milliseconds")                              \
    X(OTEL_BSP_SCHEDULE_DELAY, otel_bsp_schedule_delay, INTEGER, "5000",                           \
      10, 600000, false,                                                                           \
      "how long spans are gathered before they are sent to the collector, in milliseconds")        \
    X(OTEL_BSP_EXPORT_TIMEOUT, otel_bsp_export_timeout, INTEGER, "30000",                          \
      10, 3600000, false,                                                                          \
      "how long it is tried to send the same spans, in milliseconds")                              \
    X(OTEL_BSP_MAX_QUEUE_SIZE, otel_bsp_max_queue_size, INTEGER, "2048",                           \
      1, 1000000, false,                                                                           \
      "most spans that wait to be sent; further ones are dropped")                                 \
    X(OTEL_BSP_MAX_EXPORT_BATCH_SIZE, otel_bsp_max_export_batch_size, INTEGER, "512",              \
      1, 10000, false,                                                                             \
      "most spans in one call of the collector")                                                   \
    X(LOG_LEVEL, log_level, LEVEL, "info", 0, 0, false,                                            \
      "lowest level that is logged")                                                               \
    X(LOG_FORMAT, log_format, FORMAT, "json", 0, 0, false,                                         \
      "form of the log lines")                                                                     \
    X(LOG_SETTINGS_FILE, log_settings_file, PATH, "", 0, 200, false,                               \
      "file whose LOG_LEVEL and ACCESS_LOG_SAMPLE_RATE replace those here; read again at SIGHUP")  \
    X(ACCESS_LOG_SAMPLE_RATE, access_log_sample_rate, SHARE, "0.1", 0, 0, false,                   \
      "share of requests that get an access line; those answered with 5xx always do")
/* clang-format on */

#define SETTINGS_TYPE_INTEGER int64_t
#define SETTINGS_TYPE_SHARE int64_t
#define SETTINGS_TYPE_BOOLEAN bool
#define SETTINGS_TYPE_TEXT const char *
#define SETTINGS_TYPE_HOST const char *
#define SETTINGS_TYPE_PATH const char *
#define SETTINGS_TYPE_NETWORKS const char *
#define SETTINGS_TYPE_TOPIC const char *
#define SETTINGS_TYPE_TOKENS const char *
#define SETTINGS_TYPE_LEVEL enum log_level
#define SETTINGS_TYPE_FORMAT enum log_format

#define SETTINGS_MEMBER(name, member, kind, initial, least, greatest, secret, help)                \
    SETTINGS_TYPE_##kind member;
struct settings {
    SETTINGS_TABLE(SETTINGS_MEMBER)
};
#undef SETTINGS_MEMBER

/*
 * Fills *settings from the environment (an array of "NAME=value", ended by NULL, such as environ).
 * A variable that is empty or missing means the default. Every wrong one is reported to `errors`,
 * in a line with the variable, its value (never that of a secret) and what is allowed; an unknown
 * AVAILABILITY_GUARD_ variable gets a line that begins with "warning:" and is not counted.
 * Returns the number of errors; a wrong setting has its default then, and a text may be NULL if
 * memory ran out, so do not go on with it. Whatever it returns, end with settings_free().
 */
MUST_CHECK int settings_load(struct settings *settings, char *const *environment, FILE *errors);

/* Frees the texts and zeroes the struct. Does no harm to a zeroed struct. */
void settings_free(struct settings *settings);

/* Prints NAME=value lines in the order of the table; a secret that is set as "********". */
void settings_print(const struct settings *settings, FILE *out);

/* Prints a line for each setting: name, default, what is allowed, help. For usage texts. */
void settings_print_help(FILE *out);

/*
 * Copies template_in to out with every ${NAME} replaced by the value of a setting, or by one of
 *   GUARD_ANSWER_TIMEOUT_MS  settings_answer_timeout_ms()
 *   NGINX_READ_TIMEOUT_MS    a second more than that
 *   OPERATIONS_ALLOW         "allow NETWORK; allow NETWORK; …" of GUARD_OPERATIONS_NETWORKS
 *   ADMIN_TOKENS_MAP         lines of nginx's map{} for AVAILABILITY_GUARD_ADMIN_TOKENS: secret
 * A "$" without "{" is copied. Unknown names, secrets (only the one above gets into a file) and a
 * "${" that is not closed on its line are errors, each reported with its line number. Returns the
 * number of errors; nothing is written to out unless it would be 0 before the writing itself.
 */
MUST_CHECK int settings_render(const struct settings *settings, FILE *template_in, FILE *out,
                               FILE *errors);

/* The guard answers within this time: waiting in the queue, one statement, and a second. */
int64_t settings_answer_timeout_ms(const struct settings *settings);

#endif
