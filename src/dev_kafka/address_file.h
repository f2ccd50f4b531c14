/*
 * address_file.h: the file that says where a server listens, for those who started it.
 */
#ifndef DEV_KAFKA_ADDRESS_FILE_H
#define DEV_KAFKA_ADDRESS_FILE_H

#include <stdbool.h>

#include "base/attributes.h"

/*
 * Writes the address and a newline to the file, which appears complete or not at all (rename(2)); a
 * file that is there is replaced. The folder must be writable. False with errno set.
 */
MUST_CHECK bool address_file_write(const char *path, const char *address);

#endif
