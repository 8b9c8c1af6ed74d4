/* rtc.c - WebRTC as a source: datagrams in, packets out, as libavformat would have given them. */
#include "rtc.h"
#include "base/clock.h"
#include "base/text.h"
#include "media/codec.h"
#include "webrtc/sdp.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_MAX 1024 /* frames that wait while the streams are being found out */
#define SECOND_TRACK_MS 700 /* after the first track's first frame */
#define SOCKET_BYTES (4 << 20)
#define TURN_MAX 64 /* datagrams read before the clock is looked at */

/* ---- the sockets ---- */

static int udp_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = SOCKET_BYTES;

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

static void send_datagram(
    void *user, const struct sockaddr *to, socklen_t to_len, const uint8_t *p, size_t len)
{
	struct rtc_link *l = user;

	/* What the kernel does not take is lost, as on any line. */
	if (sendto(l->fds[to->sa_family == AF_INET6], p, len, MSG_NOSIGNAL, to, to_len) < 0)
		return;
}

bool rtc_link_open(struct rtc_link *l, struct sg_rtc_client_config cfg)
{
	char error[200];

	*l = (struct rtc_link){.fds = {udp_socket(AF_INET), udp_socket(AF_INET6)}};
	if ((l->fds[0] < 0 && l->fds[1] < 0) ||
	    sg_dtls_identity_open(&l->identity, NULL, error, sizeof(error)) != SG_OK)
		return false;
	cfg.identity = l->identity;
	cfg.send = send_datagram;
	cfg.user = l;
	return sg_rtc_client_open(&l->client, &cfg) == SG_OK;
}

void rtc_link_close(struct rtc_link *l)
{
	sg_rtc_client_close(l->client);
	sg_dtls_identity_close(l->identity);
	for (int i = 0; i < 2; i++)
		if (l->fds[i] >= 0)
			close(l->fds[i]);
	*l = (struct rtc_link){.fds = {-1, -1}};
}

static void read_datagrams(struct rtc_link *l, int fd)
{
	struct sockaddr_storage from;
	uint8_t datagram[2048];

	for (int i = 0; i < TURN_MAX; i++) {
		socklen_t len = sizeof(from);
		ssize_t n =
		    recvfrom(fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&from, &len);
		if (n < 0)
			return;
		sg_rtc_client_feed(l->client, (const struct sockaddr *)&from, len, datagram,
		    (size_t)n, sg_mono_us());
	}
}

void rtc_link_wait(struct rtc_link *l, int other_fd, int64_t until_us)
{
	struct pollfd p[3] = {{.fd = l->fds[0], .events = POLLIN},
	    {.fd = l->fds[1], .events = POLLIN}, {.fd = other_fd, .events = POLLIN}};
	int64_t now = sg_mono_us(), next = sg_rtc_client_tick(l->client, now);

	if (next < until_us)
		until_us = next;
	int64_t wait_us = until_us - now;
	struct timespec ts = {
	    wait_us > 0 ? wait_us / 1000000 : 0, wait_us > 0 ? wait_us % 1000000 * 1000 : 0};
	if (ppoll(p, 3, &ts, NULL) <= 0)
		return;
	for (int i = 0; i < 2; i++)
		if (p[i].revents)
			read_datagrams(l, l->fds[i]);
}

/* ---- a source ---- */

struct rtc {
	struct rtc_link link;
	struct rtc_http *http; /* one of the two */
	struct rtc_socket *socket;
	struct sg_frame *queue[QUEUE_MAX];
	size_t first, count;
	struct sg_frame *config[2]; /* in force; referenced */
	bool new_config[2]; /* the next packet brings it along */
	int index[2]; /* of the track's stream; -1 = none (yet) */
	bool begun[2]; /* a frame has come */
	int64_t begun_ms;
	bool ended;
};

static bool give_up(void *user)
{
	return source_gives_up(user);
}

