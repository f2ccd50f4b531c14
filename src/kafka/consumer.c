/* consumer.c: see consumer.h. */
#include "kafka/consumer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "kafka/config.h"

/* Most messages taken in one go; other work comes in between. */
#define POLL_MAX 100

/* A consumer that does not poll for max.poll.interval.ms is thrown out of its group. */
#define POLL_EVERY_MS 1000

/* After a commit that failed. */
#define COMMIT_PAUSE_MS 500

/* More than the names of all strategies that librdkafka has. */
#define STRATEGY_MAX 512

/* How long Kafka may take to say where a topic ends. */
#define ASK_MS 10000

/* A member that died holds up its whole group for a session. Little is fetched ahead: it would only
 * wait here. Bytes bound it, not messages: where so many are there librdkafka 2.0 asks for more
 * only a second later.
 */
static const struct kafka_property defaults[] = {
    {"session.timeout.ms", "10000"},
    {"heartbeat.interval.ms", "2000"},
    {"topic.metadata.refresh.interval.ms", "10000"},
    {"allow.auto.create.topics", "true"},
    {"queued.max.messages.kbytes", "8192"},
    {"fetch.wait.max.ms", "100"},
    {"fetch.error.backoff.ms", "200"},
    {NULL, NULL},
};

static const struct kafka_property fixed[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "earliest"},
    {"enable.partition.eof", "true"},
    {"group.id", NULL},
    {NULL, NULL},
};

static const struct kafka_wishes wishes = {defaults, fixed};

/* --- partitions ---------------------------------------------------------------------------- */

static void add_listed(struct consumer *c, const rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; i < list->cnt; i++) {
        if (!partitions_add(&c->partitions, list->elems[i].partition, INT64_MAX)) {
            log_error("out of memory");
            c->failed = true;
        }
    }
}

/* --- rebalances ---------------------------------------------------------------------------- */

/* The partitions go now, ready or not. */
static void let_go(struct consumer *c) {
    c->owed = false;
    log_info("%d partitions have gone to the group", c->partitions.count);
    partitions_clear(&c->partitions);
    (void)rd_kafka_assign(c->client, NULL);
}

static void begin_leaving(struct consumer *c) {
    for (int i = 0; i < c->partitions.count; i++) {
        struct partition *p = c->partitions.items[i];
        if (p->leaving)
            continue;
        p->leaving = true;
        c->owner.leaving(c->owner.context, p);
    }
}

static void be_assigned(struct consumer *c, rd_kafka_topic_partition_list_t *list) {
    partitions_clear(&c->partitions);
    add_listed(c, list);
    (void)rd_kafka_assign(c->client, list);
    if (c->paused)
        (void)rd_kafka_pause_partitions(c->client, list);
    log_info("%d partitions have come from the group", list->cnt);
}

static void be_revoked(struct consumer *c) {
    c->owed = true;
    begin_leaving(c);
    const bool lost = rd_kafka_assignment_lost(c->client) != 0;
    if (lost)
        log_warn("the group has given our partitions to others: what was under way is finished");
    const bool at_once = lost || c->close_queue != NULL;
    c->owed_until = at_once ? mono_now() : mono_after_ms(mono_now(), CONSUMER_LEAVE_MS);
}

/* Called in the poller's thread, from rd_kafka_consumer_poll(). The list is always of all that this
 * member is to have, or has had: see is_incremental(). */
static void take_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t error,
                           rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct consumer *c = opaque;
    if (c->owed) /* before it was answered: librdkafka did not wait */
        let_go(c);
    if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        be_assigned(c, list);
    } else if (error == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        be_revoked(c);
    } else {
        log_error("kafka: the group: %s", rd_kafka_err2str(error));
        partitions_clear(&c->partitions);
        (void)rd_kafka_assign(client, NULL);
    }
}

static bool is_ready_to_go(const struct consumer *c) {
    for (int i = 0; i < c->partitions.count; i++) {
        const struct partition *p = c->partitions.items[i];
        if (p->leaving && (!TAILQ_EMPTY(&p->places) || partition_is_dirty(p)))
            return false;
    }
    return !c->committing;
}

/* --- commits ------------------------------------------------------------------------------- */

static rd_kafka_topic_partition_list_t *list_partitions(const struct consumer *c, bool dirty,
                                                        const char *topic) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    for (int i = 0; i < c->partitions.count; i++) {
        const struct partition *p = c->partitions.items[i];
        if (!dirty || partition_is_dirty(p))
            rd_kafka_topic_partition_list_add(list, topic, p->number)->offset =
                partition_position(p);
    }
    return list;
}

