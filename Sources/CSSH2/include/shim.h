#pragma once
#include <libssh2.h>
#include <libssh2_sftp.h>
/* libssh2_sftp_open is a macro over this call, and casts are not imported: the two kinds of open, spelt out. */
static inline LIBSSH2_SFTP_HANDLE *_Nullable ssh2_sftp_open_file(LIBSSH2_SFTP *_Nonnull sftp, const char *_Nonnull path,
                                                       unsigned int length, unsigned long flags, long mode) {
    return libssh2_sftp_open_ex(sftp, path, length, flags, mode, LIBSSH2_SFTP_OPENFILE);
}
static inline int ssh2_block_directions(LIBSSH2_SESSION *_Nonnull session) { return libssh2_session_block_directions(session); }
