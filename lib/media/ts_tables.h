/* ts_tables.h - watches the tables of a transport stream (ISO/IEC 13818-1 2.4.4) for what libavformat does not
 * follow: a PID that is listed with another kind of stream than before, or again after it was left out. Pure.
 *
 * Tables that fit into one packet are looked at, which encoders' do. */
#ifndef SG_MEDIA_TS_TABLES_H
#define SG_MEDIA_TS_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SG_TS_PACKET = 188, SG_TS_PIDS = 8192, SG_TS_PROGRAMS = 8 };

struct sg_ts_tables {
	uint8_t packet[SG_TS_PACKET]; /* the present one, as far as it has come */
	size_t have;
	uint8_t pat[SG_TS_PACKET]; /* the last */
	bool has_pat;
	uint16_t pmt_pids[SG_TS_PROGRAMS];
	size_t pmt_count;
	struct {
		uint8_t type; /* ISO/IEC 13818-1 table 2-34 */
		uint8_t program; /* 1 + the index of its PMT; 0 = listed by none now */
		bool known;
	} pids[SG_TS_PIDS];
	/* For the caller to say: these are read all the time and may come again. 0 = none. */
	int followed[2];
};

/* Goes over [p, p+len). False: all of it can be followed. True: *before bytes of it come before a PMT that cannot;
 * *behind says where it goes on behind that; whoever begins anew is to be given `pat` and `packet` first. */
bool sg_ts_tables_watch(
    struct sg_ts_tables *t, const uint8_t *p, size_t len, size_t *before, size_t *behind);
/* Begins anew: nothing is known of any PID but what the last PMT lists. */
void sg_ts_tables_begin(struct sg_ts_tables *t);

#endif
