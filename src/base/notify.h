/*
 * notify.h: tells the manager of services, where there is one, how the program is.
 *
 * The protocol is that of sd_notify(3): a datagram of NAME=value lines to the socket that
 * NOTIFY_SOCKET names. It is spoken by systemd, and by availability-guard-pool to its guards.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/attributes.h"

/* Sends the state, such as "READY=1". Without NOTIFY_SOCKET nothing is done; that it cannot be sent
 * is logged, and changes nothing. */
void notify_manager(const char *state);

/* The address of such a socket: a path, or "@name" for the abstract name. Returns its length, 0
 * when it is neither or too long. */
MUST_CHECK socklen_t notify_address(struct sockaddr_un *address, const char *name);

#endif
