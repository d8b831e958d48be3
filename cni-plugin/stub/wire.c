// The stub's end of the protocol that protocol/wire.ts describes.

#include "stub.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { VERSION = 1, RECEIPT = 6, RESPONSE_HEAD = 10 };

extern char **environ;

static void put32(unsigned char *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = value >> (24 - 8 * i);
}

static uint32_t get32(const unsigned char *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

bool write_all(int fd, const void *octets, size_t length) {
  const char *at = octets;
  while (length > 0) {
    ssize_t written = write(fd, at, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += written;
    length -= written;
  }
  return true;
}

static bool read_all(int fd, void *octets, size_t length) {
  char *at = octets;
  while (length > 0) {
    ssize_t got = read(fd, at, length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    length -= got;
  }
  return true;
}

enum request_fault make_request(struct request *request) {
  static unsigned char octets[REQUEST_HEAD + ENVIRONMENT_LIMIT + STDIN_LIMIT + 1];
  unsigned char *at = octets + REQUEST_HEAD;
  for (char **variable = environ; *variable; variable++) {
    if (strncmp(*variable, "CNI_", 4) != 0) continue;
    size_t length = strlen(*variable) + 1;
    if (at + length > octets + REQUEST_HEAD + ENVIRONMENT_LIMIT) return ENVIRONMENT_TOO_LONG;
    memcpy(at, *variable, length);
    at += length;
  }
  size_t environment = at - octets - REQUEST_HEAD;

  size_t config = 0;
  for (;;) {
    ssize_t got = read(STDIN_FILENO, at + config, STDIN_LIMIT + 1 - config);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CONFIG_UNREADABLE;
    if (got == 0) break;
    config += got;
    if (config > STDIN_LIMIT) return CONFIG_TOO_LONG;
  }

  octets[0] = VERSION;
  put32(octets + 1, environment);
  put32(octets + 5, config);
  request->octets = octets;
  request->length = REQUEST_HEAD + environment + config;
  request->config = (const char *)at;
  request->config_length = config;
  return REQUEST_OK;
}

static enum outcome connect_to(const char *path, int *fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return NO_ACCESS;
  }
  strcpy(address.sun_path, path);
  *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (*fd < 0) return NO_ACCESS;
  if (connect(*fd, (struct sockaddr *)&address, sizeof address) == 0) return ANSWERED;
  int why = errno;
  close(*fd);
  errno = why;
  return why == ENOENT || why == ECONNREFUSED ? NOT_RUNNING : NO_ACCESS;
}

// Nothing is printed before the whole answer is here: half a result would be worse than none.
static enum outcome take_answer(int fd, int *exit_code) {
  unsigned char head[RESPONSE_HEAD];
  if (!read_all(fd, head, 1)) return BROKEN_OFF;
  if (head[0] != VERSION) return MISMATCH;
  if (!read_all(fd, head + 1, RESPONSE_HEAD - 1)) return BROKEN_OFF;
  size_t out = get32(head + 2), err = get32(head + 6);
  if (out > STDIN_LIMIT || err > STDIN_LIMIT) return MISMATCH;
  char *text = malloc(out + err + 1);
  if (!text || !read_all(fd, text, out + err)) return BROKEN_OFF;
  write_all(STDERR_FILENO, text + out, err);
  *exit_code = head[1];
  unsigned char receipt = RECEIPT;
  if (write_all(STDOUT_FILENO, text, out)) write_all(fd, &receipt, 1);
  else *exit_code = 1;
  return ANSWERED;
}

enum outcome exchange(const char *socket_path, const struct request *request, int patience, int *exit_code) {
  int fd;
  enum outcome connected = connect_to(socket_path, &fd);
  if (connected != ANSWERED) return connected;
  struct timeval limit = {.tv_sec = patience};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  write_all(fd, request->octets, request->length); // a daemon that refuses it early answers all the same
  errno = 0;
  enum outcome outcome = take_answer(fd, exit_code);
  if (outcome == BROKEN_OFF && errno == EAGAIN) outcome = SILENT; // so ends a receive with SO_RCVTIMEO
  close(fd);
  return outcome;
}