static void keep(struct rtc *r, struct sg_frame *f)
{
	int i = f->kind == SG_FRAME_AUDIO;

	if (f->flags & SG_FRAME_CONFIG) {
		sg_frame_unref(r->config[i]);
		r->config[i] = sg_frame_ref(f);
	} else if (!r->begun[i]) {
		r->begun[i] = true;
		if (!r->begun_ms)
			r->begun_ms = sg_mono_ms();
	}
	if (r->count == QUEUE_MAX) { /* nobody reads: what is oldest goes */
		sg_frame_unref(r->queue[r->first++ % QUEUE_MAX]);
		r->count--;
	}
	r->queue[(r->first + r->count++) % QUEUE_MAX] = f;
}

/* What the signalling says meanwhile. 0, or an AVERROR. */
static int listen_to_socket(struct rtc *r)
{
	struct sg_buf text;
	enum rtc_news news;
	int err = 0;

	if (!r->socket)
		return 0;
	rtc_socket_tick(r->socket, sg_mono_ms());
	sg_buf_init(&text, SG_SDP_MAX);
	while (!err && (news = rtc_socket_read(r->socket, &text)) != RTC_NOTHING) {
		sg_buf_put_u8(&text, 0);
		if (news == RTC_CANDIDATE && !text.failed)
			sg_rtc_client_add_candidate(
			    r->link.client, sg_str_from((const char *)text.p));
		else if (news == RTC_ENDED)
			r->ended = true, err = AVERROR_EOF;
		else if (news == RTC_BROKEN) /* media that flows does not need it */
			err = r->begun_ms ? 0 : AVERROR(EIO);
		if (news == RTC_BROKEN || news == RTC_ENDED)
			break;
		sg_buf_reset(&text);
	}
	sg_buf_reset(&text);
	return err;
}

/* Waits a little for frames. 0, or an AVERROR. */
static int pump(struct source *s)
{
	struct rtc *r = s->rtc;
	struct sg_rtc_client *c = r->link.client;
	struct sg_frame *f;
	int err;

	rtc_link_wait(&r->link, r->socket ? rtc_socket_fd(r->socket) : -1, sg_mono_us() + 100000);
	while ((f = sg_rtc_client_next(c, sg_mono_us()))) {
		s->progress_ms = sg_mono_ms();
		keep(r, f);
	}
	if ((err = listen_to_socket(r)))
		return err;
	if (sg_rtc_client_state(c) == SG_RTC_FAILED) {
		snprintf(s->trouble.last, sizeof(s->trouble.last), "%s", sg_rtc_client_error(c));
		return AVERROR(EIO);
	}
	if (sg_rtc_client_state(c) == SG_RTC_CLOSED) {
		r->ended = true;
		return AVERROR_EOF;
	}
	return source_gives_up(s) ? AVERROR_EXIT : 0;
}

/* ---- what it is made of ---- */

static int add_stream(struct source *s, int i, const struct sg_frame *frame)
{
	struct rtc *r = s->rtc;
	const struct sg_frame *config = r->config[i];
	AVStream *st = avformat_new_stream(s->fmt, NULL);

	if (!st)
		return AVERROR(ENOMEM);
	AVCodecParameters *par = st->codecpar;
	par->codec_type = i ? AVMEDIA_TYPE_AUDIO : AVMEDIA_TYPE_VIDEO;
	par->codec_id = (enum AVCodecID)sg_codec_av_id((enum sg_codec)frame->codec);
	st->time_base = (AVRational){1, 90000};
	if (config && config->size) {
		par->extradata = av_mallocz(config->size + AV_INPUT_BUFFER_PADDING_SIZE);
		if (!par->extradata)
			return AVERROR(ENOMEM);
		memcpy(par->extradata, config->payload, config->size);
		par->extradata_size = (int)config->size;
	}
	if (i) {
		par->sample_rate = 48000;
		av_channel_layout_default(&par->ch_layout, 2);
	} else {
		struct sg_video_params v;
		if (sg_video_params_parse((enum sg_codec)frame->codec,
			config ? config->payload : NULL, config ? config->size : 0, frame,
			&v) == SG_OK) {
			par->width = v.width;
			par->height = v.height;
		}
	}
	r->index[i] = st->index;
	return 0;
}

