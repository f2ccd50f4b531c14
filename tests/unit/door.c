/* door.c: see door.h. */
#include "door.h"

#include <stdlib.h>
#include <string.h>

#include "guard/router.h"

static struct door *door_of(struct exchange *x) {
    return (struct door *)(void *)((char *)x - offsetof(struct door, exchange));
}

static void keep_answer(struct exchange *x, struct text_span headers, struct text_span body) {
    struct door *door = door_of(x);
    static const char STATUS[] = "Status: ";
    door->answers++;
    buffer_clear(&door->headers);
    buffer_clear(&door->body);
    buffer_append(&door->headers, headers.data, headers.length);
    buffer_append_char(&door->headers, '\0');
    buffer_append(&door->body, body.data, body.length);
    if (door->headers.failed || door->body.failed ||
        strncmp(door->headers.data, STATUS, sizeof STATUS - 1) != 0)
        abort();
    door->status = (int)strtol(door->headers.data + sizeof STATUS - 1, NULL, 10);
    if (door->look != NULL)
        door->look(door);
    exchange_end(x);
}

void door_init(struct door *door) {
    memset(door, 0, sizeof *door);
    door->dispatcher.session.problem = SESSION_PROBLEM_UNREACHABLE;
    door->dispatcher.queue_max = 1;
    door->dispatcher.queue_timeout_ms = 2000;
    door->dispatcher.answer_timeout_ms = 8000;
    door->context.dispatcher = &door->dispatcher;
    door->context.limits = (struct request_limits){
        .default_ttl_seconds = 7200, .max_ttl_seconds = 86400, .max_stay_us = 3660 * US_PER_DAY};
    door->context.max_body_bytes = (size_t)1024 * 1024;
    door->context.fail_open = true;
    door->context.shadow_mode = true;
    door->exchange.context = &door->context;
    door->exchange.send = keep_answer;
}

void door_exit(struct door *door) {
    if (door_command(door) != NULL)
        exchange_end(&door->exchange);
    buffer_free(&door->context.answer);
    buffer_free(&door->headers);
    buffer_free(&door->body);
    memset(door, 0, sizeof *door);
}

void door_open(struct door *door) {
    door->dispatcher.session.problem = SESSION_PROBLEM_NONE;
}

bool door_handle(struct door *door, char *const *params, struct text_span body) {
    struct exchange *x = &door->exchange;
    door->answers = 0;
    door->status = 0;
    if (!http_request_read(&x->request, params))
        return false;
    exchange_begin(x);
    x->request.body = body;
    router_handle(x);
    return true;
}

struct command *door_command(struct door *door) {
    return door->dispatcher.first;
}

void door_answer(struct door *door, const struct outcome *outcome) {
    struct command *command = door->dispatcher.first;
    door->dispatcher.first = NULL;
    door->dispatcher.last = NULL;
    door->dispatcher.queued = 0;
    command->answer(command, outcome);
}

struct text_span door_header(const struct door *door, const char *name) {
    const size_t length = strlen(name);
    const char *line = door->headers.data;
    while (line != NULL && *line != '\r' && *line != '\0') {
        const size_t line_length = strcspn(line, "\r");
        if (strncmp(line, name, length) == 0 && strncmp(line + length, ": ", 2) == 0)
            return (struct text_span){line + length + 2, line_length - length - 2};
        line += line_length;
        line += strncmp(line, "\r\n", 2) == 0 ? 2 : 0;
    }
    return (struct text_span){NULL, 0};
}
