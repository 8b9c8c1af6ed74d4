/* admin_socket.c - the administrator's Unix socket. Whoever may open the file is the administrator. */
#include "http/http_internal.h"
#include <sys/socket.h>
#include <sys/stat.h>

static bool address_of(struct sockaddr_un *sa, const char *path)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(sa->sun_path))
		return false;
	memcpy(sa->sun_path, path, strlen(path) + 1);
	return true;
}

/* May the file at `path` be replaced? Not when another server answers there, and not when it is
 * something else than a socket. */
static bool is_free(const char *path, const struct sockaddr_un *sa)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(st.st_mode))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	bool refused = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

/* Listens under a name of its own, closes the file to others, and only then takes the place of
 * `path`: at no moment can anybody else connect. */
static int listen_at(const char *path, struct stat *st)
{
	struct sockaddr_un sa;
	char fresh[sizeof(sa.sun_path) + 16];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	snprintf(fresh, sizeof(fresh), "%s.%ld", path, (long)getpid());
	if (!address_of(&sa, fresh)) {
		errno = ENAMETOOLONG;
		close(fd);
		return -1;
	}
	unlink(fresh);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		close(fd);
		return -1;
	}
	if (chmod(fresh, 0600) != 0 || lstat(fresh, st) != 0 || listen(fd, 64) != 0 ||
	    rename(fresh, path) != 0) {
		int error = errno;
		unlink(fresh);
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

void http_admin_socket_open(struct http_admin_socket *s, const char *path)
{
	struct sockaddr_un sa;
	struct stat st;

	s->fd = -1;
	if (!path || !*path)
		return;
	if (!address_of(&sa, path)) {
		sg_log_warning("admin socket %s: the path is too long: tokenctl cannot reach this "
			       "server; set [admin] socket",
		    path);
		return;
	}
	if (!is_free(path, &sa)) {
		sg_log_warning("admin socket %s: another server listens there (or it is not a "
			       "socket): going on without one",
		    path);
		return;
	}
	s->fd = listen_at(path, &st);
	if (s->fd < 0) {
		sg_log_warning("admin socket %s: %s: going on without one", path, strerror(errno));
		return;
	}
	memcpy(s->path, sa.sun_path, sizeof(s->path));
	s->dev = st.st_dev;
	s->ino = st.st_ino;
}

void http_admin_socket_close(struct http_admin_socket *s)
{
	struct stat st;

	if (s->fd < 0)
		return;
	if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
	close(s->fd);
	s->fd = -1;
}
