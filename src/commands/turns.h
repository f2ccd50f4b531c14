/*
 * turns.h: whose turn it is. Commands about the same lock must take effect in the order in which
 * they came, though commands about others may overtake them.
 *
 * A turn is a claim of one command to one lock of a tenant; the claims to a lock stand in a line,
 * in the order in which they came. A command with turns at the head of all its lines may go; when
 * it ends its turns are given up, and those behind it move on. All claims of a command are taken
 * at once, so commands can't wait for each other in a circle.
 *
 *   turns_take() --all at the head--> may go --turns_give_up()--> done
 *            \--waits-----------------^
 */
#ifndef COMMANDS_TURNS_H
#define COMMANDS_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attributes.h"
#include "base/id.h"

#define TURNS_LINES 16384

/* Who waits: embedded in the command. Its locks are ids of one tenant. */
struct turns_owner {
    struct turn *turns; /* one for each lock; from malloc */
    size_t count;
    size_t waiting; /* how many of them are not at the head of their line */
    /* It may go now. Called from turns_give_up() of another one. */
    void (*ready)(struct turns_owner *owner);
};

struct turn {
    TAILQ_ENTRY(turn) link; /* among all whose ids fall into the same line */
    struct turns_owner *owner;
    struct id tenant_id;
    struct id lock_id;
};

TAILQ_HEAD(turn_line, turn);

struct turns {
    uint64_t seeds[2]; /* nobody outside can tell which ids fall into one line */
    struct turn_line lines[TURNS_LINES];
};

/* False when the kernel gives no random bytes. */
MUST_CHECK bool turns_init(struct turns *t);

/*
 * Takes a turn at each of the locks; one that is named twice counts once. False when out of memory:
 * nothing was taken. Afterwards owner->waiting says whether it must wait.
 */
MUST_CHECK bool turns_take(struct turns *t, struct turns_owner *owner, const struct id *tenant_id,
                           const struct id *lock_ids, size_t count);

/* The owner is done, or does not want to go any more, whether it waits or not. Harmless when it has
 * no turns. */
void turns_give_up(struct turns *t, struct turns_owner *owner);

/* How much memory the turns of an owner take. */
size_t turns_size(const struct turns_owner *owner);

#endif
