/* task.c: see task.h. */
#include "commands/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "commands/performer.h"
#include "domain/sqlstate.h"
#include "kafka/consume_span.h"
#include "metrics/metrics.h"
#include "trace/tracing.h"

/* Pauses before a command is tried again. */
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 5000

static struct task *task_of_turns(struct turns_owner *owner) {
    return (struct task *)((char *)owner - offsetof(struct task, turns));
}

static struct task *task_of_fence(struct fence_post *post) {
    return (struct task *)((char *)post - offsetof(struct task, fence));
}

static struct task *task_of_letter(struct dead_letter *letter) {
    return (struct task *)((char *)letter - offsetof(struct task, letter));
}

static struct task *task_of_command(struct command *command) {
    return (struct task *)command;
}

/* The one place in which a task's state changes, and its queue with it. */
static void move(struct task *t, enum task_state to) {
    struct performer *p = t->performer;
    if (t->state == TASK_READY)
        TAILQ_REMOVE(&p->ready, t, state_link);
    else if (t->state == TASK_PAUSED)
        TAILQ_REMOVE(&p->paused, t, state_link);
    else if (t->state == TASK_SENT)
        p->sent--;
    t->state = to;
    if (to == TASK_READY)
        TAILQ_INSERT_TAIL(&p->ready, t, state_link);
    else if (to == TASK_PAUSED)
        TAILQ_INSERT_TAIL(&p->paused, t, state_link);
    else if (to == TASK_SENT)
        p->sent++;
}

