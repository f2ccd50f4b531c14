/* performer.c: see performer.h. */
#include "commands/performer.h"

#include <string.h>

#include "base/log.h"

/* Batches in the dispatcher: it puts together what is of one kind. */
#define BATCHES_SENT 4

/* Pauses while the database refuses for reasons that pass. */
#define HOLD_FIRST_MS 100
#define HOLD_MAX_MS 5000

#define LAG_EVERY_MS 1000

/* --- messages ------------------------------------------------------------------------------ */

static void take_message(void *context, struct partition *partition,
                         const rd_kafka_message_t *message) {
    struct performer *p = context;
    if (task_take(p, partition, message))
        return;
    log_error("out of memory");
    p->failed = true;
    partition_skip(partition, message);
}

/* The newest first: one that is abandoned must not let go one that came after it. */
static void leave_partition(void *context, const struct partition *partition) {
    struct performer *p = context;
    struct task *task = TAILQ_LAST(&p->tasks, task_queue);
    while (task != NULL) {
        struct task *before = TAILQ_PREV(task, task_queue, link);
        if (partition == NULL || task->place.partition == partition)
            task_leave(task);
        task = before;
    }
}

static int count(void *context) {
    const struct performer *p = context;
    return p->count;
}

static bool is_full(void *context) {
    const struct performer *p = context;
    return p->count >= p->count_max || p->bytes >= PERFORMER_BYTES_MAX;
}

static bool has_room(void *context) {
    const struct performer *p = context;
    return p->count <= p->count_max / 4 * 3 && p->bytes <= PERFORMER_BYTES_MAX / 4 * 3;
}

/* --- the way to the database --------------------------------------------------------------- */

static int64_t hold_ms(int troubles) {
    int64_t pause = HOLD_FIRST_MS;
    for (int i = 1; i < troubles && pause < HOLD_MAX_MS; i++)
        pause *= 2;
    return pause < HOLD_MAX_MS ? pause : HOLD_MAX_MS;
}

/* All that were sent before the pause began are answered in it: they count once. */
void performer_note(struct performer *p, bool trouble, mono_time now) {
    if (!trouble) {
        p->troubles = 0;
        p->hold = now;
    } else if (!mono_is_before(now, p->hold)) {
        p->troubles++;
        p->hold = mono_after_ms(now, hold_ms(p->troubles));
    }
}

static bool may_send(const struct performer *p) {
    return !TAILQ_EMPTY(&p->ready) && p->sent < (p->troubles > 0 ? 1 : p->sent_max);
}

static void feed(struct performer *p, mono_time now) {
    while (may_send(p) && !mono_is_before(now, p->hold))
        task_send(TAILQ_FIRST(&p->ready), now);
    dispatcher_flush(&p->dispatcher, now);
}

static void resume_due(struct performer *p, mono_time now) {
    struct task *task = TAILQ_FIRST(&p->paused);
    while (task != NULL) {
        struct task *following = TAILQ_NEXT(task, state_link);
        if (!mono_is_before(now, task->due))
            task_resume(task);
        task = following;
    }
}

static mono_time earliest_resume(const struct performer *p) {
    const struct task *task = NULL;
    mono_time due = MONO_NEVER;
    TAILQ_FOREACH(task, &p->paused, state_link)
    due = mono_earlier(due, task->due);
    return due;
}

/* --- time ---------------------------------------------------------------------------------- */

static void measure_lag(struct performer *p, mono_time now) {
    if (mono_is_before(now, p->next_lag) || p->intake.state != INTAKE_RUNNING)
        return;
    const struct task *oldest = TAILQ_FIRST(&p->tasks);
    const int64_t oldest_us = oldest != NULL ? mono_diff_us(now, oldest->received) : 0;
    tally_lag(&p->tally, consumer_lag(&p->intake.consumer), oldest_us);
    p->next_lag = mono_after_ms(now, LAG_EVERY_MS);
}

void performer_tick(struct performer *p, mono_time now) {
    dispatcher_tick(&p->dispatcher, now);
    dead_letters_tick(&p->dead_letters, now);
    intake_tick(&p->intake, now);
    resume_due(p, now);
    feed(p, now);
    measure_lag(p, now);
    tally_tick(&p->tally, now);
}

mono_time performer_deadline(const struct performer *p) {
    mono_time due =
        mono_earlier(dispatcher_deadline(&p->dispatcher), dead_letters_deadline(&p->dead_letters));
    due = mono_earlier(due, intake_deadline(&p->intake));
    due = mono_earlier(due, tally_deadline(&p->tally));
    due = mono_earlier(due, earliest_resume(p));
    return may_send(p) ? mono_earlier(due, p->hold) : due;
}

/* --- beginning and end --------------------------------------------------------------------- */

const char *performer_check(const struct settings *settings) {
    if (strcmp(settings->command_center_topic, settings->inventory_events_dlq_topic) == 0)
        return "COMMAND_CENTER_TOPIC and INVENTORY_EVENTS_DLQ_TOPIC must not be the same";
    return NULL;
}

static bool begin_intake(struct performer *p, struct poller *poller,
                         const struct settings *settings) {
    const struct intake_owner owner = {p, take_message, leave_partition, count, is_full, has_room};
    return intake_init(&p->intake, poller, settings,
                       settings->availability_guard_command_consumer_group,
                       settings->command_center_topic, &owner);
}

static bool begin(struct performer *p, struct poller *poller, const struct settings *settings,
                  const struct conninfo *conninfo) {
    if (!turns_init(&p->turns) ||
        !dispatcher_init_patient(&p->dispatcher, poller, settings, conninfo,
                                 (size_t)settings->commands_batch)) {
        log_error("cannot start: out of memory, or no random bytes");
        return false;
    }
    if (!dead_letters_init(&p->dead_letters, poller, settings,
                           settings->inventory_events_dlq_topic))
        return false;
    if (begin_intake(p, poller, settings))
        return true;
    dead_letters_exit(&p->dead_letters);
    return false;
}

bool performer_init(struct performer *p, struct poller *poller, const struct settings *settings,
                    const struct conninfo *conninfo) {
    const mono_time now = mono_now();
    memset(p, 0, sizeof *p);
    TAILQ_INIT(&p->tasks);
    TAILQ_INIT(&p->ready);
    TAILQ_INIT(&p->paused);
    fences_init(&p->fences);
    tally_init(&p->tally, now);
    p->rules = (struct envelope_rules){.service = settings->command_center_target_service_id,
                                       .limits = request_limits_of(settings)};
    p->group = settings->availability_guard_command_consumer_group;
    p->count_max = (int)settings->commands_in_flight_max;
    p->sent_max = (size_t)settings->commands_batch * BATCHES_SENT;
    p->hold = now;
    p->next_lag = now;
    if (begin(p, poller, settings, conninfo))
        return true;
    dispatcher_exit(&p->dispatcher);
    return false;
}

void performer_exit(struct performer *p) {
    tally_report(&p->tally, mono_now());
    /* Before the tasks: nobody may call them back. */
    dispatcher_exit(&p->dispatcher);
    dead_letters_exit(&p->dead_letters);
    while (!TAILQ_EMPTY(&p->tasks)) {
        struct task *task = TAILQ_FIRST(&p->tasks);
        place_abandon(&task->place);
        task_free(task);
    }
    intake_exit(&p->intake);
}

void performer_stop(struct performer *p) {
    intake_stop(&p->intake);
}

bool performer_is_done(const struct performer *p) {
    return p->intake.state == INTAKE_DONE;
}

bool performer_is_broken(const struct performer *p) {
    return p->failed || intake_is_broken(&p->intake);
}
