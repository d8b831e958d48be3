// Network namespaces. A thread that enters one never comes back: it ends there. So no thread of Node's ever runs in a foreign
// namespace, and there is nothing to restore that could fail.

#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int namespace_check(int fd) {
  int type = ioctl(fd, NS_GET_NSTYPE);
  if (type < 0) return errno == EBADF ? EBADF : EINVAL;
  return type == CLONE_NEWNET ? 0 : EINVAL;
}

int namespace_open(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return -errno;
  int code = namespace_check(fd);
  if (code != 0) {
    close(fd);
    return -code;
  }
  return fd;
}

struct visit {
  int namespace_fd;
  void (*work)(void *);
  void *argument;
  int code;
};

static void *visit_run(void *argument) {
  struct visit *visit = argument;
  if (setns(visit->namespace_fd, CLONE_NEWNET) != 0) visit->code = errno;
  else visit->work(visit->argument);
  return NULL;
}

int namespace_visit(int namespace_fd, void (*work)(void *), void *argument) {
  if (namespace_fd < 0) {
    work(argument);
    return 0;
  }
  struct visit visit = {namespace_fd, work, argument, 0};
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = pthread_create(&thread, NULL, visit_run, &visit);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (code != 0) return code;
  pthread_join(thread, NULL);
  return visit.code;
}
