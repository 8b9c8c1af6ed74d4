/* ts_tables.c - a transport stream's tables, as they pass. */
#include "media/ts_tables.h"
#include <libavutil/crc.h>
#include <string.h>

void sg_ts_tables_begin(struct sg_ts_tables *t)
{
	for (size_t i = 0; i < SG_TS_PIDS; i++)
		t->pids[i].known = t->pids[i].program;
	memset(t->followed, 0, sizeof(t->followed));
}

static unsigned pid_at(const uint8_t *p)
{
	return (p[0] & 0x1fu) << 8 | p[1];
}

/* The section in a packet, without its CRC; NULL: there is none, or not all of it as it was sent. 2.4.3.2, 2.4.4.1,
 * annex A. */
static const uint8_t *section_of(const uint8_t *packet, uint8_t table_id, size_t *len)
{
	const uint8_t *p = packet + 4, *end = packet + SG_TS_PACKET;

	if (!(packet[1] & 0x40) || !(packet[3] & 0x10))
		return NULL;
	if (packet[3] & 0x20)
		p += 1 + *p;
	if (p >= end)
		return NULL;
	p += 1 + *p; /* pointer_field */
	if (end - p < 12 || p[0] != table_id)
		return NULL;
	size_t whole = 3 + ((p[1] & 15u) << 8 | p[2]);
	bool is_current = p[5] & 1;
	if (!is_current || whole < 12 || whole > (size_t)(end - p))
		return NULL;
	if (av_crc(av_crc_get_table(AV_CRC_32_IEEE), UINT32_MAX, p, whole))
		return NULL;
	*len = whole - 4;
	return p;
}

/* 2.4.4.3 */
static void read_pat(struct sg_ts_tables *t)
{
	size_t len;
	const uint8_t *s = section_of(t->packet, 0, &len);

	if (!s)
		return;
	memcpy(t->pat, t->packet, SG_TS_PACKET);
	t->has_pat = true;
	t->pmt_count = 0;
	for (size_t at = 8; at + 4 <= len && t->pmt_count < SG_TS_PROGRAMS; at += 4) {
		bool is_network = !s[at] && !s[at + 1];
		if (!is_network)
			t->pmt_pids[t->pmt_count++] = (uint16_t)pid_at(s + at + 2);
	}
	/* Programs that are not there any more list nothing. */
	for (size_t i = 0; i < SG_TS_PIDS; i++)
		if (t->pids[i].program > t->pmt_count)
			t->pids[i].program = 0;
}

/* What pictures and sound come as; private data (6) may be Opus. */
static bool is_media(uint8_t type)
{
	static const uint8_t media[] = {0x03, 0x04, 0x06, 0x0f, 0x1b, 0x24};

	return memchr(media, type, sizeof(media));
}

static bool cannot_be_followed(const struct sg_ts_tables *t, unsigned pid, uint8_t type)
{
	bool is_followed = (int)pid == t->followed[0] || (int)pid == t->followed[1];

	if (!t->pids[pid].known || !is_media(type))
		return false;
	return t->pids[pid].type != type || (!t->pids[pid].program && !is_followed);
}

/* 2.4.4.8. True: it lists what cannot be followed. */
static bool read_pmt(struct sg_ts_tables *t, uint8_t program)
{
	uint16_t listed[SG_TS_PACKET / 5];
	size_t len, count = 0;
	bool cut = false;
	const uint8_t *s = section_of(t->packet, 2, &len);

	if (!s || len < 12)
		return false;
	for (size_t at = 12 + ((s[10] & 15u) << 8 | s[11]); at + 5 <= len;
	     at += 5 + ((s[at + 3] & 15u) << 8 | s[at + 4])) {
		unsigned pid = pid_at(s + at + 1);
		cut |= cannot_be_followed(t, pid, s[at]);
		t->pids[pid].type = s[at];
		t->pids[pid].known = true;
		listed[count++] = (uint16_t)pid;
	}
	for (size_t i = 0; i < SG_TS_PIDS; i++)
		if (t->pids[i].program == program)
			t->pids[i].program = 0;
	while (count)
		t->pids[listed[--count]].program = program;
	return cut;
}

/* True: cut before it. */
static bool read_packet(struct sg_ts_tables *t)
{
	unsigned pid = pid_at(t->packet + 1);

	if (!pid)
		read_pat(t);
	for (size_t i = 0; pid && i < t->pmt_count; i++)
		if (t->pmt_pids[i] == pid)
			return read_pmt(t, (uint8_t)(i + 1));
	return false;
}

bool sg_ts_tables_watch(
    struct sg_ts_tables *t, const uint8_t *p, size_t len, size_t *before, size_t *behind)
{
	size_t at = 0;

	while (at < len) {
		if (!t->have && p[at] != 0x47) {
			at++;
			continue;
		}
		size_t n = SG_TS_PACKET - t->have < len - at ? SG_TS_PACKET - t->have : len - at;
		memcpy(t->packet + t->have, p + at, n);
		t->have += n;
		at += n;
		if (t->have < SG_TS_PACKET)
			break;
		t->have = 0;
		*before = at - n;
		*behind = at;
		if (read_packet(t))
			return true;
	}
	return false;
}
