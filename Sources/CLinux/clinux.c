#define _GNU_SOURCE
#include "clinux.h"
#include <arpa/inet.h>
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
#include <netpacket/packet.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
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

static int keep_capabilities(uint32_t kept) {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    // Needs CAP_SETPCAP; without it the set is only a bound on what no_new_privs forbids anyway.
    for (unsigned long capability = 0; capability < 64; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) break;
    if (set_capabilities(kept, kept, 0) < 0) return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int sensor_drop_capabilities(void) { return keep_capabilities(0); }
int sensor_keep_override_only(void) { return keep_capabilities(1U << CAP_DAC_OVERRIDE); }

// linux/landlock.h of the oldest Debian this builds on knows only the first of these.
struct ruleset_attributes {
    uint64_t files, net, scoped;
};
struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));
enum {
    SYS_landlock_create = 444,
    SYS_landlock_add = 445,
    SYS_landlock_restrict = 446,
    FILE_WRITE = 1 << 1,
    FILE_READ = 1 << 2,
    DIRECTORY_READ = 1 << 3,
    FILE_REMOVE = 1 << 5,
    FILE_MAKE = 1 << 8,
    FILE_TRUNCATE = 1 << 14,
};

static int allow(int ruleset, const int *directories, int count, uint64_t access) {
    for (int i = 0; i < count; i++) {
        struct path_rule rule = {.allowed = access, .parent = directories[i]};
        if (directories[i] >= 0 && syscall(SYS_landlock_add, ruleset, 1 /* LANDLOCK_RULE_PATH_BENEATH */, &rule, 0) < 0) return -1;
    }
    return 0;
}

int sensor_landlock_version(void) {
    int version = (int)syscall(SYS_landlock_create, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);
    return version < 0 ? 0 : version;
}

int sensor_confine_files(const int *writable, int writable_count, const int *readable, int readable_count) {
    int version = sensor_landlock_version();
    if (version == 0) return 0;
    // Which rights each version knows: 1 has 13 of files, 2 referring, 3 truncating, 5 ioctl on devices; 4 has TCP's two, 6 abstract
    // sockets and signals.
    uint64_t files = (1ULL << 13) - 1;
    if (version >= 2) files |= 1ULL << 13;
    if (version >= 3) files |= 1ULL << 14;
    if (version >= 5) files |= 1ULL << 15;
    struct ruleset_attributes wanted = {.files = files, .net = version >= 4 ? 3 : 0, .scoped = version >= 6 ? 3 : 0};
    size_t size = version >= 6 ? sizeof wanted : version >= 4 ? 16 : 8;
    int ruleset = (int)syscall(SYS_landlock_create, &wanted, size, 0);
    if (ruleset < 0) return -1;
    uint64_t read = FILE_READ | DIRECTORY_READ;
    uint64_t write = (read | FILE_WRITE | FILE_REMOVE | FILE_MAKE | FILE_TRUNCATE) & files;
    int result = allow(ruleset, writable, writable_count, write) < 0 || allow(ruleset, readable, readable_count, read) < 0
                     ? -1
                     : (int)syscall(SYS_landlock_restrict, ruleset, 0);
    int saved = errno;
    close(ruleset);
    errno = saved;
    return result < 0 ? -1 : version;
}

int sensor_set_direct(int file, int on) { return fcntl(file, F_SETFL, on ? O_DIRECT : 0); }

int sensor_take_space(int file, int64_t offset, int64_t length) { return fallocate(file, FALLOC_FL_KEEP_SIZE, offset, length); }

void *sensor_large_buffer(size_t size) {
    void *memory;
    if (posix_memalign(&memory, 1 << 21, size) != 0) return NULL;
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

int sensor_link_changes(void) {
    struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (s < 0) return -1;
    if (bind(s, (struct sockaddr *)&group, sizeof group) == 0) return s;
    int saved = errno;
    close(s);
    errno = saved;
    return -1;
}

void sensor_drain(int descriptor) {
    char bytes[8192];
    // ENOBUFS says once that something was missed; what is left is behind it. Bounded: more may come as fast as it is read.
    for (int i = 0; i < 65536; i++) {
        ssize_t got = read(descriptor, bytes, sizeof bytes);
        if (got == 0 || (got < 0 && errno != EINTR && errno != ENOBUFS)) return;
    }
}

int sensor_look_at_link(const char *name, struct sensor_link *link) {
    struct ifreq request;
    int query = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (query < 0) return -1;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int result = ioctl(query, SIOCGIFINDEX, &request);
    if (result == 0) {
        link->index = (uint32_t)request.ifr_ifindex;
        result = ioctl(query, SIOCGIFFLAGS, &request);
    }
    if (result == 0) {
        link->flags = (uint16_t)request.ifr_flags;
        result = ioctl(query, SIOCGIFHWADDR, &request);
        link->hardware = request.ifr_hwaddr.sa_family;
    }
    int saved = errno;
    close(query);
    errno = saved;
    return result;
}

uint32_t sensor_bound_index(int socket) {
    struct sockaddr_ll address = {0};
    socklen_t size = sizeof address;
    return getsockname(socket, (struct sockaddr *)&address, &size) == 0 ? (uint32_t)address.sll_ifindex : 0;
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

void sensor_capabilities(uint32_t *sets) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2] = {{0}};
    syscall(SYS_capget, &header, data);
    sets[0] = data[0].effective;
    sets[1] = data[0].permitted;
    sets[2] = data[0].inheritable;
}

