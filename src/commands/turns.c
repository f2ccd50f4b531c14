/* turns.c: see turns.h. */
#include "commands/turns.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* The finalizer of MurmurHash3: every bit of the input changes half of the output. */
static uint64_t mix(uint64_t x) {
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdU;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53U;
    return x ^ (x >> 33);
}

/* Ids are chosen by others: without the seeds they could all fall into one line. */
static struct turn_line *line_of(struct turns *t, const struct id *tenant, const struct id *lock) {
    uint64_t words[4];
    memcpy(words, tenant->bytes, sizeof tenant->bytes);
    memcpy(words + 2, lock->bytes, sizeof lock->bytes);
    uint64_t hash = t->seeds[0];
    for (int i = 0; i < 4; i++)
        hash = mix(hash ^ words[i]) + t->seeds[1];
    return &t->lines[hash % TURNS_LINES];
}

static bool is_same(const struct turn *turn, const struct id *tenant, const struct id *lock) {
    return id_equal(&turn->lock_id, lock) && id_equal(&turn->tenant_id, tenant);
}

bool turns_init(struct turns *t) {
    for (size_t i = 0; i < TURNS_LINES; i++)
        TAILQ_INIT(&t->lines[i]);
    return getrandom(t->seeds, sizeof t->seeds, 0) == (ssize_t)sizeof t->seeds;
}

/* The last who wants this lock, or NULL. */
static struct turn *last_of(struct turn_line *line, const struct id *tenant,
                            const struct id *lock) {
    struct turn *turn = NULL;
    TAILQ_FOREACH_REVERSE(turn, line, turn_line, link) {
        if (is_same(turn, tenant, lock))
            break;
    }
    return turn;
}

bool turns_take(struct turns *t, struct turns_owner *owner, const struct id *tenant_id,
                const struct id *lock_ids, size_t count) {
    owner->count = 0;
    owner->waiting = 0;
    owner->turns = calloc(count, sizeof *owner->turns);
    if (owner->turns == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct turn_line *line = line_of(t, tenant_id, &lock_ids[i]);
        const struct turn *before = last_of(line, tenant_id, &lock_ids[i]);
        if (before != NULL && before->owner == owner)
            continue;
        struct turn *turn = &owner->turns[owner->count++];
        *turn = (struct turn){.owner = owner, .tenant_id = *tenant_id, .lock_id = lock_ids[i]};
        TAILQ_INSERT_TAIL(line, turn, link);
        owner->waiting += before != NULL ? 1 : 0;
    }
    return true;
}

/* The one who comes after this turn, or NULL; *first: nobody was before it. */
static struct turn *find_next(const struct turn *turn, bool *first) {
    const struct turn *before = turn;
    struct turn *after = NULL;
    do
        before = TAILQ_PREV(before, turn_line, link);
    while (before != NULL && !is_same(before, &turn->tenant_id, &turn->lock_id));
    *first = before == NULL;
    after = TAILQ_NEXT(turn, link);
    while (after != NULL && !is_same(after, &turn->tenant_id, &turn->lock_id))
        after = TAILQ_NEXT(after, link);
    return after;
}

static void give_up_one(struct turns *t, struct turn *turn) {
    bool first = false;
    const struct turn *next = find_next(turn, &first);
    TAILQ_REMOVE(line_of(t, &turn->tenant_id, &turn->lock_id), turn, link);
    if (!first || next == NULL)
        return;
    next->owner->waiting--;
    if (next->owner->waiting == 0)
        next->owner->ready(next->owner);
}

void turns_give_up(struct turns *t, struct turns_owner *owner) {
    for (size_t i = 0; i < owner->count; i++)
        give_up_one(t, &owner->turns[i]);
    free(owner->turns);
    owner->turns = NULL;
    owner->count = 0;
    owner->waiting = 0;
}

size_t turns_size(const struct turns_owner *owner) {
    return owner->count * sizeof *owner->turns;
}
