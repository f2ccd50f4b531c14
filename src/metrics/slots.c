/* slots.c: see slots.h. */
#include "metrics/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAGIC "AGMETRIC"
#define VERSION 2

/* The description has a page for itself, the shared cells have the next ones, and each slot begins
 * with two cache lines: processors fetch lines in pairs. */
#define PAGE_BYTES 4096
#define SLOT_HEADER_BYTES 128

#define PATH_BYTES_MAX 512

/* How long another process may take to make the file. */
#define WAIT_TRIES 200
#define WAIT_NS 10000000

struct header {
    char magic[8];
    uint32_t version;
    uint32_t slots;
    uint64_t cells;
    uint64_t shared;
    uint64_t layout;
};

/* --- where things are -------------------------------------------------------------------- */

static size_t slot_bytes(size_t cells) {
    const size_t bytes = SLOT_HEADER_BYTES + cells * sizeof(slots_cell);
    return (bytes + SLOT_HEADER_BYTES - 1) / SLOT_HEADER_BYTES * SLOT_HEADER_BYTES;
}

/* Of all that is before the slots. */
static size_t head_bytes(size_t shared) {
    const size_t bytes = PAGE_BYTES + shared * sizeof(slots_cell);
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static size_t file_bytes(size_t cells, size_t shared) {
    return head_bytes(shared) + SLOTS_MAX * slot_bytes(cells);
}

static unsigned char *slot_at(const struct slots *s, size_t number) {
    return s->map + head_bytes(s->shared) + number * slot_bytes(s->cells);
}

/* The kind and 1, or 0 in a slot that was never used. */
static _Atomic uint32_t *kind_at(const struct slots *s, size_t number) {
    return (_Atomic uint32_t *)(void *)slot_at(s, number);
}

static slots_cell *cells_at(const struct slots *s, size_t number) {
    return (slots_cell *)(void *)(slot_at(s, number) + SLOT_HEADER_BYTES);
}

/* --- a file that is cut short ------------------------------------------------------------
 *
 * The kernel then answers every access with SIGBUS. Counting is no reason to die. */

static struct {
    unsigned char *map;
    size_t bytes;
    volatile sig_atomic_t lost;
} guarded;

/* mmap() and signal() are plain system calls. */
static void take_bus_error(int number, siginfo_t *info, void *context) {
    const unsigned char *at = info->si_addr;
    (void)context;
    if (guarded.map != NULL && at >= guarded.map && at < guarded.map + guarded.bytes &&
        mmap(guarded.map, guarded.bytes, PROT_READ | PROT_WRITE,
             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        guarded.lost = 1;
    else
        (void)signal(number, SIG_DFL); /* it happens again at once, and ends the process */
}

static void guard_map(unsigned char *map, size_t bytes) {
    const struct sigaction action = {.sa_sigaction = take_bus_error, .sa_flags = SA_SIGINFO};
    guarded.map = map;
    guarded.bytes = bytes;
    guarded.lost = 0;
    (void)sigaction(SIGBUS, &action, NULL);
}

bool slots_is_lost(void) {
    return guarded.lost != 0;
}

/* --- the file ---------------------------------------------------------------------------- */

static struct header describe(const struct slots_layout *layout) {
    return (struct header){.magic = MAGIC,
                           .version = VERSION,
                           .slots = SLOTS_MAX,
                           .cells = layout->cells,
                           .shared = layout->shared,
                           .layout = layout->hash};
}

/* One process at a time looks for a file and makes one: it holds the folder. Returns a descriptor
 * to be closed, or -1. Who holds it is soon done with it, or was stopped in the middle of it. */
static int hold_folder(const char *path) {
    char folder[PATH_BYTES_MAX];
    const struct timespec pause = {.tv_nsec = WAIT_NS};
    const size_t length = (size_t)(strrchr(path, '/') - path);
    memcpy(folder, path, length);
    memcpy(folder + length, "/", 2);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < WAIT_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        (void)nanosleep(&pause, NULL);
    }
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

enum found { FOUND_GOOD, FOUND_OTHER, FOUND_FOREIGN };

/* Whoever owns the file can write whatever he likes into it, and cut it short. */
static enum found look_at(int fd, const struct slots_layout *layout) {
    const struct header wanted = describe(layout);
    struct header header;
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid())
        return FOUND_FOREIGN;
    const bool good = status.st_size == (off_t)file_bytes(layout->cells, layout->shared) &&
                      pread(fd, &header, sizeof header, 0) == (ssize_t)sizeof header &&
                      memcmp(&header, &wanted, sizeof header) == 0;
    return good ? FOUND_GOOD : FOUND_OTHER;
}

/* The new file gets its name when all is in it. Returns its descriptor, or -1. */
static int make_file(const char *path, const struct slots_layout *layout) {
    char fresh[PATH_BYTES_MAX + sizeof ".new"];
    const struct header header = describe(layout);
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    (void)unlink(fresh); /* left by a process that was killed here */
    const int fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int error = posix_fallocate(fd, 0, (off_t)file_bytes(layout->cells, layout->shared));
    if (error == 0 && (pwrite(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
                       rename(fresh, path) != 0))
        error = errno;
    if (error == 0)
        return fd;
    (void)unlink(fresh);
    (void)close(fd);
    errno = error;
    return -1;
}

/* The descriptor goes into *fd. */
static const char *find_file(int *fd, const char *path, const struct slots_layout *layout) {
    *fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd < 0 && errno != ENOENT)
        return "cannot be opened";
    if (*fd >= 0) {
        const enum found found = look_at(*fd, layout);
        if (found == FOUND_GOOD)
            return NULL;
        (void)close(*fd);
        errno = 0;
        if (found == FOUND_FOREIGN)
            return "is not a file of this account";
    }
    *fd = make_file(path, layout);
    return *fd < 0 ? "cannot be made" : NULL;
}

/* --- slots ------------------------------------------------------------------------------- */

static bool lock_slot(const struct slots *s, size_t number, short type) {
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
    return fcntl(s->fd, F_OFD_SETLK, &lock) == 0;
}

/* The first free slot that had this mark (the kind and 1, or 0). */
static bool take_marked(struct slots *s, uint32_t mark, uint32_t kind) {
    for (size_t i = 0; i < SLOTS_MAX; i++) {
        if (atomic_load(kind_at(s, i)) != mark || !lock_slot(s, i, F_WRLCK))
            continue;
        s->own = i;
        atomic_store(kind_at(s, i), kind + 1);
        return true;
    }
    return false;
}

static const char *map_file(struct slots *s) {
    const size_t bytes = file_bytes(s->cells, s->shared);
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (map == MAP_FAILED)
        return "cannot be mapped";
    s->map = map;
    guard_map(map, bytes);
    return NULL;
}

static const char *open_held(struct slots *s, const char *path, const struct slots_layout *layout,
                             uint32_t kind) {
    const char *wrong = find_file(&s->fd, path, layout);
    if (wrong != NULL)
        return wrong;
    wrong = map_file(s);
    if (wrong == NULL && !take_marked(s, kind + 1, kind) && !take_marked(s, 0, kind)) {
        errno = 0;
        wrong = "has no slot left";
    }
    if (wrong != NULL) {
        const int error = errno;
        slots_close(s);
        errno = error;
    }
    return wrong;
}

const char *slots_open(struct slots *s, const char *path, const struct slots_layout *layout,
                       uint32_t kind) {
    *s = (struct slots){.fd = -1, .cells = layout->cells, .shared = layout->shared};
    if (strlen(path) >= PATH_BYTES_MAX || strrchr(path, '/') == NULL) {
        errno = 0;
        return "is no absolute path, or too long";
    }
    const int folder = hold_folder(path);
    if (folder < 0)
        return "has a folder that cannot be used";
    const char *wrong = open_held(s, path, layout, kind);
    const int error = errno;
    (void)close(folder);
    errno = error;
    return wrong;
}

void slots_close(struct slots *s) {
    if (s->map != NULL) {
        guarded.map = NULL;
        (void)munmap(s->map, file_bytes(s->cells, s->shared));
    }
    if (s->fd > 0)
        (void)close(s->fd);
    *s = (struct slots){.fd = -1};
}

slots_cell *slots_shared(const struct slots *s) {
    return (slots_cell *)(void *)(s->map + PAGE_BYTES);
}

size_t slots_shared_count(const struct slots *s) {
    return s->shared;
}

slots_cell *slots_own(const struct slots *s) {
    return cells_at(s, s->own);
}

slots_cell *slots_at(const struct slots *s, size_t number, uint32_t *kind) {
    const uint32_t mark = atomic_load_explicit(kind_at(s, number), memory_order_relaxed);
    *kind = mark - 1;
    return mark == 0 ? NULL : cells_at(s, number);
}

bool slots_is_held(const struct slots *s, size_t number) {
    struct flock others = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
    /* Our own lock is not reported. */
    return number == s->own ||
           (fcntl(s->fd, F_OFD_GETLK, &others) == 0 && others.l_type != F_UNLCK);
}
