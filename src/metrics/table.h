/*
 * table.h: all metrics, in one table, and how they lie in memory.
 *
 * To add one, add a row, and a line in docs/metrics.md: a test compares them. The row says: member,
 * type, scope, unit, two labels, buckets, name, help.
 *
 *   type       COUNTER    grows only, over restarts and crashes too
 *              GAUGE      what is so now; not shown before it is set
 *              HISTOGRAM  counts of values by size, which grow only
 *   scope      SUM        one series for all processes: their sum
 *              GREATEST   the greatest of them; for gauges
 *              PROGRAM    the sums by program, as the label "program"
 *              PROCESS    one series for each that lives, as the labels "program" and "slot"
 *   unit       ONE        the value as it is
 *              SECONDS    kept in microseconds, shown in seconds
 *   labels     NONE, or one of METRICS_LABELS: all values are known beforehand
 *   buckets    NONE, or one of METRICS_BUCKETS
 *
 * Each process counts in an array of cells of its own, of 64 bits each. A metric has one cell for
 * each combination of its labels, the second label's values beside each other; in a histogram
 * METRICS_HISTOGRAM_CELLS() of them: one for each bucket (not cumulated), one for what is larger,
 * and the sum of all values.
 */
#ifndef METRICS_TABLE_H
#define METRICS_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* clang-format off */
/* The programs: a process counts as one of them, and its slot is never another program's. */
#define METRICS_PROGRAM_VALUES(V)                                                                  \
    V(PROGRAM, GUARD, "guard")                                                                     \
    V(PROGRAM, SWEEPER, "sweeper")                                                                 \
    V(PROGRAM, RELAY, "relay")                                                                     \
    V(PROGRAM, NOTIFIER, "notifier")                                                               \
    V(PROGRAM, COMMANDS, "commands")                                                               \
    V(PROGRAM, PARITY, "parity")                                                                   \
    V(PROGRAM, TRACE_EXPORTER, "trace_exporter")

#define METRICS_OPERATION_VALUES(V)                                                                \
    V(OPERATION, OTHER, "other")                                                                   \
    V(OPERATION, LOCK_ROOM, "lockRoom")                                                            \
    V(OPERATION, RELEASE_LOCK, "releaseLock")                                                      \
    V(OPERATION, BULK_RELEASE, "bulkRelease")                                                      \
    V(OPERATION, MANUAL_RELEASE, "manualRelease")                                                  \
    V(OPERATION, GET_LOCK, "getLock")                                                              \
    V(OPERATION, LIST_LOCKS, "listLocks")                                                          \
    V(OPERATION, LIST_AUDITS, "listAudits")                                                        \
    V(OPERATION, TEST_NOTIFICATION, "testNotification")                                            \
    V(OPERATION, HEALTH, "health")                                                                 \
    V(OPERATION, METRICS, "metrics")

#define METRICS_RESULT_VALUES(V)                                                                   \
    V(RESULT, SUCCESS, "success")                                                                  \
    V(RESULT, CONFLICT, "conflict")                                                                \
    V(RESULT, NOT_FOUND, "not_found")                                                              \
    V(RESULT, INVALID, "invalid")                                                                  \
    V(RESULT, ERROR, "error")

#define METRICS_UNSERVED_VALUES(V)                                                                 \
    V(UNSERVED, OVERLOADED, "overloaded")                                                          \
    V(UNSERVED, DATABASE, "database")                                                              \
    V(UNSERVED, SCHEMA, "schema")                                                                  \
    V(UNSERVED, FAILED, "failed")

/* In the order of enum command_kind. */
#define METRICS_STATEMENT_VALUES(V)                                                                \
    V(STATEMENT, LOCK, "lock")                                                                     \
    V(STATEMENT, RELEASE, "release")                                                               \
    V(STATEMENT, BULK_RELEASE, "bulk_release")                                                     \
    V(STATEMENT, GET, "get")                                                                       \
    V(STATEMENT, LIST, "list")                                                                     \
    V(STATEMENT, MANUAL_RELEASE, "manual_release")                                                 \
    V(STATEMENT, AUDITS, "audits")                                                                 \
    V(STATEMENT, PING, "ping")                                                                     \
    V(STATEMENT, LOCK_ONCE, "lock_once")                                                           \
    V(STATEMENT, RELEASE_ONCE, "release_once")                                                     \
    V(STATEMENT, BULK_RELEASE_ONCE, "bulk_release_once")