static int add_streams(struct source *s)
{
	struct rtc *r = s->rtc;
	int err = 0;

	for (size_t k = 0; !err && k < r->count; k++) {
		const struct sg_frame *f = r->queue[(r->first + k) % QUEUE_MAX];
		int i = f->kind == SG_FRAME_AUDIO;
		if (r->index[i] < 0 && !(f->flags & SG_FRAME_CONFIG))
			err = add_stream(s, i, f);
	}
	return err;
}

/* ---- open, read, close ---- */

static int ask_over_http(struct source *s, const char *endpoint, const char *token)
{
	struct rtc *r = s->rtc;
	struct sg_buf offer, answer;

	sg_buf_init(&offer, SG_SDP_MAX);
	sg_buf_init(&answer, SG_SDP_MAX);
	sg_rtc_client_offer(r->link.client, &offer);
	int err =
	    rtc_http_open(&r->http, endpoint, token, &offer, &answer, &s->trouble, give_up, s);
	if (!err && sg_rtc_client_set_answer(
			r->link.client, (struct sg_str){(char *)answer.p, answer.len}) != SG_OK) {
		snprintf(s->trouble.last, sizeof(s->trouble.last), "%s",
		    sg_rtc_client_error(r->link.client));
		err = AVERROR_INVALIDDATA;
	}
	sg_buf_reset(&offer);
	sg_buf_reset(&answer);
	return err;
}

static int answer_offer(struct source *s, const struct sg_buf *offer)
{
	struct rtc *r = s->rtc;
	struct sg_buf answer;
	int err = 0;

	sg_buf_init(&answer, SG_SDP_MAX);
	if (sg_rtc_client_answer(
		r->link.client, (struct sg_str){(char *)offer->p, offer->len}, &answer) != SG_OK) {
		snprintf(s->trouble.last, sizeof(s->trouble.last), "%s",
		    sg_rtc_client_error(r->link.client));
		err = AVERROR_INVALIDDATA;
	} else if (answer.failed || !rtc_socket_answer(r->socket, &answer)) {
		err = AVERROR(EIO);
	}
	sg_buf_reset(&answer);
	return err;
}

static int ask_over_socket(
    struct source *s, const char *endpoint, const char *stream, const char *token)
{
	struct rtc *r = s->rtc;
	struct sg_buf text;
	enum rtc_news news = RTC_NOTHING;
	int err = rtc_socket_open(&r->socket, endpoint, stream, token, &s->trouble, give_up, s);

	sg_buf_init(&text, SG_SDP_MAX);
	while (!err && news != RTC_OFFER) {
		sg_buf_reset(&text);
		news = rtc_socket_read(r->socket, &text);
		if (news == RTC_NOTHING) {
			struct pollfd p = {.fd = rtc_socket_fd(r->socket), .events = POLLIN};
			poll(&p, 1, 100);
		}
		if (news == RTC_BROKEN || news == RTC_ENDED)
			err = AVERROR(EIO);
		else if (source_gives_up(s))
			err = AVERROR_EXIT;
	}
	if (!err)
		err = answer_offer(s, &text);
	sg_buf_reset(&text);
	return err;
}

static int connect_to(struct source *s, const char *url, const char *token)
{
	char stream[SG_STREAM_MAX + 1] = "", own[TOKEN_MAX];
	char *endpoint = rtc_endpoint(url, stream, sizeof(stream));
	int err;

	if (!endpoint)
		return AVERROR(EINVAL);
	rtc_token_of(url, own, sizeof(own));
	if (rtc_way(url) == RTC_HTTP) /* a token in the URL stays where it is */
		err = ask_over_http(s, endpoint, *own ? NULL : token);
	else
		err = ask_over_socket(s, endpoint, stream, *own ? own : token);
	sg_wipe(own, sizeof(own));
	token_free(endpoint);
	return err;
}

