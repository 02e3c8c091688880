#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void report(int pipe, int step) {
    int words[2] = {step, errno};
    ssize_t ignored = write(pipe, words, sizeof words);
    (void)ignored;
    _exit(127);
}

pid_t sensor_spawn(const char *path, char *const *argv, char *const *envp, const char *directory,
                   const int *descriptors, int count, int *step, int *error) {
    int home[2];
    *step = SENSOR_SPAWN_FORK;
    if (pipe2(home, O_CLOEXEC) < 0) {
        *error = errno;
        return -1;
    }
    sigset_t all, before;
    sigfillset(&all);
    // No handler may run in the child before the dispositions are reset.
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) {
        // Above every wanted number, so that no dup2 below overwrites a source that is still needed.
        int high[16];
        int report_to = fcntl(home[1], F_DUPFD_CLOEXEC, 64);
        if (report_to < 0) report(home[1], SENSOR_SPAWN_SETUP);
        if (count > 16) { errno = EINVAL; report(report_to, SENSOR_SPAWN_SETUP); }
        // The system call, not the library's function: that leaves out 32 and 33, which a parent that was
        // itself started by glibc's posix_spawn has ignored. A struct of zeros is SIG_DFL, without flags.
        const char standard[64] = {0};
        for (int s = 1; s <= SIGRTMAX; s++) syscall(SYS_rt_sigaction, s, standard, NULL, 8);
        if (setpgid(0, 0) < 0) report(report_to, SENSOR_SPAWN_SETUP);
        for (int i = 0; i < count; i++) {
            int from = descriptors[i] >= 0 ? descriptors[i] : open("/dev/null", O_RDWR | O_CLOEXEC);
            high[i] = fcntl(from, F_DUPFD_CLOEXEC, 64);
            if (high[i] < 0) report(report_to, SENSOR_SPAWN_SETUP);
        }
        for (int i = 0; i < count; i++)
            if (dup2(high[i], i) < 0) report(report_to, SENSOR_SPAWN_SETUP);
        if (dup2(report_to, count) < 0 || fcntl(count, F_SETFD, FD_CLOEXEC) < 0) report(report_to, SENSOR_SPAWN_SETUP);
        report_to = count;
        if (syscall(SYS_close_range, count + 1, ~0U, 0) < 0)
            for (int fd = count + 1; fd < 65536; fd++) close(fd);  // kernels before 5.9
        if (directory && chdir(directory) < 0) report(report_to, SENSOR_SPAWN_CHDIR);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execve(path, argv, envp);
        report(report_to, SENSOR_SPAWN_EXEC);
    }
    int fork_error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(home[1]);
    if (pid < 0) {
        close(home[0]);
        *error = fork_error;
        return -1;
    }
    int words[2];
    ssize_t got;
    do got = read(home[0], words, sizeof words); while (got < 0 && errno == EINTR);
    close(home[0]);
    if (got == sizeof words) {
        *step = words[0];
        *error = words[1];
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        return -1;
    }
    return pid;
}

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
    if (setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) return -1;
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

int sensor_is_mount_root(int directory) {
    struct statx status;
    if (statx(directory, "", AT_EMPTY_PATH, 0, &status) < 0) return 0;
    return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}