bool consumer_is_committed(const struct consumer *c) {
    for (int i = 0; i < c->partitions.count; i++) {
        const struct partition *p = c->partitions.items[i];
        if (partition_is_dirty(p))
            return false;
    }
    return !c->committing;
}

static void commit(struct consumer *c, mono_time now) {
    if (c->committing || mono_is_before(now, c->next_commit) || consumer_is_committed(c))
        return;
    rd_kafka_topic_partition_list_t *list = list_partitions(c, true, c->topic);
    for (int i = 0; i < list->cnt; i++)
        partitions_find(&c->partitions, list->elems[i].partition)->committed =
            list->elems[i].offset;
    const rd_kafka_resp_err_t error = rd_kafka_commit(c->client, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
    c->committing = error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* What failed is committed again, with what has been settled since. Not while the group waits for
 * us: whoever reads it again finds it in the ledger. */
static void repeat_commit(struct consumer *c, const rd_kafka_topic_partition_t *element) {
    struct partition *p = partitions_find(&c->partitions, element->partition);
    if (p != NULL && !p->leaving)
        p->committed = -1;
}

/* Called in the poller's thread, from rd_kafka_consumer_poll(), as the following are. */
static void take_commit(rd_kafka_t *client, rd_kafka_resp_err_t error,
                        rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct consumer *c = opaque;
    (void)client;
    c->committing = false;
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_resp_err_t why =
            error != RD_KAFKA_RESP_ERR_NO_ERROR ? error : list->elems[i].err;
        if (why == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        log_info("kafka: an offset was not committed: %s", rd_kafka_err2name(why));
        c->next_commit = mono_after_ms(mono_now(), COMMIT_PAUSE_MS);
        repeat_commit(c, &list->elems[i]);
    }
}

static void take_error(rd_kafka_t *client, int error, const char *reason, void *opaque) {
    struct consumer *c = opaque;
    (void)client;
    if (error == RD_KAFKA_RESP_ERR__FATAL) {
        log_error("kafka: the consumer cannot go on: %s", reason);
        c->failed = true;
    } else if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        if (!c->unreachable)
            log_warn("kafka: no broker can be reached");
        c->unreachable = true;
    } else {
        log_debug("kafka: %s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)error), reason);
    }
}

/* --- messages ------------------------------------------------------------------------------ */

static void reach(struct partition *p, int64_t offset) {
    if (offset >= p->end)
        p->ended = true;
}

static void take_message(struct consumer *c, struct partition *p, const rd_kafka_message_t *m) {
    if (c->unreachable) {
        c->unreachable = false;
        log_info("kafka: brokers answer again");
    }
    /* librdkafka has been seen to give messages a second time after a pause. */
    if (m->offset < p->next_offset || m->offset >= p->end || p->leaving) {
        reach(p, m->offset);
        return;
    }
    c->owner.received(c->owner.context, p, m);
    p->next_offset = m->offset + 1;
    reach(p, p->next_offset);
}

static void take(struct consumer *c, const rd_kafka_message_t *m) {
    struct partition *p = m->rkt == NULL ? NULL : partitions_find(&c->partitions, m->partition);
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (p != NULL)
            take_message(c, p, m);
    } else if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (p != NULL)
            reach(p, m->offset);
    } else if (m->err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED) {
        log_error("kafka: the program was held up: %s", rd_kafka_message_errstr(m));
    } else {
        log_warn("kafka: %s", rd_kafka_err2name(m->err));
    }
}

static bool is_held(const struct consumer *c) {
    return c->held && !c->paused;
}

/* Everything that librdkafka has for us comes through here. */
static void serve(void *context) {
    struct consumer *c = context;
    if (c->client == NULL)
        return;
    if (c->close_queue != NULL) {
        (void)rd_kafka_queue_poll_callback(c->close_queue, 0);
        return;
    }
    for (int i = 0; i < POLL_MAX && !is_held(c); i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(c->client, 0);
        if (message == NULL)
            return;
        take(c, message);
        rd_kafka_message_destroy(message);
    }
    if (!is_held(c))
        wakeup_raise(&c->wakeup);
}