static bool all_begun(const struct rtc *r)
{
	const struct sg_rtc_client *c = r->link.client;

	return (r->begun[0] || !sg_rtc_client_codec(c, SG_FRAME_VIDEO)) &&
	       (r->begun[1] || !sg_rtc_client_codec(c, SG_FRAME_AUDIO));
}

/* Until every track that was agreed on has shown itself, or has had its time. */
static int find_streams(struct source *s)
{
	struct rtc *r = s->rtc;
	int err = 0;

	while (
	    !err && !all_begun(r) && !(r->begun_ms && sg_mono_ms() - r->begun_ms > SECOND_TRACK_MS))
		err = pump(s);
	return r->begun_ms ? add_streams(s) : err;
}

int rtc_open(struct source *s, const char *url, const char *token, bool analyze)
{
	struct rtc *r = s->rtc = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return AVERROR(ENOMEM);
	r->index[0] = r->index[1] = -1;
	r->link.fds[0] = r->link.fds[1] = -1;
	if (!rtc_link_open(&r->link,
		(struct sg_rtc_client_config){.video = SG_CODEC_H264, .audio = SG_CODEC_OPUS}))
		return AVERROR(ENOMEM);
	if ((err = connect_to(s, url, token)))
		return err;
	s->connected_us = sg_mono_us();
	s->progress_ms = sg_mono_ms();
	s->live = true;
	return analyze ? find_streams(s) : 0;
}

static int fill(struct rtc *r, const struct sg_frame *f, AVPacket *pkt)
{
	int i = f->kind == SG_FRAME_AUDIO, err = av_new_packet(pkt, (int)f->size);

	if (err)
		return err;
	memcpy(pkt->data, f->payload, f->size);
	pkt->stream_index = r->index[i];
	pkt->pts = pkt->dts = f->pts_90khz;
	pkt->flags = (f->flags & SG_FRAME_KEY) || i ? AV_PKT_FLAG_KEY : 0;
	if (!r->new_config[i] || !r->config[i])
		return 0;
	r->new_config[i] = false;
	uint8_t *side = av_packet_new_side_data(pkt, AV_PKT_DATA_NEW_EXTRADATA, r->config[i]->size);
	if (side)
		memcpy(side, r->config[i]->payload, r->config[i]->size);
	return 0;
}

int rtc_read(struct source *s, AVPacket *pkt)
{
	struct rtc *r = s->rtc;
	int err = 0;

	for (;;) {
		while (!r->count)
			if ((err = pump(s)))
				return err;
		struct sg_frame *f = r->queue[r->first++ % QUEUE_MAX];
		r->count--;
		int i = f->kind == SG_FRAME_AUDIO;
		bool config = f->flags & SG_FRAME_CONFIG;
		if (config && r->index[i] >= 0) {
			r->new_config[i] = true;
		} else if (!config) {
			if (r->index[i] < 0) /* not analyzed, or a track that comes late */
				err = add_stream(s, i, f);
			if (!err)
				err = fill(r, f, pkt);
			sg_frame_unref(f);
			return err;
		}
		sg_frame_unref(f);
	}
}

void rtc_line(const struct rtc *r, struct line *out)
{
	struct sg_rtc_client_stats s;

	sg_rtc_client_stats(r->link.client, &s);
	*out = (struct line){.packets = s.packets,
	    .lost = s.lost,
	    .nacks = s.nacks,
	    .plis = s.plis,
	    .recovered = s.recovered,
	    .jitter_s = s.jitter_s};
}

void rtc_close(struct rtc *r)
{
	if (!r)
		return;
	while (r->count--)
		sg_frame_unref(r->queue[r->first++ % QUEUE_MAX]);
	for (int i = 0; i < 2; i++)
		sg_frame_unref(r->config[i]);
	rtc_link_close(&r->link);
	rtc_http_close(r->http);
	rtc_socket_close(r->socket);
	free(r);
}
