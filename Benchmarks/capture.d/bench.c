// What Benchmarks/capture measures with: numbered frames, the bare loop that the sensor is held against, a count of what
// is in files, and what a program cost.
//   bench send IF SIZE|imix COUNT PER_SECOND     PER_SECOND 0: as fast as they go. Prints how many per second it were
//   bench loop IF FILE                           pcap(3PCAP) into one buffer into one file, until SIGTERM
//   bench count COUNT FILE…                      files in order: missing, twice, out of order, stamps that run back
//   bench cost COMMAND…                          passes SIGTERM on; prints CPU seconds and peak KiB to stderr
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    exit(1);
}
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
static volatile sig_atomic_t told;
static void tell(int signal) {
    (void)signal;
    told = 1;
}

// Ethernet, IPv4, UDP to port 4242, then the number, big-endian.
enum { BATCH = 64, NUMBER = 42, LARGEST = 1514 };
static int send_frames(const char *interface, const char *load, uint64_t count, double rate) {
    static const int imix[12] = {60, 590, 60, 590, 60, 1514, 60, 590, 60, 590, 60, 60};
    static uint8_t frames[BATCH][LARGEST];
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];
    int size = atoi(load), mixed = strcmp(load, "imix") == 0, one = 1;
    int out = socket(AF_PACKET, SOCK_RAW, 0);
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface), .sll_protocol = htons(ETH_P_IP)};
    if (out < 0 || bind(out, (struct sockaddr *)&to, sizeof to) < 0) die(interface);
    setsockopt(out, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    for (int i = 0; i < BATCH; i++) {
        static const uint8_t head[42] = {2,  0, 0, 0, 0, 1, 2, 0,  0, 0, 0,  2,  8,    0,  0x45, 0,    0,    0,    0, 0, 0,
                                         0, 64, 17, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1, 0x10, 0x92, 0x10, 0x92, 0, 0, 0, 0};
        memcpy(frames[i], head, sizeof head);
        parts[i].iov_base = frames[i];
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    uint64_t number = 0;
    double began = now();
    while (number < count && !told) {
        if (rate > 0)
            while ((now() - began) * rate < (double)number) {}
        int batch = count - number < BATCH ? (int)(count - number) : BATCH;
        for (int i = 0; i < batch; i++) {
            int octets = mixed ? imix[(number + (uint64_t)i) % 12] : size;
            uint64_t n = number + (uint64_t)i;
            for (int b = 0; b < 8; b++) frames[i][NUMBER + b] = (uint8_t)(n >> (56 - 8 * b));
            uint16_t ip = htons((uint16_t)(octets - 14)), udp = htons((uint16_t)(octets - 34));
            memcpy(frames[i] + 16, &ip, 2);
            memcpy(frames[i] + 38, &udp, 2);
            parts[i].iov_len = (size_t)octets;
        }
        for (int done = 0; done < batch;) {
            int sent = sendmmsg(out, messages + done, (unsigned)(batch - done), 0);
            if (sent > 0) done += sent;
            if (sent < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) die("sendmmsg");
        }
        number += (uint64_t)batch;
    }
    printf("%.0f\n", (double)number / (now() - began));
    return 0;
}

enum { BUFFER = 4 << 20, BLOCK = 4096 };
static uint8_t *buffer;
static size_t used;
static off_t written;
static int file;
static void put(u_char *unused, const struct pcap_pkthdr *head, const u_char *bytes) {
    (void)unused;
    if (used + 16 + head->caplen > BUFFER) {
        size_t whole = used & ~(size_t)(BLOCK - 1);
        if (pwrite(file, buffer, whole, written) != (ssize_t)whole) die("pwrite");
        written += (off_t)whole;
        used -= whole;
        memmove(buffer, buffer + whole, used);
    }
    uint32_t record[4] = {(uint32_t)head->ts.tv_sec, (uint32_t)head->ts.tv_usec, head->caplen, head->len};
    memcpy(buffer + used, record, sizeof record);
    memcpy(buffer + used + 16, bytes, head->caplen);
    used += 16 + head->caplen;
}
static int loop(const char *interface, const char *path) {
    char why[PCAP_ERRBUF_SIZE];
    static const uint32_t head[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT, 0644);
    if (file < 0 || posix_memalign((void **)&buffer, 2 << 20, BUFFER) != 0) die(path);
    madvise(buffer, BUFFER, MADV_HUGEPAGE);
    memcpy(buffer, head, used = sizeof head);
    pcap_t *p = pcap_create(interface, why);
    if (!p) die(why);
    pcap_set_snaplen(p, 262144);
    pcap_set_promisc(p, 1);
    pcap_set_timeout(p, 100);
    pcap_set_buffer_size(p, 64 << 20);
    if (pcap_activate(p) < 0 || pcap_setnonblock(p, 1, why) < 0) die(pcap_geterr(p));
    fprintf(stderr, "capturing\n");
    struct pollfd ready = {.fd = pcap_get_selectable_fd(p), .events = POLLIN};
    while (!told) {
        int got = pcap_dispatch(p, -1, put, NULL);
        if (got < 0) die(pcap_geterr(p));
        if (got == 0) poll(&ready, 1, 100);
    }
    usleep(150000);
    while (pcap_dispatch(p, -1, put, NULL) > 0) {}
    size_t padded = (used + BLOCK - 1) & ~(size_t)(BLOCK - 1);
    if (pwrite(file, buffer, padded, written) != (ssize_t)padded || ftruncate(file, written + (off_t)used) < 0) die("pwrite");
    return 0;
}

static int count_files(uint64_t count, char **paths) {
    uint8_t *seen = calloc(count, 1);
    uint64_t twice = 0, disordered = 0, next = 0, missing = 0, others = 0, backwards = 0, last = 0;
    for (; *paths; paths++) {
        int in = open(*paths, O_RDONLY);
        struct stat status;
        if (in < 0 || fstat(in, &status) < 0) die(*paths);
        const uint8_t *all = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, in, 0);
        for (off_t at = 24; at + 16 <= status.st_size;) {
            uint32_t record[4];
            memcpy(record, all + at, 16);
            const uint8_t *frame = all + at + 16;
            if (record[2] == 0 || at + 16 + record[2] > status.st_size) {
                printf("torn ");
                break;
            }
            uint64_t stamp = (uint64_t)record[0] * 1000000 + record[1], number = 0;
            if (record[2] >= 50 && frame[12] == 8 && frame[23] == 17 && frame[36] == 0x10 && frame[37] == 0x92) {
                for (int b = 0; b < 8; b++) number = number << 8 | frame[NUMBER + b];
                if (number >= count) die("number");
                twice += seen[number];
                seen[number] = 1;
                disordered += number != next;
                next = number + 1;
                backwards += stamp < last;
                last = stamp;
            } else {
                others++;
            }
            at += 16 + record[2];
        }
        munmap((void *)all, (size_t)status.st_size);
        close(in);
    }
    for (uint64_t n = 0; n < count; n++) missing += !seen[n];
    printf("missing %llu twice %llu leaps %llu backwards %llu\n", (unsigned long long)missing, (unsigned long long)twice,
           (unsigned long long)disordered, (unsigned long long)backwards);
    return 0;
}

