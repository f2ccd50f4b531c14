/* epoch.h: PostgreSQL counts time from 2000-01-01, this program from 1970-01-01 (both UTC). */
#ifndef DB_EPOCH_H
#define DB_EPOCH_H

#include <stdint.h>

#define POSTGRES_EPOCH_US INT64_C(946684800000000)

#endif
