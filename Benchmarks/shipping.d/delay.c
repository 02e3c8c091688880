/* A long line between two network namespaces, for kernels without sch_netem: a TUN device in each.
 *
 *   delay NAMESPACE NAMESPACE RTT_MS RATE_MBIT LOSS_PERCENT QUEUE_MS
 *
 * The devices are called `line`; whoever calls gives them addresses after the word `ready`. A packet leaves when those before
 * it have left at the rate, is dropped when that would be later than QUEUE_MS or the dice say so, and arrives RTT / 2 later.
 * Without loss large segments pass whole (as on a veth pair, at a fraction of the cost); with loss each packet is one of the
 * wire. Ends at any signal. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 66000, UNDER_WAY = 256 << 20 };

struct packet {
    struct packet *next;
    int64_t due; /* nanoseconds */
    size_t length;
    char bytes[];
};
struct direction {
    int from, to;
    int64_t free_at;
    size_t under_way;
    struct packet *first, *last;
};
static double delay_ns, ns_per_byte, loss, queue_ns;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int device_in(const char *space, int whole_segments) {
    char path[300];
    snprintf(path, sizeof path, "/run/netns/%s", space);
    int there = open(path, O_RDONLY | O_CLOEXEC);
    if (there < 0 || setns(there, CLONE_NEWNET)) {
        perror(path);
        exit(1);
    }
    close(there);
    struct ifreq request = {.ifr_name = "line"};
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    unsigned offloads = whole_segments ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 : 0;
    if (device < 0 || ioctl(device, TUNSETIFF, &request) || ioctl(device, TUNSETOFFLOAD, offloads)) {
        perror("tun");
        exit(1);
    }
    return device;
}

static void take(struct direction *d) {
    static char bytes[LARGEST];
    for (int i = 0; i < 64 && d->under_way < UNDER_WAY; i++) {
        ssize_t length = read(d->from, bytes, sizeof bytes);
        if (length < 0) return; /* EAGAIN; what else there is shows at the next poll */
        int64_t at = now(), start = d->free_at > at ? d->free_at : at;
        int64_t leaves = start + length * ns_per_byte;
        if (start - at > queue_ns || drand48() < loss) continue;
        struct packet *p = malloc(sizeof *p + length);
        if (!p) abort();
        memcpy(p->bytes, bytes, length);
        p->length = length;
        p->next = NULL;
        p->due = leaves + delay_ns;
        d->free_at = leaves;
        d->under_way += length;
        if (d->last) d->last->next = p;
        else d->first = p;
        d->last = p;
    }
}

static void deliver(struct direction *d) {
    while (d->first && d->first->due <= now()) {
        struct packet *p = d->first;
        if (write(d->to, p->bytes, p->length) < 0 && errno == EAGAIN) return;
        d->under_way -= p->length;
        d->first = p->next;
        if (!d->first) d->last = NULL;
        free(p);
    }
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: delay NAMESPACE NAMESPACE RTT_MS RATE_MBIT LOSS_PERCENT QUEUE_MS\n");
        return 64;
    }
    delay_ns = atof(argv[3]) * 1e6 / 2;
    ns_per_byte = 8e3 / atof(argv[4]);
    loss = atof(argv[5]) / 100;
    queue_ns = atof(argv[6]) * 1e6;
    int a = device_in(argv[1], loss == 0), b = device_in(argv[2], loss == 0);
    struct direction both[2] = {{.from = a, .to = b}, {.from = b, .to = a}};
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int64_t at = now(), wake = at + 1000000000;
        for (int i = 0; i < 2; i++)
            if (both[i].first && both[i].first->due < wake) wake = both[i].first->due;
        struct pollfd fds[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
        struct timespec rest = {0, 0};
        if (wake > at) rest = (struct timespec){(wake - at) / 1000000000, (wake - at) % 1000000000};
        ppoll(fds, 2, &rest, NULL);
        for (int i = 0; i < 2; i++) {
            take(&both[i]);
            deliver(&both[i]);
        }
    }
}
