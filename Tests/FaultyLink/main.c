/* A TCP proxy with faults, for the end-to-end tests: kernels without sch_netem have no other bad link.
 *
 *   faulty-link ADDRESS PORT SERVER SERVER_PORT CONTROL STATUS
 *
 * CONTROL holds one `name=value` a line and is read again whenever it was renamed into place; what it does not name is off:
 *   serial=N       said back in STATUS when it is in force
 *   delay=MS       one way, both ways
 *   rate=N         bytes per second and direction, of all connections together
 *   hold=1         nothing is accepted or passed on, nothing is closed
 *   deaf=1         new connections are accepted and never answered, but by a banner
 *   refuse=1       new connections are reset at once
 *   banner=TEXT    said to the client before the server's first byte; \n is a line end
 *   mute=1         what the server says is thrown away, its good-bye too, from now on and what is still under way
 *   cut=1          resets all connections, once
 *   cut-after=N    resets a connection when the client has sent so many bytes
 *   cut-every=MS   resets a connection at a random moment, after so long on average
 *
 * STATUS is one line: `serial N accepted N open N up BYTES down BYTES resets N`, of what was passed on.
 * Bounded: 64 connections, 8 MiB under way for each direction of each; ends at any signal. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, UNDER_WAY = 8 << 20, PIECE = 32 << 10, UP = 0, DOWN = 1 };

struct piece {
    struct piece *next;
    int64_t due; /* nanoseconds */
    size_t length, sent;
    char bytes[PIECE];
};
/* From `from` to the other end of its connection. */
struct flow {
    int from, to, ended, closed;
    size_t under_way;
    int64_t passed;
    struct piece *first, *last;
};
struct connection {
    int used;
    struct flow flows[2];
};
static struct connection all[CONNECTIONS];
static struct { long serial, delay, rate, hold, deaf, refuse, mute, cut, cut_after, cut_every; char banner[512]; } now_is;
static const char *control, *status;
static struct sockaddr_in server;
static int64_t passed[2], accepted, resets;
static double credit[2];

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void drop(struct flow *f) {
    while (f->first) {
        struct piece *next = f->first->next;
        free(f->first);
        f->first = next;
    }
    f->last = NULL;
    f->under_way = 0;
}

