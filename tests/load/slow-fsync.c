/* A disk whose every flush takes 2 ms longer, for `just bench-append`: loaded ahead of libc (LD_PRELOAD) by the server
   under measurement. SLOW_FSYNC_US says how much longer, in microseconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int slow(const char *name, int fd) {
    int (*flush)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *longer = getenv("SLOW_FSYNC_US");
    usleep(longer ? atoi(longer) : 2000);
    return flush(fd);
}

int fsync(int fd) { return slow("fsync", fd); }
int fdatasync(int fd) { return slow("fdatasync", fd); }
