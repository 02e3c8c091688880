// Users, capabilities and landlock.
#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

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

int sensor_become_plain_user(uid_t uid, gid_t gid, const gid_t *groups, int count) {
    return setgroups((size_t)count, groups) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ? -1 : 0;
}

int sensor_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
