// Network interfaces, and the packet sockets bound to them.
#define _GNU_SOURCE
#include "clinux.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int sensor_attach_filter(int socket, const void *instructions, unsigned short count) {
    struct sock_fprog program = {.len = count, .filter = (struct sock_filter *)instructions};
    return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static int changes(unsigned groups) {
    struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (s < 0) return -1;
    if (bind(s, (struct sockaddr *)&group, sizeof group) == 0) return s;
    int saved = errno;
    close(s);
    errno = saved;
    return -1;
}

int sensor_link_changes(void) { return changes(RTMGRP_LINK); }

int sensor_network_changes(void) {
    return changes(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
}

// One question about an interface (netdevice(7)); 0, or -1 with errno.
static int ask(const char *name, unsigned long what, struct ifreq *request) {
    int query = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (query < 0) return -1;
    memset(request->ifr_name, 0, IFNAMSIZ);
    strncpy(request->ifr_name, name, IFNAMSIZ - 1);
    int result = ioctl(query, what, request);
    int saved = errno;
    close(query);
    errno = saved;
    return result;
}

// One question of ethtool's, whose struct begins with what is asked.
static int ask_ethtool(const char *name, void *question) {
    struct ifreq request = {.ifr_data = question};
    return ask(name, SIOCETHTOOL, &request);
}

int sensor_look_at_link(const char *name, struct sensor_link *link) {
    struct ifreq index = {0}, flags = {0}, hardware = {0};
    if (ask(name, SIOCGIFINDEX, &index) < 0 || ask(name, SIOCGIFFLAGS, &flags) < 0 || ask(name, SIOCGIFHWADDR, &hardware) < 0) return -1;
    link->index = (uint32_t)index.ifr_ifindex;
    link->flags = (uint16_t)flags.ifr_flags;
    link->hardware = hardware.ifr_hwaddr.sa_family;
    return 0;
}

uint32_t sensor_bound_index(int socket) {
    struct sockaddr_ll address = {0};
    socklen_t size = sizeof address;
    return getsockname(socket, (struct sockaddr *)&address, &size) == 0 ? (uint32_t)address.sll_ifindex : 0;
}

int sensor_interface(const char *name, uint32_t *flags, char *driver) {
    struct ifreq request = {0};
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    driver[0] = 0;
    if (ask(name, SIOCGIFFLAGS, &request) < 0) return -1;
    *flags = (uint16_t)request.ifr_flags;
    if (ask_ethtool(name, &info) == 0) memcpy(driver, info.driver, sizeof info.driver);
    return 0;
}

void sensor_offloads(const char *name, int32_t *states) {
    // LRO has no question of its own: it is one of the flags.
    static const uint32_t questions[SENSOR_OFFLOADS] = {ETHTOOL_GGRO, ETHTOOL_GFLAGS,  ETHTOOL_GGSO,
                                                        ETHTOOL_GTSO, ETHTOOL_GRXCSUM, ETHTOOL_GTXCSUM};
    for (int i = 0; i < SENSOR_OFFLOADS; i++) {
        struct ethtool_value value = {.cmd = questions[i]};
        states[i] = ask_ethtool(name, &value) < 0                ? -1
                    : questions[i] == ETHTOOL_GFLAGS ? (value.data & ETH_FLAG_LRO) != 0
                                                     : value.data != 0;
    }
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
