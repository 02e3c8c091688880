#pragma once
#include <libssh2.h>
#include <stddef.h>

/* What libssh2 has encrypted and the socket has not taken yet.
 *
 * libssh2 keeps a half-sent packet and fails or stalls when anything else is called before it is out: a key
 * exchange that begins at that moment never ends (1.10). So it never sees one: its send call-back takes
 * everything, and what the socket refuses waits here. */
struct ssh2_outbox {
    unsigned char *bytes;
    size_t start, end, capacity;
    /* Of the socket, in both directions. */
    unsigned long long sent, received;
    /* Set before the session is freed: nothing more is sent, and nothing comes, so that libssh2 waits for nobody. */
    int is_over;
    /* Bytes that may still come before the caller has its turn again: libssh2 reads as long as there is anything,
     * and a peer that never ends would never let it return. */
    size_t allowance;
    /* The first that came, for a human, where it was no SSH; ends with a zero. */
    char first[200];
};

struct ssh2_outbox *_Nullable ssh2_outbox_new(void);
/* Of the outbox: what came first. */
const char *_Nonnull ssh2_outbox_first(const struct ssh2_outbox *_Nonnull outbox);
void ssh2_outbox_free(struct ssh2_outbox *_Nonnull outbox);
/* A session whose bytes go through the outbox; NULL where there is no memory. */
LIBSSH2_SESSION *_Nullable ssh2_session_new(struct ssh2_outbox *_Nonnull outbox);
/* Sends what waits, as far as the socket takes it. Returns 0, or an errno that ends the connection. */
int ssh2_outbox_flush(struct ssh2_outbox *_Nonnull outbox, int socket);
