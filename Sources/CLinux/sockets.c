// Sockets to other processes and hosts.
#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <netdb.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int sensor_set_tcp_user_timeout(int socket, unsigned int milliseconds) {
    return setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
}
int sensor_set_linger_zero(int socket) {
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}
static int unix_address(struct sockaddr_un *address, const char *path) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}

int sensor_connect_unix(int socket, const char *path) {
    struct sockaddr_un address;
    if (unix_address(&address, path) < 0) return -1;
    return connect(socket, (struct sockaddr *)&address, sizeof address);
}

int sensor_bind_unix(int socket, const char *path) {
    struct sockaddr_un address;
    if (unix_address(&address, path) < 0) return -1;
    return bind(socket, (struct sockaddr *)&address, sizeof address);
}

int sensor_connect_tcp(const char *host, const char *port, int *error) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *one;
    if (getaddrinfo(host, port, &hints, &found) != 0) return -2;
    int made = -1;
    *error = ECONNREFUSED;
    for (one = found; one && made < 0; one = one->ai_next) {
        int s = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
        if (s >= 0 && connect(s, one->ai_addr, one->ai_addrlen) == 0) {
            made = s;
        } else {
            *error = errno;
            if (s >= 0) close(s);
        }
    }
    freeaddrinfo(found);
    return made;
}

int sensor_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC); }

long long sensor_peer_uid(int socket) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ? -1 : (long long)peer.uid;
}

int sensor_socketpair(int *ends) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends); }

int sensor_set_tcp_keepalive(int socket, int idle, int interval, int probes) {
    int on = 1;
    if (setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) < 0) return -1;
    if (setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle) < 0) return -1;
    if (setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval) < 0) return -1;
    return setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

int sensor_set_tcp_max_segment(int socket, int bytes) {
    return setsockopt(socket, IPPROTO_TCP, TCP_MAXSEG, &bytes, sizeof bytes);
}

int sensor_tcp_round_trip(int socket) {
    struct tcp_info info;
    socklen_t size = sizeof info;
    return getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ? -1 : (int)info.tcpi_rtt;
}

int sensor_unacknowledged(int socket) {
    int bytes = 0;
    return ioctl(socket, SIOCOUTQ, &bytes) < 0 ? -1 : bytes;
}

int sensor_bind_source_port(int socket, int family, unsigned short port) {
    if (family == AF_INET6) {
        struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        return bind(socket, (struct sockaddr *)&any, sizeof any);
    }
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    return bind(socket, (struct sockaddr *)&any, sizeof any);
}
