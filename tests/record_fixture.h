/* record_fixture.h - where a test's recordings lie: `part` while it is written, `whole` when it is finished. */
#ifndef RECORD_FIXTURE_H
#define RECORD_FIXTURE_H

#include "media/record.h"
#include <stdlib.h>
#include <unistd.h>

static char record_dir[] = "/tmp/sg-record-test.XXXXXX"; /* mkdtemp's template */
static char part[64], whole[64];
static void *buffer;

static inline int record_place_open(void)
{
	if (!mkdtemp(record_dir) || !(buffer = sg_record_buffer_new()))
		return -1;
	snprintf(part, sizeof(part), "%s/a.part", record_dir);
	snprintf(whole, sizeof(whole), "%s/a.mp4", record_dir);
	return 0;
}

static inline void record_place_close(void)
{
	unlink(part);
	unlink(whole);
	rmdir(record_dir);
	free(buffer);
}

#endif
