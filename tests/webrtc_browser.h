/* webrtc_browser.h - what a browser would do, for tests: offers, takes an answer, has one UDP socket, moves
 * frames, sends again what is asked for, and counts what it is told. Written for itself, over the
 * transport in its client role, with libsrtp2 to open what comes.
 *
 * Wait until browser_fd is readable or a moment is over, then call browser_run. */
#ifndef WEBRTC_BROWSER_H
#define WEBRTC_BROWSER_H

#include "base/clock.h"
#include "webrtc/rtcp.h"
#include "webrtc/rtp.h"
#include "webrtc/sdp.h"
#include "webrtc/transport.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct browser;
struct browser_events {
	void (*connected)(void *user);
	/* A frame that came; borrowed; times on one timeline in 90 kHz. Configurations come as such. */
	void (*frame)(void *user, struct sg_frame *f);
	void (*key_wanted)(void *user); /* the server asks a publisher for a keyframe */
	/* Once, the last. The client must not be closed inside it. */
	void (*ended)(void *user, enum sg_goodbye why, const char *detail);
};
struct browser_config {
	struct sg_dtls_identity *identity; /* borrowed; may be shared */
	bool publish;
	enum sg_codec video, audio; /* publishing: what will be written; playing: NONE leaves a track out */
	const struct browser_events *events;
	void *user;
	int64_t consent_ms; /* 0: as it is */
	bool only; /* playing: no video codec but that one */
	bool tcp; /* by the answer's first TCP candidate */
	/* Tests: every datagram passes here first, both ways; true: it is lost. NULL: none. */
	bool (*lose)(void *user, bool outgoing, const uint8_t *p, size_t len);
};
struct browser_stats {
	uint64_t packets, bytes, lost, recovered, nacks, frames, keyframes, retransmitted;
	uint64_t bit_rate_wanted; /* the last REMB that came to a publisher */
	uint64_t feedbacks;       /* transport-wide ones */
	uint64_t reports;         /* receiver and sender reports */
};

#define VIDEO 0
#define AUDIO 1
#define REPORT_MS 1000
#define WAIT_VIDEO_MS 400
#define WAIT_AUDIO_MS 100
#define NACKS_MAX 128
#define STORE 1024 /* packets kept for being sent again */
#define KEY_PAUSE_MS 300
#define TWCC_ID 3
#define READS_PER_RUN 512

struct kept {
	uint16_t seq, len;
	uint8_t p[SG_RTP_MTU + SG_SRTP_TAG_MAX + 32];
};

struct track {
	bool on;
	enum sg_codec codec;
	uint8_t payload_type;
	uint8_t payload_types[SG_CODEC_MP3 + 1]; /* playing: of all that may come; 0 none */
	int channels;
	uint32_t ssrc; /* ours, publishing; theirs else */
	bool has_ssrc;
	/* playing */
	struct sg_rtp_track *in;
	struct sg_rtcp_source source;
	int64_t ticks;
	/* publishing */
	uint64_t index;
	uint32_t offset, packets, octets;
	bool transport_cc;
};

struct browser {
	struct browser_config cfg;
	int fd, family;
	struct sg_transport *transport;
	struct sg_buf offer;
	struct track tracks[2];
	struct sg_rtp_sync sync;
	struct sg_rtp_packer *packer;
	struct kept *store[2];
	uint16_t transport_seq;
	uint8_t transport_cc_id;
	uint32_t ssrc; /* of reports when playing */
	int64_t report_ms, key_ms, first_pts, first_us;
	struct sg_path way;
	bool ended, wrote;
	size_t in_len; /* of a frame not whole yet */
	uint8_t in[4096];
	struct browser_stats stats;
};

static inline void browser_close(struct browser *c, bool goodbye);
static inline bool browser_is_connected(const struct browser *c);

static const uint32_t rates[2] = { 90000, 48000 };

/* ---- the offer ---- */

