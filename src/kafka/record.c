/* record.c: see record.h. */
#include "kafka/record.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The headers of a message, of which librdkafka knows the number only by counting. */
struct header_list {
    rd_kafka_headers_t *headers; /* NULL: none */
    size_t count;
};

static struct header_list headers_of(const rd_kafka_message_t *message) {
    struct header_list list = {NULL, 0};
    if (rd_kafka_message_headers(message, &list.headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        list.count = rd_kafka_header_cnt(list.headers);
    else
        list.headers = NULL;
    return list;
}

static bool get_header(const struct header_list *list, size_t i, const char **name,
                       struct text_span *value) {
    const void *bytes = NULL;
    if (rd_kafka_header_get_all(list->headers, i, name, &bytes, &value->length) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    value->data = bytes;
    return true;
}

static size_t headers_size(const struct header_list *list) {
    size_t size = 0;
    const char *name = NULL;
    struct text_span value;
    for (size_t i = 0; i < list->count; i++) {
        if (get_header(list, i, &name, &value))
            size += strlen(name) + 1 + value.length;
    }
    return size;
}

/* Appends bytes at *end and moves it. */
static struct text_span put(char **end, const void *bytes, size_t length) {
    const struct text_span copy = {bytes == NULL ? NULL : *end, bytes == NULL ? 0 : length};
    if (copy.length > 0)
        memcpy(*end, bytes, length);
    *end += copy.length;
    return copy;
}

static const char *put_text(char **end, const char *text) {
    return put(end, text, strlen(text) + 1).data;
}

static void put_headers(struct record *record, const struct header_list *list, char **end) {
    const char *name = NULL;
    struct text_span value;
    for (size_t i = 0; i < list->count; i++) {
        if (!get_header(list, i, &name, &value))
            continue;
        struct record_header *header = &record->headers[record->header_count++];
        header->name = put_text(end, name);
        header->value = put(end, value.data, value.length);
    }
}

struct record *record_copy(const rd_kafka_message_t *message) {
    const struct header_list list = headers_of(message);
    const char *topic = rd_kafka_topic_name(message->rkt);
    const size_t fixed = sizeof(struct record) + list.count * sizeof(struct record_header);
    const size_t size =
        fixed + strlen(topic) + 1 + message->key_len + message->len + headers_size(&list);
    struct record *record = calloc(1, size);
    if (record == NULL)
        return NULL;
    char *end = (char *)record + fixed;
    record->size = size;
    record->partition = message->partition;
    record->offset = message->offset;
    record->topic = put_text(&end, topic);
    record->key = put(&end, message->key, message->key_len);
    record->value = put(&end, message->payload, message->len);
    put_headers(record, &list, &end);
    return record;
}

struct text_span record_header(const struct record *record, const char *name) {
    for (size_t i = record->header_count; i > 0; i--) {
        if (strcmp(record->headers[i - 1].name, name) == 0)
            return record->headers[i - 1].value;
    }
    return (struct text_span){NULL, 0};
}
