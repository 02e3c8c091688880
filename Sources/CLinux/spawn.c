// Starting a process, and what became of it.
#define _GNU_SOURCE
#include "clinux.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

int sensor_wait_exited(int status) { return WIFEXITED(status); }
int sensor_wait_code(int status) { return WEXITSTATUS(status); }
int sensor_wait_signal(int status) { return WTERMSIG(status); }
int sensor_wait_core(int status) { return WCOREDUMP(status); }
