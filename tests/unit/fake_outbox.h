/*
 * fake_outbox.h: an outbox in memory, and a session of the relay that asks it: the session's
 * functions are replaced (see Makefile.am), and answers made as libpq makes them. There is one.
 */
#ifndef UNIT_FAKE_OUTBOX_H
#define UNIT_FAKE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/session.h"
#include "relay/outbox.h"

#define FAKE_OUTBOX_EVENTS_MAX 200

extern struct fake_outbox {
    /* What the test says, and sees. */
    bool there[FAKE_OUTBOX_EVENTS_MAX]; /* row i has the number i + 1, and so many more */
    int numbers_before;
    int count;
    int row_events;
    int payload_bytes;
    int deleted[FAKE_OUTBOX_EVENTS_MAX]; /* in their order */
    int deleted_count;
    int windows;
    int read_rows_max; /* the most events that one read has given */
    int refuses;       /* so many statements are still to fail, every other one */
    bool refused;      /* the last one has */
    int writers_asked;
    bool still_open;
    const char *writers;
    const char *other; /* the stream of rows that are no announcements */
    bool others[FAKE_OUTBOX_EVENTS_MAX];

    /* What the relay does. */
    struct session *session;
    struct session_owner owner;
    char asked[16]; /* the statement under way, or "" */
    struct {
        bool announcements; /* or all else */
        int to;             /* a number */
        int window;         /* so many rows there were */
        struct outbox_place at;
        int past; /* 0: none */
        struct outbox_place past_to;
        int events;
        int count; /* of reads */
        int span_max;
    } read; /* the last one */
} outbox;

/* Empty, with rows of one event of ten bytes. */
void fake_outbox_reset(void);

/* Answers the statement that is under way. */
void fake_outbox_answer(void);

#endif
