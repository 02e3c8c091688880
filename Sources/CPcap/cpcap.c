// libpcap, loaded by the first call. Most commands make none (a supervisor, its control connections, the shipper), and this library
// brings eight more with it: more than half of the time such a command takes to start, and of the memory it needs.
//
// A function that is used and not listed here is an error of the linker.
#include "shim.h"
#include <clinux.h>

#define LATE(result, name, parameters, arguments)                                                                     \
    result name parameters {                                                                                          \
        static void *found;                                                                                           \
        return ((__typeof__(&name))sensor_library_symbol(&found, "libpcap.so.0.8", "libpcap.so.1", #name)) arguments; \
    }

LATE(int, bpf_validate, (const struct bpf_insn *instructions, int count), (instructions, count))
LATE(int, pcap_activate, (pcap_t * p), (p))
LATE(void, pcap_close, (pcap_t * p), (p))
LATE(int, pcap_compile, (pcap_t * p, struct bpf_program *program, const char *text, int optimize, bpf_u_int32 mask),
     (p, program, text, optimize, mask))
LATE(pcap_t *, pcap_create, (const char *source, char *why), (source, why))
LATE(int, pcap_datalink, (pcap_t * p), (p))
LATE(int, pcap_dispatch, (pcap_t * p, int count, pcap_handler callback, u_char *user), (p, count, callback, user))
LATE(void, pcap_freecode, (struct bpf_program * program), (program))
LATE(int, pcap_get_selectable_fd, (pcap_t * p), (p))
LATE(char *, pcap_geterr, (pcap_t * p), (p))
LATE(int, pcap_offline_filter, (const struct bpf_program *program, const struct pcap_pkthdr *header, const u_char *packet),
     (program, header, packet))
LATE(pcap_t *, pcap_open_dead, (int link, int snaplen), (link, snaplen))
LATE(int, pcap_set_buffer_size, (pcap_t * p, int size), (p, size))
LATE(int, pcap_set_promisc, (pcap_t * p, int promiscuous), (p, promiscuous))
LATE(int, pcap_set_snaplen, (pcap_t * p, int snaplen), (p, snaplen))
LATE(int, pcap_set_timeout, (pcap_t * p, int milliseconds), (p, milliseconds))
LATE(int, pcap_setfilter, (pcap_t * p, struct bpf_program *program), (p, program))
LATE(int, pcap_setnonblock, (pcap_t * p, int nonblock, char *why), (p, nonblock, why))
LATE(int, pcap_stats, (pcap_t * p, struct pcap_stat *stats), (p, stats))
LATE(const char *, pcap_statustostr, (int status), (status))