struct format {
	enum sg_codec codec;
	uint8_t payload_type;
	const char *map, *fmtp;
};
static const struct format formats[] = {
	{ SG_CODEC_H264, 96, "H264/90000", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f" },
	{ SG_CODEC_H264, 97, "H264/90000", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640033" },
	{ SG_CODEC_VP8, 98, "VP8/90000", NULL },
	{ SG_CODEC_VP9, 99, "VP9/90000", "profile-id=0" },
	{ SG_CODEC_AV1, 100, "AV1/90000", NULL },
	{ SG_CODEC_OPUS, 111, "opus/48000/2", "minptime=10;useinbandfec=1" },
};

static bool is_offered(const struct browser *c, int kind, const struct format *f)
{
	if ((f->codec == SG_CODEC_OPUS) != (kind == AUDIO))
		return false;
	return (!c->cfg.publish && !(c->cfg.only && kind == VIDEO)) || f->codec == (kind == VIDEO ? c->cfg.video : c->cfg.audio);
}

static void put_formats(struct browser *c, int kind)
{
	struct sg_buf *b = &c->offer;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		const struct format *f = &formats[i];
		if (!is_offered(c, kind, f))
			continue;
		sg_buf_printf(b, "a=rtpmap:%d %s\r\n", f->payload_type, f->map);
		if (f->fmtp)
			sg_buf_printf(b, "a=fmtp:%d %s\r\n", f->payload_type, f->fmtp);
		sg_buf_printf(b, "a=rtcp-fb:%d nack\r\na=rtcp-fb:%d nack pli\r\na=rtcp-fb:%d ccm fir\r\n"
				 "a=rtcp-fb:%d goog-remb\r\na=rtcp-fb:%d transport-cc\r\n",
		    f->payload_type, f->payload_type, f->payload_type, f->payload_type, f->payload_type);
	}
}

static void put_fingerprint(struct browser *c)
{
	const uint8_t *p = sg_dtls_fingerprint(c->cfg.identity);

	sg_buf_puts(&c->offer, "a=fingerprint:sha-256 ");
	for (int i = 0; i < SG_FINGERPRINT_BYTES; i++)
		sg_buf_printf(&c->offer, i ? ":%02X" : "%02X", p[i]);
	sg_buf_puts(&c->offer, "\r\na=setup:actpass\r\n");
}

static void put_section(struct browser *c, int kind)
{
	struct sg_buf *b = &c->offer;

	sg_buf_printf(b, "m=%s 9 UDP/TLS/RTP/SAVPF", kind == VIDEO ? "video" : "audio");
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (is_offered(c, kind, &formats[i]))
			sg_buf_printf(b, " %d", formats[i].payload_type);
	sg_buf_printf(b, "\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=mid:%d\r\n", kind);
	sg_buf_printf(b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\n",
	    sg_transport_ufrag(c->transport), sg_transport_pwd(c->transport));
	put_fingerprint(c);
	sg_buf_puts(b, c->cfg.publish ? "a=sendonly\r\n" : "a=recvonly\r\n");
	sg_buf_puts(b, "a=rtcp-mux\r\na=rtcp-rsize\r\n");
	if (c->cfg.publish) {
		sg_buf_printf(b, "a=extmap:%d http://www.ietf.org/id/"
				 "draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n", TWCC_ID);
		sg_buf_printf(b, "a=msid:streamgate track%d\r\na=ssrc:%u cname:streamgate\r\n", kind,
		    (unsigned)c->tracks[kind].ssrc);
	}
	put_formats(c, kind);
}

static bool make_offer(struct browser *c)
{
	struct sg_buf *b = &c->offer;
	bool video = c->cfg.video != SG_CODEC_NONE, audio = c->cfg.audio != SG_CODEC_NONE;

	sg_buf_printf(b, "v=0\r\no=- %u 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE%s%s\r\n",
	    (unsigned)c->ssrc, video ? " 0" : "", audio ? " 1" : "");
	if (video)
		put_section(c, VIDEO);
	if (audio)
		put_section(c, AUDIO);
	return !b->failed;
}

static inline struct sg_str browser_offer(const struct browser *c)
{
	return (struct sg_str){ (const char *)c->offer.p, c->offer.len };
}

/* ---- in ---- */

static void report_frame(struct browser *c, int kind, struct sg_frame *f, int64_t ticks)
{
	f->pts_90khz = f->dts_90khz = sg_rtp_sync_place(&c->sync, kind, ticks, sg_mono_us());
	f->arrived_us = sg_mono_us();
	if (!(f->flags & SG_FRAME_CONFIG)) {
		c->tracks[kind].ticks = ticks;
		c->stats.frames++;
		c->stats.keyframes += (f->flags & SG_FRAME_KEY) != 0;
	}
	if (c->cfg.events->frame)
		c->cfg.events->frame(c->cfg.user, f);
	sg_frame_unref(f);
}

static void browser_take_frames(struct browser *c, int kind)
{
	struct sg_frame *f;
	int64_t ticks;

	while (c->tracks[kind].in && (f = sg_rtp_track_next(c->tracks[kind].in, sg_mono_ms(), &ticks)))
		report_frame(c, kind, f, ticks);
}

static bool open_in(struct track *t, int kind)
{
	const struct sg_rtp_track_config cfg = { .codec = t->codec, .nack = kind == VIDEO,
		.wait_ms = kind == VIDEO ? WAIT_VIDEO_MS : WAIT_AUDIO_MS, .channels = t->channels };

	sg_rtp_track_free(t->in);
	t->in = sg_rtp_track_new(&cfg);
	return t->in;
}

/* A payload type that was agreed on begins, as it does when the publisher's codec changes. */
static bool is_of(struct track *t, int kind, uint8_t payload_type)
{
	for (int codec = 0; t->on && codec <= SG_CODEC_MP3; codec++) {
		if (!payload_type || t->payload_types[codec] != payload_type)
			continue;
		if (t->payload_type == payload_type)
			return true;
		t->codec = (enum sg_codec)codec;
		t->payload_type = payload_type;
		return open_in(t, kind);
	}
	return false;
}

static void browser_on_rtp(void *user, uint8_t *p, size_t len)
{
	struct browser *c = user;
	struct sg_rtp_packet packet;

	if (c->cfg.publish || sg_rtp_parse(&packet, p, len, NULL) != SG_OK)
		return;
	for (int kind = 0; kind < 2; kind++) {
		struct track *t = &c->tracks[kind];
		if (!is_of(t, kind, packet.payload_type))
			continue;
		if (!t->has_ssrc) {
			t->has_ssrc = true;
			t->ssrc = packet.ssrc;
			sg_rtcp_source_init(&t->source, packet.ssrc, rates[kind]);
		}
		c->stats.packets++;
		c->stats.bytes += packet.size;
		sg_rtcp_source_packet(&t->source, packet.seq, packet.timestamp, sg_mono_us());
		sg_rtp_track_feed(t->in, &packet, sg_mono_ms());
		browser_take_frames(c, kind);
	}
}

static void send_again(struct browser *c, int kind, const struct sg_rtcp_packet *r)
{
	const struct sg_path *path = sg_transport_path(c->transport);
	uint16_t seqs[NACKS_MAX];
	size_t n = sg_rtcp_nack_seqs(r, seqs, NACKS_MAX);

	for (size_t i = 0; path && i < n; i++) {
		const struct kept *k = &c->store[kind][seqs[i] % STORE];
		if (!k->len || k->seq != seqs[i])
			continue;
		c->stats.retransmitted++;
		if (!c->cfg.lose || !c->cfg.lose(c->cfg.user, true, k->p, k->len))
			(void)!sendto(c->fd, k->p, k->len, 0, (const struct sockaddr *)&path->remote,
			    sizeof(path->remote));
	}
}

static void take_feedback(struct browser *c, const struct sg_rtcp_packet *r)
{
	for (int kind = 0; kind < 2; kind++) {
		if (!c->tracks[kind].on || r->media_ssrc != c->tracks[kind].ssrc)
			continue;
		if (r->type == SG_RTCP_NACK && c->store[kind])
			send_again(c, kind, r);
		else if ((r->type == SG_RTCP_PLI || r->type == SG_RTCP_FIR) && c->cfg.events->key_wanted)
			c->cfg.events->key_wanted(c->cfg.user);
	}
}

/* As Chromium does, which answers with its next report; here at once. */
static void answer_reference_time(struct browser *c, const struct sg_rtcp_packet *r)
{
	uint64_t ntp = sg_rtcp_reference_time(r);
	struct sg_buf b;

	if (!ntp)
		return;
	sg_buf_init(&b, SG_RTCP_MAX);
	sg_rtcp_write_rr(&b, c->tracks[VIDEO].ssrc, NULL, 0);
	sg_rtcp_write_answer(&b, c->tracks[VIDEO].ssrc, r->sender_ssrc, ntp, 0);
	if (!b.failed)
		sg_transport_send_rtcp(c->transport, b.p, b.len);
	sg_buf_reset(&b);
}

static void browser_on_rtcp(void *user, uint8_t *p, size_t len)
{
	struct browser *c = user;
	struct sg_reader in = { p, len };
	struct sg_rtcp_packet r;

	while (sg_rtcp_next(&in, &r) == SG_OK) {
		c->stats.reports += r.type == SG_RTCP_SR || r.type == SG_RTCP_RR;
		c->stats.feedbacks += r.type == SG_RTCP_TRANSPORT_CC;
		if (r.type == SG_RTCP_REMB)
			c->stats.bit_rate_wanted = r.bit_rate;
		for (int kind = 0; r.type == SG_RTCP_SR && kind < 2; kind++) {
			struct track *t = &c->tracks[kind];
			if (c->cfg.publish || !t->has_ssrc || t->ssrc != r.sender_ssrc)
				continue;
			sg_rtcp_source_sr(&t->source, r.ntp, sg_mono_us());
			if (t->ticks)
				sg_rtp_sync_report(&c->sync, kind, r.ntp, r.rtp_timestamp, t->ticks);
		}
		if (c->cfg.publish && r.type == SG_RTCP_XR)
			answer_reference_time(c, &r);
		else if (c->cfg.publish)
			take_feedback(c, &r);
	}
}

/* ---- the transport ---- */

static void browser_put(struct browser *c, const struct sg_path *to, const uint8_t *p, size_t len)
{
	uint8_t framed[4096];

	/* What is lost here is as if lost on the way. */
	if (!c->cfg.tcp) {
		(void)!sendto(c->fd, p, len, 0, (const struct sockaddr *)&to->remote,
		    to->remote.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		return;
	}
	sg_put_be16(framed, (uint16_t)len); /* RFC 4571 */
	memcpy(framed + 2, p, len);
	(void)!send(c->fd, framed, len + 2, MSG_NOSIGNAL);
}

static void browser_on_send(void *user, const struct sg_path *to, const uint8_t *p, size_t len)
{
	struct browser *c = user;

	if (!c->cfg.lose || !c->cfg.lose(c->cfg.user, true, p, len))
		browser_put(c, to, p, len);
}

static void browser_on_proven(void *user, const struct sg_path *path)
{
	(void)user, (void)path;
}

static void browser_on_connected(void *user)
{
	struct browser *c = user;

	if (c->cfg.events->connected)
		c->cfg.events->connected(c->cfg.user);
}

static void browser_on_failed(void *user, enum sg_goodbye why, const char *detail)
{
	struct browser *c = user;

	c->ended = true;
	if (c->cfg.events->ended)
		c->cfg.events->ended(c->cfg.user, why, detail);
}

static const struct sg_transport_events browser_transport_events = { browser_on_send, browser_on_proven, browser_on_connected, browser_on_rtp,
	browser_on_rtcp, browser_on_failed };

/* ---- opening ---- */

static inline enum sg_result browser_open(struct browser **out, const struct browser_config *cfg)
{
	struct browser *c = calloc(1, sizeof(*c));
	const struct sg_transport_config tc = { .identity = cfg->identity, .ice_client = true,
		.consent_ms = cfg->consent_ms, .events = &browser_transport_events, .user = c };

	*out = NULL;
	if (!c)
		return SG_ERR_NO_MEMORY;
	c->cfg = *cfg;
	c->fd = -1;
	sg_buf_init(&c->offer, SG_SDP_MAX);
	sg_random(&c->ssrc, sizeof(c->ssrc));
	for (int i = 0; i < 2; i++) {
		c->tracks[i].ssrc = c->ssrc + 1 + (uint32_t)i;
		sg_random(&c->tracks[i].offset, sizeof(c->tracks[i].offset));
		c->tracks[i].index = (c->ssrc >> 3) & 0x7fff;
	}
	sg_rtp_sync_init(&c->sync, rates[VIDEO], rates[AUDIO]);
	c->packer = sg_rtp_packer_new(SG_RTP_H264_NON_INTERLEAVED);
	if (!c->packer || sg_transport_open(&c->transport, &tc, sg_mono_ms()) != SG_OK || !make_offer(c)) {
		browser_close(c, false);
		return SG_ERR_NO_MEMORY;
	}
	*out = c;
	return SG_OK;
}

static inline void browser_close(struct browser *c, bool goodbye)
{
	if (!c)
		return;
	sg_transport_close(c->transport, goodbye && !c->ended);
	for (int i = 0; i < 2; i++) {
		sg_rtp_track_free(c->tracks[i].in);
		free(c->store[i]);
	}
	sg_rtp_packer_free(c->packer);
	sg_buf_reset(&c->offer);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

static bool open_track(struct browser *c, int kind, const struct sg_sdp_media *m)
{
	struct track *t = &c->tracks[kind];
	const struct sg_sdp_codec *codec = NULL;

	for (size_t i = m->codec_count; i-- > 0;) {
		const struct sg_sdp_codec *one = &m->codecs[i];
		if (one->codec == SG_CODEC_NONE || (c->cfg.only && kind == VIDEO && one->codec != c->cfg.video))
			continue;
		codec = one; /* the first that is known is what comes now */
		t->payload_types[one->codec] = one->payload_type;
	}
	if (m->rejected || !codec || t->on)
		return true;
	t->on = true;
	t->codec = codec->codec;
	t->payload_type = codec->payload_type;
	t->transport_cc = m->extensions.transport_cc;
	c->transport_cc_id = m->extensions.transport_cc;
	if (c->cfg.publish)
		return c->store[kind] || (c->store[kind] = calloc(STORE, sizeof(*c->store[kind])));
	t->channels = codec->channels;
	return open_in(t, kind);
}

static bool to_sockaddr(struct sockaddr_storage *out, const struct sg_candidate *c, bool tcp)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	char ip[INET6_ADDRSTRLEN];

	memset(out, 0, sizeof(*out));
	if (c->tcp != tcp || !sg_str_copy(ip, sizeof(ip), c->address))
		return false;
	if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(c->port);
		return true;
	}
	if (inet_pton(AF_INET6, ip, &v6->sin6_addr) != 1)
		return false;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(c->port);
	return true;
}

static socklen_t length_of(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* A socket from which that address can be reached. */
static bool open_socket(struct browser *c, const struct sockaddr_storage *to)
{
	int bytes = 1 << 20;
	int fd = socket(to->ss_family, (c->cfg.tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (connect(fd, (const struct sockaddr *)to, length_of(to)) != 0) {
		close(fd);
		return false;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	c->fd = fd;
	return true;
}

static enum sg_result connect_to(struct browser *c, const struct sg_sdp *sdp)
{
	struct sg_path path = { 0 };

	for (size_t i = 0; i < sdp->media_count; i++)
		for (size_t k = 0; k < sdp->media[i].candidate_count; k++)
			if (to_sockaddr(&path.remote, &sdp->media[i].candidates[k], c->cfg.tcp) &&
			    open_socket(c, &path.remote)) {
				c->way = path;
				sg_transport_connect(c->transport, &path, sg_mono_ms());
				return SG_OK;
			}
	return SG_ERR_UNSUPPORTED;
}

static enum sg_result take_answer(struct browser *c, const struct sg_sdp *sdp)
{
	const struct sg_sdp_media *m = sg_sdp_transport(sdp);

	if (!m)
		return SG_ERR_UNSUPPORTED;
	if (!m->has_fingerprint || !sg_transport_set_remote(c->transport, m->ufrag, m->pwd, m->fingerprint,
				       m->setup != SG_SDP_ACTIVE))
		return SG_ERR_BAD_INPUT;
	for (size_t i = 0; i < sdp->media_count; i++) {
		int kind = sdp->media[i].kind == SG_SDP_VIDEO ? VIDEO : AUDIO;
		if (sdp->media[i].kind <= SG_SDP_AUDIO && !open_track(c, kind, &sdp->media[i]))
			return SG_ERR_NO_MEMORY;
	}
	if (!c->tracks[VIDEO].on && !c->tracks[AUDIO].on)
		return SG_ERR_UNSUPPORTED;
	return connect_to(c, sdp);
}

static inline enum sg_result browser_answer(struct browser *c, struct sg_str text)
{
	struct sg_sdp *sdp;
	char error[160];
	enum sg_result res = sg_sdp_parse(&sdp, text, error, sizeof(error));

	if (res != SG_OK)
		return res;
	res = take_answer(c, sdp);
	sg_sdp_free(sdp);
	return res;
}

/* The server offers, as it does to Ant Media's SDK: its offer is taken, and answered into `out`. The first time the
 * way there is looked for; later it stays. */
static inline enum sg_result browser_take_offer(struct browser *c, struct sg_str text, struct sg_buf *out)
{
	struct sg_sdp_section sections[SG_SDP_SECTIONS_MAX] = { 0 };
	struct sg_sdp_local local = { .session_id = 1, .version = 1, .ufrag = sg_transport_ufrag(c->transport),
		.pwd = sg_transport_pwd(c->transport), .setup = SG_SDP_ACTIVE, .cname = "streamgate" };
	struct sg_sdp *sdp;
	char error[160];
	enum sg_result res = sg_sdp_parse(&sdp, text, error, sizeof(error));

	if (res != SG_OK)
		return res;
	memcpy(local.fingerprint, sg_dtls_fingerprint(c->cfg.identity), sizeof(local.fingerprint));
	if (c->fd < 0)
		res = take_answer(c, sdp);
	for (size_t i = 0; res == SG_OK && i < sdp->media_count; i++) {
		const struct sg_sdp_media *m = &sdp->media[i];
		struct sg_sdp_section *s = &sections[i];
		if (!open_track(c, m->kind == SG_SDP_VIDEO ? VIDEO : AUDIO, m))
			res = SG_ERR_NO_MEMORY;
		for (size_t k = 0, n = 0; k < m->codec_count; k++) {
			const struct sg_sdp_codec *one = &m->codecs[k];
			if (one->codec == SG_CODEC_NONE || (s->codec && one->codec == s->codec->codec))
				continue;
			if (s->codec && n < SG_SDP_OTHERS_MAX)
				s->others[n++] = one;
			else if (!s->codec)
				s->codec = one;
		}
		s->direction = SG_SDP_RECVONLY;
		s->feedback = SG_SDP_FB_NACK | SG_SDP_FB_PLI;
	}
	if (res == SG_OK)
		sg_sdp_write_answer(out, sdp, &local, sections);
	sg_sdp_free(sdp);
	return res;
}

/* ---- out ---- */

static void browser_keep(struct browser *c, int kind, uint16_t seq, const uint8_t *p, size_t len)
{
	struct kept *k = &c->store[kind][seq % STORE];

	if (len > sizeof(k->p))
		return;
	k->seq = seq;
	k->len = (uint16_t)len;
	memcpy(k->p, p, len);
}

static void send_slice(struct browser *c, int kind, const struct sg_rtp_slice *s, uint32_t timestamp)
{
	struct track *t = &c->tracks[kind];
	const struct sg_rtp_packet head = { .payload_type = t->payload_type, .marker = s->marker,
		.seq = (uint16_t)t->index, .timestamp = timestamp, .ssrc = t->ssrc,
		.has_transport_cc = t->transport_cc, .transport_cc = c->transport_seq };
	const struct sg_rtp_extmap ids = { .transport_cc = c->transport_cc_id };
	uint8_t header[SG_RTP_HEADER_MAX], out[SG_RTP_MTU + SG_SRTP_TAG_MAX + 32];
	size_t header_len = sg_rtp_build_header(header, sizeof(header), &head, &ids);

	if (!header_len || header_len + s->size + SG_SRTP_TAG_MAX > sizeof(out))
		return;
	size_t len = sg_srtp_seal(sg_srtp_sealer(sg_transport_srtp(c->transport)), out, header, header_len,
	    s->payload, s->size, t->index);
	c->transport_seq += t->transport_cc;
	t->packets++;
	t->octets += s->size;
	c->stats.packets++;
	c->stats.bytes += s->size;
	browser_keep(c, kind, (uint16_t)t->index, out, len);
	t->index++;
	const struct sg_path *path = sg_transport_path(c->transport);
	if (path && len)
		browser_on_send(c, path, out, len);
}

static inline void browser_write(struct browser *c, const struct sg_frame *f)
{
	int kind = f->kind == SG_FRAME_VIDEO ? VIDEO : AUDIO;
	struct sg_rtp_frame *packets;

	if (!browser_is_connected(c) || c->ended || !c->tracks[kind].on ||
	    sg_rtp_pack(c->packer, f, &packets) != SG_OK)
		return;
	if (!c->wrote) {
		c->wrote = true;
		c->first_pts = f->pts_90khz;
		c->first_us = sg_mono_us();
	}
	for (unsigned i = 0; i < packets->count; i++)
		send_slice(c, kind, &packets->packets[i], packets->timestamp + c->tracks[kind].offset);
	c->stats.frames++;
	c->stats.keyframes += packets->key;
	sg_rtp_frame_unref(packets);
}

static void browser_send_rtcp(struct browser *c, struct sg_buf *b)
{
	if (!b->failed && b->len)
		sg_transport_send_rtcp(c->transport, b->p, b->len);
	sg_buf_reset(b);
}

static inline void browser_request_key(struct browser *c)
{
	int64_t now_ms = sg_mono_ms();
	struct sg_buf b;

	if (c->cfg.publish || !c->tracks[VIDEO].has_ssrc || now_ms - c->key_ms < KEY_PAUSE_MS)
		return;
	c->key_ms = now_ms;
	sg_buf_init(&b, SG_RTCP_MAX);
	sg_rtcp_write_pli(&b, c->ssrc, c->tracks[VIDEO].ssrc);
	browser_send_rtcp(c, &b);
}

static void browser_send_nacks(struct browser *c)
{
	struct track *t = &c->tracks[VIDEO];
	uint16_t seqs[NACKS_MAX];
	struct sg_buf b;

	if (!t->in || !t->has_ssrc)
		return;
	size_t n = sg_rtp_track_nacks(t->in, sg_mono_ms(), 30, seqs, NACKS_MAX);
	if (!n)
		return;
	c->stats.nacks += n;
	sg_buf_init(&b, SG_RTCP_MAX);
	sg_rtcp_write_nack(&b, c->ssrc, t->ssrc, seqs, n);
	browser_send_rtcp(c, &b);
}

static void report_receiving(struct browser *c)
{
	struct sg_rtcp_block blocks[2];
	unsigned n = 0;
	struct sg_buf b;

	for (int i = 0; i < 2; i++)
		if (c->tracks[i].has_ssrc)
			sg_rtcp_source_report(&c->tracks[i].source, sg_mono_us(), &blocks[n++]);
	sg_buf_init(&b, SG_RTCP_MAX);
	sg_rtcp_write_rr(&b, c->ssrc, blocks, n);
	sg_rtcp_write_sdes(&b, c->ssrc, "streamgate-client");
	browser_send_rtcp(c, &b);
}

static void report_sending(struct browser *c)
{
	int64_t pts = c->first_pts + (sg_mono_us() - c->first_us) * 9 / 100;
	struct sg_buf b;

	for (int i = 0; i < 2 && c->wrote; i++) {
		const struct track *t = &c->tracks[i];
		if (!t->on)
			continue;
		uint32_t ticks = (uint32_t)(i == VIDEO ? pts : pts * 8 / 15);
		const struct sg_rtcp_sender s = { .ssrc = t->ssrc, .rtp_timestamp = ticks + t->offset,
			.packets = t->packets, .octets = t->octets,
			.ntp = sg_ntp_from_unix_us(sg_wall_ms() * 1000) };
		sg_buf_init(&b, SG_RTCP_MAX);
		sg_rtcp_write_sr(&b, &s, NULL, 0);
		sg_rtcp_write_sdes(&b, t->ssrc, "streamgate-client");
		browser_send_rtcp(c, &b);
	}
}

/* From another port, with other credentials: what a phone does that changes its network. `ufrag` and `pwd`
 * are the server's new ones; ours are drawn anew before, by sg_ice_credentials. */
static inline void browser_restart(struct browser *c, const char *ufrag, const char *pwd,
    const char *our_ufrag, const char *our_pwd)
{
	close(c->fd);
	c->fd = -1;
	sg_transport_restart(c->transport, sg_str_from(ufrag), sg_str_from(pwd), our_ufrag, our_pwd);
	if (open_socket(c, &c->way.remote))
		sg_transport_connect(c->transport, &c->way, sg_mono_ms());
}

/* ---- running ---- */

static inline int browser_fd(const struct browser *c)
{
	return c->fd;
}

static inline bool browser_is_connected(const struct browser *c)
{
	return sg_transport_is_connected(c->transport);
}

static int64_t browser_earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int browser_wait_ms(struct browser *c)
{
	int64_t now_ms = sg_mono_ms();
	int64_t at = browser_earlier(now_ms + 1000, sg_transport_deadline(c->transport, now_ms));

	for (int i = 0; i < 2; i++)
		if (c->tracks[i].in)
			at = browser_earlier(at, sg_rtp_track_deadline(c->tracks[i].in));
	return at > now_ms ? (int)(at - now_ms) : 0;
}

static void browser_read_frames(struct browser *c)
{
	uint8_t p[SG_UDP_DATAGRAM_MAX];
	ssize_t n;

	while (!c->ended && (n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0)) > 0) {
		c->in_len += (size_t)n;
		while (c->in_len >= 2 && !c->ended) {
			size_t len = (size_t)c->in[0] << 8 | c->in[1];
			if (c->in_len < 2 + len || len > sizeof(p))
				break;
			memcpy(p, c->in + 2, len);
			c->in_len -= 2 + len;
			memmove(c->in, c->in + 2 + len, c->in_len);
			sg_transport_feed(c->transport, &c->way, p, len, sg_mono_ms());
		}
	}
}

static void read_datagrams(struct browser *c)
{
	const struct sg_path *known;
	struct sg_path from = { 0 };
	uint8_t p[SG_UDP_DATAGRAM_MAX];

	for (int i = 0; i < READS_PER_RUN && !c->ended; i++) {
		socklen_t size = sizeof(from.remote);
		ssize_t n = recvfrom(c->fd, p, sizeof(p), 0, (struct sockaddr *)&from.remote, &size);
		if (n < 0 && errno == ECONNREFUSED)
			continue;
		if (n <= 0)
			return;
		if (c->cfg.lose && c->cfg.lose(c->cfg.user, false, p, (size_t)n))
			continue;
		known = sg_transport_path(c->transport);
		/* The socket is connected: whatever comes is from there. */
		sg_transport_feed(c->transport, known ? known : &from, p, (size_t)n, sg_mono_ms());
	}
}

static inline void browser_run(struct browser *c)
{
	if (c->fd < 0 || c->ended)
		return;
	if (c->cfg.tcp)
		browser_read_frames(c);
	else
		read_datagrams(c);
	sg_transport_tick(c->transport, sg_mono_ms());
	if (c->ended || !browser_is_connected(c))
		return;
	for (int i = 0; i < 2; i++)
		browser_take_frames(c, i);
	browser_send_nacks(c);
	if (c->tracks[VIDEO].in && sg_rtp_track_wants_key(c->tracks[VIDEO].in) && c->stats.keyframes)
		browser_request_key(c);
	if (sg_mono_ms() - c->report_ms < REPORT_MS)
		return;
	c->report_ms = sg_mono_ms();
	if (c->cfg.publish)
		report_sending(c);
	else
		report_receiving(c);
}

static inline void browser_stats(const struct browser *c, struct browser_stats *out)
{
	struct sg_rtp_track_stats s;

	*out = c->stats;
	for (int i = 0; i < 2; i++) {
		if (!c->tracks[i].in)
			continue;
		sg_rtp_track_stats(c->tracks[i].in, &s);
		out->lost += s.lost;
		out->recovered += s.recovered;
	}
}

#endif
