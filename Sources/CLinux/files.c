// Files, pipes and the memory they are written from.
#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int sensor_rename_noreplace(int from_dir, const char *from, int to_dir, const char *to) {
    if (syscall(SYS_renameat2, from_dir, from, to_dir, to, 1 /* RENAME_NOREPLACE */) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    if (linkat(from_dir, from, to_dir, to, 0) < 0) return -1;
    return unlinkat(from_dir, from, 0);
}

int sensor_set_direct(int file, int on) { return fcntl(file, F_SETFL, on ? O_DIRECT : 0); }

int sensor_take_space(int file, int64_t offset, int64_t length) { return fallocate(file, FALLOC_FL_KEEP_SIZE, offset, length); }

void *sensor_large_buffer(size_t size) {
    void *memory;
    if (posix_memalign(&memory, 1 << 21, size) != 0) return NULL;
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

void sensor_drain(int descriptor) {
    char bytes[8192];
    // ENOBUFS says once that something was missed; what is left is behind it. Bounded: more may come as fast as it is read.
    for (int i = 0; i < 65536; i++) {
        ssize_t got = read(descriptor, bytes, sizeof bytes);
        if (got == 0 || (got < 0 && errno != EINTR && errno != ENOBUFS)) return;
    }
}

int sensor_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int sensor_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }

int sensor_write_direct(int directory, const char *name) {
    static const char block[4096] __attribute__((aligned(4096)));
    int file = openat(directory, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_DIRECT);
    if (file < 0) return -1;
    int error = write(file, block, sizeof block) == sizeof block ? 0 : errno;
    close(file);
    errno = error;
    return error == 0 ? 0 : -1;
}

int sensor_is_mount_root(int directory) {
    struct statx status;
    if (statx(directory, "", AT_EMPTY_PATH, 0, &status) < 0) return 0;
    return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}
