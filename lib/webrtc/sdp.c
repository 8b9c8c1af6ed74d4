/* sdp.c - session descriptions, read. */
#include "webrtc/sdp_internal.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- lines and words ---- */

bool sdp_next_line(struct sg_str *text, struct sdp_line *out, bool *ok)
{
	struct sg_str line;

	*ok = true;
	do {
		if (!text->len)
			return false;
		sg_str_cut(*text, '\n', &line, text);
		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
	} while (!line.len);
	*ok = line.len >= 2 && line.p[0] >= 'a' && line.p[0] <= 'z' && line.p[1] == '=';
	/* Parts of lines come back in answers: no stray CR or NUL may be in them. */
	for (size_t i = 0; *ok && i < line.len; i++)
		*ok = (uint8_t)line.p[i] >= ' ' || line.p[i] == '\t';
	if (!*ok)
		return false;
	*out = (struct sdp_line){ line.p[0], { line.p + 2, line.len - 2 } };
	return true;
}

bool sdp_next_word(struct sg_str *text, struct sg_str *word)
{
	while (text->len && text->p[0] == ' ')
		text->p++, text->len--;
	if (!text->len)
		return false;
	sg_str_cut(*text, ' ', word, text);
	return true;
}

bool sdp_is_ice_text(struct sg_str s, size_t min)
{
	if (s.len < min || s.len > 256)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
			c == '/' || c == '-' || c == '_' || c == '='))
			return false; /* the last three are not allowed, and sent by some */
	}
	return true;
}

/* ---- the reading's state ---- */

struct pool {
	struct sg_sdp_codec codecs[SG_SDP_SECTIONS_MAX][SG_SDP_CODECS_MAX];
	struct sg_candidate candidates[SG_SDP_SECTIONS_MAX][SG_SDP_CANDIDATES_MAX];
};

struct parse {
	struct sg_sdp *sdp;
	struct sg_sdp_media session; /* what stands before the first section: their default */
	struct sg_sdp_media *media;  /* the section being read, or &session */
	struct sg_str bundle;        /* mids; absent: none */
	const char *what;            /* of the failure */
};

static bool fail(struct parse *p, const char *what)
{
	p->what = what;
	return false;
}

static struct sg_sdp_codec *codec_of(struct sg_sdp_media *m, uint64_t payload_type)
{
	for (size_t i = 0; i < m->codec_count; i++)
		if (m->codecs[i].payload_type == payload_type)
			return &m->codecs[i];
	return NULL;
}

/* "96 rest": the codec, or NULL where the m= line does not have it; false: malformed. */
static bool take_payload_type(struct parse *p, struct sg_str *value, struct sg_sdp_codec **out)
{
	struct sg_str word;
	uint64_t pt;

	if (!sdp_next_word(value, &word) || !sg_str_to_u64(word, 127, &pt))
		return fail(p, "a payload type is not a number up to 127");
	*out = codec_of(p->media, pt);
	return true;
}

/* ---- attributes ---- */

static bool on_ufrag(struct parse *p, struct sg_str value)
{
	if (!sdp_is_ice_text(value, 4))
		return fail(p, "malformed ice-ufrag");
	p->media->ufrag = value;
	return true;
}

