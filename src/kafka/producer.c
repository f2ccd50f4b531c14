/* producer.c: see producer.h. */
#include "kafka/producer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "kafka/config.h"

/* After librdkafka has refused to make a client, for want of memory or threads. */
#define RETRY_MS 1000

#define MESSAGE_BYTES_MAX_DEFAULT 1000000

/* The owner bounds what it sends, and sends at once what it has, so there is nothing to linger for.
 * Keys go to the partitions in which Java's clients look for them. */
static const struct kafka_property defaults[] = {
    {"linger.ms", "0"},
    {"message.timeout.ms", "0"},
    {"queue.buffering.max.messages", "0"},
    {"partitioner", "murmur2_random"},
    {NULL, NULL},
};

static const struct kafka_property fixed[] = {
    {"enable.idempotence", "true"},       {"acks", "all"},
    {"enable.gapless.guarantee", "true"}, {"delivery.report.only.error", "false"},
    {"transactional.id", NULL},           {NULL, NULL},
};

static const struct kafka_wishes wishes = {defaults, fixed};

static void take_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    struct producer *p = opaque;
    (void)client;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && p->unreachable) {
        p->unreachable = false;
        log_info("kafka: brokers answer again");
    }
    p->owner.reported(p->owner.context, message->_private, message->err);
}

static void take_error(rd_kafka_t *client, int error, const char *reason, void *opaque) {
    struct producer *p = opaque;
    (void)client;
    if (error == RD_KAFKA_RESP_ERR__FATAL) {
        p->fatal = true; /* librdkafka has logged it */
    } else if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        if (!p->unreachable)
            log_warn("kafka: no broker can be reached");
        p->unreachable = true;
    } else {
        log_debug("kafka: %s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)error), reason);
    }
}

/* Callbacks run in here, in the poller's thread. */
static void serve(void *context) {
    struct producer *p = context;
    if (p->client != NULL)
        (void)rd_kafka_poll(p->client, 0);
}

static bool make_client(struct producer *p) {
    char reason[KAFKA_ERROR_MAX] = "";
    rd_kafka_conf_t *config = rd_kafka_conf_dup(p->config);
    rd_kafka_conf_set_opaque(config, p);
    rd_kafka_conf_set_dr_msg_cb(config, take_report);
    rd_kafka_conf_set_error_cb(config, take_error);
    p->fatal = false;
    p->client = rd_kafka_new(RD_KAFKA_PRODUCER, config, reason, sizeof reason);
    if (p->client == NULL) {
        rd_kafka_conf_destroy(config);
        log_error("kafka: no client can be made: %s", reason);
        return false;
    }
    p->queue = rd_kafka_queue_get_main(p->client);
    wakeup_attach(&p->wakeup, p->queue);
    return true;
}

static void destroy_client(struct producer *p) {
    if (p->client == NULL)
        return;
    wakeup_detach(&p->wakeup, p->queue);
    rd_kafka_queue_destroy(p->queue);
    /* Reports that wait in its queue go with it. */
    rd_kafka_destroy(p->client);
    p->queue = NULL;
    p->client = NULL;
    p->fatal = false;
}

const char *producer_check(const struct settings *settings) {
    static char error[KAFKA_ERROR_MAX];
    rd_kafka_conf_t *config = kafka_config_new(settings, environ, &wishes, error);
    if (config == NULL)
        return error;
    rd_kafka_conf_destroy(config);
    return NULL;
}

bool producer_init(struct producer *p, struct poller *poller, const struct settings *settings,
                   const struct producer_owner *owner) {
    char error[KAFKA_ERROR_MAX];
    memset(p, 0, sizeof *p);
    p->owner = *owner;
    p->config = kafka_config_new(settings, environ, &wishes, error);
    if (p->config == NULL) {
        log_error("%s", error);
        return false;
    }
    if (!wakeup_init(&p->wakeup, poller, serve, p)) {
        log_error("kafka: no descriptor for its events: %s", strerror(errno));
        rd_kafka_conf_destroy(p->config);
        return false;
    }
    if (make_client(p))
        return true;
    wakeup_exit(&p->wakeup);
    rd_kafka_conf_destroy(p->config);
    return false;
}

void producer_exit(struct producer *p) {
    destroy_client(p);
    wakeup_exit(&p->wakeup);
    rd_kafka_conf_destroy(p->config);
}

void producer_tick(struct producer *p, mono_time now) {
    if (p->client == NULL && !mono_is_before(now, p->retry_at) && !make_client(p))
        p->retry_at = mono_after_ms(now, RETRY_MS);
}

mono_time producer_deadline(const struct producer *p) {
    return p->client == NULL ? p->retry_at : MONO_NEVER;
}

void producer_drop(struct producer *p, mono_time until) {
    destroy_client(p);
    p->retry_at = until;
}

/* NULL when one of them is refused. */
static rd_kafka_headers_t *headers_of(const struct producer_message *message) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);
    for (size_t i = 0; i < message->header_count; i++) {
        const struct producer_header *h = &message->headers[i];
        if (rd_kafka_header_add(headers, h->name, -1, h->value.data, (ssize_t)h->value.length) !=
            RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_headers_destroy(headers);
            return NULL;
        }
    }
    return headers;
}

static rd_kafka_resp_err_t produce(struct producer *p, const struct producer_message *message,
                                   rd_kafka_headers_t *headers) {
    const struct text_span *key = &message->key;
    const struct text_span *value = &message->value;
    /* It copies the value, though it wants a pointer that is not const. */
    return rd_kafka_producev(
        p->client, RD_KAFKA_V_TOPIC(message->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(key->data, key->length),
        RD_KAFKA_V_VALUE((void *)value->data, value->length), RD_KAFKA_V_HEADERS(headers),
        RD_KAFKA_V_OPAQUE(message->opaque), RD_KAFKA_V_END);
}

rd_kafka_resp_err_t producer_send(struct producer *p, const struct producer_message *message) {
    assert(p->client != NULL);
    rd_kafka_headers_t *headers = headers_of(message);
    if (headers == NULL)
        return RD_KAFKA_RESP_ERR__INVALID_ARG;
    const rd_kafka_resp_err_t error = produce(p, message, headers);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_headers_destroy(headers);
    /* Known here before it is told by the queue. */
    if (error == RD_KAFKA_RESP_ERR__FATAL)
        p->fatal = true;
    return error;
}

bool producer_refuses_message(rd_kafka_resp_err_t error) {
    switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        return true;
    default:
        return false;
    }
}

int64_t producer_message_bytes_max(const struct producer *p) {
    return kafka_config_int(p->config, "message.max.bytes", MESSAGE_BYTES_MAX_DEFAULT);
}
