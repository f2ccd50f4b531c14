#include "base/settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/settings_value.h"
#include "unit.h"

static struct settings settings;
static char *report; /* what settings_load() said */

static void setup(void) {
    memset(&settings, 0, sizeof(settings));
    report = NULL;
}

static void teardown(void) {
    settings_free(&settings);
    free(report);
}

/* Loads variables, ended by NULL. The number of errors; what was said is in `report`. */
static int load(const char *const *variables) {
    size_t size = 0;
    free(report);
    settings_free(&settings);
    FILE *errors = open_memstream(&report, &size);
    ck_assert_ptr_nonnull(errors);
    int wrong = settings_load(&settings, (char *const *)(void *)variables, errors);
    ck_assert_int_eq(fclose(errors), 0);
    return wrong;
}

static int load_one(const char *variable) {
    return load((const char *[]){variable, NULL});
}

static int count_lines(const char *text) {
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* What settings_print() prints; the caller frees it. */
static char *printed(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    settings_print(&settings, out);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

static const char defaults[] =
    "HOST=0.0.0.0\n"
    "PORT=3800\n"
    "GRPC_HOST=0.0.0.0\n"
    "GRPC_PORT=4400\n"
    "GRPC_AUTH_TOKEN=\n"
    "SHADOW_MODE=true\n"
    "AVAILABILITY_GUARD_FAIL_OPEN=true\n"
    "LOCK_DEFAULT_TTL_SECONDS=7200\n"
    "LOCK_MAX_TTL_SECONDS=86400\n"
    "LOCK_MAX_STAY_DAYS=3660\n"
    "LOCK_RETENTION_DAYS=400\n"
    "DB_HOST=127.0.0.1\n"
    "DB_PORT=5432\n"
    "DB_NAME=availability_guard\n"
    "DB_USER=availability_guard\n"
    "DB_PASSWORD=\n"
    "DB_SSL=false\n"
    "DATABASE_URL=\n"
    "DB_STATEMENT_TIMEOUT_MS=5000\n"
    "DB_CONNECT_TIMEOUT_MS=3000\n"
    "GUARD_WORKERS=2\n"
    "GUARD_BATCH_MAX=64\n"
    "GUARD_QUEUE_MAX=1024\n"
    "GUARD_QUEUE_TIMEOUT_MS=2000\n"
    "GUARD_SOCKET=/run/availability-guard/guard.sock\n"
    "GUARD_MAX_BODY_BYTES=1048576\n"
    "GUARD_OPERATIONS_NETWORKS=127.0.0.0/8,::1/128,10.0.0.0/8,"
    "172.16.0.0/12,192.168.0.0/16,fc00::/7\n"
    "GUARD_METRICS_ENABLED=true\n"
    "GUARD_METRICS_FILE=/run/availability-guard/metrics\n"
    "AVAILABILITY_GUARD_METRICS_TENANTS_MAX=0\n"
    "SWEEP_INTERVAL_MS=1000\n"
    "SWEEP_BATCH=200\n"
    "AVAILABILITY_GUARD_MANUAL_RELEASE_ENABLED=true\n"
    "AVAILABILITY_GUARD_ADMIN_TOKENS=\n"
    "AVAILABILITY_GUARD_NOTIFICATIONS_ENABLED=true\n"
    "AVAILABILITY_GUARD_NOTIFICATION_TOPIC=availability-guard.notifications\n"
    "AVAILABILITY_GUARD_NOTIFICATION_DLQ_TOPIC=availability-guard.notifications.dlq\n"
    "AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS=\n"
    "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_ENABLED=true\n"
    "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_GROUP=availability-guard-notification-worker\n"
    "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_MAX_RETRIES=3\n"
    "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_RETRY_BACKOFF_MS=2000\n"
    "AVAILABILITY_GUARD_NOTIFICATION_DRY_RUN=true\n"
    "AVAILABILITY_GUARD_NOTIFICATION_SIGNING_SECRET=\n"
    "AVAILABILITY_GUARD_NOTIFICATION_REFUSE_PRIVATE_ADDRESSES=false\n"
    "AVAILABILITY_GUARD_NOTIFICATION_BREAKER_FAILURES=5\n"
    "AVAILABILITY_GUARD_NOTIFICATION_BREAKER_PAUSE_MS=30000\n"
    "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_ENABLED=true\n"
    "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_WEBHOOK_URL=\n"
    "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_TIMEOUT_MS=7000\n"
    "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_API_KEY=\n"
    "AVAILABILITY_GUARD_NOTIFICATION_SMS_ENABLED=false\n"
    "AVAILABILITY_GUARD_NOTIFICATION_SMS_WEBHOOK_URL=\n"
    "AVAILABILITY_GUARD_NOTIFICATION_SMS_TIMEOUT_MS=5000\n"
    "AVAILABILITY_GUARD_NOTIFICATION_SMS_API_KEY=\n"
    "AVAILABILITY_GUARD_NOTIFICATION_SLACK_ENABLED=false\n"
    "AVAILABILITY_GUARD_NOTIFICATION_SLACK_WEBHOOK_URL=\n"
    "AVAILABILITY_GUARD_NOTIFICATION_SLACK_TIMEOUT_MS=5000\n"
    "AVAILABILITY_GUARD_NOTIFICATION_SLACK_API_KEY=\n"
    "AVAILABILITY_GUARD_NOTIFICATION_SMS_RETRY_UNCERTAIN=true\n"
    "AVAILABILITY_GUARD_INVENTORY_EVENTS_ENABLED=true\n"
    "INVENTORY_EVENTS_TOPIC=inventory.events.shadow\n"
    "KAFKA_BROKERS=localhost:29092\n"
    "KAFKA_CLIENT_ID=tartware-availability-guard\n"
    "RELAY_BATCH=500\n"
    "RELAY_IN_FLIGHT_MAX=10000\n"
    "RELAY_POLL_INTERVAL_MS=100\n"
    "COMMAND_CENTER_TOPIC=commands.primary\n"
    "COMMAND_CENTER_TARGET_SERVICE_ID=availability-guard-service\n"
    "AVAILABILITY_GUARD_COMMANDS_ENABLED=true\n"
    "AVAILABILITY_GUARD_COMMAND_CONSUMER_GROUP=availability-guard-service-commands\n"
    "INVENTORY_EVENTS_DLQ_TOPIC=inventory.events.dlq\n"
    "COMMANDS_BATCH=200\n"
    "COMMANDS_IN_FLIGHT_MAX=10000\n"
    "COMMANDS_RETENTION_DAYS=30\n"
    "GUARD_TRACE_SOCKET=/run/availability-guard/traces.sock\n"
    "OTEL_SDK_DISABLED=false\n"
    "OTEL_SERVICE_NAME=\n"
    "OTEL_RESOURCE_ATTRIBUTES=\n"
    "OTEL_TRACES_SAMPLER=parentbased_always_on\n"
    "OTEL_TRACES_SAMPLER_ARG=\n"
    "OTEL_EXPORTER_OTLP_ENDPOINT=\n"
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=\n"
    "OTEL_EXPORTER_OTLP_HEADERS=\n"
    "OTEL_EXPORTER_OTLP_TIMEOUT=10000\n"
    "OTEL_BSP_SCHEDULE_DELAY=5000\n"
    "OTEL_BSP_EXPORT_TIMEOUT=30000\n"
    "OTEL_BSP_MAX_QUEUE_SIZE=2048\n"
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=512\n"
    "LOG_LEVEL=info\n"
    "LOG_FORMAT=json\n"
    "LOG_SETTINGS_FILE=\n"
    "ACCESS_LOG_SAMPLE_RATE=0.1\n";

START_TEST(all_defaults) {
    ck_assert_int_eq(load((const char *[]){NULL}), 0);
    ck_assert_str_eq(report, "");
    char *text = printed();
    ck_assert_str_eq(text, defaults);
    free(text);
    ck_assert_int_eq(settings.port, 3800);
    ck_assert(settings.shadow_mode);
    ck_assert(!settings.db_ssl);
    ck_assert_str_eq(settings.db_password, "");
    ck_assert_int_eq(settings.log_level, LOG_LEVEL_INFO);
    ck_assert_int_eq(settings.log_format, LOG_FORMAT_JSON);
}
END_TEST

START_TEST(empty_means_default) {
    ck_assert_int_eq(load((const char *[]){"HOST=", "PORT=", "SHADOW_MODE=", "LOG_LEVEL=",
                                           "GUARD_SOCKET=", "GUARD_OPERATIONS_NETWORKS=", NULL}),
                     0);
    char *text = printed();
    ck_assert_str_eq(text, defaults);
    free(text);
}
END_TEST

START_TEST(every_member_is_set) {
    ck_assert_int_eq(
        load((const char *[]){"HOST=::1",
                              "PORT=1",
                              "SHADOW_MODE=no",
                              "AVAILABILITY_GUARD_FAIL_OPEN=0",
                              "LOCK_DEFAULT_TTL_SECONDS=2",
                              "LOCK_MAX_TTL_SECONDS=3",
                              "LOCK_MAX_STAY_DAYS=4",
                              "LOCK_RETENTION_DAYS=0",
                              "DB_HOST=/run/postgresql",
                              "DB_PORT=5",
                              "DB_NAME=n\xC3\xA4me",
                              "DB_USER=o'user",
                              "DB_PASSWORD= p=w ",
                              "DB_SSL=ON",
                              "DATABASE_URL=postgresql://u:p@a,b/db?x=y",
                              "DB_STATEMENT_TIMEOUT_MS=100",
                              "DB_CONNECT_TIMEOUT_MS=101",
                              "GUARD_WORKERS=6",
                              "GUARD_BATCH_MAX=7",
                              "GUARD_QUEUE_MAX=8",
                              "GUARD_QUEUE_TIMEOUT_MS=10",
                              "GUARD_SOCKET=/tmp/g.sock",
                              "GUARD_MAX_BODY_BYTES=1024",
                              "GUARD_OPERATIONS_NETWORKS= 10.1.0.0/16 , fd00::/8",
                              "AVAILABILITY_GUARD_METRICS_TENANTS_MAX=1000",
                              "SWEEP_INTERVAL_MS=11",
                              "SWEEP_BATCH=12",
                              "AVAILABILITY_GUARD_MANUAL_RELEASE_ENABLED=false",
                              "AVAILABILITY_GUARD_ADMIN_TOKENS= one , two,three ",
                              "AVAILABILITY_GUARD_NOTIFICATIONS_ENABLED=false",
                              "AVAILABILITY_GUARD_NOTIFICATION_TOPIC=t23",
                              "AVAILABILITY_GUARD_NOTIFICATION_DLQ_TOPIC=t24",
                              "AVAILABILITY_GUARD_NOTIFICATION_RECIPIENTS=t25",
                              "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_ENABLED=false",
                              "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_GROUP=t27",
                              "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_MAX_RETRIES=28",
                              "AVAILABILITY_GUARD_NOTIFICATION_CONSUMER_RETRY_BACKOFF_MS=29",
                              "AVAILABILITY_GUARD_NOTIFICATION_DRY_RUN=false",
                              "AVAILABILITY_GUARD_NOTIFICATION_SIGNING_SECRET=t31",
                              "AVAILABILITY_GUARD_NOTIFICATION_REFUSE_PRIVATE_ADDRESSES=true",
                              "AVAILABILITY_GUARD_NOTIFICATION_BREAKER_FAILURES=33",
                              "AVAILABILITY_GUARD_NOTIFICATION_BREAKER_PAUSE_MS=34",
                              "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_ENABLED=false",
                              "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_WEBHOOK_URL=t36",
                              "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_TIMEOUT_MS=37",
                              "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_API_KEY=t38",
                              "AVAILABILITY_GUARD_NOTIFICATION_SMS_ENABLED=true",
                              "AVAILABILITY_GUARD_NOTIFICATION_SMS_WEBHOOK_URL=t40",
                              "AVAILABILITY_GUARD_NOTIFICATION_SMS_TIMEOUT_MS=41",
                              "AVAILABILITY_GUARD_NOTIFICATION_SMS_API_KEY=t42",
                              "AVAILABILITY_GUARD_NOTIFICATION_SLACK_ENABLED=true",
                              "AVAILABILITY_GUARD_NOTIFICATION_SLACK_WEBHOOK_URL=t44",
                              "AVAILABILITY_GUARD_NOTIFICATION_SLACK_TIMEOUT_MS=45",
                              "AVAILABILITY_GUARD_NOTIFICATION_SLACK_API_KEY=t46",
                              "AVAILABILITY_GUARD_NOTIFICATION_SMS_RETRY_UNCERTAIN=false",
                              "AVAILABILITY_GUARD_INVENTORY_EVENTS_ENABLED=false",
                              "INVENTORY_EVENTS_TOPIC=t47",
                              "KAFKA_BROKERS=t48",
                              "KAFKA_CLIENT_ID=t49",
                              "RELAY_BATCH=50",
                              "RELAY_IN_FLIGHT_MAX=51",
                              "RELAY_POLL_INTERVAL_MS=52",
                              "COMMAND_CENTER_TOPIC=t53",
                              "COMMAND_CENTER_TARGET_SERVICE_ID=t54",
                              "AVAILABILITY_GUARD_COMMANDS_ENABLED=off",
                              "AVAILABILITY_GUARD_COMMAND_CONSUMER_GROUP=t56",
                              "INVENTORY_EVENTS_DLQ_TOPIC=t57",
                              "COMMANDS_BATCH=58",
                              "COMMANDS_IN_FLIGHT_MAX=59",
                              "COMMANDS_RETENTION_DAYS=60",
                              "GUARD_TRACE_SOCKET=/tmp/t.sock",
                              "OTEL_SDK_DISABLED=true",
                              "OTEL_SERVICE_NAME=t61",
                              "OTEL_RESOURCE_ATTRIBUTES=t62=x",
                              "OTEL_TRACES_SAMPLER=t63",
                              "OTEL_TRACES_SAMPLER_ARG=t64",
                              "OTEL_EXPORTER_OTLP_ENDPOINT=t65",
                              "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=t66",
                              "OTEL_EXPORTER_OTLP_HEADERS=t67",
                              "OTEL_EXPORTER_OTLP_TIMEOUT=68",
                              "OTEL_BSP_SCHEDULE_DELAY=69",
                              "OTEL_BSP_EXPORT_TIMEOUT=70",
                              "OTEL_BSP_MAX_QUEUE_SIZE=71",
                              "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=72",
                              "LOG_LEVEL=Debug",
                              "LOG_FORMAT=TEXT",
                              "LOG_SETTINGS_FILE=/t61",
                              "ACCESS_LOG_SAMPLE_RATE=0.250",
                              NULL}),
        0);
    ck_assert_str_eq(report, "");
    ck_assert_str_eq(settings.host, "[::1]");
    ck_assert_int_eq(settings.port, 1);
    ck_assert(!settings.shadow_mode);
    ck_assert(!settings.availability_guard_fail_open);
    ck_assert_int_eq(settings.lock_default_ttl_seconds, 2);
    ck_assert_int_eq(settings.lock_max_ttl_seconds, 3);
    ck_assert_int_eq(settings.lock_max_stay_days, 4);
    ck_assert_int_eq(settings.lock_retention_days, 0);
    ck_assert_str_eq(settings.db_host, "/run/postgresql");
    ck_assert_int_eq(settings.db_port, 5);
    ck_assert_str_eq(settings.db_name, "n\xC3\xA4me");
    ck_assert_str_eq(settings.db_user, "o'user");
    ck_assert_str_eq(settings.db_password, " p=w ");
    ck_assert(settings.db_ssl);
    ck_assert_str_eq(settings.database_url, "postgresql://u:p@a,b/db?x=y");
    ck_assert_int_eq(settings.db_statement_timeout_ms, 100);
    ck_assert_int_eq(settings.db_connect_timeout_ms, 101);
    ck_assert_int_eq(settings.guard_workers, 6);
    ck_assert_int_eq(settings.guard_batch_max, 7);
    ck_assert_int_eq(settings.guard_queue_max, 8);
    ck_assert_int_eq(settings.guard_queue_timeout_ms, 10);
    ck_assert_str_eq(settings.guard_socket, "/tmp/g.sock");
    ck_assert_int_eq(settings.guard_max_body_bytes, 1024);
    ck_assert_int_eq(settings.availability_guard_metrics_tenants_max, 1000);
    ck_assert_str_eq(settings.guard_operations_networks, "10.1.0.0/16,fd00::/8");
    ck_assert_int_eq(settings.sweep_interval_ms, 11);
    ck_assert_int_eq(settings.sweep_batch, 12);
    ck_assert(!settings.availability_guard_manual_release_enabled);
    ck_assert_str_eq(settings.availability_guard_admin_tokens, "one,two,three");
    ck_assert(!settings.availability_guard_notifications_enabled);
    ck_assert_str_eq(settings.availability_guard_notification_topic, "t23");
    ck_assert_str_eq(settings.availability_guard_notification_dlq_topic, "t24");
    ck_assert_str_eq(settings.availability_guard_notification_recipients, "t25");
    ck_assert(!settings.availability_guard_notification_consumer_enabled);
    ck_assert_str_eq(settings.availability_guard_notification_consumer_group, "t27");
    ck_assert_int_eq(settings.availability_guard_notification_consumer_max_retries, 28);
    ck_assert_int_eq(settings.availability_guard_notification_consumer_retry_backoff_ms, 29);
    ck_assert(!settings.availability_guard_notification_dry_run);
    ck_assert_str_eq(settings.availability_guard_notification_signing_secret, "t31");
    ck_assert(settings.availability_guard_notification_refuse_private_addresses);
    ck_assert_int_eq(settings.availability_guard_notification_breaker_failures, 33);
    ck_assert_int_eq(settings.availability_guard_notification_breaker_pause_ms, 34);
    ck_assert(!settings.availability_guard_notification_email_enabled);
    ck_assert_str_eq(settings.availability_guard_notification_email_webhook_url, "t36");
    ck_assert_int_eq(settings.availability_guard_notification_email_timeout_ms, 37);
    ck_assert_str_eq(settings.availability_guard_notification_email_api_key, "t38");
    ck_assert(settings.availability_guard_notification_sms_enabled);
    ck_assert_str_eq(settings.availability_guard_notification_sms_webhook_url, "t40");
    ck_assert_int_eq(settings.availability_guard_notification_sms_timeout_ms, 41);
    ck_assert_str_eq(settings.availability_guard_notification_sms_api_key, "t42");
    ck_assert(settings.availability_guard_notification_slack_enabled);
    ck_assert_str_eq(settings.availability_guard_notification_slack_webhook_url, "t44");
    ck_assert_int_eq(settings.availability_guard_notification_slack_timeout_ms, 45);
    ck_assert_str_eq(settings.availability_guard_notification_slack_api_key, "t46");
    ck_assert(!settings.availability_guard_notification_sms_retry_uncertain);
    ck_assert(!settings.availability_guard_inventory_events_enabled);
    ck_assert_str_eq(settings.inventory_events_topic, "t47");
    ck_assert_str_eq(settings.kafka_brokers, "t48");
    ck_assert_str_eq(settings.kafka_client_id, "t49");
    ck_assert_int_eq(settings.relay_batch, 50);
    ck_assert_int_eq(settings.relay_in_flight_max, 51);
    ck_assert_int_eq(settings.relay_poll_interval_ms, 52);
    ck_assert_str_eq(settings.command_center_topic, "t53");
    ck_assert_str_eq(settings.command_center_target_service_id, "t54");
    ck_assert(!settings.availability_guard_commands_enabled);
    ck_assert_str_eq(settings.availability_guard_command_consumer_group, "t56");
    ck_assert_str_eq(settings.inventory_events_dlq_topic, "t57");
    ck_assert_int_eq(settings.commands_batch, 58);
    ck_assert_int_eq(settings.commands_in_flight_max, 59);
    ck_assert_int_eq(settings.commands_retention_days, 60);
    ck_assert_str_eq(settings.guard_trace_socket, "/tmp/t.sock");
    ck_assert(settings.otel_sdk_disabled);
    ck_assert_str_eq(settings.otel_service_name, "t61");
    ck_assert_str_eq(settings.otel_resource_attributes, "t62=x");
    ck_assert_str_eq(settings.otel_traces_sampler, "t63");
    ck_assert_str_eq(settings.otel_traces_sampler_arg, "t64");
    ck_assert_str_eq(settings.otel_exporter_otlp_endpoint, "t65");
    ck_assert_str_eq(settings.otel_exporter_otlp_traces_endpoint, "t66");
    ck_assert_str_eq(settings.otel_exporter_otlp_headers, "t67");
    ck_assert_int_eq(settings.otel_exporter_otlp_timeout, 68);
    ck_assert_int_eq(settings.otel_bsp_schedule_delay, 69);
    ck_assert_int_eq(settings.otel_bsp_export_timeout, 70);
    ck_assert_int_eq(settings.otel_bsp_max_queue_size, 71);
    ck_assert_int_eq(settings.otel_bsp_max_export_batch_size, 72);
    ck_assert_int_eq(settings.log_level, LOG_LEVEL_DEBUG);
    ck_assert_int_eq(settings.log_format, LOG_FORMAT_TEXT);
    ck_assert_str_eq(settings.log_settings_file, "/t61");
    ck_assert_int_eq(settings.access_log_sample_rate, 250000);
}
END_TEST

START_TEST(first_of_two_wins) {
    ck_assert_int_eq(
        load((const char *[]){"PORTS=1", "XPORT=2", "PORT", "PORT=81", "PORT=82", NULL}), 0);
    ck_assert_int_eq(settings.port, 81);
}
END_TEST

/* The bounds of every integer of the table: both are taken, what is beyond is not. */
START_TEST(bounds_of_every_integer) {
    for (size_t i = 0; i < settings_rows_count; i++) {
        const struct settings_row *row = &settings_rows[i];
        char variable[128];
        if (row->kind != SETTINGS_INTEGER)
            continue;
        for (int k = 0; k < 4; k++) {
            const int64_t values[] = {row->least, row->greatest, row->least - 1, row->greatest + 1};
            /* Beside it the widest other TTL, so that only this one is judged. */
            const char *beside = strcmp(row->name, "LOCK_DEFAULT_TTL_SECONDS") == 0
                                     ? "LOCK_MAX_TTL_SECONDS=31536000"
                                     : "LOCK_DEFAULT_TTL_SECONDS=1";
            (void)snprintf(variable, sizeof(variable), "%s=%lld", row->name, (long long)values[k]);
            ck_assert_int_eq(load((const char *[]){variable, beside, NULL}), k < 2 ? 0 : 1);
            ck_assert_int_eq(count_lines(report), k < 2 ? 0 : 1);
            if (k >= 2)
                ck_assert_int_eq(strncmp(report, row->name, strlen(row->name)), 0);
        }
    }
}
END_TEST

static const struct {
    const char *variable;
    const char *report;
} wrong[] = {
    {"PORT=99999", "PORT: \"99999\" is not allowed; allowed is an integer from 1 to 65535\n"},
    {"PORT=80a", "PORT: \"80a\" is not allowed; allowed is an integer from 1 to 65535\n"},
    {"DB_SSL=maybe", "DB_SSL: \"maybe\" is not allowed; allowed is true or false\n"},
    {"LOG_LEVEL=warning",
     "LOG_LEVEL: \"warning\" is not allowed; allowed is debug, info, warn or error\n"},
    {"LOG_FORMAT=xml", "LOG_FORMAT: \"xml\" is not allowed; allowed is json or text\n"},
    {"HOST=a b", "HOST: \"a b\" is not allowed; allowed is a host name, an IPv4 address or an IPv6 "
                 "address\n"},
    {"GUARD_SOCKET=guard.sock",
     "GUARD_SOCKET: \"guard.sock\" is not allowed; allowed is an absolute path of at most 100 "
     "characters A-Z a-z 0-9 . _ / -\n"},
    {"GUARD_OPERATIONS_NETWORKS=10.0.0.1/8",
     "GUARD_OPERATIONS_NETWORKS: \"10.0.0.1/8\" is not allowed; allowed is networks such as "
     "10.0.0.0/8 or fc00::/7, separated by commas, without bits behind the prefix\n"},
    {"DB_NAME=a\nPORT=1\x7F\xC2\x85\xC3\xA9\xFF",
     "DB_NAME: \"a\\x0APORT=1\\x7F\\xC2\\x85\xC3\xA9\\xFF\" is not allowed; allowed is 1 to 1024 "
     "bytes of UTF-8 without control characters\n"},
    {"DB_PASSWORD=hunter2\n",
     "DB_PASSWORD: the value (secret, not shown) is not allowed; allowed is 0 to 1024 bytes of "
     "UTF-8 without control characters\n"},
    {"DATABASE_URL=hunter2\xFF",
     "DATABASE_URL: the value (secret, not shown) is not allowed; allowed is 0 to 4096 bytes of "
     "UTF-8 without control characters\n"},
    {"AVAILABILITY_GUARD_ADMIN_TOKENS=hunter2,,hunter3",
     "AVAILABILITY_GUARD_ADMIN_TOKENS: the value (secret, not shown) is not allowed; allowed is "
     "tokens of at most 512 visible ASCII characters or sha256:DIGEST (64 hexadecimal digits), "
     "separated by commas\n"},
    {"AVAILABILITY_GUARD_NOTIFICATION_TOPIC=a b",
     "AVAILABILITY_GUARD_NOTIFICATION_TOPIC: \"a b\" is not allowed; allowed is 1 to 249 "
     "characters A-Z a-z 0-9 . _ -\n"},
    {"AVAILABILITY_GUARD_NOTIFICATION_EMAIL_API_KEY=hunter2\x7f",
     "AVAILABILITY_GUARD_NOTIFICATION_EMAIL_API_KEY: the value (secret, not shown) is not "
     "allowed; allowed is 0 to 4096 bytes of UTF-8 without control characters\n"},
    {"LOCK_DEFAULT_TTL_SECONDS=86401",
     "LOCK_DEFAULT_TTL_SECONDS: \"86401\" is not allowed; allowed is an integer that is not above "
     "LOCK_MAX_TTL_SECONDS, which is 86400\n"},
    {"LOCK_MAX_TTL_SECONDS=7199",
     "LOCK_DEFAULT_TTL_SECONDS: \"7200\" is not allowed; allowed is an integer that is not above "
     "LOCK_MAX_TTL_SECONDS, which is 7199\n"},
};

START_TEST(wrong_values_are_told) {
    ck_assert_int_eq(load_one(wrong[_i].variable), 1);
    ck_assert_str_eq(report, wrong[_i].report);
}
END_TEST

START_TEST(all_wrong_values_are_told) {
    ck_assert_int_eq(load((const char *[]){"PORT=0", "HOST=;", "LOCK_DEFAULT_TTL_SECONDS=100000",
                                           "DB_PASSWORD=hunter2\x01", "SHADOW_MODE=2", NULL}),
                     5);
    ck_assert_int_eq(count_lines(report), 5);
    ck_assert_ptr_nonnull(strstr(report, "PORT: "));
    ck_assert_ptr_nonnull(strstr(report, "HOST: "));
    ck_assert_ptr_nonnull(strstr(report, "LOCK_DEFAULT_TTL_SECONDS: "));
    ck_assert_ptr_nonnull(strstr(report, "DB_PASSWORD: "));
    ck_assert_ptr_nonnull(strstr(report, "SHADOW_MODE: "));
    ck_assert_ptr_null(strstr(report, "hunter2"));
    /* What is wrong has its default. */
    ck_assert_int_eq(settings.port, 3800);
    ck_assert_str_eq(settings.host, "0.0.0.0");
    ck_assert_str_eq(settings.db_password, "");
}
END_TEST

/* A wrong TTL is told once, and not compared by the default that replaces it. */
START_TEST(wrong_ttl_is_not_compared) {
    ck_assert_int_eq(
        load((const char *[]){"LOCK_MAX_TTL_SECONDS=x", "LOCK_DEFAULT_TTL_SECONDS=100000", NULL}),
        1);
    ck_assert_int_eq(strncmp(report, "LOCK_MAX_TTL_SECONDS: ", 22), 0);
    ck_assert_int_eq(load((const char *[]){"LOCK_MAX_TTL_SECONDS=100000",
                                           "LOCK_DEFAULT_TTL_SECONDS=100000", NULL}),
                     0);
}
END_TEST

START_TEST(long_values_are_shown_in_part) {
    char variable[2000] = "DB_NAME=";
    memset(variable + 8, 'n', 1500);
    variable[8 + 1500] = '\0';
    ck_assert_int_eq(load_one(variable), 1);
    ck_assert_ptr_nonnull(strstr(report, "nnn...\" is not allowed"));
    ck_assert_uint_lt(strlen(report), 250);
}
END_TEST

START_TEST(unknown_variables_of_ours_are_warned_about) {
    ck_assert_int_eq(
        load((const char *[]){"AVAILABILITY_GUARD_FAIL_OPNE=hunter2",
                              "AVAILABILITY_GUARD_FAIL_OPEN=false", "OTHER=1",
                              "AVAILABILITY_GUARD_X\n=1", "AVAILABILITY_GUARD_", NULL}),
        0);
    ck_assert_str_eq(report, "warning: AVAILABILITY_GUARD_FAIL_OPNE: no such setting\n"
                             "warning: AVAILABILITY_GUARD_X\\x0A: no such setting\n"
                             "warning: AVAILABILITY_GUARD_: no such setting\n");
    ck_assert(!settings.availability_guard_fail_open);
}
END_TEST

START_TEST(secrets_are_masked) {
    ck_assert_int_eq(load((const char *[]){"DB_PASSWORD=hunter2",
                                           "DATABASE_URL=postgresql://u:hunter2@h/d", NULL}),
                     0);
    char *text = printed();
    ck_assert_ptr_null(strstr(text, "hunter2"));
    ck_assert_ptr_null(strstr(text, "postgresql://"));
    ck_assert_ptr_nonnull(strstr(text, "\nDB_PASSWORD=********\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nDATABASE_URL=********\n"));
    free(text);
}
END_TEST

/* Whatever a secret is, neither what is printed nor what is complained about has it. */
START_TEST(no_secret_is_ever_shown) {
    for (size_t i = 0; i < settings_rows_count; i++) {
        static const char *const values[] = {"hunter2", "hunter2\x01", "hunter2,,", "hunter2 x"};
        const struct settings_row *row = &settings_rows[i];
        char variable[128];
        if (!row->secret)
            continue;
        for (int k = 0; k < COUNT(values); k++) {
            (void)snprintf(variable, sizeof(variable), "%s=%s", row->name, values[k]);
            (void)load_one(variable);
            ck_assert_ptr_null(strstr(report, "hunter2"));
            char *text = printed();
            ck_assert_ptr_null(strstr(text, "hunter2"));
            free(text);
        }
    }
}
END_TEST

/* What grants access, or leads to it. */
START_TEST(what_is_secret) {
    static const char *const parts[] = {"TOKEN", "SECRET", "KEY", "PASSWORD", "URL", "HEADERS"};
    int secrets = 0;
    for (size_t i = 0; i < settings_rows_count; i++) {
        bool named_so = false;
        for (int k = 0; k < COUNT(parts); k++)
            named_so = named_so || strstr(settings_rows[i].name, parts[k]) != NULL;
        ck_assert_msg(settings_rows[i].secret == named_so, "%s", settings_rows[i].name);
        secrets += named_so;
    }
    ck_assert_int_eq(secrets, 12);
}
END_TEST

/* What is printed can be loaded again. */
START_TEST(print_and_load_are_inverse) {
    const char *variables[256] = {NULL};
    int count = 0;
    ck_assert_int_eq(load((const char *[]){"HOST=::1", "PORT=81", "SHADOW_MODE=off",
                                           "GUARD_OPERATIONS_NETWORKS=10.0.0.0/8, ::/0",
                                           "LOG_LEVEL=ERROR", NULL}),
                     0);
    char *first = printed();
    char *copy = strdup(first);
    ck_assert_ptr_nonnull(copy);
    char *rest = NULL;
    for (char *text = strtok_r(copy, "\n", &rest); text; text = strtok_r(NULL, "\n", &rest)) {
        ck_assert_int_lt(count, 255);
        variables[count++] = text;
    }
    ck_assert_int_eq(count, (int)settings_rows_count);
    ck_assert_int_eq(load(variables), 0);
    char *second = printed();
    ck_assert_str_eq(second, first);
    free(first);
    free(second);
    free(copy);
}
END_TEST

START_TEST(help_lists_every_setting) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    settings_print_help(out);
    ck_assert_int_eq(fclose(out), 0);
    for (size_t i = 0; i < settings_rows_count; i++) {
        ck_assert_ptr_nonnull(strstr(text, settings_rows[i].name));
        ck_assert_ptr_nonnull(strstr(text, settings_rows[i].help));
    }
    free(text);
}
END_TEST

START_TEST(free_twice_does_no_harm) {
    ck_assert_int_eq(load((const char *[]){NULL}), 0);
    settings_free(&settings);
    ck_assert_ptr_null(settings.host);
    settings_free(&settings);
}
END_TEST

START_TEST(timeouts_are_derived) {
    ck_assert_int_eq(load((const char *[]){NULL}), 0);
    ck_assert_int_eq(settings_answer_timeout_ms(&settings), 8000);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("settings");
    TCase *tcase = tcase_create("settings");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, all_defaults);
    tcase_add_test(tcase, empty_means_default);
    tcase_add_test(tcase, every_member_is_set);
    tcase_add_test(tcase, first_of_two_wins);
    tcase_add_test(tcase, bounds_of_every_integer);
    tcase_add_loop_test(tcase, wrong_values_are_told, 0, COUNT(wrong));
    tcase_add_test(tcase, all_wrong_values_are_told);
    tcase_add_test(tcase, wrong_ttl_is_not_compared);
    tcase_add_test(tcase, long_values_are_shown_in_part);
    tcase_add_test(tcase, unknown_variables_of_ours_are_warned_about);
    tcase_add_test(tcase, secrets_are_masked);
    tcase_add_test(tcase, no_secret_is_ever_shown);
    tcase_add_test(tcase, what_is_secret);
    tcase_add_test(tcase, print_and_load_are_inverse);
    tcase_add_test(tcase, help_lists_every_setting);
    tcase_add_test(tcase, free_twice_does_no_harm);
    tcase_add_test(tcase, timeouts_are_derived);
    suite_add_tcase(suite, tcase);
    return suite;
}
