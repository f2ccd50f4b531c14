/* inbox.c: see inbox.h. */
#include "trace_exporter/inbox.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "trace/tracing.h"

/* Datagrams that are taken before others have their turn. */
#define DATAGRAMS_AT_ONCE 64

static bool receive(struct inbox *inbox) {
    static char bytes[TRACING_DATAGRAM_MAX];
    const ssize_t got = recv(inbox->source.fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0)
        return false;
    if ((size_t)got > sizeof bytes)
        log_warn("a datagram of %zd bytes is too long: it is dropped", got);
    else
        inbox->received(inbox->context, (struct text_span){bytes, (size_t)got});
    return true;
}

void inbox_drain(struct inbox *inbox) {
    for (int i = 0; i < DATAGRAMS_AT_ONCE && receive(inbox); i++)
        ;
}

static void take_events(struct poll_source *source, uint32_t events) {
    (void)events;
    inbox_drain((struct inbox *)source);
}

/* A socket stays when its program was killed. */
static bool make_way(int fd, const struct sockaddr_un *address) {
    struct stat there;
    if (lstat(address->sun_path, &there) != 0)
        return true;
    if (!S_ISSOCK(there.st_mode)) {
        log_error("%s is there and is no socket", address->sun_path);
        return false;
    }
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0) {
        log_error("%s: somebody else listens there", address->sun_path);
        return false;
    }
    return unlink(address->sun_path) == 0 || errno == ENOENT;
}

/* For the account and the group of the programs, and nobody else. */
static bool listen_at(int fd, const struct sockaddr_un *address) {
    const mode_t before = umask(0117);
    const bool bound = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    (void)umask(before);
    if (!bound)
        log_error("%s: %s", address->sun_path, strerror(errno));
    return bound;
}

bool inbox_init(struct inbox *inbox, struct poller *poller, const char *path,
                void (*received)(void *context, struct text_span datagram), void *context) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    *inbox = (struct inbox){
        .source = {.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), .ready = take_events},
        .poller = poller,
        .path = path,
        .received = received,
        .context = context,
    };
    if (inbox->source.fd >= 0 && make_way(inbox->source.fd, &address) &&
        listen_at(inbox->source.fd, &address)) {
        if (poller_add(poller, &inbox->source, EPOLLIN))
            return true;
        log_error("%s: %s", path, strerror(errno));
        (void)unlink(path);
    }
    if (inbox->source.fd >= 0)
        close(inbox->source.fd);
    return false;
}

void inbox_exit(struct inbox *inbox) {
    poller_remove(inbox->poller, &inbox->source);
    close(inbox->source.fd);
    (void)unlink(inbox->path);
}