static int cost(char **command) {
    pid_t pid = fork();
    if (pid == 0) {
        execvp(command[0], command);
        die(command[0]);
    }
    int status;
    struct rusage used_up;
    while (wait4(pid, &status, 0, &used_up) < 0)
        if (told) kill(pid, SIGTERM);
    fprintf(stderr, "cost %.4f %ld\n",
            (double)(used_up.ru_utime.tv_sec + used_up.ru_stime.tv_sec) + (double)(used_up.ru_utime.tv_usec + used_up.ru_stime.tv_usec) / 1e6,
            used_up.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = tell};  // without SA_RESTART: waiting ends
    sigaction(SIGTERM, &action, NULL);
    if (argc == 6 && !strcmp(argv[1], "send")) return send_frames(argv[2], argv[3], strtoull(argv[4], NULL, 10), atof(argv[5]));
    if (argc == 4 && !strcmp(argv[1], "loop")) return loop(argv[2], argv[3]);
    if (argc >= 3 && !strcmp(argv[1], "count")) return count_files(strtoull(argv[2], NULL, 10), argv + 3);
    if (argc >= 3 && !strcmp(argv[1], "cost")) return cost(argv + 2);
    fprintf(stderr, "usage: bench send|loop|count|cost …\n");
    return 64;
}
