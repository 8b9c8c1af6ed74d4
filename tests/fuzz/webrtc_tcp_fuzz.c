/* ICE over TCP: what connections bring, in pieces of any size, from the length in front of each datagram (RFC 4571)
 * to the peer it is for, on this lane or on another. Sockets, loops and peers' ends are made up; framing, finding and
 * the transport are as they are.
 *
 * The input's first byte is the size of the pieces, 0: all at once. Then come steps, a byte each:
 *   0 to 3   a right check, with its length in front, for the peer of the first or second lane, or of neither, or
 *            for the first one with a wrong password
 *   4        time passes
 *   5        the first lane's peer ends
 *   others   so many bytes (less 5) that follow, as they are */
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int fake_getpeername(int fd, struct sockaddr *sa, socklen_t *size);
static int fake_close(int fd);
static int fake_dup(int fd);
#define getpeername fake_getpeername
#define close fake_close
#define dup fake_dup
#define sg_conn_open fake_conn_open
#define sg_conn_close fake_conn_close
#define sg_conn_read fake_conn_read
#define sg_conn_writev fake_conn_writev
#define sg_conn_want_write fake_conn_want_write
#define sg_conn_fd fake_conn_fd
#define sg_loop_executor fake_loop_executor
#include "webrtc/tcp.c"
#include <netinet/in.h>
#include <stdio.h>

#define LANES 2

/* ---- sockets and loops ---- */

struct sg_conn {
	const struct sg_conn_events *events;
	void *user;
};
static struct sg_conn *conns[LANES]; /* one open at a time, of each lane */
static struct sg_reader coming;      /* the piece to be read */
static struct sg_task *posted;
static unsigned open_fds;
static struct sg_webrtc_server srv;
static struct rtc_lane lanes[LANES];
static struct sg_webrtc_peer peers[LANES];

static int fake_getpeername(int fd, struct sockaddr *sa, socklen_t *size)
{
	const struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(9) };

	(void)fd;
	memcpy(sa, &from, sizeof(from));
	*size = sizeof(from);
	return 0;
}

static int fake_close(int fd)
{
	(void)fd;
	open_fds--;
	return 0;
}

static int fake_dup(int fd)
{
	open_fds++;
	return fd;
}

static int lane_of(const struct sg_loop *loop)
{
	return loop == lanes[0].loop ? 0 : 1;
}

enum sg_result fake_conn_open(
    struct sg_conn **out, struct sg_loop *loop, int fd, const struct sg_conn_events *events, void *user)
{
	struct sg_conn *c = calloc(1, sizeof(*c));

	(void)fd;
	if (!c)
		abort();
	*c = (struct sg_conn){ events, user };
	conns[lane_of(loop)] = *out = c;
	return SG_OK;
}

void fake_conn_close(struct sg_conn *c)
{
	for (int i = 0; i < LANES; i++)
		if (conns[i] == c)
			conns[i] = NULL;
	open_fds--;
	free(c);
}

ssize_t fake_conn_read(struct sg_conn *c, void *buf, size_t size)
{
	size_t n = coming.left < size ? coming.left : size;

	(void)c;
	if (!size)
		abort(); /* there is always room for the rest of a frame */
	if (n)
		memcpy(buf, coming.p, n);
	coming.p += n;
	coming.left -= n;
	return (ssize_t)n;
}

/* A peer that reads slowly. */
ssize_t fake_conn_writev(struct sg_conn *c, const struct iovec *iov, int iovcnt)
{
	(void)c, (void)iovcnt;
	return (ssize_t)(iov[0].iov_len / 2);
}

void fake_conn_want_write(struct sg_conn *c, bool on)
{
	(void)c, (void)on;
}

int fake_conn_fd(const struct sg_conn *c)
{
	(void)c;
	return 3;
}

static void fake_post(struct sg_executor *ex, struct sg_task *task)
{
	(void)ex;
	if (posted)
		abort();
	posted = task;
}

struct sg_executor *fake_loop_executor(struct sg_loop *loop)
{
	static struct sg_executor ex = { .post = fake_post };

	(void)loop;
	return &ex;
}

/* ---- peers ---- */

static void on_send(void *user, const struct sg_path *to, const uint8_t *p, size_t len)
{
	(void)user;
	if (to->tcp)
		rtc_tcp_send(to->tcp, p, len);
}

static void on_proven(void *user, const struct sg_path *path)
{
	(void)user;
	rtc_tcp_proven(path->tcp);
}

static void on_connected(void *user)
{
	(void)user;
}

static void on_media(void *user, uint8_t *p, size_t len)
{
	(void)user, (void)p, (void)len;
	abort(); /* nobody has shaken hands */
}

static void end_peer(struct sg_webrtc_peer *p)
{
	if (p->dead)
		return;
	p->dead = true;
	rtc_table_remove(&srv.table, p);
	rtc_tcp_forget_peer(p->lane, p);
}

