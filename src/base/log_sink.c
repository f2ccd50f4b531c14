/* log_sink.c: see log_sink.h. */
#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind {
    SINK_PLAIN,  /* write(2) to stderr itself */
    SINK_OWN,    /* write(2) to a description of our own, that does not block */
    SINK_SOCKET, /* send(2) */
    SINK_SPLICE, /* splice(2) */
};

/* Room for bursts, as a spliced line takes a whole page of the pipe however short it is. */
#define SPLICED_PIPE_BYTES (1024 * 1024)

static struct {
    enum kind kind;
    int own;            /* SINK_OWN */
    int pipe[2];        /* SINK_SPLICE: empty but while a line is in it */
    atomic_bool is_cut; /* the last line was written in part: the next one begins on a new one */
} sink = {.own = -1, .pipe = {-1, -1}};

static pthread_mutex_t splicing = PTHREAD_MUTEX_INITIALIZER;

static void close_all(void) {
    const int fds[] = {sink.own, sink.pipe[0], sink.pipe[1]};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
    sink.own = sink.pipe[0] = sink.pipe[1] = -1;
}

static enum kind open_again(bool is_pipe) {
    sink.own = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (sink.own >= 0)
        return SINK_OWN;
    if (!is_pipe || pipe2(sink.pipe, O_NONBLOCK | O_CLOEXEC) != 0)
        return SINK_PLAIN;
    (void)fcntl(STDERR_FILENO, F_SETPIPE_SZ, SPLICED_PIPE_BYTES);
    return SINK_SPLICE;
}

void log_sink_init(void) {
    struct stat status;
    close_all();
    sink.kind = SINK_PLAIN;
    if (fstat(STDERR_FILENO, &status) != 0)
        return;
    if (S_ISSOCK(status.st_mode))
        sink.kind = SINK_SOCKET;
    else if (S_ISFIFO(status.st_mode))
        sink.kind = open_again(true);
    else if (S_ISCHR(status.st_mode) && isatty(STDERR_FILENO))
        sink.kind = open_again(false);
}

/* Our own pipe is empty: there is room for the line, in one page. */
static ssize_t write_spliced(const char *data, size_t length) {
    char rest[4096];
    (void)pthread_mutex_lock(&splicing);
    ssize_t written = write(sink.pipe[1], data, length);
    if (written == (ssize_t)length)
        written = splice(sink.pipe[0], NULL, STDERR_FILENO, NULL, length, SPLICE_F_NONBLOCK);
    while (written != (ssize_t)length && read(sink.pipe[0], rest, sizeof rest) > 0)
        continue;
    (void)pthread_mutex_unlock(&splicing);
    return written;
}

static ssize_t write_once(const char *data, size_t length) {
    switch (sink.kind) {
    case SINK_OWN:
        return write(sink.own, data, length);
    case SINK_SOCKET:
        return send(STDERR_FILENO, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    case SINK_SPLICE:
        return write_spliced(data, length);
    default:
        return write(STDERR_FILENO, data, length);
    }
}

static ssize_t write_some(const char *data, size_t length) {
    ssize_t written = 0;
    do {
        written = write_once(data, length);
    } while (written < 0 && errno == EINTR);
    return written;
}

/* Only a file can be cut, when the disk is full. */
bool log_sink_write(const char *data, size_t length) {
    if (atomic_load_explicit(&sink.is_cut, memory_order_relaxed)) {
        if (write_some("\n", 1) != 1)
            return false;
        atomic_store(&sink.is_cut, false);
    }
    const ssize_t written = write_some(data, length);
    if (written > 0 && (size_t)written < length)
        atomic_store(&sink.is_cut, true);
    return written == (ssize_t)length;
}
