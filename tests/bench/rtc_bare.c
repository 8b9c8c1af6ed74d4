/* rtc_bare.c - what WebRTC viewers cost at the least: the same packets encrypted for each of them with
 * a key of its own, and sent; a picture's packets in one call where the kernel can (UDP GSO).
 *
 *   rtc_bare FLV PORT...     one viewer at each port; runs until it is ended
 *
 * Audio is stood in for by 50 packets a second of 160 bytes, as Opus at 64 kb/s has them. */
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

/* A message of `size` bytes as packets, to everybody. */
static void send_all(const uint8_t *payload, size_t size, int track, uint32_t timestamp)
{
	static uint8_t batch[BATCH_MAX * SEALED_MAX];

	for (int i = 0; i < count; i++) {
		struct peer *p = &peers[i];
		size_t each = 0, filled = 0, packets = 0;
		for (size_t at = 0; at < size; at += SG_RTP_PAYLOAD_MAX) {
			size_t n = size - at < SG_RTP_PAYLOAD_MAX ? size - at : SG_RTP_PAYLOAD_MAX;
			uint8_t header[SG_RTP_HEADER_BYTES];
			sg_rtp_write_header(header, (uint8_t)(96 + track), at + n == size,
			    (uint16_t)p->index[track], timestamp, 1000u + (uint32_t)track);
			size_t sealed = sg_srtp_seal(p->sealer, batch + filled, header, sizeof(header),
			    payload + at, n, p->index[track]++);
			each = each ? each : sealed;
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
	static const uint8_t sound[160];

	if (argc < 3)
		die("usage: rtc_bare FLV PORT...");
	struct flv f = flv_load(argv[1]);
	count = argc - 2;
	open_peers(argv + 2);
	printf("sending\n");
	fflush(stdout);
	int64_t begin = now_us(), sound_at = begin;
	for (uint64_t pass = 0;; pass++)
		for (size_t i = 0; i < f.count; i++) {
			const struct tag *t = &f.tags[i];
			if (is_config(t) || t->type != MSG_VIDEO)
				continue;
			int64_t due = begin + ((int64_t)pass * f.span_ms + t->ms) * 1000;
			for (; sound_at < due; sound_at += 20000) {
				sleep_until_us(sound_at);
				send_all(sound, sizeof(sound), 1, (uint32_t)((sound_at - begin) * 48 / 1000));
			}
			sleep_until_us(due);
			send_all(t->body + 5, t->size - 5, 0, (uint32_t)((due - begin) * 90 / 1000));
		}
}