#define METRICS_CONNECTION_VALUES(V)                                                               \
    V(CONNECTION, WAITING, "waiting")                                                              \
    V(CONNECTION, WORKING, "working")

#define METRICS_RELAYED_VALUES(V)                                                                  \
    V(RELAYED, SENT, "sent")                                                                       \
    V(RELAYED, PASSED_OVER, "passed_over")

#define METRICS_MESSAGE_VALUES(V)                                                                  \
    V(MESSAGE, PROCESSED, "processed")                                                             \
    V(MESSAGE, SKIPPED, "skipped")                                                                 \
    V(MESSAGE, FAILED, "failed")

/* In the order of enum recipient_channel. */
#define METRICS_CHANNEL_VALUES(V)                                                                  \
    V(CHANNEL, EMAIL, "email")                                                                     \
    V(CHANNEL, SMS, "sms")                                                                         \
    V(CHANNEL, SLACK, "slack")

#define METRICS_DELIVERY_VALUES(V)                                                                 \
    V(DELIVERY, DELIVERED, "delivered")                                                            \
    V(DELIVERY, FAILED, "failed")                                                                  \
    V(DELIVERY, SKIPPED, "skipped")                                                                \
    V(DELIVERY, DRY_RUN, "dry_run")

/* In the order of enum outcome_kind of the notifier. */
#define METRICS_CALL_VALUES(V)                                                                     \
    V(CALL, DELIVERED, "delivered")                                                                \
    V(CALL, TRANSIENT, "transient")                                                                \
    V(CALL, PERMANENT, "permanent")

/* In the order of enum breaker_state. */
#define METRICS_BREAKER_VALUES(V)                                                                  \
    V(BREAKER, CLOSED, "closed")                                                                   \
    V(BREAKER, OPEN, "open")                                                                       \
    V(BREAKER, TRYING, "trying")

#define METRICS_LETTER_VALUES(V)                                                                   \
    V(LETTER, MALFORMED, "malformed")                                                              \
    V(LETTER, UNDELIVERABLE, "undeliverable")

#define METRICS_COMMAND_VALUES(V)                                                                  \
    V(COMMAND, OTHER, "other")                                                                     \
    V(COMMAND, LOCK_ROOM, "inventory.lock.room")                                                   \
    V(COMMAND, RELEASE_ROOM, "inventory.release.room")                                             \
    V(COMMAND, RELEASE_BULK, "inventory.release.bulk")

#define METRICS_OUTCOME_VALUES(V)                                                                  \
    V(OUTCOME, SUCCESS, "success")                                                                 \
    V(OUTCOME, CONFLICT, "conflict")                                                               \
    V(OUTCOME, NOT_FOUND, "not_found")                                                             \
    V(OUTCOME, DUPLICATE, "duplicate")                                                             \
    V(OUTCOME, INVALID, "invalid")                                                                 \
    V(OUTCOME, SKIPPED, "skipped")                                                                 \
    V(OUTCOME, ERROR, "error")

#define METRICS_SPANS_VALUES(V)                                                                    \
    V(SPANS, SENT, "sent")                                                                         \
    V(SPANS, UNSENT, "unsent")                                                                     \
    V(SPANS, EXPORTED, "exported")                                                                 \
    V(SPANS, REFUSED, "refused")                                                                   \
    V(SPANS, DROPPED, "dropped")

