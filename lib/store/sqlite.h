/* sqlite.h - the store in an SQLite file; for store.c only. */
#ifndef SG_STORE_SQLITE_H
#define SG_STORE_SQLITE_H

#include "store/store_internal.h"

/* sg_store_open() for what follows "sqlite:". */
SG_MUST_CHECK enum sg_result sg_sqlite_open(
    struct sg_store **out, const char *path, bool create, char *error, size_t error_size);

#endif
