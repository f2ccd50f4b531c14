/*
 * fuzz_recipient.c: any bytes as one recipient, and the same bytes as a list by commas.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notification/recipients.h"

/* Like assert(), but always there. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct text_span inner, const char *data, size_t size) {
    return inner.data >= data && inner.data + inner.length <= data + size;
}

static void check_sms(struct text_span address) {
    MUST(address.length >= 8 && address.length <= 16 && address.data[0] == '+');
    for (size_t i = 1; i < address.length; i++)
        MUST(address.data[i] >= '0' && address.data[i] <= '9');
}

/* What is sent to a webhook cannot be more than one line anywhere. */
static void check_sendable(struct text_span address) {
    MUST(address.length > 0 && address.length <= RECIPIENT_BYTES_MAX);
    MUST(text_is_valid_utf8(address.data, address.length));
    size_t size = 0;
    for (size_t i = 0; i < address.length; i += size) {
        size = text_utf8_sequence(address.data + i, address.length - i);
        MUST(!text_is_control(address.data + i, size));
    }
}

static void check(const struct recipient *r) {
    struct recipient again;
    MUST(r->text.length > 0);
    if (r->channel != RECIPIENT_UNROUTABLE)
        check_sendable(r->address);
    if (r->channel == RECIPIENT_SMS)
        check_sms(r->address);
    if (r->channel == RECIPIENT_EMAIL)
        MUST(memchr(r->address.data, '@', r->address.length) != NULL);
    MUST(recipient_read(&again, r->text));
    MUST(again.text.data == r->text.data && again.text.length == r->text.length);
    MUST(again.channel == r->channel && recipient_equal(&again, r));
}

static void check_counts(const struct recipients *all) {
    size_t count = 0;
    for (size_t c = 0; c <= RECIPIENT_CHANNELS; c++)
        count += all->counts[c];
    MUST(count == all->count && count <= RECIPIENTS_MAX);
}

static bool is_among(const struct recipients *all, size_t count, const struct recipient *one) {
    for (size_t i = 0; i < count; i++) {
        if (recipient_equal(all->items[i], one))
            return true;
    }
    return false;
}

/* An event that carries them gives the same again. */
static void check_event(const struct recipients *all) {
    struct recipients again = {0};
    char *text = recipients_merged_text(all);
    json_t *array = json_loads(text, 0, NULL);
    MUST(recipients_add_array(&again, array, RECIPIENTS_MAX) == RECIPIENTS_OK);
    MUST(again.count == all->count);
    for (size_t i = 0; i < again.count; i++)
        MUST(recipient_equal(again.items[i], all->items[i]));
    json_decref(array);
    free(text);
    recipients_exit(&again);
}

static void check_list(const char *list) {
    struct recipients all = {0};
    MUST(recipients_add_list(&all, list, RECIPIENTS_MAX) != RECIPIENTS_NO_MEMORY);
    check_counts(&all);
    for (size_t i = 0; i < all.count; i++) {
        check(all.items[i]);
        MUST(!is_among(&all, i, all.items[i]));
    }
    check_event(&all);
    recipients_exit(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct recipient one;
    const char *text = (const char *)data;
    if (recipient_read(&one, (struct text_span){text, size})) {
        MUST(is_within(one.text, text, size));
        check(&one);
    }
    char *list = strndup(size > 0 ? text : "", size);
    MUST(list != NULL);
    check_list(list);
    free(list);
    return 0;
}