/* Name of the domain, of its enum, of the label. */
#define METRICS_LABELS(D)                                                                          \
    D(PROGRAM, program, "program")                                                                 \
    D(OPERATION, operation, "operation")                                                           \
    D(RESULT, result, "result")                                                                    \
    D(UNSERVED, unserved, "reason")                                                                \
    D(STATEMENT, statement, "statement")                                                           \
    D(CONNECTION, connection, "state")                                                             \
    D(RELAYED, relayed, "result")                                                                  \
    D(MESSAGE, message, "status")                                                                  \
    D(CHANNEL, channel, "channel")                                                                 \
    D(DELIVERY, delivery, "status")                                                                \
    D(CALL, call, "outcome")                                                                       \
    D(BREAKER, breaker, "state")                                                                   \
    D(LETTER, letter, "reason")                                                                    \
    D(COMMAND, command, "command")                                                                 \
    D(OUTCOME, outcome, "outcome")                                                                 \
    D(SPANS, spans, "result")

/* The upper bounds of buckets, which belong to them; in microseconds where the unit is seconds. */
#define METRICS_BOUNDS_DURATION                                                                    \
    500, 1000, 1500, 2000, 3000, 5000, 7500, 10000, 15000, 25000, 50000, 100000, 250000, 500000,   \
    1000000, 2000000
#define METRICS_BOUNDS_SIZE 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000
#define METRICS_BOUNDS_LAG                                                                         \
    100000, 500000, 1000000, 5000000, 15000000, 30000000, 60000000, 120000000, 300000000, 900000000

#define METRICS_BUCKETS(B) B(DURATION) B(SIZE) B(LAG)

