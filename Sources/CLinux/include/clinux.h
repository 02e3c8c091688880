// What `import Glibc` lacks: kernel interfaces behind _GNU_SOURCE, and the lines between fork and exec,
// which must be C because only async-signal-safe calls are allowed there (signal-safety(7)).
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/timerfd.h>

/// Where between fork and exec a start failed. Order matters: it is the order of the steps.
enum sensor_spawn_step {
    SENSOR_SPAWN_FORK = 1,  ///< vfork(2) itself
    SENSOR_SPAWN_SETUP,     ///< process group, descriptors
    SENSOR_SPAWN_USER,
    SENSOR_SPAWN_CHDIR,
    SENSOR_SPAWN_EXEC,
};

struct sensor_spawn_options {
    const char *_Nonnull path;
    char *_Nullable const *_Nonnull argv;
    char *_Nullable const *_Nonnull envp;
    const char *_Nullable directory;
    /// descriptors[i] becomes descriptor i, everything above is closed; -1 is /dev/null. At most 16.
    const int *_Nonnull descriptors;
    int count;
    /// -1: the caller's own.
    int umask;
    int has_user;
    uid_t uid;
    gid_t gid;
    const gid_t *_Nullable groups;
    int group_count;
};

/// Starts a program in a process group of its own with default signal dispositions and an empty signal mask.
/// Returns the pid, or -1 when no process was made. A process that failed before exec ends with status 127, is
/// reaped like any other, and leaves *step and *error set; else *step is 0.
pid_t sensor_spawn(const struct sensor_spawn_options *_Nonnull options, int *_Nonnull step, int *_Nonnull error);

/// `ENOENT` and the like (strerrorname_np(3)); null for a number that is none.
const char *_Nullable sensor_errno_name(int error);

