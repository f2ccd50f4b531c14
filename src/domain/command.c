/* command.c: see command.h. */
#include "domain/command.h"

#include <string.h>

#define TEXTS_MAX 8

static size_t texts_of_manual_release(struct manual_release_request *r,
                                      struct text_span *texts[TEXTS_MAX]) {
    texts[0] = &r->reason;
    texts[1] = &r->actor_id;
    texts[2] = &r->actor_name;
    texts[3] = &r->actor_email;
    texts[4] = &r->correlation_id;
    texts[5] = &r->metadata;
    texts[6] = &r->recipients;
    return 7;
}

/* The texts that a command of this kind has from its door. */
static size_t texts_of(struct command *command, struct text_span *texts[TEXTS_MAX]) {
    switch (command->kind) {
    case COMMAND_LOCK:
    case COMMAND_LOCK_ONCE:
        texts[0] = &command->as.lock.reason;
        texts[1] = &command->as.lock.correlation_id;
        texts[2] = &command->as.lock.metadata;
        return 3;
    case COMMAND_RELEASE:
    case COMMAND_RELEASE_ONCE:
        texts[0] = &command->as.release.reason;
        texts[1] = &command->as.release.correlation_id;
        texts[2] = &command->as.release.metadata;
        return 3;
    case COMMAND_BULK_RELEASE:
    case COMMAND_BULK_RELEASE_ONCE:
        texts[0] = &command->as.bulk_release.reason;
        texts[1] = &command->as.bulk_release.correlation_id;
        return 2;
    case COMMAND_MANUAL_RELEASE:
        return texts_of_manual_release(&command->as.manual_release, texts);
    default:
        return 0;
    }
}

static const struct id *tenant_of(const struct command *command) {
    switch (command->kind) {
    case COMMAND_LOCK:
    case COMMAND_LOCK_ONCE:
        return &command->as.lock.tenant_id;
    case COMMAND_RELEASE:
    case COMMAND_RELEASE_ONCE:
        return &command->as.release.tenant_id;
    case COMMAND_BULK_RELEASE:
    case COMMAND_BULK_RELEASE_ONCE:
        return &command->as.bulk_release.tenant_id;
    case COMMAND_GET:
        return &command->as.get.tenant_id;
    case COMMAND_LIST:
        return &command->as.list.tenant_id;
    case COMMAND_MANUAL_RELEASE:
        return &command->as.manual_release.tenant_id;
    case COMMAND_AUDITS:
        return &command->as.audits.tenant_id;
    default:
        return NULL;
    }
}

const struct id *command_tenant(const struct command *command) {
    static const struct id NOBODY;
    const struct id *tenant = tenant_of(command);
    return tenant == NULL || id_equal(tenant, &NOBODY) ? NULL : tenant;
}

bool command_keep_texts(struct command *command, struct buffer *kept) {
    struct text_span *texts[TEXTS_MAX];
    size_t count = texts_of(command, texts);
    size_t length = 1;
    texts[count++] = &command->ledger_id; /* the last: the NUL is behind it */
    for (size_t i = 0; i < count; i++)
        length += texts[i]->length;
    if (!buffer_reserve(kept, length)) /* so that it does not move any more */
        return false;
    for (size_t i = 0; i < count; i++) {
        if (texts[i]->data == NULL)
            continue;
        const char *copy = kept->data + kept->length;
        buffer_append(kept, texts[i]->data, texts[i]->length);
        texts[i]->data = copy;
    }
    buffer_append_char(kept, '\0');
    return true;
}

static struct text_span correlation_id(const struct command *command) {
    switch (command->kind) {
    case COMMAND_LOCK:
    case COMMAND_LOCK_ONCE:
        return command->as.lock.correlation_id;
    case COMMAND_RELEASE:
    case COMMAND_RELEASE_ONCE:
        return command->as.release.correlation_id;
    case COMMAND_BULK_RELEASE:
    case COMMAND_BULK_RELEASE_ONCE:
        return command->as.bulk_release.correlation_id;
    case COMMAND_MANUAL_RELEASE:
        return command->as.manual_release.correlation_id;
    default:
        return (struct text_span){NULL, 0};
    }
}

struct log_subject command_subject(const struct command *command) {
    const char *id = command->request_id;
    const struct id *tenant = command_tenant(command);
    struct log_subject subject = {
        .request_id = {id, id == NULL ? 0 : strlen(id)},
        .correlation_id = correlation_id(command),
        .trace_id = trace_context_trace_id(&command->trace.context),
    };
    if (tenant != NULL)
        subject.tenant_id = *tenant;
    return subject;
}
