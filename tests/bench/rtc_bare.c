/* rtc_bare.c - what WebRTC viewers cost at the least: the same packets encrypted for each of them with
 * a key of its own, and sent; a picture's packets in one call where the kernel can (UDP GSO).
 *
 *   rtc_bare FLV PORT...     one viewer at each port; runs until it is ended
 *
 * The packets are those that our server makes of the same file: H.264 and Opus. */
#include "wire.h"
#include "webrtc/rtp.h"
#include "webrtc/srtp.h"
#include <netinet/udp.h>

#define SEALED_MAX (SG_RTP_MTU + 64)
#define BATCH_MAX 44 /* packets of one call: 64 KiB at most */

struct peer {
	struct sockaddr_in to;
	struct sg_srtp_sealer *sealer;
	uint64_t index[2];
};
static struct peer *peers;
static int count, fd;
static bool gso = true;

static void send_batch(const struct peer *p, uint8_t *bytes, size_t len, size_t each)
{
	char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
	struct iovec iov = {bytes, len};
	struct msghdr m = {.msg_name = (void *)&p->to, .msg_namelen = sizeof(p->to), .msg_iov = &iov,
	    .msg_iovlen = 1};

	if (gso && len > each) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
		uint16_t size = (uint16_t)each;
		memcpy(CMSG_DATA(c), &size, sizeof(size));
		if (sendmsg(fd, &m, 0) >= 0 || errno != EIO)
			return;
		gso = false;
		m.msg_control = NULL;
		m.msg_controllen = 0;
	}
	for (size_t at = 0; at < len; at += each) {
		iov = (struct iovec){bytes + at, len - at < each ? len - at : each};
		sendmsg(fd, &m, 0);
	}
}

/* A frame's packets, to everybody. */
static void send_all(const struct sg_rtp_frame *f, int track, uint32_t timestamp)
{
	static uint8_t batch[BATCH_MAX * SEALED_MAX];

	for (int i = 0; i < count; i++) {
		struct peer *p = &peers[i];
		size_t each = 0, filled = 0, packets = 0;
		for (size_t k = 0; k < f->count; k++) {
			const struct sg_rtp_slice *s = &f->packets[k];
			uint8_t header[SG_RTP_HEADER_BYTES];
			sg_rtp_write_header(header, (uint8_t)(96 + track), s->marker,
			    (uint16_t)p->index[track], timestamp, 1000u + (uint32_t)track);
			size_t sealed = sg_srtp_seal(p->sealer, batch + filled, header, sizeof(header),
			    s->payload, s->size, p->index[track]++);
			each = each ? each : sealed;
			if (sealed > each) { /* no longer the size of those before */
				send_batch(p, batch, filled, each);
				memmove(batch, batch + filled, sealed);
				each = sealed;
				filled = packets = 0;
			}
			filled += sealed;
			if (++packets == BATCH_MAX || sealed != each) {
				send_batch(p, batch, filled, each);
				each = filled = packets = 0;
			}
		}
		if (filled)
			send_batch(p, batch, filled, each);
	}
}

/* NULL: nothing of it is sent. */
static struct sg_rtp_frame *pack(struct sg_rtp_packer *packer, const struct tag *t)
{
	bool video = t->type == MSG_VIDEO, config = video ? t->body[1] == 0 : !(t->body[0] & 15);
	struct sg_rtp_frame *packed = NULL;

	if ((!video && t->type != MSG_AUDIO) || t->size <= 5)
		return NULL;
	struct sg_frame *f = sg_frame_new(video ? SG_FRAME_VIDEO : SG_FRAME_AUDIO,
	    video ? SG_CODEC_H264 : SG_CODEC_OPUS, t->size - 5);
	if (!f)
		die("memory");
	memcpy(f->payload, t->body + 5, t->size - 5);
	f->flags = config ? SG_FRAME_CONFIG : video && t->body[0] >> 4 == 1 ? SG_FRAME_KEY : 0;
	if (sg_rtp_pack(packer, f, &packed) != SG_OK)
		packed = NULL;
	sg_frame_unref(f);
	return packed;
}

static void open_peers(char **ports)
{
	int size = 4 << 20;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	peers = calloc((size_t)count, sizeof(*peers));
	if (fd < 0 || !peers)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (int i = 0; i < count; i++) {
		uint8_t key[SG_SRTP_KEY_BYTES] = {(uint8_t)i, (uint8_t)(i >> 8)};
		const uint8_t salt[SG_SRTP_SALT_MAX] = {7};
		peers[i].to = (struct sockaddr_in){.sin_family = AF_INET,
		    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		    .sin_port = htons((uint16_t)atoi(ports[i]))};
		if (sg_srtp_sealer_open(&peers[i].sealer, SG_SRTP_AEAD_AES_128_GCM, key, salt) != SG_OK)
			die("sealer");
	}
}

int main(int argc, char **argv)
{
	struct sg_rtp_packer *packers[2] = { sg_rtp_packer_new(SG_RTP_H264_NON_INTERLEAVED),
		sg_rtp_packer_new(SG_RTP_H264_NON_INTERLEAVED) };

	if (argc < 3)
		die("usage: rtc_bare FLV PORT...");
	struct flv f = flv_load(argv[1]);
	struct sg_rtp_frame **packed = calloc(f.count, sizeof(*packed));
	if (!packed || !packers[0] || !packers[1])
		die("memory");
	for (size_t i = 0; i < f.count; i++)
		packed[i] = pack(packers[f.tags[i].type == MSG_AUDIO], &f.tags[i]);
	count = argc - 2;
	open_peers(argv + 2);
	printf("sending\n");
	fflush(stdout);
	int64_t begin = now_us();
	for (uint64_t pass = 0;; pass++)
		for (size_t i = 0; i < f.count; i++) {
			int64_t ms = (int64_t)pass * f.span_ms + f.tags[i].ms;
			int audio = f.tags[i].type == MSG_AUDIO;
			if (!packed[i])
				continue;
			sleep_until_us(begin + ms * 1000);
			send_all(packed[i], audio, (uint32_t)(ms * (audio ? 48 : 90)));
		}
}
