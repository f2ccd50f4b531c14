/* address_file.c: see address_file.h. */
#include "dev_kafka/address_file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"

static bool write_whole(const char *path, const char *address) {
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    const bool written = fprintf(file, "%s\n", address) > 0;
    /* What was buffered may fail only here. */
    return fclose(file) == 0 && written;
}

bool address_file_write(const char *path, const char *address) {
    struct buffer fresh = {0};
    buffer_printf(&fresh, "%s.new", path);
    buffer_append_char(&fresh, '\0');
    bool done = false;
    if (fresh.failed)
        errno = ENOMEM;
    else
        done = write_whole(fresh.data, address) && rename(fresh.data, path) == 0;
    if (!done && !fresh.failed) {
        const int error = errno;
        (void)unlink(fresh.data);
        errno = error;
    }
    buffer_free(&fresh);
    return done;
}