#define METRICS_TABLE(X)                                                                           \
    X(requests, COUNTER, SUM, ONE, OPERATION, RESULT, NONE,                                        \
      "availability_guard_requests_total",                                                         \
      "Requests that guard processes have answered.")                                              \
    X(lock_conflicts, COUNTER, SUM, ONE, NONE, NONE, NONE,                                         \
      "availability_guard_lock_conflicts_total",                                                   \
      "Locks that were not granted because another one was in the way, by whichever door.")        \
    X(request_duration, HISTOGRAM, SUM, SECONDS, OPERATION, NONE, DURATION,                        \
      "availability_guard_request_duration_seconds",                                               \
      "Time from a request's arrival at a guard process to its answer.")                           \
    X(unserved_requests, COUNTER, SUM, ONE, UNSERVED, NONE, NONE,                                  \
      "availability_guard_unserved_requests_total",                                                \
      "Requests that failed for no fault of their own.")                                           \
    X(connections, GAUGE, SUM, ONE, CONNECTION, NONE, NONE,                                        \
      "availability_guard_fastcgi_connections",                                                    \
      "Connections between nginx and guard processes.")                                            \
    X(queue_depth, GAUGE, PROGRAM, ONE, NONE, NONE, NONE,                                          \
      "availability_guard_queue_depth",                                                            \
      "Commands that wait to be sent to the database.")                                            \
    X(queue_limit, GAUGE, PROGRAM, ONE, NONE, NONE, NONE,                                          \
      "availability_guard_queue_limit",                                                            \
      "Commands that may wait: GUARD_QUEUE_MAX of each process.")                                  \
    X(queue_time, HISTOGRAM, SUM, SECONDS, STATEMENT, NONE, DURATION,                              \
      "availability_guard_queue_time_seconds",                                                     \
      "Time that commands waited before they were first sent to the database.")                    \
    X(batch_size, HISTOGRAM, SUM, ONE, STATEMENT, NONE, SIZE,                                      \
      "availability_guard_batch_size",                                                             \
      "Commands in one statement.")                                                                \
    X(statement_duration, HISTOGRAM, SUM, SECONDS, STATEMENT, NONE, DURATION,                      \
      "availability_guard_statement_duration_seconds",                                             \
      "Time from sending a statement to its answer, committed.")                                   \
    X(database_connected, GAUGE, PROGRAM, ONE, NONE, NONE, NONE,                                   \
      "availability_guard_database_connected",                                                     \
      "Processes that have a connection to the database with the right schema.")                   \
    X(database_connects, COUNTER, PROGRAM, ONE, NONE, NONE, NONE,                                  \
      "availability_guard_database_connects_total",                                                \
      "Connections to the database that were made and set up.")                                    \
    X(database_connect_failures, COUNTER, PROGRAM, ONE, NONE, NONE, NONE,                          \
      "availability_guard_database_connect_failures_total",                                        \
      "Attempts to connect to a database host that failed.")                                       \
    X(database_losses, COUNTER, PROGRAM, ONE, NONE, NONE, NONE,                                    \
      "availability_guard_database_connections_lost_total",                                        \
      "Connections to the database that broke after they had been set up.")                        \
    X(leaders, GAUGE, PROGRAM, ONE, NONE, NONE, NONE,                                              \
      "availability_guard_leaders",                                                                \
      "Processes that hold their program's lead.")                                                 \
    X(active_locks, GAUGE, GREATEST, ONE, NONE, NONE, NONE,                                        \
      "availability_guard_active_locks",                                                           \
      "Locks in force, as last counted by the sweeper that leads.")                                \
    X(expiry_lag, GAUGE, GREATEST, SECONDS, NONE, NONE, NONE,                                      \
      "availability_guard_expiry_lag_seconds",                                                     \
      "How late the longest expired lock of the last sweep was marked.")                           \
    X(last_sweep, GAUGE, GREATEST, SECONDS, NONE, NONE, NONE,                                      \
      "availability_guard_last_sweep_timestamp_seconds",                                           \
      "When the last sweep for expired locks ended.")                                              \
    X(expired_locks, COUNTER, SUM, ONE, NONE, NONE, NONE,                                          \
      "availability_guard_expired_locks_total",                                                    \
      "Locks that the sweeper has marked as expired.")                                             \
    X(purged_locks, COUNTER, SUM, ONE, NONE, NONE, NONE,                                           \
      "availability_guard_purged_locks_total",                                                     \
      "Finished locks that the sweeper has deleted.")                                              \
    X(outbox_events, GAUGE, GREATEST, ONE, NONE, NONE, NONE,                                       \
      "availability_guard_outbox_events",                                                          \
      "Events in the outbox, as last counted by the relay that leads, in 100001 rows at most.")    \
    X(outbox_oldest, GAUGE, GREATEST, SECONDS, NONE, NONE, NONE,                                   \
      "availability_guard_outbox_oldest_event_age_seconds",                                        \
      "Age of the first event in the outbox; 0 when there is none.")                               \
    X(relay_events, COUNTER, SUM, ONE, RELAYED, NONE, NONE,                                        \
      "availability_guard_relay_events_total",                                                     \
      "Events that Kafka has taken from the relay, or that cannot be sent.")                       \
    X(relay_in_flight, GAUGE, SUM, ONE, NONE, NONE, NONE,                                          \
      "availability_guard_relay_in_flight_events",                                                 \
      "Events read from the outbox and not deleted yet.")                                          \
    X(relay_failures, COUNTER, SUM, ONE, NONE, NONE, NONE,                                         \
      "availability_guard_relay_failures_total",                                                   \
      "Clients of Kafka that the relay had to replace.")                                           \
    X(notification_messages, COUNTER, SUM, ONE, MESSAGE, NONE, NONE,                               \
      "availability_guard_notification_consumer_messages_total",                                   \
      "Announcements that the notifier has settled.")                                              \
    X(notification_deliveries, COUNTER, SUM, ONE, CHANNEL, DELIVERY, NONE,                         \
      "availability_guard_notification_channel_deliveries_total",                                  \
      "Announcements by channel that has recipients, and what became of them.")                    \
    X(notification_lag, HISTOGRAM, SUM, SECONDS, NONE, NONE, LAG,                                  \
      "availability_guard_notification_delivery_lag_seconds",                                      \
      "Time from a manual release to the answer of a webhook that took it.")                       \
    X(notification_calls, COUNTER, SUM, ONE, CHANNEL, CALL, NONE,                                  \
      "availability_guard_notification_webhook_calls_total",                                       \
      "Calls of webhooks that have ended.")                                                        \
    X(notification_breakers, GAUGE, SUM, ONE, CHANNEL, BREAKER, NONE,                              \
      "availability_guard_notification_breakers",                                                  \
      "Notifiers whose breaker of the channel's webhook is in the state.")                         \
    X(notification_dead_letters, COUNTER, SUM, ONE, LETTER, NONE, NONE,                            \
      "availability_guard_notification_dead_letters_total",                                        \
      "Announcements that were put into the dead-letter topic.")                                   \
    X(notification_parked, COUNTER, SUM, ONE, NONE, NONE, NONE,                                    \
      "availability_guard_notification_parked_total",                                              \
      "Times that an announcement was kept for later because no channel could be reached.")        \
    X(notification_unroutable, COUNTER, SUM, ONE, NONE, NONE, NONE,                                \
      "availability_guard_notification_unroutable_recipients_total",                               \
      "Recipients that fit no channel.")                                                           \
    X(notification_under_way, GAUGE, SUM, ONE, NONE, NONE, NONE,                                   \
      "availability_guard_notification_under_way",                                                 \
      "Announcements that notifiers have in hand.")                                                \
    X(notification_consumer_lag, GAUGE, SUM, ONE, NONE, NONE, NONE,                                \
      "availability_guard_notification_consumer_lag",                                              \
      "Messages of the notification topic that are not settled yet.")                              \
    X(command_outcomes, COUNTER, SUM, ONE, COMMAND, OUTCOME, NONE,                                 \
      "availability_guard_command_outcomes_total",                                                 \
      "Commands that were taken from Kafka.")                                                      \
    X(command_duration, HISTOGRAM, SUM, SECONDS, COMMAND, NONE, DURATION,                          \
      "availability_guard_command_processing_duration_seconds",                                    \
      "Time from receiving a command from Kafka to its outcome.")                                  \
    X(command_dead_letters, COUNTER, SUM, ONE, NONE, NONE, NONE,                                   \
      "availability_guard_command_dead_letters_total",                                             \
      "Commands that were put into the dead-letter topic.")                                        \
    X(command_consumer_lag, GAUGE, SUM, ONE, NONE, NONE, NONE,                                     \
      "availability_guard_command_consumer_lag",                                                   \
      "Messages of the command topic that are not settled yet.")                                   \
    X(command_oldest, GAUGE, GREATEST, SECONDS, NONE, NONE, NONE,                                  \
      "availability_guard_command_oldest_age_seconds",                                             \
      "How long the command that was received first and is not settled has been in hand.")         \
    X(log_lines_dropped, COUNTER, PROGRAM, ONE, NONE, NONE, NONE,                                  \
      "availability_guard_log_lines_dropped_total",                                                \
      "Lines of the log that could not be written: the pipe was full, or the disk.")               \
    X(trace_spans, COUNTER, SUM, ONE, SPANS, NONE, NONE,                                           \
      "availability_guard_trace_spans_total",                                                      \
      "Spans that programs have told, and what became of them.")                                   \
    X(trace_queue, GAUGE, SUM, ONE, NONE, NONE, NONE,                                              \
      "availability_guard_trace_queue_spans",                                                      \
      "Spans that the trace exporter holds.")                                                      \
    X(trace_failures, COUNTER, SUM, ONE, NONE, NONE, NONE,                                         \
      "availability_guard_trace_export_failures_total",                                            \
      "Calls of the collector that have failed.")                                                  \
    X(shadow_mode, GAUGE, GREATEST, ONE, NONE, NONE, NONE,                                         \
      "availability_guard_shadow_mode",                                                            \
      "1 when the guard runs beside the old locker.")                                              \
    X(process_cpu, COUNTER, PROCESS, SECONDS, NONE, NONE, NONE,                                    \
      "process_cpu_seconds_total",                                                                 \
      "Processor time that the processes of this slot have used.")                                 \
    X(process_memory, GAUGE, PROCESS, ONE, NONE, NONE, NONE,                                       \
      "process_resident_memory_bytes",                                                             \
      "Resident memory.")                                                                          \
    X(process_open_fds, GAUGE, PROCESS, ONE, NONE, NONE, NONE,                                     \
      "process_open_fds",                                                                          \
      "Open file descriptors.")                                                                    \
    X(process_max_fds, GAUGE, PROCESS, ONE, NONE, NONE, NONE,                                      \
      "process_max_fds",                                                                           \
      "Most file descriptors that may be open.")                                                   \
    X(process_start_time, GAUGE, PROCESS, SECONDS, NONE, NONE, NONE,                               \
      "process_start_time_seconds",                                                                \
      "When the process began, as seconds since 1970.")

