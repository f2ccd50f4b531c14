/* notify.c: see notify.h. */
#include "base/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

socklen_t notify_address(struct sockaddr_un *address, const char *name) {
    const size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof address->sun_path)
        return 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, name, length);
    if (name[0] == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static bool send_to(const char *name, const char *state) {
    struct sockaddr_un address;
    const socklen_t length = notify_address(&address, name);
    if (length == 0) {
        errno = EINVAL;
        return false;
    }
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const ssize_t sent =
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, length);
    close(fd);
    return sent >= 0;
}

void notify_manager(const char *state) {
    const char *name = getenv("NOTIFY_SOCKET");
    if (name != NULL && *name != '\0' && !send_to(name, state))
        log_warn("the manager of services cannot be told (NOTIFY_SOCKET): %s", strerror(errno));
}