/// renameat2(2) with RENAME_NOREPLACE; falls back to link + unlink where the file system lacks the flag.
int sensor_rename_noreplace(int from_dir, const char *_Nonnull from, int to_dir, const char *_Nonnull to);
/// Atomically replaces the socket's filter (SO_ATTACH_FILTER, socket(7)).
int sensor_attach_filter(int socket, const void *_Nonnull instructions, unsigned short count);
/// Drops every capability of this thread, ambient and (where it may) bounding ones too, and sets no_new_privs.
/// 0, or -1 with errno.
int sensor_drop_capabilities(void);
/// The same, but CAP_DAC_OVERRIDE stays.
int sensor_keep_override_only(void);
/// From here on this thread and those it starts reach, of all files, what lies below `writable` (making, writing,
/// renaming, removing regular files) and, for reading, below `readable`; no TCP (landlock(7), as far as the kernel has
/// it). Descriptors of directories; -1 is passed over. To be called after no_new_privs is set. Returns the version of
/// Landlock, 0 where the kernel has none, -1 with errno.
int sensor_confine_files(const int *_Nonnull writable, int writable_count, const int *_Nonnull readable, int readable_count);
/// The kernel's version of Landlock, 0 where it has none.
int sensor_landlock_version(void);
/// This thread's capabilities: effective, permitted, inheritable, the first 32 of each.
void sensor_capabilities(uint32_t *_Nonnull sets);
/// Whether this thread has given up getting rights by exec (prctl(2), PR_GET_NO_NEW_PRIVS).
int sensor_has_no_new_privileges(void);
/// Writing past the page cache on (1) or off (0) for an open file (fcntl(2), O_DIRECT). 0, or -1 with errno.
int sensor_set_direct(int file, int on);
/// Takes room on the disk for `length` bytes from `offset` without changing the file's size (fallocate(2),
/// FALLOC_FL_KEEP_SIZE). 0, or -1 with errno.
int sensor_take_space(int file, int64_t offset, int64_t length);
/// Memory of `size` bytes on a boundary of 2 MiB, in huge pages where the kernel has some to give
/// (madvise(2), MADV_HUGEPAGE); null where there is none. free(3) gives it back.
void *_Nullable sensor_large_buffer(size_t size);
/// A socket (netlink(7), rtnetlink(7), RTMGRP_LINK) that is readable when a network interface has come, gone or changed;
/// close-on-exec, not blocking, needs no capability. -1 with errno.
int sensor_link_changes(void);
/// The same, readable also when an address or a route has.
int sensor_network_changes(void);
/// Throws away what a descriptor that does not block holds.
void sensor_drain(int descriptor);
/// What an interface's name means now.
struct sensor_link {
    uint32_t index;
    /// IFF_UP and the like (netdevice(7)).
    uint32_t flags;
    /// ARPHRD_ETHER and the like.
    uint16_t hardware;
};
/// 0, or -1 with errno.
int sensor_look_at_link(const char *_Nonnull name, struct sensor_link *_Nonnull link);
/// The index of the interface that a packet socket is bound to (packet(7)); 0 where it is none.
uint32_t sensor_bound_index(int socket);
/// Becomes uid/gid (groups: only gid) and keeps CAP_NET_RAW, also over exec (ambient).
int sensor_become_user(uid_t uid, gid_t gid);
/// 1 if this process may change its user and groups (CAP_SETUID and CAP_SETGID are effective), else 0.
int sensor_can_become_user(void);
/// Raises CAP_NET_RAW from the permitted set (a file capability with +p). 1 if effective afterwards, else 0.
int sensor_raise_net_raw(void);
/// WIFEXITED and friends, which are macros.
int sensor_wait_exited(int status);
int sensor_wait_code(int status);
int sensor_wait_signal(int status);
int sensor_wait_core(int status);
/// An interface's flags (SIOCGIFFLAGS, netdevice(7)) and its driver's name (ETHTOOL_GDRVINFO; empty where there is
/// none; `driver` holds 32 bytes). 0, or -1 with errno.
int sensor_interface(const char *_Nonnull name, uint32_t *_Nonnull flags, char *_Nonnull driver);
/// What SIOCETHTOOL says of six features, in this order: GRO, LRO, GSO, TSO, receive and transmit checksums. 1 on, 0 off, -1 where
/// the driver or the kernel does not say.
enum { SENSOR_OFFLOADS = 6 };
void sensor_offloads(const char *_Nonnull name, int32_t *_Nonnull states);
/// Writes one block of 4096 bytes to the file past the page cache (O_DIRECT, open(2)). 0, or -1 with errno: EINVAL where the file
/// system takes none.
int sensor_write_direct(int directory, const char *_Nonnull name);
/// The interface by which packets to a numeric address leave, policy rules included (RTM_GETROUTE, rtnetlink(7)). `interface` holds 16
/// bytes. 0, or -1 with errno: EINVAL where it is no address, ENETUNREACH and the like where there is no way.
int sensor_route_interface(const char *_Nonnull address, char *_Nonnull interface);
/// 1 if the open directory is the root of a mount (statx(2), STATX_ATTR_MOUNT_ROOT), bind mounts too; else 0.
int sensor_is_mount_root(int directory);
/// An empty file in memory, close-on-exec (memfd_create(2)); -1 with errno.
int sensor_memory_file(const char *_Nonnull name);
/// pipe2(2) with O_CLOEXEC.
int sensor_pipe(int *_Nonnull ends);
/// bind(2) to a name in the file system; 0, or -1 with errno.
int sensor_bind_unix(int socket, const char *_Nonnull path);
/// accept4(2), close-on-exec; the connection itself is in blocking mode.
int sensor_accept(int socket);
/// The user at the other end of a Unix socket (SO_PEERCRED, unix(7)), or -1.
long long sensor_peer_uid(int socket);
/// socketpair(2): a stream in the file system's family, close-on-exec.
int sensor_socketpair(int *_Nonnull ends);
/// connect(2) to a socket of the file system; 0, or -1 with errno.
int sensor_connect_unix(int socket, const char *_Nonnull path);
/// Sets a timerfd to a moment of its clock in nanoseconds; 0 disarms it. The system call: a library that is preloaded
/// to fake the wall clock (libfaketime) shifts the C library's call for every clock.
int sensor_timer_at(int timer, int64_t nanoseconds);
/// The words this process was started with, from its own stack: Swift's CommandLine reads /proc/self/maps for them
/// and has none where that is missing, or preloaded libraries have changed it.
int sensor_argument_count(void);
const char *_Nonnull sensor_argument(int index);
/// Gives back the pages of the program's own code and constants that are in memory (madvise(2), MADV_DONTNEED): what is
/// still needed comes back from the page cache, what only the start needed does not.
void sensor_release_code(void);
/// Becomes a user with these groups, for good. 0, or -1 with errno.
int sensor_become_plain_user(uid_t uid, gid_t gid, const gid_t *_Nullable groups, int count);
/// Goes on in a child with a session of its own, descriptors 0 to 2 on /dev/null; the caller's process ends with 0.
/// To be called while there is one thread. 0, or -1 with errno.
int sensor_daemonize(void);
int sensor_prctl_subreaper(void);
/// prctl(2), PR_SET_NO_NEW_PRIVS.
int sensor_no_new_privileges(void);
/// A connected stream socket; -1 with *error set, or -2 when the host has no address.
int sensor_connect_tcp(const char *_Nonnull host, const char *_Nonnull port, int *_Nonnull error);
int sensor_prctl_name(const char *_Nonnull name);
int sensor_set_tcp_user_timeout(int socket, unsigned int milliseconds);
/* Seconds of silence before the first probe, seconds between probes, probes without an answer (tcp(7)). */
int sensor_set_tcp_keepalive(int socket, int idle, int interval, int probes);
int sensor_set_tcp_max_segment(int socket, int bytes);
/* Microseconds, smoothed; -1 where it cannot be told. */
int sensor_tcp_round_trip(int socket);
/* Bytes that the peer has not acknowledged; -1 where it cannot be told. */
int sensor_unacknowledged(int socket);
/// Descriptors that this process may have; at most 2^20.
long sensor_open_files_limit(void);
/// As many open files as the hard limit allows (getrlimit(2)).
void sensor_raise_open_files(void);
int sensor_bind_source_port(int socket, int family, unsigned short port);
int sensor_set_linger_zero(int socket);
/// The function `name` of the library `soname`, or of `other` where there is no such library. The library is loaded when it is first
/// asked for, and stays. *found keeps the answer. Where there is none the process ends as the dynamic linker would have ended it
/// before its start: with a line on stderr and status 127.
void *_Nonnull sensor_library_symbol(
    void *_Nullable *_Nonnull found, const char *_Nonnull soname, const char *_Nonnull other, const char *_Nonnull name);