/* --- enums and cells of the above ----------------------------------------------------------- */

#define METRICS_VALUE(domain, value, text) METRICS_##domain##_##value,
#define METRICS_LABEL(domain, type, label)                                                         \
    enum metrics_##type { METRICS_##domain##_VALUES(METRICS_VALUE) METRICS_##domain##_COUNT };
METRICS_LABELS(METRICS_LABEL)
#undef METRICS_LABEL
#undef METRICS_VALUE

#define METRICS_COUNT_BOUNDS(set)                                                                  \
    METRICS_##set##_BOUNDS = sizeof((int64_t[]){METRICS_BOUNDS_##set}) / sizeof(int64_t),
enum { METRICS_BUCKETS(METRICS_COUNT_BOUNDS) };
#undef METRICS_COUNT_BOUNDS

#define METRICS_HISTOGRAM_CELLS(set) (METRICS_##set##_BOUNDS + 2)
enum {
    METRICS_NONE_COUNT = 1,
    METRICS_NONE_CELLS = 1,
#define METRICS_COUNT_CELLS(set) METRICS_##set##_CELLS = METRICS_HISTOGRAM_CELLS(set),
    METRICS_BUCKETS(METRICS_COUNT_CELLS)
#undef METRICS_COUNT_CELLS
};

/* Only to say where the cells are: see METRICS_CELL. */
#define METRICS_MEMBER(member, type, scope, unit, one, two, buckets, name, help)                   \
    uint64_t member[METRICS_##one##_COUNT * METRICS_##two##_COUNT * METRICS_##buckets##_CELLS];
struct metrics_cells {
    METRICS_TABLE(METRICS_MEMBER)
};
#undef METRICS_MEMBER
/* clang-format on */

#define METRICS_CELLS (sizeof(struct metrics_cells) / sizeof(uint64_t))

/* The number of a metric's first cell; behind it the others. */
#define METRICS_CELL(member) (offsetof(struct metrics_cells, member) / sizeof(uint64_t))

/* A gauge that is not set. */
#define METRICS_UNSET INT64_MIN

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };
enum metrics_scope { METRICS_SUM, METRICS_GREATEST, METRICS_PROGRAM, METRICS_PROCESS };
enum metrics_unit { METRICS_ONE, METRICS_SECONDS };

struct metrics_label {
    const char *name;
    const char *const *values;
    size_t count; /* of values; 1 for NONE, whose name is NULL */
};

struct metrics_buckets {
    const int64_t *bounds; /* in ascending order */
    size_t count;
    size_t cells; /* for one combination of labels */
};

struct metrics_metric {
    const char *name;
    const char *help;
    enum metrics_type type;
    enum metrics_scope scope;
    enum metrics_unit unit;
    const struct metrics_label *labels[2];
    const struct metrics_buckets *buckets; /* without bounds unless it is a histogram */
    size_t first;                          /* its first cell */
    size_t cells;                          /* all of them */
};

extern const struct metrics_metric metrics_table[];
extern const size_t metrics_table_count;

/* In the order of their enums. */
extern const struct metrics_label *const metrics_programs;
extern const struct metrics_label *const metrics_operations;
extern const struct metrics_label *const metrics_results;
extern const struct metrics_label *const metrics_messages;

/* The same for the same table, and another one (as good as always) for any other. */
uint64_t metrics_table_hash(void);

#endif
