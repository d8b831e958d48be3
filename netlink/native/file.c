// Files that are read and written whole, as those of sysctls are: /proc/sys/net shows the namespace of the thread that opens it.

#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int file_write(const char *path, const char *value) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  size_t length = strlen(value);
  ssize_t written = write(fd, value, length);
  int code = written < 0 ? errno : (size_t)written == length ? 0 : EIO;
  close(fd);
  return code;
}

int file_read(const char *path, char **into, size_t *into_length) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  size_t length = 0, capacity = 4096;
  char *text = malloc(capacity);
  int code = text ? 0 : ENOMEM;
  while (code == 0) {
    ssize_t got = read(fd, text + length, capacity - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) code = errno;
    if (got <= 0) break;
    length += (size_t)got;
    if (length == capacity) {
      char *larger = realloc(text, capacity *= 2);
      if (larger) text = larger;
      else code = ENOMEM;
    }
  }
  close(fd);
  if (code != 0) {
    free(text);
    return code;
  }
  *into = text;
  *into_length = length;
  return 0;
}
