// This process: its words, its clocks, its code and libraries.
#define _GNU_SOURCE
#include "clinux.h"
#include <sys/resource.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *sensor_errno_name(int error) { return strerrorname_np(error); }

int sensor_prctl_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }
int sensor_prctl_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

int sensor_timer_at(int timer, int64_t nanoseconds) {
    struct itimerspec at = {.it_value = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000}};
    return (int)syscall(SYS_timerfd_settime, timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static int argument_count;
static char **argument_values;
// The dynamic linker hands these to constructors as main gets them.
__attribute__((constructor)) static void keep_arguments(int argc, char **argv) {
    argument_count = argc;
    argument_values = argv;
}
int sensor_argument_count(void) { return argument_count; }
const char *sensor_argument(int index) { return index < argument_count ? argument_values[index] : ""; }

static int release_code(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size;
    (void)unused;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || part->p_flags & PF_W) continue;
        uintptr_t from = (object->dlpi_addr + part->p_vaddr) & ~(page - 1);
        uintptr_t to = object->dlpi_addr + part->p_vaddr + part->p_memsz;
        madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}
void sensor_release_code(void) { dl_iterate_phdr(release_code, NULL); }

int sensor_daemonize(void) {
    pid_t pid = fork();
    if (pid < 0) return -1;
    if (pid > 0) _exit(0);
    if (setsid() < 0) return -1;
    int null = open("/dev/null", O_RDWR);
    if (null < 0) return -1;
    for (int i = 0; i < 3; i++) dup2(null, i);
    if (null > 2) close(null);
    return 0;
}

void *sensor_library_symbol(void **found, const char *soname, const char *other, const char *name) {
    // Two threads may both look: they find the same.
    void *known = __atomic_load_n(found, __ATOMIC_ACQUIRE);
    if (known) return known;
    void *library = dlopen(soname, RTLD_LAZY);
    if (!library) library = dlopen(other, RTLD_LAZY);
    if (library) known = dlsym(library, name);
    if (!known) {
        const char *why = dlerror();
        dprintf(2, "sensor: error while loading shared libraries: %s\n", why ? why : name);
        _exit(127);
    }
    __atomic_store_n(found, known, __ATOMIC_RELEASE);
    return known;
}

long sensor_open_files_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 1 << 20) return 1 << 20;
    return (long)limit.rlim_cur;
}

void sensor_raise_open_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
