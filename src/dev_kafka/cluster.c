/* cluster.c: see cluster.h. */
#include "dev_kafka/cluster.h"

#include <syslog.h>

#include "base/log.h"

#define BROKERS 1
#define ALL_BROKERS (-1)
#define REASON_MAX 512
/* Warnings. Below them it would only say that the client that never connects has no brokers. */
#define LOG_LEVEL_SHOWN "4"

/* librdkafka's levels are those of syslog(3). */
static void take_log_line(const rd_kafka_t *kafka, int level, const char *facility,
                          const char *text) {
    (void)kafka;
    enum log_level ours = LOG_LEVEL_DEBUG;
    if (level <= LOG_ERR)
        ours = LOG_LEVEL_ERROR;
    else if (level == LOG_WARNING)
        ours = LOG_LEVEL_WARN;
    else if (level <= LOG_INFO)
        ours = LOG_LEVEL_INFO;
    log_write(ours, "librdkafka: %s: %s", facility, text);
}

bool cluster_init(struct cluster *c) {
    char reason[REASON_MAX] = "out of memory";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, take_log_line);
    if (rd_kafka_conf_set(conf, "log_level", LOG_LEVEL_SHOWN, reason, sizeof reason) !=
        RD_KAFKA_CONF_OK)
        log_warn("librdkafka takes no log level: %s", reason);
    c->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (c->kafka == NULL) {
        rd_kafka_conf_destroy(conf);
        log_error("librdkafka does not start: %s", reason);
        return false;
    }
    c->mock = rd_kafka_mock_cluster_new(c->kafka, BROKERS);
    if (c->mock == NULL) {
        rd_kafka_destroy(c->kafka);
        log_error("librdkafka does not start its mock cluster");
        return false;
    }
    return true;
}

void cluster_exit(struct cluster *c) {
    rd_kafka_mock_cluster_destroy(c->mock);
    rd_kafka_destroy(c->kafka);
}

const char *cluster_address(const struct cluster *c) {
    return rd_kafka_mock_cluster_bootstraps(c->mock);
}

static bool succeeded(rd_kafka_resp_err_t error, const char *what) {
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    log_error("the broker cannot be taken %s: %s", what, rd_kafka_err2str(error));
    return false;
}

bool cluster_set_down(struct cluster *c) {
    return succeeded(rd_kafka_mock_broker_set_down(c->mock, ALL_BROKERS), "down");
}

bool cluster_set_up(struct cluster *c) {
    return succeeded(rd_kafka_mock_broker_set_up(c->mock, ALL_BROKERS), "up");
}
