// libssh2, loaded by the first call, as libpcap is in CPcap and for the same reason: it brings OpenSSL's libcrypto.
#include "shim.h"
#include <clinux.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LATE(result, name, parameters, arguments)                                                                \
    result name parameters {                                                                                     \
        static void *found;                                                                                      \
        return ((__typeof__(&name))sensor_library_symbol(&found, "libssh2.so.1", "libssh2.so", #name)) arguments; \
    }

LATE(int, libssh2_init, (int flags), (flags))
LATE(const char *, libssh2_version, (int least), (least))
LATE(LIBSSH2_SESSION *, libssh2_session_init_ex,
     (LIBSSH2_ALLOC_FUNC((*my_alloc)), LIBSSH2_FREE_FUNC((*my_free)), LIBSSH2_REALLOC_FUNC((*my_realloc)), void *abstract),
     (my_alloc, my_free, my_realloc, abstract))
LATE(const char *, libssh2_session_banner_get, (LIBSSH2_SESSION * session), (session))
LATE(int, libssh2_session_flag, (LIBSSH2_SESSION * session, int flag, int value), (session, flag, value))
LATE(int, libssh2_session_free, (LIBSSH2_SESSION * session), (session))
LATE(int, libssh2_session_handshake, (LIBSSH2_SESSION * session, libssh2_socket_t socket), (session, socket))
LATE(const char *, libssh2_session_hostkey, (LIBSSH2_SESSION * session, size_t *size, int *type), (session, size, type))
LATE(int, libssh2_session_last_errno, (LIBSSH2_SESSION * session), (session))
LATE(int, libssh2_session_last_error, (LIBSSH2_SESSION * session, char **text, int *size, int copies), (session, text, size, copies))
LATE(int, libssh2_session_method_pref, (LIBSSH2_SESSION * session, int type, const char *names), (session, type, names))
LATE(const char *, libssh2_session_methods, (LIBSSH2_SESSION * session, int type), (session, type))
LATE(void, libssh2_session_set_blocking, (LIBSSH2_SESSION * session, int blocking), (session, blocking))
LATE(int, libssh2_userauth_publickey_fromfile_ex,
     (LIBSSH2_SESSION * session, const char *user, unsigned int size, const char *public_key, const char *private_key,
      const char *passphrase),
     (session, user, size, public_key, private_key, passphrase))
LATE(int, libssh2_userauth_publickey,
     (LIBSSH2_SESSION * session, const char *user, const unsigned char *key, size_t size,
      LIBSSH2_USERAUTH_PUBLICKEY_SIGN_FUNC((*sign)), void **abstract),
     (session, user, key, size, sign, abstract))
LATE(LIBSSH2_CHANNEL *, libssh2_channel_open_ex,
     (LIBSSH2_SESSION * session, const char *type, unsigned int size, unsigned int window, unsigned int packet,
      const char *message, unsigned int message_size),
     (session, type, size, window, packet, message, message_size))
LATE(int, libssh2_channel_process_startup,
     (LIBSSH2_CHANNEL * channel, const char *request, unsigned int size, const char *message, unsigned int message_size),
     (channel, request, size, message, message_size))
LATE(ssize_t, libssh2_channel_read_ex, (LIBSSH2_CHANNEL * channel, int stream, char *buffer, size_t size),
     (channel, stream, buffer, size))
LATE(ssize_t, libssh2_channel_write_ex, (LIBSSH2_CHANNEL * channel, int stream, const char *buffer, size_t size),
     (channel, stream, buffer, size))
LATE(int, libssh2_channel_eof, (LIBSSH2_CHANNEL * channel), (channel))
LATE(int, libssh2_channel_handle_extended_data2, (LIBSSH2_CHANNEL * channel, int mode), (channel, mode))

// Deprecated in 1.11.1, and the only one that 1.10 has.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
LATE(void *, libssh2_session_callback_set, (LIBSSH2_SESSION * session, int type, void *callback), (session, type, callback))

// More than libssh2 ever has under way by itself, since nothing is given to it while something waits.
enum { OUTBOX_MOST = 16 << 20 };

struct ssh2_outbox *ssh2_outbox_new(void) { return calloc(1, sizeof(struct ssh2_outbox)); }

const char *ssh2_outbox_first(const struct ssh2_outbox *outbox) { return outbox->first; }

void ssh2_outbox_free(struct ssh2_outbox *outbox) {
    free(outbox->bytes);
    free(outbox);
}

int ssh2_outbox_flush(struct ssh2_outbox *outbox, int socket) {
    while (outbox->start < outbox->end) {
        ssize_t done = send(socket, outbox->bytes + outbox->start, outbox->end - outbox->start, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : errno;
        outbox->start += (size_t)done;
        outbox->sent += (unsigned long long)done;
    }
    outbox->start = outbox->end = 0;
    return 0;
}

static int keep(struct ssh2_outbox *outbox, const unsigned char *bytes, size_t count) {
    size_t waiting = outbox->end - outbox->start;
    if (outbox->end + count > outbox->capacity) {
        if (waiting + count > OUTBOX_MOST) return ENOBUFS;
        if (waiting > 0) memmove(outbox->bytes, outbox->bytes + outbox->start, waiting);
        outbox->start = 0;
        outbox->end = waiting;
        if (waiting + count > outbox->capacity) {
            size_t capacity = 2 * (waiting + count);
            unsigned char *larger = realloc(outbox->bytes, capacity);
            if (larger == NULL) return ENOMEM;
            outbox->bytes = larger;
            outbox->capacity = capacity;
        }
    }
    memcpy(outbox->bytes + outbox->end, bytes, count);
    outbox->end += count;
    return 0;
}

// LIBSSH2_SEND_FUNC: takes all, or fails with -errno.
static ssize_t send_all(libssh2_socket_t socket, const void *buffer, size_t length, int flags, void **abstract) {
    struct ssh2_outbox *outbox = *abstract;
    (void)flags;
    if (outbox->is_over) return (ssize_t)length;
    size_t done = 0;
    if (outbox->start == outbox->end) {
        ssize_t taken;
        do taken = send(socket, buffer, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (taken < 0 && errno == EINTR);
        if (taken < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return -errno;
        if (taken > 0) done = (size_t)taken;
        outbox->sent += done;
    }
    if (done < length) {
        int failed = keep(outbox, (const unsigned char *)buffer + done, length - done);
        if (failed) return -failed;
    }
    return (ssize_t)length;
}

// LIBSSH2_RECV_FUNC.
static ssize_t receive(libssh2_socket_t socket, void *buffer, size_t length, int flags, void **abstract) {
    struct ssh2_outbox *outbox = *abstract;
    (void)flags;
    if (outbox->is_over) return 0;
    if (outbox->allowance == 0) return -EAGAIN;
    if (length > outbox->allowance) length = outbox->allowance;
    ssize_t got;
    do got = recv(socket, buffer, length, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0) return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    if (outbox->received < sizeof(outbox->first) - 1) {
        size_t room = sizeof(outbox->first) - 1 - (size_t)outbox->received;
        memcpy(outbox->first + outbox->received, buffer, (size_t)got < room ? (size_t)got : room);
    }
    outbox->received += (unsigned long long)got;
    outbox->allowance -= (size_t)got;
    return got;
}

LIBSSH2_SESSION *ssh2_session_new(struct ssh2_outbox *outbox) {
    LIBSSH2_SESSION *session = libssh2_session_init_ex(NULL, NULL, NULL, outbox);
    if (session == NULL) return NULL;
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_SEND, (void *)send_all);
    libssh2_session_callback_set(session, LIBSSH2_CALLBACK_RECV, (void *)receive);
    libssh2_session_set_blocking(session, 0);
    return session;
}