static bool on_pwd(struct parse *p, struct sg_str value)
{
	if (!sdp_is_ice_text(value, 22))
		return fail(p, "malformed ice-pwd");
	p->media->pwd = value;
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
					    : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 8122 section 5. */
static bool on_fingerprint(struct parse *p, struct sg_str value)
{
	uint8_t out[32];
	struct sg_str hash;

	if (!sdp_next_word(&value, &hash))
		return fail(p, "malformed fingerprint");
	if (!sg_str_equal_nocase(hash, SG_STR("sha-256")) || p->media->has_fingerprint)
		return true;
	if (value.len != sizeof(out) * 3 - 1)
		return fail(p, "malformed fingerprint");
	for (size_t i = 0; i < sizeof(out); i++) {
		int high = hex(value.p[i * 3]), low = hex(value.p[i * 3 + 1]);
		if (high < 0 || low < 0 || (i + 1 < sizeof(out) && value.p[i * 3 + 2] != ':'))
			return fail(p, "malformed fingerprint");
		out[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(p->media->fingerprint, out, sizeof(out));
	p->media->has_fingerprint = true;
	return true;
}

static bool on_setup(struct parse *p, struct sg_str value)
{
	p->media->setup = sg_str_is(value, "actpass")	? SG_SDP_ACTPASS
			  : sg_str_is(value, "active")	? SG_SDP_ACTIVE
			  : sg_str_is(value, "passive") ? SG_SDP_PASSIVE
							: SG_SDP_SETUP_NONE;
	return p->media->setup || fail(p, "unknown setup");
}

static bool on_group(struct parse *p, struct sg_str value)
{
	struct sg_str semantics;

	if (sdp_next_word(&value, &semantics) && sg_str_is(semantics, "BUNDLE") && !p->sdp->has_bundle) {
		p->sdp->has_bundle = true;
		p->bundle = value;
	}
	return true;
}

static bool on_ice_lite(struct parse *p, struct sg_str value)
{
	(void)value;
	p->sdp->ice_lite = true;
	return true;
}

static bool on_mid(struct parse *p, struct sg_str value)
{
	if (!value.len || value.len > 64 || memchr(value.p, ' ', value.len))
		return fail(p, "malformed mid");
	for (size_t i = 0; i + 1 < p->sdp->media_count; i++)
		if (sg_str_equal(p->sdp->media[i].mid, value))
			return fail(p, "a mid is there twice");
	p->media->mid = value;
	return true;
}

static bool on_sendrecv(struct parse *p, struct sg_str value)
{
	(void)value;
	p->media->direction = SG_SDP_SENDRECV;
	return true;
}

static bool on_sendonly(struct parse *p, struct sg_str value)
{
	(void)value;
	p->media->direction = SG_SDP_SENDONLY;
	return true;
}

static bool on_recvonly(struct parse *p, struct sg_str value)
{
	(void)value;
	p->media->direction = SG_SDP_RECVONLY;
	return true;
}

static bool on_inactive(struct parse *p, struct sg_str value)
{
	(void)value;
	p->media->direction = SG_SDP_INACTIVE;
	return true;
}

static bool on_rtcp_mux(struct parse *p, struct sg_str value)
{
	(void)value;
	p->media->rtcp_mux = true;
	return true;
}

/* RFC 8866 section 6.6. */
static bool on_rtpmap(struct parse *p, struct sg_str value)
{
	struct sg_sdp_codec *c;
	struct sg_str rate, channels;
	uint64_t n;

	if (!take_payload_type(p, &value, &c))
		return false;
	if (!c)
		return true;
	sg_str_cut(value, '/', &c->name, &rate);
	sg_str_cut(rate, '/', &rate, &channels);
	if (!c->name.len || !sg_str_to_u64(rate, UINT32_MAX, &n))
		return fail(p, "malformed rtpmap");
	c->rate = (uint32_t)n;
	if (channels.p && !sg_str_to_u64(channels, 255, &n))
		return fail(p, "malformed rtpmap");
	c->channels = channels.p ? (int)n : 1;
	return true;
}

static bool on_fmtp(struct parse *p, struct sg_str value)
{
	struct sg_sdp_codec *c;

	if (!take_payload_type(p, &value, &c))
		return false;
	if (c && !c->fmtp.p)
		c->fmtp = value;
	return true;
}

/* RFC 4585 section 4.2. */
static bool on_rtcp_fb(struct parse *p, struct sg_str value)
{
	static const struct {
		const char *text;
		unsigned bit;
	} kinds[] = { { "nack", SG_SDP_FB_NACK }, { "nack pli", SG_SDP_FB_PLI }, { "ccm fir", SG_SDP_FB_FIR },
		{ "goog-remb", SG_SDP_FB_REMB }, { "transport-cc", SG_SDP_FB_TRANSPORT_CC } };
	struct sg_sdp_codec *c = NULL;
	struct sg_str word;
	unsigned bit = 0;
	bool all = value.len >= 2 && value.p[0] == '*';

	if (all)
		sdp_next_word(&value, &word);
	else if (!take_payload_type(p, &value, &c))
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (sg_str_is(value, kinds[i].text))
			bit = kinds[i].bit;
	for (size_t i = 0; i < p->media->codec_count; i++)
		if (all || c == &p->media->codecs[i])
			p->media->codecs[i].feedback |= bit;
	return true;
}

/* RFC 8285 section 5: "4/sendonly URI attributes". */
static bool on_extmap(struct parse *p, struct sg_str value)
{
	struct sg_str id, direction, uri;
	uint64_t n;
	struct sg_rtp_extmap *e = &p->media->extensions;

	if (!sdp_next_word(&value, &id) || !sdp_next_word(&value, &uri))
		return fail(p, "malformed extmap");
	sg_str_cut(id, '/', &id, &direction);
	if (!sg_str_to_u64(id, 65535, &n) || n == 0)
		return fail(p, "malformed extmap");
	uint8_t *slot = sg_str_is(uri, SDP_URI_MID)		? &e->mid
			: sg_str_is(uri, SDP_URI_TRANSPORT_CC)	? &e->transport_cc
			: sg_str_is(uri, SDP_URI_ABS_SEND_TIME) ? &e->abs_send_time
			: sg_str_is(uri, SDP_URI_AUDIO_LEVEL)	? &e->audio_level
								: NULL;
	if (slot && n <= 255 && n != 15) /* from 4096 on: to choose from, which nobody does any more */
		*slot = (uint8_t)n;
	return true;
}

/* ICE-lite needs none of them, so what is malformed is left out. */
static bool on_candidate(struct parse *p, struct sg_str value)
{
	struct sg_sdp_media *m = p->media;
	struct sg_candidate c;

	if (!value.p)
		return true;
	/* The parser wants the word itself too; it stands right before. */
	struct sg_str line = { value.p - (sizeof("candidate:") - 1), value.len + sizeof("candidate:") - 1 };
	if (m->candidate_count < SG_SDP_CANDIDATES_MAX && sg_candidate_parse(line, &c) == SG_OK)
		m->candidates[m->candidate_count++] = c;
	return true;
}

static bool on_end_of_candidates(struct parse *p, struct sg_str value)
{
	(void)value;
	p->media->end_of_candidates = true;
	return true;
}

static bool on_ssrc(struct parse *p, struct sg_str value)
{
	struct sg_str word;
	uint64_t n;

	if (!sdp_next_word(&value, &word) || !sg_str_to_u64(word, UINT32_MAX, &n))
		return fail(p, "malformed ssrc");
	if (!p->media->ssrc)
		p->media->ssrc = (uint32_t)n;
	return true;
}

static bool on_msid(struct parse *p, struct sg_str value)
{
	if (p->media->msid_stream.p)
		return true;
	if (!sdp_next_word(&value, &p->media->msid_stream))
		return fail(p, "malformed msid");
	if (!sdp_next_word(&value, &p->media->msid_track))
		p->media->msid_track = (struct sg_str){ NULL, 0 };
	return true;
}

static bool on_sctp_port(struct parse *p, struct sg_str value)
{
	uint64_t n;

	if (!sg_str_to_u64(value, 65535, &n))
		return fail(p, "malformed sctp-port");
	p->media->sctp_port = (uint16_t)n;
	return true;
}

/* Only in a section that would otherwise have port 0 (RFC 9143 section 6). */
static bool on_bundle_only(struct parse *p, struct sg_str value)
{
	(void)value;
	p->media->rejected = false;
	return true;
}

enum { SESSION = 1, MEDIA = 2 };
static const struct {
	const char *name;
	int where;
	bool (*take)(struct parse *p, struct sg_str value);
} attributes[] = {
	{ "bundle-only", MEDIA, on_bundle_only },
	{ "candidate", MEDIA, on_candidate },
	{ "end-of-candidates", MEDIA, on_end_of_candidates },
	{ "extmap", MEDIA, on_extmap },
	{ "fingerprint", SESSION | MEDIA, on_fingerprint },
	{ "fmtp", MEDIA, on_fmtp },
	{ "group", SESSION, on_group },
	{ "ice-lite", SESSION, on_ice_lite },
	{ "ice-pwd", SESSION | MEDIA, on_pwd },
	{ "ice-ufrag", SESSION | MEDIA, on_ufrag },
	{ "inactive", SESSION | MEDIA, on_inactive },
	{ "mid", MEDIA, on_mid },
	{ "msid", MEDIA, on_msid },
	{ "recvonly", SESSION | MEDIA, on_recvonly },
	{ "rtcp-fb", MEDIA, on_rtcp_fb },
	{ "rtcp-mux", MEDIA, on_rtcp_mux },
	{ "rtpmap", MEDIA, on_rtpmap },
	{ "sctp-port", MEDIA, on_sctp_port },
	{ "sendonly", SESSION | MEDIA, on_sendonly },
	{ "sendrecv", SESSION | MEDIA, on_sendrecv },
	{ "setup", SESSION | MEDIA, on_setup },
	{ "ssrc", MEDIA, on_ssrc },
};

static bool take_attribute(struct parse *p, struct sg_str line)
{
	struct sg_str name, value;
	int where = p->media == &p->session ? SESSION : MEDIA;

	sg_str_cut(line, ':', &name, &value);
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
		if (attributes[i].where & where && sg_str_is(name, attributes[i].name))
			return attributes[i].take(p, value);
	return true;
}

/* ---- sections ---- */

static enum sg_sdp_kind kind_of(const struct sg_sdp_media *m)
{
	bool rtp = sg_str_ends(m->protocol, "RTP/SAVPF");

	if (sg_str_is(m->media, "video") && rtp)
		return SG_SDP_VIDEO;
	if (sg_str_is(m->media, "audio") && rtp)
		return SG_SDP_AUDIO;
	return sg_str_is(m->media, "application") ? SG_SDP_DATA : SG_SDP_OTHER;
}

static bool take_formats(struct parse *p, struct sg_sdp_media *m)
{
	struct sg_str formats = m->formats, word;
	uint64_t pt;

	while (sdp_next_word(&formats, &word)) {
		if (!sg_str_to_u64(word, 127, &pt))
			return fail(p, "a payload type is not a number up to 127");
		if (m->codec_count < SG_SDP_CODECS_MAX && !codec_of(m, pt))
			m->codecs[m->codec_count++] =
			    (struct sg_sdp_codec){ .payload_type = (uint8_t)pt, .channels = 1 };
	}
	return true;
}

/* RFC 8866 section 5.14. */
static bool take_media(struct parse *p, struct sg_str line)
{
	struct sg_sdp *sdp = p->sdp;
	struct pool *pool = sdp->pool;
	struct sg_str port, count;
	uint64_t n;

	if (sdp->media_count == SG_SDP_SECTIONS_MAX)
		return fail(p, "too many sections");
	struct sg_sdp_media *m = &sdp->media[sdp->media_count];
	*m = p->session;
	m->codecs = pool->codecs[sdp->media_count];
	m->candidates = pool->candidates[sdp->media_count];
	m->has_fingerprint = false; /* its own comes before the session's */
	sdp->media_count++;
	p->media = m;
	if (!sdp_next_word(&line, &m->media) || !sdp_next_word(&line, &port) ||
	    !sdp_next_word(&line, &m->protocol) || !line.len)
		return fail(p, "malformed m= line");
	sg_str_cut(port, '/', &port, &count);
	if (!sg_str_to_u64(port, 65535, &n))
		return fail(p, "malformed port");
	m->rejected = n == 0;
	m->formats = line;
	m->kind = kind_of(m);
	return (m->kind != SG_SDP_VIDEO && m->kind != SG_SDP_AUDIO) || take_formats(p, m);
}

/* RFC 8866 section 5.2. */
static bool take_origin(struct parse *p, struct sg_str line)
{
	struct sg_str name;

	return (sdp_next_word(&line, &name) && sdp_next_word(&line, &p->sdp->origin_id) &&
		   sdp_next_word(&line, &p->sdp->origin_version)) ||
	       fail(p, "malformed o= line");
}

static bool take_line(struct parse *p, const struct sdp_line *line, unsigned number)
{
	if (number == 1)
		return (line->type == 'v' && sg_str_is(line->value, "0")) || fail(p, "it does not begin with v=0");
	switch (line->type) {
	case 'o':
		return take_origin(p, line->value);
	case 'm':
		return take_media(p, line->value);
	case 'a':
		return take_attribute(p, line->value);
	default:
		return true;
	}
}

/* ---- all of it ---- */

static bool is_bundled(struct sg_str group, struct sg_str mid)
{
	struct sg_str word;

	while (mid.p && sdp_next_word(&group, &word))
		if (sg_str_equal(word, mid))
			return true;
	return false;
}

static void settle(struct parse *p)
{
	for (size_t i = 0; i < p->sdp->media_count; i++) {
		struct sg_sdp_media *m = &p->sdp->media[i];
		m->bundled = is_bundled(p->bundle, m->mid);
		if (!m->has_fingerprint && p->session.has_fingerprint) {
			memcpy(m->fingerprint, p->session.fingerprint, sizeof(m->fingerprint));
			m->has_fingerprint = true;
		}
		for (size_t k = 0; k < m->codec_count; k++)
			sdp_settle_codec(&m->codecs[k]);
	}
}

static enum sg_result parse_lines(struct sg_sdp *sdp, struct sg_str text, char *error, size_t error_size)
{
	struct parse p = { .sdp = sdp };
	struct sdp_line line;
	unsigned number = 0;
	bool ok = true;

	p.media = &p.session;
	p.session.direction = SG_SDP_SENDRECV;
	while (sdp_next_line(&text, &line, &ok) && (ok = take_line(&p, &line, ++number)))
		;
	if (!ok) {
		snprintf(error, error_size, "SDP line %u: %s", p.what ? number : number + 1,
		    p.what ? p.what : "not of the form x=...");
		return SG_ERR_BAD_INPUT;
	}
	if (!number) {
		snprintf(error, error_size, "the SDP is empty");
		return SG_ERR_BAD_INPUT;
	}
	settle(&p);
	return SG_OK;
}

enum sg_result sg_sdp_parse(struct sg_sdp **out, struct sg_str text, char *error, size_t error_size)
{
	enum sg_result res = SG_ERR_NO_MEMORY;

	*out = NULL;
	snprintf(error, error_size, "%s", "");
	if (text.len > SG_SDP_MAX) {
		snprintf(error, error_size, "the SDP is larger than %u bytes", SG_SDP_MAX);
		return SG_ERR_LIMIT;
	}
	struct sg_sdp *sdp = calloc(1, sizeof(*sdp));
	if (!sdp)
		return res;
	sdp->text = sg_str_dup(text);
	sdp->pool = calloc(1, sizeof(struct pool));
	if (sdp->text && sdp->pool)
		res = parse_lines(sdp, (struct sg_str){ sdp->text, text.len }, error, error_size);
	if (res == SG_OK)
		*out = sdp;
	else
		sg_sdp_free(sdp);
	return res;
}

void sg_sdp_free(struct sg_sdp *sdp)
{
	if (!sdp)
		return;
	free(sdp->text);
	free(sdp->pool);
	free(sdp);
}

const struct sg_sdp_media *sg_sdp_transport(const struct sg_sdp *sdp)
{
	const struct sg_sdp_media *first = NULL;

	for (size_t i = 0; i < sdp->media_count; i++) {
		const struct sg_sdp_media *m = &sdp->media[i];
		if (m->rejected)
			continue;
		if (m->bundled)
			return m;
		if (!first)
			first = m;
	}
	return first;
}
