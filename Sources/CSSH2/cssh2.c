// libssh2, loaded by the first call, as libpcap is in CPcap and for the same reason: it brings OpenSSL's libcrypto.
#include "shim.h"
#include <clinux.h>

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
LATE(int, libssh2_session_block_directions, (LIBSSH2_SESSION * session), (session))
LATE(int, libssh2_session_flag, (LIBSSH2_SESSION * session, int flag, int value), (session, flag, value))
LATE(int, libssh2_session_free, (LIBSSH2_SESSION * session), (session))
LATE(int, libssh2_session_handshake, (LIBSSH2_SESSION * session, libssh2_socket_t socket), (session, socket))
LATE(const char *, libssh2_session_hostkey, (LIBSSH2_SESSION * session, size_t *size, int *type), (session, size, type))
LATE(int, libssh2_session_last_errno, (LIBSSH2_SESSION * session), (session))
LATE(int, libssh2_session_last_error, (LIBSSH2_SESSION * session, char **text, int *size, int copies), (session, text, size, copies))
LATE(int, libssh2_session_method_pref, (LIBSSH2_SESSION * session, int type, const char *names), (session, type, names))
LATE(void, libssh2_session_set_blocking, (LIBSSH2_SESSION * session, int blocking), (session, blocking))
LATE(int, libssh2_userauth_publickey_fromfile_ex,
     (LIBSSH2_SESSION * session, const char *user, unsigned int size, const char *public_key, const char *private_key,
      const char *passphrase),
     (session, user, size, public_key, private_key, passphrase))
LATE(LIBSSH2_SFTP *, libssh2_sftp_init, (LIBSSH2_SESSION * session), (session))
LATE(unsigned long, libssh2_sftp_last_error, (LIBSSH2_SFTP * sftp), (sftp))
LATE(LIBSSH2_SFTP_HANDLE *, libssh2_sftp_open_ex,
     (LIBSSH2_SFTP * sftp, const char *name, unsigned int size, unsigned long flags, long mode, int type),
     (sftp, name, size, flags, mode, type))
LATE(int, libssh2_sftp_close_handle, (LIBSSH2_SFTP_HANDLE * handle), (handle))
LATE(ssize_t, libssh2_sftp_read, (LIBSSH2_SFTP_HANDLE * handle, char *buffer, size_t size), (handle, buffer, size))
LATE(ssize_t, libssh2_sftp_write, (LIBSSH2_SFTP_HANDLE * handle, const char *buffer, size_t size), (handle, buffer, size))
LATE(int, libssh2_sftp_fsync, (LIBSSH2_SFTP_HANDLE * handle), (handle))
LATE(void, libssh2_sftp_seek64, (LIBSSH2_SFTP_HANDLE * handle, libssh2_uint64_t offset), (handle, offset))
LATE(int, libssh2_sftp_fstat_ex, (LIBSSH2_SFTP_HANDLE * handle, LIBSSH2_SFTP_ATTRIBUTES *attributes, int sets),
     (handle, attributes, sets))
LATE(int, libssh2_sftp_stat_ex,
     (LIBSSH2_SFTP * sftp, const char *path, unsigned int size, int type, LIBSSH2_SFTP_ATTRIBUTES *attributes),
     (sftp, path, size, type, attributes))
LATE(int, libssh2_sftp_statvfs, (LIBSSH2_SFTP * sftp, const char *path, size_t size, LIBSSH2_SFTP_STATVFS *found_room),
     (sftp, path, size, found_room))
LATE(int, libssh2_sftp_unlink_ex, (LIBSSH2_SFTP * sftp, const char *name, unsigned int size), (sftp, name, size))
LATE(int, libssh2_sftp_rename_ex,
     (LIBSSH2_SFTP * sftp, const char *from, unsigned int from_size, const char *to, unsigned int to_size, long flags),
     (sftp, from, from_size, to, to_size, flags))
