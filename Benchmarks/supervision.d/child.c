// What the supervisors start. Static and small, so that its own start is the least there can be.
//   child stamp FIFO NUMBER [READY]   writes {number, pid, CLOCK_MONOTONIC at main} to FIFO, then a line to descriptor
//                                     READY, and waits for a signal
//   child exec FIFO COMMAND…          writes the same with number 2^32-1, and becomes COMMAND
//   child print FIFO BYTES BLOCK      writes the same with number 0, then 80-byte lines on stdout, BLOCK bytes at a time
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void tell(const char *fifo, uint32_t number, const struct timespec *at) {
    struct { uint32_t number, pid; uint64_t at; } record = {number, (uint32_t)getpid(), at->tv_sec * 1000000000ULL + at->tv_nsec};
    int out = open(fifo, O_WRONLY | O_CLOEXEC);
    if (out < 0 || write(out, &record, sizeof record) != sizeof record) _exit(3);
    close(out);
}

static int print(long long bytes, size_t block) {
    static char lines[80 * 1024];
    for (size_t i = 0; i < sizeof lines; i++) lines[i] = i % 80 == 79 ? '\n' : 'a' + i % 26;
    if (block == 0 || block > sizeof lines) return 2;
    while (bytes > 0) {
        size_t size = (long long)block < bytes ? block : (size_t)bytes;
        for (size_t done = 0; done < size;) {
            ssize_t wrote = write(1, lines + done, size - done);
            if (wrote < 0) return 3;
            done += (size_t)wrote;
        }
        bytes -= (long long)size;
    }
    return 0;
}

int main(int argc, char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (argc < 4) return 2;
    if (strcmp(argv[1], "print") == 0 && argc == 5) {
        tell(argv[2], 0, &now);
        return print(atoll(argv[3]), (size_t)atoll(argv[4]));
    }
    if (strcmp(argv[1], "exec") == 0) {
        tell(argv[2], UINT32_MAX, &now);
        execv(argv[3], argv + 3);
        return 127;
    }
    tell(argv[2], (uint32_t)atoi(argv[3]), &now);
    if (argc > 4 && write(atoi(argv[4]), "\n", 1) < 0) return 3;
    for (;;) pause();
}
