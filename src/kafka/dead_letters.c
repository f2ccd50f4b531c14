/* dead_letters.c: see dead_letters.h. */
#include "kafka/dead_letters.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define PREFIX "dlq-"
#define SOURCE_TOPIC "dlq-source-topic"

/* Those that are added to a letter at most. */
#define OWN_HEADERS_MAX 7

/* Pause after a client was dropped. */
#define PAUSE_MS 1000

/* --- headers ------------------------------------------------------------------------------- */

struct letter_headers {
    struct producer_header *items; /* from malloc */
    size_t count;
    char partition[16];
    char offset[24];
    char attempts[16];
};

static void add(struct letter_headers *h, const char *name, const char *value) {
    h->items[h->count++] = (struct producer_header){name, {value, strlen(value)}};
}

static bool is_source(const char *name) {
    return strncmp(name, "dlq-source-", strlen("dlq-source-")) == 0;
}

/* What came from this topic says where it was first. */
static bool is_replayed(const struct dead_letters *d, const struct record *record) {
    return strcmp(record->topic, d->topic) == 0 && record_header(record, SOURCE_TOPIC).data != NULL;
}

static void add_originals(struct letter_headers *h, const struct record *record, bool replayed) {
    for (size_t i = 0; i < record->header_count; i++) {
        const struct record_header *header = &record->headers[i];
        const bool ours = strncmp(header->name, PREFIX, strlen(PREFIX)) == 0;
        if (!ours || (replayed && is_source(header->name)))
            h->items[h->count++] = (struct producer_header){header->name, header->value};
    }
}

static bool make_headers(struct letter_headers *h, const struct dead_letters *d,
                         const struct dead_letter *letter) {
    const struct record *record = letter->record;
    const bool replayed = is_replayed(d, record);
    h->count = 0;
    h->items = calloc(record->header_count + OWN_HEADERS_MAX, sizeof *h->items);
    if (h->items == NULL)
        return false;
    (void)snprintf(h->partition, sizeof h->partition, "%" PRId32, record->partition);
    (void)snprintf(h->offset, sizeof h->offset, "%" PRId64, record->offset);
    (void)snprintf(h->attempts, sizeof h->attempts, "%d", letter->attempts);
    add_originals(h, record, replayed);
    if (!replayed) {
        add(h, SOURCE_TOPIC, record->topic);
        add(h, "dlq-source-partition", h->partition);
        add(h, "dlq-source-offset", h->offset);
    }
    add(h, "dlq-error", letter->reason);
    add(h, "dlq-attempts", h->attempts);
    if (letter->channel != NULL)
        add(h, "dlq-channel", letter->channel);
    if (letter->without_value)
        add(h, "dlq-value", "omitted");
    return true;
}

/* --- sending ------------------------------------------------------------------------------- */

static void move(struct dead_letters *d, struct dead_letter *letter, enum dead_letter_state to) {
    if (letter->state == DEAD_LETTER_WAITING)
        TAILQ_REMOVE(&d->waiting, letter, link);
    else if (letter->state == DEAD_LETTER_SENT)
        TAILQ_REMOVE(&d->sent, letter, link);
    letter->state = to;
    if (to == DEAD_LETTER_WAITING)
        TAILQ_INSERT_TAIL(&d->waiting, letter, link);
    else if (to == DEAD_LETTER_SENT)
        TAILQ_INSERT_TAIL(&d->sent, letter, link);
}

static rd_kafka_resp_err_t produce(struct dead_letters *d, struct dead_letter *letter) {
    struct letter_headers headers;
    if (!make_headers(&headers, d, letter))
        return RD_KAFKA_RESP_ERR__FAIL;
    const struct producer_message message = {
        .topic = d->topic,
        .key = letter->record->key,
        .value = letter->without_value ? (struct text_span){NULL, 0} : letter->record->value,
        .headers = headers.items,
        .header_count = headers.count,
        .opaque = letter,
    };
    const rd_kafka_resp_err_t error = producer_send(&d->producer, &message);
    free(headers.items);
    return error;
}

/* Kafka refuses whole batches: who is to blame is seen when it goes alone. */
static bool must_wait(const struct dead_letters *d, const struct dead_letter *letter) {
    const struct dead_letter *before = TAILQ_FIRST(&d->sent);
    return before != NULL && (letter->refusals > 0 || before->refusals > 0);
}

/* Told once for all that were in the client. */
static void be_refused(struct dead_letters *d, rd_kafka_resp_err_t error) {
    if (!d->failed)
        log_warn("the dead-letter topic takes no message: %s", rd_kafka_err2name(error));
    d->failed = true;
}

/* Returns whether the next one may be sent too. */
static bool send_first(struct dead_letters *d) {
    struct dead_letter *letter = TAILQ_FIRST(&d->waiting);
    if (letter == NULL || must_wait(d, letter))
        return false;
    const rd_kafka_resp_err_t error = produce(d, letter);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        move(d, letter, DEAD_LETTER_SENT);
        return true;
    }
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && !letter->without_value) {
        letter->without_value = true;
        return true; /* the same one again */
    }
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
        be_refused(d, error);
    return false;
}

/* Called by the producer, which must not be called from here. */
static void take_report(void *context, void *opaque, rd_kafka_resp_err_t error) {
    struct dead_letters *d = context;
    struct dead_letter *letter = opaque;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        move(d, letter, DEAD_LETTER_IDLE);
        letter->done(letter);
        return;
    }
    be_refused(d, error);
    if (!producer_refuses_message(error))
        return;
    letter->refusals++;
    if (letter->refusals > 1)
        letter->without_value = true;
}

static void drop(struct dead_letters *d, mono_time now) {
    producer_drop(&d->producer, mono_after_ms(now, PAUSE_MS));
    d->failed = false;
    /* Those that were sent go before those that were not, in their order. */
    while (!TAILQ_EMPTY(&d->sent)) {
        struct dead_letter *letter = TAILQ_LAST(&d->sent, dead_letter_queue);
        TAILQ_REMOVE(&d->sent, letter, link);
        letter->state = DEAD_LETTER_WAITING;
        TAILQ_INSERT_HEAD(&d->waiting, letter, link);
    }
}

void dead_letters_tick(struct dead_letters *d, mono_time now) {
    if (d->failed || producer_is_broken(&d->producer))
        drop(d, now);
    producer_tick(&d->producer, now);
    while (producer_is_up(&d->producer) && send_first(d))
        ;
    if (d->failed)
        drop(d, now);
}

mono_time dead_letters_deadline(const struct dead_letters *d) {
    return producer_deadline(&d->producer);
}

/* --- for the owner ------------------------------------------------------------------------- */

bool dead_letters_init(struct dead_letters *d, struct poller *poller,
                       const struct settings *settings, const char *topic) {
    const struct producer_owner owner = {d, take_report};
    d->topic = topic;
    d->failed = false;
    TAILQ_INIT(&d->waiting);
    TAILQ_INIT(&d->sent);
    return producer_init(&d->producer, poller, settings, &owner);
}

void dead_letters_exit(struct dead_letters *d) {
    producer_exit(&d->producer);
}

void dead_letters_put(struct dead_letters *d, struct dead_letter *letter) {
    assert(letter->state == DEAD_LETTER_IDLE);
    move(d, letter, DEAD_LETTER_WAITING);
}

bool dead_letters_forget(struct dead_letters *d, struct dead_letter *letter) {
    if (letter->state == DEAD_LETTER_SENT)
        return false;
    move(d, letter, DEAD_LETTER_IDLE);
    return true;
}
