// TCP sockets with options that must be set before connect or listen, or that Node has no name for: TCP_MD5SIG and
// TCP_MD5SIG_EXT (RFC 2385, linux/tcp.h), IP_MINTTL and IPV6_MINHOPCOUNT (RFC 5082), IP_TTL, IP_FREEBIND, SO_BINDTODEVICE. The socket is made on a thread
// inside the namespace that is asked for, and stays in it.

#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IP_MINTTL
#define IP_MINTTL 21
#endif
#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

/* Reads a numeric address, with its zone if it has one; 0 or an errno. */
static int parse(const char *text, int family, int port, struct sockaddr_storage *into, socklen_t *length) {
  struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found = NULL;
  if (getaddrinfo(text, NULL, &hints, &found) != 0) return EINVAL;
  memcpy(into, found->ai_addr, found->ai_addrlen);
  *length = found->ai_addrlen;
  freeaddrinfo(found);
  if (into->ss_family == AF_INET) ((struct sockaddr_in *)into)->sin_port = htons((uint16_t)port);
  else ((struct sockaddr_in6 *)into)->sin6_port = htons((uint16_t)port);
  return 0;
}

static int set(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : errno;
}

static int family_of(int fd) {
  int family = AF_UNSPEC;
  socklen_t length = sizeof family;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length);
  return family;
}

int tcp_hops(int fd, int ttl, int least) {
  int code = 0;
  bool six = family_of(fd) == AF_INET6;
  /* A socket of IPv6 may carry IPv4 too, which has options of its own. */
  if (ttl >= 0) {
    code = set(fd, IPPROTO_IP, IP_TTL, ttl == 0 ? -1 : ttl);
    if (six) code = set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl == 0 ? -1 : ttl);
  }
  if (code == 0 && least >= 0) {
    code = set(fd, IPPROTO_IP, IP_MINTTL, least);
    if (six) code = set(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, least);
  }
  return code;
}

/* An IPv4 address as a socket of IPv6 knows it. */
static void map_to_six(struct sockaddr_storage *address) {
  struct in_addr four = ((struct sockaddr_in *)address)->sin_addr;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
  memset(six, 0, sizeof *six);
  six->sin6_family = AF_INET6;
  six->sin6_addr.s6_addr[10] = six->sin6_addr.s6_addr[11] = 255;
  memcpy(&six->sin6_addr.s6_addr[12], &four, 4);
}

/* `remote`: an address, or with `bits` >= 0 the network of that prefix length around it. */
int tcp_key(int fd, const char *remote, int bits, const unsigned char *key, size_t length) {
  struct tcp_md5sig request;
  struct sockaddr_storage address;
  socklen_t size;
  if (length > TCP_MD5SIG_MAXKEYLEN) return EINVAL;
  memset(&request, 0, sizeof request);
  int code = parse(remote, AF_UNSPEC, 0, &address, &size);
  if (code != 0) return code;
  if (address.ss_family == AF_INET && family_of(fd) == AF_INET6) map_to_six(&address);
  memcpy(&request.tcpm_addr, &address, sizeof request.tcpm_addr);
  if (bits >= 0) {
    request.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
    request.tcpm_prefixlen = (uint8_t)bits;
  }
  request.tcpm_keylen = (uint16_t)length;
  if (length > 0) memcpy(request.tcpm_key, key, length);
  code = setsockopt(fd, IPPROTO_TCP, bits >= 0 ? TCP_MD5SIG_EXT : TCP_MD5SIG, &request, sizeof request) == 0 ? 0 : errno;
  explicit_bzero(&request, sizeof request);
  /* To take away a key that is not there is no error. */
  return length == 0 && code == ENOENT ? 0 : code;
}

static int make(const struct tcp_request *request) {
  struct sockaddr_storage local;
  socklen_t length = 0;
  int family = request->family == 6 ? AF_INET6 : AF_INET;
  int code = request->local ? parse(request->local, family, request->port, &local, &length) : 0;
  if (code != 0) return -code;
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  if (request->listens) code = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  else if (request->local) code = set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  if (code == 0 && family == AF_INET6 && request->listens) code = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, request->six_only);
  if (code == 0 && request->freebind) code = set(fd, IPPROTO_IP, IP_FREEBIND, 1);
  if (code == 0 && request->device &&
      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, request->device, (socklen_t)strlen(request->device)) != 0)
    code = errno;
  if (code == 0) code = tcp_hops(fd, request->ttl, request->least_ttl);
  if (code == 0 && request->local && bind(fd, (struct sockaddr *)&local, length) != 0) code = errno;
  if (code == 0) return fd;
  close(fd);
  return -code;
}

struct order {
  const struct tcp_request *request;
  int result;
};

static void make_ordered(void *argument) {
  struct order *order = argument;
  order->result = make(order->request);
}

int tcp_open(int namespace_fd, const struct tcp_request *request) {
  if (namespace_fd < 0) return make(request);
  struct order order = {.request = request};
  int code = namespace_visit(namespace_fd, make_ordered, &order);
  return code != 0 ? -code : order.result;
}