/* Both ends; with a RST where `hard`. */
static void close_connection(struct connection *c, int hard) {
    struct linger at_once = {1, 0};
    for (int d = 0; d < 2; d++) {
        drop(&c->flows[d]);
        if (c->flows[d].from < 0) continue;
        if (hard) setsockopt(c->flows[d].from, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(c->flows[d].from);
    }
    resets += hard;
    c->used = 0;
}

static void read_control(void) {
    static struct timespec last;
    static ino_t inode;
    struct stat st;
    if (stat(control, &st) || (st.st_ino == inode && !memcmp(&last, &st.st_mtim, sizeof last))) return;
    FILE *in = fopen(control, "r");
    if (!in) return;
    inode = st.st_ino;
    last = st.st_mtim;
    memset(&now_is, 0, sizeof now_is);
    char line[600];
    while (fgets(line, sizeof line, in)) {
        char *value = strchr(line, '=');
        if (!value) continue;
        *value++ = 0;
        value[strcspn(value, "\n")] = 0;
        struct { const char *name; long *to; } names[] = {
            {"serial", &now_is.serial}, {"delay", &now_is.delay}, {"rate", &now_is.rate}, {"hold", &now_is.hold},
            {"deaf", &now_is.deaf}, {"refuse", &now_is.refuse}, {"mute", &now_is.mute}, {"cut", &now_is.cut},
            {"cut-after", &now_is.cut_after}, {"cut-every", &now_is.cut_every}};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (!strcmp(line, names[i].name)) *names[i].to = atol(value);
        if (!strcmp(line, "banner")) {
            char *out = now_is.banner;
            for (char *c = value; *c && out < now_is.banner + sizeof now_is.banner - 1; c++)
                *out++ = c[0] == '\\' && c[1] == 'n' ? (c++, '\n') : *c;
        }
    }
    fclose(in);
    if (now_is.cut)
        for (int i = 0; i < CONNECTIONS; i++)
            if (all[i].used) close_connection(&all[i], 1);
}

static void write_status(void) {
    static char before[200];
    char line[200];
    int open_now = 0;
    for (int i = 0; i < CONNECTIONS; i++) open_now += all[i].used;
    int n = snprintf(line, sizeof line, "serial %ld accepted %ld open %d up %ld down %ld resets %ld                    \n", now_is.serial,
                     (long)accepted, open_now, (long)passed[UP], (long)passed[DOWN], (long)resets);
    if (!strcmp(line, before)) return;
    strcpy(before, line);
    int out = open(status, O_WRONLY | O_CREAT, 0644);
    if (out < 0 || pwrite(out, line, n, 0) != n) perror(status);
    close(out);
}

static void append(struct flow *f, const char *bytes, size_t length) {
    struct piece *p = malloc(sizeof *p);
    if (!p) abort();
    memcpy(p->bytes, bytes, length);
    p->next = NULL;
    p->due = now() + now_is.delay * 1000000LL;
    p->length = length;
    p->sent = 0;
    if (f->last) f->last->next = p;
    else f->first = p;
    f->last = p;
    f->under_way += length;
}

static void accept_one(int listener) {
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) return;
    accepted++;
    struct connection *c = NULL;
    for (int i = 0; i < CONNECTIONS && !c; i++)
        if (!all[i].used) c = &all[i];
    struct linger at_once = {1, 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (!c || now_is.refuse) {
        close(client);
        return;
    }
    int on = 1, to = -1;
    at_once.l_onoff = 0;
    setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (!now_is.deaf) {
        to = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connect(to, (struct sockaddr *)&server, sizeof server); /* a refusal shows at the first read */
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    memset(c, 0, sizeof *c);
    c->used = 1;
    c->flows[UP] = (struct flow){.from = client, .to = to};
    c->flows[DOWN] = (struct flow){.from = to, .to = client};
    if (*now_is.banner) append(&c->flows[DOWN], now_is.banner, strlen(now_is.banner));
}

/* Takes what has come. False where the connection broke. */
static int take(struct flow *f, int direction) {
    char bytes[PIECE];
    while (f->under_way < UNDER_WAY) {
        ssize_t n = recv(f->from, bytes, sizeof bytes, 0);
        if (n < 0) return errno == EAGAIN || errno == ENOTCONN;
        if (n == 0) {
            f->ended = 1;
            return 1;
        }
        if (direction == UP || !now_is.mute) append(f, bytes, n);
        if (n < (ssize_t)sizeof bytes) return 1;
    }
    return 1;
}

/* Passes on what is due. False where the connection broke. */
static int pass(struct flow *f, int direction, int64_t at) {
    if (direction == DOWN && now_is.mute) drop(f);
    while (f->first && f->first->due <= at) {
        struct piece *p = f->first;
        size_t n = p->length - p->sent;
        if (now_is.rate && credit[direction] < n) n = credit[direction];
        if (n == 0) return 1;
        ssize_t sent = send(f->to, p->bytes + p->sent, n, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == ENOTCONN;
        credit[direction] -= now_is.rate ? sent : 0;
        passed[direction] += sent;
        f->passed += sent;
        f->under_way -= sent;
        p->sent += sent;
        if (p->sent < p->length) return 1;
        f->first = p->next;
        if (!f->first) f->last = NULL;
        free(p);
    }
    if (f->ended && !f->first && !f->closed && !(direction == DOWN && now_is.mute)) {
        shutdown(f->to, SHUT_WR);
        f->closed = 1;
    }
    return 1;
}

static void serve(struct connection *c, int64_t at, double elapsed) {
    for (int d = 0; d < 2; d++) {
        struct flow *f = &c->flows[d];
        if (f->from >= 0 && f->to >= 0 && !f->ended && !take(f, d)) return close_connection(c, 1);
        if (f->to >= 0 && !pass(f, d, at)) return close_connection(c, 1);
    }
    if (c->flows[UP].to < 0) {
        char bytes[PIECE]; /* deaf: only to see that the client has gone */
        ssize_t n = recv(c->flows[UP].from, bytes, sizeof bytes, 0);
        if (n == 0) c->flows[UP].ended = 1;
        if (n < 0 && errno != EAGAIN) close_connection(c, 0);
        return;
    }
    if (c->flows[UP].closed && c->flows[DOWN].closed) return close_connection(c, 0);
    if (now_is.cut_after && c->flows[UP].passed >= now_is.cut_after) return close_connection(c, 1);
    if (now_is.cut_every && drand48() < elapsed * 1000 / now_is.cut_every) close_connection(c, 1);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: faulty-link ADDRESS PORT SERVER SERVER_PORT CONTROL STATUS\n");
        return 64;
    }
    control = argv[5];
    status = argv[6];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[4]))};
    inet_pton(AF_INET, argv[1], &here.sin_addr);
    inet_pton(AF_INET, argv[3], &server.sin_addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 16)) {
        perror("listen");
        return 1;
    }
    srand48(getpid());
    int64_t before = now();
    for (;;) {
        read_control();
        write_status();
        struct pollfd fds[1 + 4 * CONNECTIONS];
        int count = 0;
        int64_t at = now(), wake = at + 20000000;
        fds[count++] = (struct pollfd){now_is.hold ? -1 : listener, POLLIN, 0};
        for (int i = 0; i < CONNECTIONS && !now_is.hold; i++)
            for (int d = 0; all[i].used && d < 2; d++) {
                struct flow *f = &all[i].flows[d];
                if (f->from >= 0 && !f->ended && f->under_way < UNDER_WAY) fds[count++] = (struct pollfd){f->from, POLLIN, 0};
                if (!f->first || f->to < 0) continue;
                if (f->first->due > at || (now_is.rate && credit[d] < 1)) {
                    int64_t due = f->first->due > at ? f->first->due : at + 1000000;
                    if (due < wake) wake = due;
                } else fds[count++] = (struct pollfd){f->to, POLLOUT, 0};
            }
        poll(fds, count, (wake - at + 999999) / 1000000);
        int64_t then = now();
        double elapsed = (then - before) / 1e9;
        before = then;
        for (int d = 0; d < 2; d++) {
            double most = now_is.rate / 20.0 > 1 ? now_is.rate / 20.0 : 1;
            credit[d] += elapsed * now_is.rate;
            if (credit[d] > most) credit[d] = most;
        }
        if (now_is.hold) continue;
        accept_one(listener);
        for (int i = 0; i < CONNECTIONS; i++)
            if (all[i].used) serve(&all[i], then, elapsed);
    }
}