void consumer_pause(struct consumer *c) {
    if (c->paused)
        return;
    rd_kafka_topic_partition_list_t *list = list_partitions(c, false, c->topic);
    (void)rd_kafka_pause_partitions(c->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    c->held = true;
    c->paused = true;
}

static void resume(struct consumer *c) {
    rd_kafka_topic_partition_list_t *list = list_partitions(c, false, c->topic);
    (void)rd_kafka_resume_partitions(c->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    c->paused = false;
}

void consumer_hold(struct consumer *c, bool held) {
    if (c->held == held)
        return;
    c->held = held;
    c->pause_at = mono_after_ms(mono_now(), CONSUMER_HOLD_MS);
    if (held)
        return;
    if (c->paused)
        resume(c);
    wakeup_raise(&c->wakeup); /* what has come meanwhile is not told again */
}

bool consumer_has_ended(const struct consumer *c) {
    for (int i = 0; i < c->partitions.count; i++) {
        const struct partition *p = c->partitions.items[i];
        if (!p->ended)
            return false;
    }
    return true;
}

/* librdkafka remembers the ends that come with the messages. Before the first message, or the news
 * that there is none, nothing is known of a partition. */
int64_t consumer_lag(const struct consumer *c) {
    int64_t lag = 0;
    for (int i = 0; i < c->partitions.count; i++) {
        const struct partition *p = c->partitions.items[i];
        const int64_t position = partition_position(p);
        int64_t low = 0;
        int64_t high = 0;
        if (position >= 0 &&
            rd_kafka_get_watermark_offsets(c->client, c->topic, p->number, &low, &high) ==
                RD_KAFKA_RESP_ERR_NO_ERROR &&
            high > position)
            lag += high - position;
    }
    return lag;
}

void consumer_tick(struct consumer *c, mono_time now) {
    if (is_held(c) && !mono_is_before(now, c->pause_at))
        consumer_pause(c);
    if (!mono_is_before(now, c->next_poll)) {
        serve(c);
        c->next_poll = mono_after_ms(now, POLL_EVERY_MS);
    }
    commit(c, now);
    if (c->owed && (is_ready_to_go(c) || !mono_is_before(now, c->owed_until)))
        let_go(c);
}

mono_time consumer_deadline(const struct consumer *c) {
    mono_time due = c->next_poll;
    if (c->owed)
        due = mono_earlier(due, c->owed_until);
    if (is_held(c))
        due = mono_earlier(due, c->pause_at);
    if (!c->committing && !consumer_is_committed(c))
        due = mono_earlier(due, c->next_commit);
    return due;
}

/* --- beginning and end --------------------------------------------------------------------- */

/* A member of an incremental rebalance (KIP-429) goes on with its partitions, and commits. A commit
 * waits on the connection behind the member's own JoinGroup, then has the generation before, and
 * librdkafka before 2.10 takes the refusal for the loss of all partitions and begins the rebalance
 * anew, round after round: https://github.com/confluentinc/librdkafka/issues/4059. */
static bool is_incremental(const rd_kafka_conf_t *config) {
    char value[STRATEGY_MAX] = "";
    size_t size = sizeof value;
    return rd_kafka_conf_get(config, "partition.assignment.strategy", value, &size) !=
               RD_KAFKA_CONF_OK ||
           strstr(value, "cooperative") != NULL;
}

static rd_kafka_conf_t *configure(const struct settings *settings, const char *group, char *error) {
    rd_kafka_conf_t *config = kafka_config_new(settings, environ, &wishes, error);
    if (config == NULL)
        return NULL;
    if (is_incremental(config))
        (void)snprintf(error, KAFKA_ERROR_MAX,
                       "KAFKA_PROPERTY_PARTITION_ASSIGNMENT_STRATEGY: not cooperative-sticky, "
                       "which upsets a group whose members commit their offsets themselves");
    else if (rd_kafka_conf_set(config, "group.id", group, error, KAFKA_ERROR_MAX) ==
             RD_KAFKA_CONF_OK)
        return config;
    rd_kafka_conf_destroy(config);
    return NULL;
}

const char *consumer_check(const struct settings *settings) {
    static char error[KAFKA_ERROR_MAX];
    rd_kafka_conf_t *config = configure(settings, "check", error);
    if (config == NULL)
        return error;
    rd_kafka_conf_destroy(config);
    return NULL;
}

static bool make_client(struct consumer *c, const struct settings *settings, const char *group) {
    char error[KAFKA_ERROR_MAX] = "";
    rd_kafka_conf_t *config = configure(settings, group, error);
    if (config != NULL) {
        rd_kafka_conf_set_opaque(config, c);
        rd_kafka_conf_set_rebalance_cb(config, take_rebalance);
        rd_kafka_conf_set_offset_commit_cb(config, take_commit);
        rd_kafka_conf_set_error_cb(config, take_error);
        c->client = rd_kafka_new(RD_KAFKA_CONSUMER, config, error, sizeof error);
        if (c->client == NULL)
            rd_kafka_conf_destroy(config);
    }
    if (c->client == NULL) {
        log_error("kafka: no client can be made: %s", error);
        return false;
    }
    (void)rd_kafka_poll_set_consumer(c->client);
    c->queue = rd_kafka_queue_get_consumer(c->client);
    wakeup_attach(&c->wakeup, c->queue);
    return true;
}

static bool init(struct consumer *c, struct poller *poller, const struct settings *settings,
                 const char *group, const char *topic, const struct consumer_owner *owner) {
    memset(c, 0, sizeof *c);
    c->owner = *owner;
    c->topic = topic;
    c->next_poll = mono_now();
    c->next_commit = c->next_poll;
    if (!wakeup_init(&c->wakeup, poller, serve, c)) {
        log_error("kafka: no descriptor for its events: %s", strerror(errno));
        return false;
    }
    if (make_client(c, settings, group))
        return true;
    wakeup_exit(&c->wakeup);
    return false;
}

static bool is_fine(const struct consumer *c, rd_kafka_resp_err_t error) {
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        log_error("kafka: %s: %s", c->topic, rd_kafka_err2str(error));
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool subscribe(struct consumer *c) {
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, c->topic, RD_KAFKA_PARTITION_UA);
    const rd_kafka_resp_err_t error = rd_kafka_subscribe(c->client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return is_fine(c, error);
}

bool consumer_join(struct consumer *c, struct poller *poller, const struct settings *settings,
                   const char *group, const char *topic, const struct consumer_owner *owner) {
    if (!init(c, poller, settings, group, topic, owner))
        return false;
    if (subscribe(c))
        return true;
    consumer_exit(c);
    return false;
}

/* The partitions of the topic; none when there is no such topic. NULL: Kafka did not say. */
static rd_kafka_topic_partition_list_t *ask_partitions(struct consumer *c) {
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(c->client, c->topic, NULL);
    const rd_kafka_resp_err_t error = rd_kafka_metadata(c->client, 0, topic, &metadata, ASK_MS);
    rd_kafka_topic_partition_list_t *list = NULL;
    if (is_fine(c, error)) {
        list = rd_kafka_topic_partition_list_new(4);
        for (int i = 0; metadata->topic_cnt == 1 && i < metadata->topics[0].partition_cnt; i++)
            rd_kafka_topic_partition_list_add(list, c->topic, metadata->topics[0].partitions[i].id);
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(topic);
    return list;
}

/* Where to read this partition from and to. */
static bool ask_bounds(struct consumer *c, rd_kafka_topic_partition_t *element) {
    int64_t low = 0;
    int64_t high = 0;
    if (!is_fine(c, rd_kafka_query_watermark_offsets(c->client, c->topic, element->partition, &low,
                                                     &high, ASK_MS)) ||
        !partitions_add(&c->partitions, element->partition, high))
        return false;
    if (element->offset < low)
        element->offset = low; /* nothing was committed, or Kafka has deleted it */
    if (element->offset >= high)
        partitions_find(&c->partitions, element->partition)->ended = true;
    return true;
}

static bool assign_to_end(struct consumer *c) {
    rd_kafka_topic_partition_list_t *list = ask_partitions(c);
    if (list == NULL)
        return false;
    bool fine = list->cnt == 0 || is_fine(c, rd_kafka_committed(c->client, list, ASK_MS));
    for (int i = 0; fine && i < list->cnt; i++)
        fine = ask_bounds(c, &list->elems[i]);
    fine = fine && (list->cnt == 0 || is_fine(c, rd_kafka_assign(c->client, list)));
    rd_kafka_topic_partition_list_destroy(list);
    return fine;
}

bool consumer_read_to_end(struct consumer *c, struct poller *poller,
                          const struct settings *settings, const char *group, const char *topic,
                          const struct consumer_owner *owner) {
    if (!init(c, poller, settings, group, topic, owner))
        return false;
    if (assign_to_end(c))
        return true;
    consumer_exit(c);
    return false;
}

void consumer_close(struct consumer *c) {
    if (c->close_queue != NULL)
        return;
    if (c->owed)
        let_go(c);
    c->close_queue = rd_kafka_queue_new(c->client);
    wakeup_attach(&c->wakeup, c->close_queue);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->client, c->close_queue);
    if (error == NULL)
        return;
    log_error("kafka: %s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

bool consumer_is_closed(const struct consumer *c) {
    return rd_kafka_consumer_closed(c->client) == 1;
}

void consumer_exit(struct consumer *c) {
    if (c->owed)
        let_go(c); /* librdkafka does not end before it is answered */
    partitions_clear(&c->partitions);
    if (c->close_queue != NULL) {
        wakeup_detach(&c->wakeup, c->close_queue);
        rd_kafka_queue_destroy(c->close_queue);
    }
    wakeup_detach(&c->wakeup, c->queue);
    rd_kafka_queue_destroy(c->queue);
    rd_kafka_destroy_flags(c->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    wakeup_exit(&c->wakeup);
    memset(c, 0, sizeof *c);
}
