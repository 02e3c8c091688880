#define _GNU_SOURCE
#include "clinux.h"
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// Runs in the parent's memory (vfork(2)): system calls, and locals of its own.
static __attribute__((noinline)) void become(const struct sensor_spawn_options *o, int *step) {
    // Above every wanted number, so that no dup2 below overwrites a source that is still needed.
    int high[16];
    *step = SENSOR_SPAWN_SETUP;
    if (o->count > 16) {
        errno = EINVAL;
        return;
    }
    // The system call, not the library's function: that leaves out 32 and 33, which a parent that was itself
    // started by glibc's posix_spawn has ignored. A struct of zeros is SIG_DFL, without flags.
    const char standard[64] = {0};
    for (int s = 1; s <= 64; s++) syscall(SYS_rt_sigaction, s, standard, NULL, 8);
    if (setpgid(0, 0) < 0) return;
    for (int i = 0; i < o->count; i++) {
        int from = o->descriptors[i] >= 0 ? o->descriptors[i] : open("/dev/null", O_RDWR | O_CLOEXEC);
        high[i] = fcntl(from, F_DUPFD_CLOEXEC, 64);
        if (high[i] < 0) return;
    }
    for (int i = 0; i < o->count; i++)
        if (dup2(high[i], i) < 0) return;
    if (syscall(SYS_close_range, o->count, ~0U, 0) < 0)
        for (int fd = o->count; fd < 65536; fd++) close(fd);  // kernels before 5.9
    *step = SENSOR_SPAWN_USER;
    // The system calls: the library's functions change every thread of the process whose memory this is.
    if (o->has_user && (syscall(SYS_setgroups, o->group_count, o->groups) < 0 || syscall(SYS_setresgid, o->gid, o->gid, o->gid) < 0 ||
                        syscall(SYS_setresuid, o->uid, o->uid, o->uid) < 0))
        return;
    *step = SENSOR_SPAWN_CHDIR;
    if (o->directory && chdir(o->directory) < 0) return;
    if (o->umask >= 0) umask((mode_t)o->umask);
    *step = SENSOR_SPAWN_EXEC;
    sigset_t none;
    sigemptyset(&none);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
    execve(o->path, o->argv, o->envp);
}

pid_t sensor_spawn(const struct sensor_spawn_options *options, int *step, int *error) {
    volatile int failed_step = 0, failed_error = 0;
    sigset_t all, before;
    sigfillset(&all);
    // No handler may run in the child before the dispositions are reset.
    pthread_sigmask(SIG_SETMASK, &all, &before);
    // Not fork: the parent goes on when the exec is done or has failed, and knows which.
    pid_t pid = vfork();
    if (pid == 0) {
        int at = 0;
        become(options, &at);
        failed_error = errno;
        failed_step = at;
        _exit(127);
    }
    int fork_error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *step = pid < 0 ? SENSOR_SPAWN_FORK : failed_step;
    *error = pid < 0 ? fork_error : failed_error;
    return pid;
}

const char *sensor_errno_name(int error) { return strerrorname_np(error); }

int sensor_rename_noreplace(int from_dir, const char *from, int to_dir, const char *to) {
    if (syscall(SYS_renameat2, from_dir, from, to_dir, to, 1 /* RENAME_NOREPLACE */) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    if (linkat(from_dir, from, to_dir, to, 0) < 0) return -1;
    return unlinkat(from_dir, from, 0);
}

int sensor_attach_filter(int socket, const void *instructions, unsigned short count) {
    struct sock_fprog program = {.len = count, .filter = (struct sock_filter *)instructions};
    return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static int set_capabilities(uint32_t effective, uint32_t permitted, uint32_t inheritable) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2] = {{effective, permitted, inheritable}, {0, 0, 0}};
    return (int)syscall(SYS_capset, &header, data);
}

int sensor_drop_capabilities(void) {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (set_capabilities(0, 0, 0) < 0) return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int sensor_become_user(uid_t uid, gid_t gid) {
    uint32_t raw = 1U << CAP_NET_RAW;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return -1;
    if (sensor_become_plain_user(uid, gid, &gid, 1) < 0) return -1;
    // Without CAP_NET_RAW to begin with this fails, and capture says so in its own words.
    if (set_capabilities(raw, raw, raw) == 0) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0);
    return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

int sensor_can_become_user(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    uint32_t wanted = 1U << CAP_SETUID | 1U << CAP_SETGID;
    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & wanted) == wanted;
}

int sensor_raise_net_raw(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return 0;
    uint32_t raw = 1U << CAP_NET_RAW;
    if (data[0].effective & raw) return 1;
    if (!(data[0].permitted & raw)) return 0;
    data[0].effective |= raw;
    return syscall(SYS_capset, &header, data) == 0;
}

int sensor_wait_exited(int status) { return WIFEXITED(status); }
int sensor_wait_code(int status) { return WEXITSTATUS(status); }
int sensor_wait_signal(int status) { return WTERMSIG(status); }
int sensor_wait_core(int status) { return WCOREDUMP(status); }
int sensor_prctl_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }
int sensor_prctl_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }
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

int sensor_become_plain_user(uid_t uid, gid_t gid, const gid_t *groups, int count) {
    return setgroups((size_t)count, groups) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ? -1 : 0;
}

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

int sensor_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

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

int sensor_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }

int sensor_interface(const char *name, uint32_t *flags, char *driver) {
    struct ifreq request;
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    int query = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (query < 0) return -1;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    driver[0] = 0;
    int result = ioctl(query, SIOCGIFFLAGS, &request);
    if (result == 0) {
        *flags = (uint16_t)request.ifr_flags;
        request.ifr_data = (char *)&info;
        if (ioctl(query, SIOCETHTOOL, &request) == 0) memcpy(driver, info.driver, sizeof info.driver);
    }
    int saved = errno;
    close(query);
    errno = saved;
    return result;
}

int sensor_link_changes(void) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int changes = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (changes < 0) return -1;
    if (bind(changes, (struct sockaddr *)&address, sizeof address) == 0) return changes;
    int saved = errno;
    close(changes);
    errno = saved;
    return -1;
}

int sensor_is_mount_root(int directory) {
    struct statx status;
    if (statx(directory, "", AT_EMPTY_PATH, 0, &status) < 0) return 0;
    return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
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
