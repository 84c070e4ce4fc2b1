/* Lets the n-th write or sync of the journal's files fail: DISK_FAILS=way:n, and DISK_FIRED names a file that is made
   when it has. Ways: `eio` once, `eio-all` from then on, `full` from then on, `torn`: half of it is written, and the
   process dies. Or all of them fail while there is the file that DISK_FULL_WHILE names, or all writes as those of an
   account that may have no more of the disk, while there is the one that DISK_QUOTA_WHILE names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long seen;

static int is_journal(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, "huntbook.db") && !strstr(path, ".lock") && !strstr(path, "-shm");
}

/* The way this call fails; null if it does not. */
static const char *fails(int fd) {
    const char *spec = getenv("DISK_FAILS"), *full = getenv("DISK_FULL_WHILE"), *quota = getenv("DISK_QUOTA_WHILE");
    if (quota && !access(quota, F_OK) && is_journal(fd)) return "quota";
    if (full && !access(full, F_OK) && is_journal(fd)) return "full";
    if (!spec || !is_journal(fd)) return NULL;
    const char *colon = strchr(spec, ':');
    long n = atol(colon + 1), now = __sync_add_and_fetch(&seen, 1);
    int goes_on = !strncmp(spec, "full", 4) || !strncmp(spec, "eio-all", 7);
    if (now < n || (now > n && !goes_on)) return NULL;
    int fired = open(getenv("DISK_FIRED"), O_CREAT | O_WRONLY, 0600);
    if (fired >= 0) close(fired);
    return spec;
}

static int error_of(const char *way) {
    if (!strncmp(way, "quota", 5)) return EDQUOT;
    return !strncmp(way, "full", 4) ? ENOSPC : EIO;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define DIE kill(getpid(), SIGKILL)

ssize_t write(int fd, const void *bytes, size_t length) {
    const char *way = fails(fd);
    if (!way) return REAL(write)(fd, bytes, length);
    if (!strncmp(way, "torn", 4)) { REAL(write)(fd, bytes, length / 2); DIE; }
    errno = error_of(way);
    return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    const char *way = fails(fd);
    if (!way) return REAL(pwrite)(fd, bytes, length, at);
    if (!strncmp(way, "torn", 4)) { REAL(pwrite)(fd, bytes, length / 2, at); DIE; }
    errno = error_of(way);
    return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    const char *way = fails(fd);
    if (!way) return REAL(pwrite64)(fd, bytes, length, at);
    if (!strncmp(way, "torn", 4)) { REAL(pwrite64)(fd, bytes, length / 2, at); DIE; }
    errno = error_of(way);
    return -1;
}

/* The way a call that takes no room fails. */
static const char *breaks(int fd) {
    const char *way = fails(fd);
    return way && strncmp(way, "quota", 5) ? way : NULL;
}

int fsync(int fd) {
    const char *way = breaks(fd);
    if (!way) return REAL(fsync)(fd);
    if (!strncmp(way, "torn", 4)) DIE;
    errno = error_of(way);
    return -1;
}

int fdatasync(int fd) {
    const char *way = breaks(fd);
    if (!way) return REAL(fdatasync)(fd);
    if (!strncmp(way, "torn", 4)) DIE;
    errno = error_of(way);
    return -1;
}

int ftruncate64(int fd, off64_t length) {
    const char *way = breaks(fd);
    if (!way) return REAL(ftruncate64)(fd, length);
    if (!strncmp(way, "torn", 4)) DIE;
    errno = error_of(way);
    return -1;
}
