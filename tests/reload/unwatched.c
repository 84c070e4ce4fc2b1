/* A system that has no watches left: inotify begins, and watches nothing. */
#include <errno.h>
#include <stdint.h>

int inotify_add_watch(int fd, const char *path, uint32_t mask) {
    (void)fd, (void)path, (void)mask;
    errno = ENOSPC;
    return -1;
}
