// A DEL that finds no daemon is written to disk, and has then succeeded: margayd does it before its first ADD.
//
// The file holds the request as it would have gone over the wire. It is complete under its name or not there, and on the
// disk before the runtime hears of success (fsync of the file, rename, fsync of the directory).

#include "stub.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// FNV-1a: DELs of one interface in two networks must not share a name.
static uint64_t hash(const unsigned char *octets, size_t length) {
  uint64_t value = 0xcbf29ce484222325;
  for (size_t i = 0; i < length; i++) value = (value ^ octets[i]) * 0x100000001b3;
  return value;
}

static bool sync_directory(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  bool synced = fsync(fd) == 0;
  close(fd);
  return synced;
}

// Makes the directory and those above it, each entered durably in the one above.
static bool make_directory(const char *dir) {
  char path[PATH_MAX];
  for (size_t i = 1; i <= strlen(dir); i++) {
    if (dir[i] != '/' && dir[i] != 0) continue;
    snprintf(path, sizeof path, "%.*s", (int)i, dir);
    if (mkdir(path, 0755) == 0) {
      char *slash = strrchr(path, '/');
      if (slash == path) slash++;
      *slash = 0;
      if (!sync_directory(path)) return false;
    } else if (errno != EEXIST) {
      return false;
    }
  }
  return true;
}

static bool write_file(const char *path, const struct request *request) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  bool written = write_all(fd, request->octets, request->length) && fsync(fd) == 0;
  return close(fd) == 0 && written;
}

bool spool(const char *dir, const char *container, const char *interface, const struct request *request, char *path,
           size_t path_size) {
  char half[PATH_MAX];
  int length = snprintf(path, path_size, "%s/%.128s:%s:%016llx.del", dir, container, interface,
                        (unsigned long long)hash(request->octets, request->length));
  int half_length = snprintf(half, sizeof half, "%s/.tmp-%d", dir, (int)getpid());
  if (dir[0] != '/' || length >= (int)path_size || half_length >= (int)sizeof half) {
    errno = dir[0] == '/' ? ENAMETOOLONG : EINVAL;
    return false;
  }
  if (!make_directory(dir)) return false;
  if (write_file(half, request) && rename(half, path) == 0) return sync_directory(dir);
  int reason = errno;
  unlink(half); // of a full disk it would keep what is left
  errno = reason;
  return false;
}