static void on_failed(void *user, enum sg_goodbye why, const char *detail)
{
	(void)why, (void)detail;
	end_peer(user);
}

static const struct sg_transport_events events = { on_send, on_proven, on_connected, on_media, on_media,
	on_failed };

static void open_all(void)
{
	static struct sg_dtls_identity *identity;
	static const uint8_t fingerprint[SG_FINGERPRINT_BYTES];
	char error[200];

	if (!identity && sg_dtls_identity_open(&identity, NULL, error, sizeof(error)) != SG_OK)
		abort();
	memset(&srv, 0, sizeof(srv));
	memset(peers, 0, sizeof(peers));
	rtc_table_init(&srv.table);
	srv.cfg.loop_count = LANES;
	for (int i = 0; i < LANES; i++) {
		const struct sg_transport_config cfg = { .identity = identity, .events = &events, .user = &peers[i] };
		lanes[i] = (struct rtc_lane){ .srv = &srv, .loop = (struct sg_loop *)&lanes[i] };
		srv.lanes[i] = &lanes[i];
		peers[i].srv = &srv;
		peers[i].lane = &lanes[i];
		if (sg_transport_open(&peers[i].transport, &cfg, sg_mono_ms()) != SG_OK ||
		    !sg_transport_set_remote(peers[i].transport, SG_STR("theirs"), SG_STR("password"), fingerprint, false))
			abort();
		rtc_table_add_name(&srv.table, &peers[i], sg_transport_ufrag(peers[i].transport));
	}
}

static void check_counts(void)
{
	for (int i = 0; i < LANES; i++) {
		size_t all = 0, unproven = 0;
		for (const struct rtc_tcp *c = lanes[i].tcps; c; c = c->next) {
			all++;
			unproven += !c->proven;
			if (c->proven && !c->peer && !c->dead)
				abort();
		}
		if (all != lanes[i].tcp_count || unproven != lanes[i].tcp_unproven)
			abort();
	}
}

static void close_all(void)
{
	for (int i = 0; i < LANES; i++) {
		rtc_tcp_close_all(&lanes[i]);
		if (lanes[i].tcp_count || lanes[i].tcp_unproven)
			abort();
		rtc_table_remove(&srv.table, &peers[i]);
		sg_transport_close(peers[i].transport, false);
	}
	rtc_table_destroy(&srv.table);
	if (open_fds)
		abort();
}

/* ---- what comes ---- */

static void put_check(struct sg_buf *b, int kind)
{
	static const uint8_t transaction[SG_STUN_TRANSACTION_BYTES] = { 1 };
	struct sg_transport *t = peers[kind == 1].transport;
	struct sg_stun_writer w;
	char name[40];

	int len = snprintf(name, sizeof(name), "%s:theirs", kind == 2 ? "abcdefgh" : sg_transport_ufrag(t));
	sg_stun_begin(&w, SG_STUN_REQUEST, transaction);
	sg_stun_put_username(&w, (struct sg_str){ name, (size_t)len });
	sg_stun_put_role(&w, true, 1);
	if (!sg_stun_finish(&w, kind == 3 ? SG_STR("wrong") : sg_str_from(sg_transport_pwd(t))))
		abort();
	sg_buf_put_be16(b, (uint16_t)w.len);
	sg_buf_append(b, w.p, w.len);
}

/* To whichever lane has the connection now. */
static void deliver(const struct sg_buf *b, size_t piece)
{
	struct sg_reader all = { b->p, b->len };

	while (all.left) {
		struct sg_conn *c = conns[0] ? conns[0] : conns[1];
		size_t n = piece && piece < all.left ? piece : all.left;
		if (!c)
			return;
		coming = (struct sg_reader){ all.p, n };
		c->events->readable(c->user);
		if (posted) {
			struct sg_task *task = posted;
			posted = NULL;
			task->run(task);
		}
		all.p += n - coming.left;
		all.left -= n - coming.left;
		check_counts();
		if (n == coming.left)
			return; /* closed */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sg_reader in = { data, size };
	uint8_t piece, step;
	const uint8_t *p;
	struct sg_buf b;

	if (!sg_read_u8(&in, &piece))
		return 0;
	open_all();
	open_fds = 1;
	rtc_tcp_accepted(&srv, lanes[0].loop, 3);
	sg_buf_init(&b, 1 << 20);
	while (sg_read_u8(&in, &step)) {
		b.len = 0;
		if (step < 4)
			put_check(&b, step);
		else if (step == 4)
			for (int i = 0; i < LANES; i++)
				rtc_tcp_tick(&lanes[i], sg_mono_ms() + RTC_TCP_UNPROVEN_MS);
		else if (step == 5)
			end_peer(&peers[0]);
		else if (sg_read_bytes(&in, step - 5u < in.left ? step - 5u : in.left, &p))
			sg_buf_append(&b, p, (size_t)(in.p - p));
		deliver(&b, piece);
		check_counts();
	}
	sg_buf_reset(&b);
	close_all();
	return 0;
}