/* Lets those go that waited for this one. */
static void make_way(struct task *t) {
    turns_give_up(&t->performer->turns, &t->turns);
    fences_leave(&t->fence);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Frees a task that is in no list. */
static void discard(struct task *t) {
    if (command_is_bulk_release(&t->command))
        free(t->command.as.bulk_release.lock_ids);
    free(t->turns.turns);
    free(t->record);
    buffer_free(&t->kept);
    free(t);
}

void task_free(struct task *t) {
    struct performer *p = t->performer;
    TAILQ_REMOVE(&p->tasks, t, link);
    p->count--;
    p->bytes -= t->size;
    discard(t);
}

/* A command has its name in the ledger as the id of its request. */
static struct log_subject subject_of(const struct task *t, enum tally_outcome outcome,
                                     int64_t duration_us) {
    struct log_subject subject = command_subject(&t->command);
    subject.request_id = t->command.ledger_id;
    subject.operation = envelope_name_text(t->name);
    subject.outcome = tally_outcome_name(outcome);
    subject.duration_us = duration_us;
    return subject;
}

static void tell(const struct task *t, enum tally_outcome outcome, bool failed) {
    const char *name = tally_outcome_name(outcome);
    consume_span_tell(&t->command.trace, t->record, t->performer->group, t->received, name,
                      failed ? name : NULL);
}

/* Settled. */
static void finish(struct task *t, enum tally_outcome outcome) {
    struct performer *p = t->performer;
    const int64_t us = mono_diff_us(mono_now(), t->received);
    const struct log_subject subject = subject_of(t, outcome, us);
    tell(t, outcome, false);
    tally_count(&p->tally, t->name, outcome, us);
    log_request(LOG_LEVEL_DEBUG, &subject, "%s: %s", subject.operation, subject.outcome);
    move(t, TASK_WAITING); /* in no queue */
    make_way(t);
    place_settle(&t->place);
    task_free(t);
}

/* To be read again. */
static void abandon(struct task *t) {
    move(t, TASK_WAITING);
    make_way(t);
    place_abandon(&t->place);
    task_free(t);
}

/* --- dead letters -------------------------------------------------------------------------- */

static void letter_done(struct dead_letter *letter) {
    struct task *t = task_of_letter(letter);
    place_settle(&t->place);
    task_free(t);
}

/* It does not hold up others any more; only its offset waits for Kafka. */
static void bury(struct task *t, enum tally_outcome outcome, const char *reason) {
    struct performer *p = t->performer;
    const int64_t us = mono_diff_us(mono_now(), t->received);
    const struct log_subject subject = subject_of(t, outcome, us);
    log_request(LOG_LEVEL_WARN, &subject, "%s, partition %" PRId32 ", offset %" PRId64 ": %s: %s",
                t->record->topic, t->record->partition, t->record->offset, subject.outcome, reason);
    tally_count(&p->tally, t->name, outcome, us);
    tell(t, outcome, true);
    move(t, TASK_DEAD);
    make_way(t);
    t->letter.record = t->record;
    t->letter.attempts = t->tries > 0 ? t->tries : 1;
    t->letter.done = letter_done;
    (void)snprintf(t->letter.reason, sizeof t->letter.reason, "%s", reason);
    dead_letters_put(&p->dead_letters, &t->letter);
}

/* --- what the database answers ------------------------------------------------------------- */

static int64_t pause_ms(int tries) {
    int64_t pause = PAUSE_FIRST_MS;
    for (int i = 1; i < tries && pause < PAUSE_MAX_MS; i++)
        pause *= 2;
    return pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
}

static void try_again(struct task *t, mono_time now) {
    tally_retry(&t->performer->tally);
    if (t->leaving) {
        abandon(t);
        return;
    }
    if (t->tries == TASK_TRIES_MAX)
        fences_leave(&t->fence); /* a tenant's locks do not wait for one release for ever */
    t->due = mono_after_ms(now, pause_ms(t->tries));
    move(t, TASK_PAUSED);
}

/* Whether the reason lies in the database and not in the command. */
static bool is_trouble(const struct outcome *outcome) {
    if (outcome->kind == OUTCOME_FAILED)
        return sqlstate_is_trouble(outcome->sqlstate);
    return outcome->kind == OUTCOME_OVERLOADED || outcome->kind == OUTCOME_UNAVAILABLE ||
           outcome->kind == OUTCOME_WRONG_SCHEMA;
}

static void bury_refused(struct task *t, enum tally_outcome as, const char *why,
                         const struct outcome *outcome) {
    char reason[96];
    (void)snprintf(reason, sizeof reason, "%s (%s)", why, outcome->sqlstate);
    bury(t, as, reason);
}

static void answered(struct command *command, const struct outcome *outcome) {
    struct task *t = task_of_command(command);
    const mono_time now = mono_now();
    const bool trouble = is_trouble(outcome);
    t->tries++;
    performer_note(t->performer, trouble, now);
    switch (outcome->kind) {
    case OUTCOME_LOCKED:
        finish(t, TALLY_LOCKED);
        break;
    case OUTCOME_CONFLICT:
        metrics_tenant_conflict(&command->as.lock.tenant_id);
        finish(t, TALLY_CONFLICT);
        break;
    case OUTCOME_RELEASED:
        finish(t, TALLY_RELEASED);
        break;
    case OUTCOME_NOT_FOUND:
        finish(t, TALLY_NOT_FOUND);
        break;
    case OUTCOME_DUPLICATE:
        finish(t, TALLY_DUPLICATE);
        break;
    case OUTCOME_STAY_OVER:
        bury(t, TALLY_INVALID, "stayEnd the stay is over already");
        break;
    case OUTCOME_REFUSED:
        bury_refused(t, TALLY_REFUSED, "the database cannot store a value of it", outcome);
        break;
    default:
        if (!trouble && ++t->failures >= TASK_TRIES_MAX)
            bury_refused(t, TALLY_FAILED, "the database refuses it", outcome);
        else
            try_again(t, now);
    }
}

/* --- on the way ---------------------------------------------------------------------------- */

void task_send(struct task *t, mono_time now) {
    struct outcome refusal;
    move(t, TASK_SENT);
    t->command.request_id = t->command.ledger_id.data;
    t->command.answer = answered;
    if (!dispatcher_submit(&t->performer->dispatcher, &t->command, now, &refusal))
        answered(&t->command, &refusal); /* which a patient one does not do */
    else
        t->command.alone = t->tries > 0; /* what held it up may hold up all that goes with it */
}

void task_resume(struct task *t) {
    move(t, TASK_READY);
}

void task_leave(struct task *t) {
    t->leaving = true;
    if (t->state == TASK_SENT)
        return;
    if (t->state != TASK_DEAD)
        abandon(t);
    else if (dead_letters_forget(&t->performer->dead_letters, &t->letter)) {
        place_abandon(&t->place);
        task_free(t);
    }
}

static void go_if_free(struct task *t) {
    if (t->turns.waiting == 0 && !fences_hold(&t->fence))
        move(t, TASK_READY);
}

static void have_turn(struct turns_owner *owner) {
    go_if_free(task_of_turns(owner));
}

static void pass_fence(struct fence_post *post) {
    go_if_free(task_of_fence(post));
}

/* --- the beginning ------------------------------------------------------------------------- */

/* The locks that a command is about. */
static bool take_turns(struct task *t) {
    struct turns *turns = &t->performer->turns;
    const struct command *c = &t->command;
    if (c->kind == COMMAND_LOCK_ONCE)
        return turns_take(turns, &t->turns, &c->as.lock.tenant_id, &c->as.lock.id, 1);
    if (c->kind == COMMAND_RELEASE_ONCE)
        return turns_take(turns, &t->turns, &c->as.release.tenant_id, &c->as.release.lock_id, 1);
    return turns_take(turns, &t->turns, &c->as.bulk_release.tenant_id, c->as.bulk_release.lock_ids,
                      c->as.bulk_release.lock_count);
}

static void line_up(struct task *t) {
    struct fences *fences = &t->performer->fences;
    if (t->command.kind == COMMAND_LOCK_ONCE)
        fences_put_lock(fences, &t->fence, command_tenant(&t->command));
    else
        fences_put_release(fences, &t->fence, command_tenant(&t->command));
}

static size_t size_of(const struct task *t) {
    const size_t ids = command_is_bulk_release(&t->command)
                           ? t->command.as.bulk_release.lock_count * sizeof(struct id)
                           : 0;
    return sizeof *t + t->record->size + t->kept.capacity + turns_size(&t->turns) + ids;
}

static void insert(struct task *t) {
    struct performer *p = t->performer;
    t->size = size_of(t);
    TAILQ_INSERT_TAIL(&p->tasks, t, link);
    p->count++;
    p->bytes += t->size;
}

/* What the message is, into a task that is all zeros but for its performer. */
static enum envelope_verdict read_message(struct task *t, const rd_kafka_message_t *message,
                                          struct envelope *envelope) {
    const struct text_span value = {message->payload, message->len};
    const enum envelope_verdict verdict =
        envelope_read(envelope, value, &t->performer->rules, &t->command, &t->kept);
    t->name = envelope->name;
    t->received = mono_now();
    t->turns.ready = have_turn;
    t->fence.ready = pass_fence;
    return verdict;
}

/* Takes memory for what is to be done. */
static bool prepare(struct task *t, const rd_kafka_message_t *message,
                    enum envelope_verdict verdict) {
    t->record = record_copy(message);
    if (t->record != NULL)
        tracing_begin(&t->command.trace, record_header(t->record, CONSUME_SPAN_HEADER));
    return t->record != NULL && (verdict != ENVELOPE_COMMAND || take_turns(t));
}

static void begin(struct task *t, enum envelope_verdict verdict, const struct envelope *envelope) {
    if (verdict == ENVELOPE_INVALID) {
        bury(t, TALLY_INVALID, envelope->problem);
    } else {
        line_up(t);
        go_if_free(t);
    }
}

static void skip(struct task *t) {
    tally_count(&t->performer->tally, t->name, TALLY_SKIPPED, 0);
}

bool task_take(struct performer *p, struct partition *partition,
               const rd_kafka_message_t *message) {
    struct envelope envelope;
    struct task *t = calloc(1, sizeof *t);
    if (t == NULL)
        return false;
    t->performer = p;
    const enum envelope_verdict verdict = read_message(t, message, &envelope);
    if (verdict == ENVELOPE_SKIPPED) {
        skip(t);
        free(t);
        return true;
    }
    if (verdict == ENVELOPE_NO_MEMORY || !prepare(t, message, verdict)) {
        discard(t);
        return false;
    }
    place_take(&t->place, partition, message);
    insert(t);
    begin(t, verdict, &envelope);
    return true;
}
