/*
 * slots.h: one file that all processes map, with a slot for each, in which it alone writes, and
 * before the slots some cells in which all of them may.
 *
 *   never used --slots_open()--> used by a process --its end, however it came--> left
 *                                      ^---------slots_open()--------------------'
 *
 * A slot is in use as long as its process holds a lock on one byte of the file (fcntl(2),
 * F_OFD_SETLK), which the kernel takes back when the process ends, however it ends. The next
 * process of the same kind takes a left slot with all that stands in it: so what is counted there
 * never falls, and there are never more slots than processes at one time. A slot never changes its
 * kind. Slots are some cache lines apart.
 *
 * The file begins with a description of its layout. A file of another layout, or what is no such
 * file at all, is replaced by a new one of the same name; who has the old one mapped keeps it. All
 * its bytes are allocated when it is made, so that a full disk shows then and not later. If it is
 * cut short nevertheless, the process goes on with memory of its own: see slots_is_lost().
 */
#ifndef METRICS_SLOTS_H
#define METRICS_SLOTS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* 256 guard processes (the most of GUARD_WORKERS), and others. */
#define SLOTS_MAX 320

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "cells are shared between processes");
typedef _Atomic uint64_t slots_cell;

/* Everything in here is private to slots.c. Zeroed memory is one that is closed. */
struct slots {
    int fd;
    unsigned char *map;
    size_t cells;  /* in each slot */
    size_t shared; /* cells of all */
    size_t own;    /* the number of this process's slot */
};

/* What the cells mean: who has another hash does not understand them. */
struct slots_layout {
    uint64_t hash;
    size_t cells;  /* in each slot */
    size_t shared; /* for all together */
};

/*
 * Opens the file, which is made or replaced if need be, and takes a slot of this kind, from 0 on.
 * One at a time in each process. Returns NULL, or what went wrong: static text, and the reason in
 * errno, or 0 there; nothing is open then.
 */
MUST_CHECK const char *slots_open(struct slots *s, const char *path,
                                  const struct slots_layout *layout, uint32_t kind);

/* Leaves the slot. Its cells must not be used any more. */
void slots_close(struct slots *s);

/* The cells of this process's slot. */
slots_cell *slots_own(const struct slots *s);

/* The cells that all processes share, and how many; zeros at first. */
slots_cell *slots_shared(const struct slots *s);
size_t slots_shared_count(const struct slots *s);

/* The cells of a slot from 0 to less than SLOTS_MAX, and its kind. NULL: it was never used. */
slots_cell *slots_at(const struct slots *s, size_t number, uint32_t *kind);

/* Whether a process holds the slot. */
bool slots_is_held(const struct slots *s, size_t number);

/* Whether the file was cut short, and this process now counts where nobody sees it. */
bool slots_is_lost(void);

#endif