int sensor_has_no_new_privileges(void) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1; }

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

int sensor_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

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

void sensor_offloads(const char *name, int32_t *states) {
    // LRO has no question of its own: it is one of the flags.
    static const uint32_t questions[SENSOR_OFFLOADS] = {ETHTOOL_GGRO, ETHTOOL_GFLAGS,  ETHTOOL_GGSO,
                                                        ETHTOOL_GTSO, ETHTOOL_GRXCSUM, ETHTOOL_GTXCSUM};
    int query = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < SENSOR_OFFLOADS; i++) {
        struct ethtool_value value = {.cmd = questions[i]};
        struct ifreq request;
        memset(&request, 0, sizeof request);
        strncpy(request.ifr_name, name, IFNAMSIZ - 1);
        request.ifr_data = (char *)&value;
        states[i] = -1;
        if (query < 0 || ioctl(query, SIOCETHTOOL, &request) < 0) continue;
        states[i] = questions[i] == ETHTOOL_GFLAGS ? (value.data & ETH_FLAG_LRO) != 0 : value.data != 0;
    }
    if (query >= 0) close(query);
}

int sensor_write_direct(int directory, const char *name) {
    static const char block[4096] __attribute__((aligned(4096)));
    int file = openat(directory, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_DIRECT);
    if (file < 0) return -1;
    int error = write(file, block, sizeof block) == sizeof block ? 0 : errno;
    close(file);
    errno = error;
    return error == 0 ? 0 : -1;
}

int sensor_route_interface(const char *address, char *interface) {
    struct {
        struct nlmsghdr head;
        struct rtmsg route;
        struct rtattr attribute;
        unsigned char bytes[16];
    } request = {.head = {.nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST}};
    unsigned char size = 4;
    request.route.rtm_family = AF_INET;
    if (inet_pton(AF_INET, address, request.bytes) != 1) {
        size = 16;
        request.route.rtm_family = AF_INET6;
        if (inet_pton(AF_INET6, address, request.bytes) != 1) {
            errno = EINVAL;
            return -1;
        }
    }
    request.route.rtm_dst_len = (unsigned char)(size * 8);
    request.attribute.rta_type = RTA_DST;
    request.attribute.rta_len = (unsigned short)RTA_LENGTH(size);
    request.head.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof request.route) + RTA_LENGTH(size));
    int route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (route < 0) return -1;
    union {
        struct nlmsghdr head;
        char bytes[8192];
    } answer;
    int error = EPROTO, index = 0;
    ssize_t got = send(route, &request, request.head.nlmsg_len, 0) < 0 ? -1 : recv(route, &answer, sizeof answer, 0);
    if (got < 0) {
        error = errno;
    } else if (NLMSG_OK(&answer.head, got) && answer.head.nlmsg_type == NLMSG_ERROR) {
        error = -((struct nlmsgerr *)NLMSG_DATA(&answer.head))->error;
    } else if (NLMSG_OK(&answer.head, got) && answer.head.nlmsg_type == RTM_NEWROUTE) {
        int left = (int)RTM_PAYLOAD(&answer.head);
        for (struct rtattr *one = RTM_RTA(NLMSG_DATA(&answer.head)); RTA_OK(one, left); one = RTA_NEXT(one, left))
            if (one->rta_type == RTA_OIF) memcpy(&index, RTA_DATA(one), sizeof index);
        error = index == 0 ? ENETUNREACH : if_indextoname((unsigned)index, interface) ? 0 : errno;
    }
    close(route);
    errno = error;
    return error == 0 ? 0 : -1;
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
