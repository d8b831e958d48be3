// Calls a CNI plugin as a runtime does, many at a time, and says how long each call took: for bench/scenarios/pods.ts.
//
//     calls PARALLEL PLUGIN CONFIGURATION OUTPUT < LIST
//
// LIST has a line a call: COMMAND CONTAINER NAMESPACE; COMMAND `-` is none. On stdout: for each its microseconds and exit code, then
// the microseconds of all. What plugins print is added to OUTPUT. C, so that what is measured is not the one who measures.

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096 };

static struct call {
  char command[16], container[80], netns[128];
  pid_t pid;
  long long from, took;
  int exit_code;
} calls[MOST];

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void begin(struct call *call, const char *plugin, const char *configuration, const char *output) {
  char command[32], container[112], netns[160], path[512];
  snprintf(command, sizeof command, "CNI_COMMAND=%s", call->command);
  snprintf(container, sizeof container, "CNI_CONTAINERID=%s", call->container);
  snprintf(netns, sizeof netns, "CNI_NETNS=%s", call->netns);
  snprintf(path, sizeof path, "CNI_PATH=%s", getenv("CNI_PATH") ? getenv("CNI_PATH") : "");
  char *some[] = {command, container, netns, path, "CNI_IFNAME=eth0", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  char *none[] = {NULL};
  char *argv[] = {(char *)plugin, NULL};
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, configuration, O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  call->from = now();
  if (posix_spawn(&call->pid, plugin, &files, NULL, argv, *call->command == '-' ? none : some) != 0) fail(plugin);
  posix_spawn_file_actions_destroy(&files);
}

static void end_one(int count) {
  int status;
  pid_t pid = wait(&status);
  long long at = now();
  for (int i = 0; i < count; i++) {
    if (calls[i].pid != pid) continue;
    calls[i].pid = 0;
    calls[i].took = at - calls[i].from;
    calls[i].exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int parallel = atoi(argv[1]), count = 0, begun = 0, running = 0;
  while (count < MOST && scanf("%15s %79s %127s", calls[count].command, calls[count].container, calls[count].netns) == 3) count++;
  long long from = now();
  while (begun < count || running > 0) {
    for (; begun < count && running < parallel; running++) begin(&calls[begun++], argv[2], argv[3], argv[4]);
    end_one(begun);
    running--;
  }
  long long all = now() - from;
  for (int i = 0; i < count; i++) printf("%lld %d\n", calls[i].took, calls[i].exit_code);
  printf("%lld 0\n", all);
  return 0;
}
